package wire

import "fmt"

// Layer names the protocol whose header a ParseError is about.
type Layer string

// The layers that this package parses.
const (
	LayerIPv4 Layer = "IPv4"
	LayerTCP  Layer = "TCP"
	LayerICMP Layer = "ICMP"
)

// ParseError locates what is wrong with received octets. Parsers return it by
// pointer, together with all that stands before the fault.
type ParseError struct {
	Layer Layer
	// Offset is the faulty field's place in octets, counted from the first
	// octet of the layer's header.
	Offset int
	// Problem says what is wrong with it.
	Problem string
	// Truncated says that the octets are not wrong but end too soon, as in a
	// capture with a short snap length or in an ICMP error's quotation.
	Truncated bool
}

// Error returns one line that names the layer, the octet and the problem.
func (e *ParseError) Error() string {
	return fmt.Sprintf("%s header, octet %d: %s", e.Layer, e.Offset, e.Problem)
}
