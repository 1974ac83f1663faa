// Package sockdiag asks the kernel about TCP sockets, over netlink, as ss
// does (sock_diag(7)).
//
// It sees the sockets of the calling thread's network namespace, everybody's,
// and needs no capability. Errors are *net.OpError.
package sockdiag

import (
	"net/netip"
	"time"
)

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

// States returns all states, in the order of the kernel's numbers.
func States() []State {
	var all []State
	for s := Established; s <= Closing; s++ {
		if s != Closed {
			all = append(all, s)
		}
	}
	return all
}

// TimerKind is what a socket's timer will do, with the kernel's number.
type TimerKind uint8

// The kinds of timers.
const (
	// NoTimer: nothing is waited for.
	NoTimer TimerKind = iota
	// Retransmit: what is unacknowledged goes again; a SYN-RECEIVED sends its
	// SYN-ACK again.
	Retransmit
	// Keepalive: the peer is asked whether it is still there. Linux differs:
	// the same timer ends FIN-WAIT-2 where a socket that nobody holds waits
	// longer than TIME-WAIT would.
	Keepalive
	// Wait: the connection is forgotten. A FIN-WAIT-2 that nobody holds has
	// this timer too.
	Wait
	// Probe: the peer's window is zero, and is asked for.
	Probe
)

// String returns the kind in a word: "time-wait"; "" for NoTimer, "unknown"
// for a number that has none.
func (k TimerKind) String() string {
	words := [...]string{NoTimer: "", Retransmit: "retransmit", Keepalive: "keepalive", Wait: "time-wait", Probe: "probe"}
	if int(k) < len(words) {
		return words[k]
	}
	return "unknown"
}

// Timer is what a socket waits for. The zero value is none.
type Timer struct {
	Kind TimerKind
	// Left is the time until it runs out, in whole milliseconds; zero where
	// it is due.
	Left time.Duration
	// Retries is how often it ran out in vain: retransmissions, or probes
	// without an answer.
	Retries int
}

// Socket is what the kernel tells of a TCP socket.
type Socket struct {
	// Local and Remote are its endpoints. IPv4 addresses are plain even where
	// the socket is an IPv6 one that speaks IPv4. Remote is unspecified, with
	// port zero, while there is no peer.
	Local, Remote netip.AddrPort
	// IPv6 says that it is an IPv6 socket, and V6Only that it takes no IPv4.
	IPv6, V6Only bool
	State        State
	Timer        Timer
	// Inode joins it to /proc/PID/fd; zero where no process has it open
	// (time-wait, syn-received, after close).
	Inode uint32
	// Cookie is the kernel's name for the socket, which no other ever gets.
	Cookie uint64
	// UID is the user who made it.
	UID uint32
	// RQueue and WQueue are the octets received and not yet read, and sent
	// and not yet acknowledged; a FIN counts as an octet. A listening
	// socket's are the connections that wait to be accepted, and how many may.
	// Both are zero in time-wait and syn-received.
	RQueue, WQueue uint32
	// Interface is the index of the device that it is bound to, else zero.
	Interface int
	// Mark is its SO_MARK, which the kernel tells only those who have
	// CAP_NET_ADMIN.
	Mark uint32

	// What follows is there only where details are asked for.

	// TOS is the octet of that name in what it sends.
	TOS uint8
	// Congestion names the congestion control: "cubic".
	Congestion string
	// Info is nil for sockets without a connection (listen), and for those
	// that are remembered in short (time-wait, syn-received).
	Info *Info
	// Memory is nil in time-wait and syn-received.
	Memory *Memory
}
