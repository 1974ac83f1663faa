// Package sockdiag asks the kernel about TCP sockets, over netlink, as ss
// does (sock_diag(7)).
//
// It sees the sockets of the calling thread's network namespace, everybody's,
// and needs no capability. Errors are *net.OpError.
package sockdiag

import "net/netip"

// State is a TCP socket's state, with the kernel's number.
type State uint8

// The states of RFC 9293, Section 3.3.2. The kernel has no CLOSED sockets to
// tell of, except those that are bound and not yet connected.
const (
	Established State = 1 + iota
	SynSent
	SynReceived
	FinWait1
	FinWait2
	TimeWait
	Closed
	CloseWait
	LastAck
	Listen
	Closing
)

var names = [...]string{
	Established: "established",
	SynSent:     "syn-sent",
	SynReceived: "syn-received",
	FinWait1:    "fin-wait-1",
	FinWait2:    "fin-wait-2",
	TimeWait:    "time-wait",
	Closed:      "closed",
	CloseWait:   "close-wait",
	LastAck:     "last-ack",
	Listen:      "listen",
	Closing:     "closing",
}

// String returns RFC 9293's name in lower case: "time-wait"; "unknown" for a
// number that has none.
func (s State) String() string {
	if int(s) < len(names) && names[s] != "" {
		return names[s]
	}
	return "unknown"
}

// Socket is what the kernel tells of a TCP socket.
type Socket struct {
	// Local and Remote are its endpoints. IPv4 addresses are plain even where
	// the socket is an IPv6 one that speaks IPv4. Remote is unspecified, with
	// port zero, while there is no peer.
	Local, Remote netip.AddrPort
	State         State
	// Inode joins it to /proc/PID/fd; zero where no process has it open
	// (time-wait, syn-received, after close).
	Inode uint32
	// UID is the user who made it.
	UID uint32
	// RQueue and WQueue are the octets received and not yet read, and sent
	// and not yet acknowledged. A listening socket's are the connections that
	// wait to be accepted, and how many may.
	RQueue, WQueue uint32
	// Interface is the index of the device that it is bound to, else zero.
	Interface int
}
