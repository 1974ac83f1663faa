package rawsock

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"
)

// ConnectConfig says how to connect.
type ConnectConfig struct {
	// Source is the address to connect from; the zero Addr leaves it to the
	// kernel. Interface names the device (SO_BINDTODEVICE, which needs a
	// privilege before Linux 5.7); "" leaves it to routing.
	Source    netip.Addr
	Interface string
	Remote    netip.AddrPort
	// Timeout is how long to wait. Beyond some two minutes the kernel gives up
	// by itself (net.ipv4.tcp_syn_retries).
	Timeout time.Duration
}

// Connected is what came of a connect().
type Connected struct {
	// At is when connect() was called, and Elapsed what it took, by the user's
	// clock.
	At      time.Time
	Elapsed time.Duration
	// RTT is what the kernel measured from its SYN to the SYN-ACK, in whole
	// microseconds (TCP_INFO, tcpi_rtt); zero where there was no SYN-ACK, as
	// with a reset.
	//
	// It begins where TCP hands the SYN down, so that ARP is in it, and ends
	// where TCP gets the SYN-ACK: 4 to 12 us more than on the wire. tcpi_rtt is
	// a smoothed time, but of one sample on a new connection, and that exactly
	// (tcp_rtt_estimator); tcpi_min_rtt says the same.
	RTT time.Duration
	// Retransmits counts the SYNs beyond the first. Where there are any, the
	// times are no measure of the path.
	Retransmits int
	// Err is why there is no connection; nil if there was one. It is a
	// *ConnectICMPError where an ICMP error said so; else ECONNREFUSED for a
	// reset, ETIMEDOUT for silence, and for what this host refuses to send
	// the error that connect(2) gives: ENETUNREACH, EHOSTUNREACH, EACCES,
	// EPERM.
	Err error
	// Local is where it was made from.
	Local netip.AddrPort
}

// ConnectICMPError reports that an ICMP error ended an attempt to connect.
type ConnectICMPError struct {
	Type, Code uint8
	// From sent it; an address of this host where the next hop did not answer
	// ARP.
	From netip.Addr
	// Err is the kernel's word for it, which errors.Is finds; but EHOSTUNREACH
	// for port unreachable (type 3 code 3), which the kernel calls
	// ECONNREFUSED as if it were a reset.
	Err syscall.Errno
}

// Error returns the numbers, the sender and the meaning.
func (e *ConnectICMPError) Error() string {
	return fmt.Sprintf("ICMP type %d code %d from %v: %v", e.Type, e.Code, e.From, e.Err)
}

// Unwrap returns Err.
func (e *ConnectICMPError) Unwrap() error { return e.Err }

// ICMP returns what packages that do not know this one want of it.
func (e *ConnectICMPError) ICMP() (typ, code uint8, from netip.Addr) { return e.Type, e.Code, e.From }
