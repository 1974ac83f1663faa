package sockdiag

// Holder is a process that has a socket open.
type Holder struct {
	PID int
	// FD is the descriptor by which it has it.
	FD int
	// Name is the process's own name for itself, up to 15 octets of anything
	// (/proc/PID/comm).
	Name string
}

// Holders says who has which socket open, at the time it was asked.
type Holders struct {
	// ByInode has every holder of a socket by Socket.Inode, in the order of
	// PID and FD.
	ByInode map[uint32][]Holder
	// Hidden is how many processes may not be looked into: those of other
	// users, without CAP_SYS_PTRACE. Where /proc is mounted with hidepid, they
	// are not even counted; nor are processes outside of our PID namespace.
	Hidden int
}
