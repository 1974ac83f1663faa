package filter

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/bpf"
)

const (
	// passLength is how much of a packet a program lets through: all of it.
	passLength = 0x40000
	// maxInstructions is the kernel's limit for one program (BPF_MAXINSNS), less
	// room for the protocol check that a packet socket puts in front.
	maxInstructions = 4096 - 16
	// maxText is the longest expression in octets. None that comes near it fits
	// into a program.
	maxText = 1 << 14
)

// Config says how names are looked up. The zero value knows the names of
// services as this machine does, and no names of hosts.
type Config struct {
	// LookupHost returns a host's addresses; those that are not IPv4 are passed
	// over. If nil, names of hosts are refused.
	LookupHost func(name string) ([]netip.Addr, error)
	// LookupPort returns the port of a service by the network, "tcp" or "udp". If
	// nil it is net.LookupPort.
	LookupPort func(network, name string) (int, error)
}

// Expression is a parsed filter. It is immutable, and goroutines may share it.
// The zero value, like an empty text, lets every packet pass.
type Expression struct {
	root condition
}

// Parse reads a filter with the zero Config.
func Parse(text string) (Expression, error) { return Config{}.Parse(text) }

// Parse reads a filter. Names are looked up now, once. Its error is an *Error
// about the first word that cannot be understood, or that tcpdump understands
// and this package does not.
func (c Config) Parse(text string) (Expression, error) {
	if len(text) > maxText {
		return Expression{}, fmt.Errorf("filter of %d octets: the longest has %d", len(text), maxText)
	}
	list, err := tokens(text)
	if err != nil || len(list) == 1 {
		return Expression{}, err
	}
	if c.LookupPort == nil {
		c.LookupPort = net.LookupPort
	}
	p := parser{config: c, tokens: list}
	root, err := p.parse()
	return Expression{root}, err
}

// String returns the filter in its canonical form: names resolved, constants
// folded, qualifiers repeated. Parsing it gives an equal Expression, if it is no
// longer than Parse takes.
func (e Expression) String() string {
	if e.root == nil {
		return ""
	}
	return e.root.String()
}

// Program returns a classic BPF program that passes the packets that the filter
// is true of, whole. It expects IPv4, with the header at offset zero, as cooked
// packet sockets and raw ones give it; it does not look at the version. The
// error says that the program would exceed the kernel's 4,096 instructions, or
// that its arithmetic needs more than 16 intermediate results.
//
// Linux differs: net.core.optmem_max bounds the size of a filter too.
func (e Expression) Program() ([]bpf.RawInstruction, error) {
	program, err := e.compile()
	if err != nil {
		return nil, err
	}
	return bpf.Assemble(program)
}
