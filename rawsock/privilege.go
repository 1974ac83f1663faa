package rawsock

// Privileges says what this process may do with the network, by its
// effective capabilities.
type Privileges struct {
	// Raw is CAP_NET_RAW: raw and packet sockets. Without it nothing of this
	// package but quiet ports can be had.
	Raw bool
	// Admin is CAP_NET_ADMIN: receive buffers beyond net.core.rmem_max, and
	// socket filters on TCP sockets. All here does without it.
	Admin bool
	// BindService is CAP_NET_BIND_SERVICE: ports below 1024.
	BindService bool
}
