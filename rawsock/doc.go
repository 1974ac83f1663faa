// Package rawsock sends and receives whole IPv4 datagrams through the Linux
// kernel: raw sockets (Conn), packet sockets with a memory-mapped ring
// (PacketConn), and TCP ports for which the kernel gives no answers
// (QuietPort).
//
// Raw and packet sockets need the capability CAP_NET_RAW; what needs more
// says so, and does without where it can. Missing privilege is reported as an
// error for which errors.Is(err, os.ErrPermission) holds. On systems other
// than Linux the package compiles, and every operation returns an error that
// wraps errors.ErrUnsupported.
//
// Sockets belong to the network namespace of the thread that opens them, and
// stay there wherever the goroutine goes.
package rawsock
