package probe

import (
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Spec is what the user asked for: which ports of which hosts, by which
// segment, how fast and how patiently.
type Spec struct {
	Method  Method
	Targets []Target
	// Exclude is taken away from the targets.
	Exclude []Range
	// Ports are probed on every target, besides the target's own. If both are
	// empty, CommonPorts.
	Ports Ports
	// SourcePort is the port to send from; zero leaves it to the kernel.
	SourcePort uint16
	// Like is the system whose SYN ours looks like. The zero value is Linux.
	Like Preset
	// Rate is the number of probes per second, retries included. Zero means
	// as fast as the replies come in.
	Rate float64
	// Tries is how often a probe is sent at most; at least 1.
	Tries int
	// Timeout is the longest wait for an answer to one try.
	Timeout time.Duration
	Order   Order
}

// Target is a host, or a range of hosts, with the ports asked for with it.
type Target struct {
	Range
	// Name is the host name that the addresses were resolved from; "" where
	// the user gave addresses.
	Name string
	// Ports were given as HOST:PORT.
	Ports Ports
}

// Range is the IPv4 addresses First to Last, both included.
type Range struct {
	First, Last netip.Addr
}

// Order is the order of the probes.
type Order uint8

// The orders.
const (
	// RandomOrder interleaves hosts and ports by chance.
	RandomOrder Order = iota
	// GivenOrder goes port by port, and within a port host by host.
	GivenOrder
)

// Preset is a system whose SYN ours looks like.
type Preset uint8

// The presets of --like.
const (
	Linux Preset = iota
	Windows
	// Bare is a SYN without options.
	Bare
)

// Method is a kind of probe.
type Method struct {
	// Name is the subcommand's: "syn".
	Name string
	// Flags are the probe's control bits.
	Flags wire.Flags
}

// Syn is the probe that a connection begins with: SYN-ACK means open, RST
// closed.
var Syn = Method{Name: "syn", Flags: wire.SYN}
