package filter

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
)

// condition is what may be true of a packet.
type condition interface {
	fmt.Stringer
	// compile returns the entry of a graph that ends in yes or in no.
	compile(g *graph, yes, no *block) *block
}

// The conditions.
type (
	// always is true of every packet, or of none.
	always bool
	// negation is true where its condition is not.
	negation struct{ of condition }
	// junction is "and", or "or".
	junction struct {
		or          bool
		left, right condition
	}
	// ofProtocol compares the protocol number.
	ofProtocol uint8
	// address compares the masked source and destination address.
	address struct {
		direction direction
		net, mask uint32
	}
	// ports compares source and destination port with a range, both ends included.
	ports struct {
		protocol    string // "" for all that have ports
		direction   direction
		first, last uint16
	}
	// relation compares two numbers.
	relation struct {
		operator    string
		left, right value
	}
)

// direction says which of two ends is meant.
type direction int

const (
	either direction = iota
	source
	destination
	both
)

// String returns the qualifier, with a space behind it where there is one.
func (d direction) String() string {
	return [...]string{"", "src ", "dst ", "src and dst "}[d]
}

// String returns "ip", which is true of all IPv4 packets, or its opposite.
func (c always) String() string {
	if c {
		return protocolIP
	}
	return "not " + protocolIP
}

// String returns the condition behind "not".
func (c negation) String() string {
	if _, ok := c.of.(junction); ok {
		return "not (" + c.of.String() + ")"
	}
	return "not " + c.of.String()
}

// String repeats parentheses where readers need them: "and" and "or" bind
// equally, which few expect.
func (c junction) String() string {
	left, right, operator := c.left.String(), c.right.String(), " and "
	if c.or {
		operator = " or "
	}
	if l, ok := c.left.(junction); ok && l.or != c.or {
		left = "(" + left + ")"
	}
	if _, ok := c.right.(junction); ok {
		right = "(" + right + ")"
	}
	return left + operator + right
}

// String returns the protocol by its name, if that is a word of the language.
func (c ofProtocol) String() string {
	for name, p := range protocols {
		if p.number == uint8(c) && name != protocolIP {
			return name
		}
	}
	return "proto " + strconv.Itoa(int(c))
}

// String returns a host, a net with the length of its prefix, or one with a mask
// that is no prefix.
func (c address) String() string {
	ones := bits.LeadingZeros32(^c.mask)
	switch {
	case ones == 32:
		return fmt.Sprintf("%vhost %v", c.direction, dotted(c.net))
	case c.mask<<ones == 0:
		return fmt.Sprintf("%vnet %v/%d", c.direction, dotted(c.net), ones)
	default:
		return fmt.Sprintf("%vnet %v mask %v", c.direction, dotted(c.net), dotted(c.mask))
	}
}

func dotted(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, v)))
}

// String returns a port, or a portrange.
func (c ports) String() string {
	protocol := c.protocol
	if protocol != "" {
		protocol += " "
	}
	if c.first == c.last {
		return fmt.Sprintf("%s%vport %d", protocol, c.direction, c.first)
	}
	return fmt.Sprintf("%s%vportrange %d-%d", protocol, c.direction, c.first, c.last)
}

// String returns the comparison. Sums need no parentheses in it.
func (c relation) String() string {
	return c.left.String() + " " + c.operator + " " + c.right.String()
}
