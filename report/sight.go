package report

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Sight is an IPv4 datagram that was seen in passing, on a device or in a
// file, and what it does in its connection.
type Sight struct {
	// N counts what is shown, from 1.
	N int64
	// At is when it was seen, in the time zone in which to show it; the zero
	// Time where nobody knows.
	At time.Time
	// Device is where it was seen, "" if that is the same for all; Way is
	// which way it went there, in tcpdump's words: In, Out, B, M, P, or "".
	Device, Way string
	// Datagram begins with the IPv4 header. It is as much as was captured.
	Datagram []byte
	// Missing is how many octets the capture cut off at the end.
	Missing int
	// Header and Segment are what can be read of Datagram. Segment is nil
	// where there is none: other protocols, later fragments, and headers that
	// are cut short or wrong.
	Header  *wire.Header
	Segment *wire.Segment
	// Event is what the segment does in its connection; nil where it is not
	// followed, and then Note may say why.
	Event *flow.Event
	Note  string
	// Text says that this was read from tcpdump's text, which lacks most of
	// the octets: those of Datagram are made up where it does, and payloads
	// are zeros.
	Text bool
	// Relative says that the numbers are relative already, to numbers that
	// nobody knows: they are shown as they stand.
	Relative bool
}

// View is what text makes of sights.
type View uint8

// The views. The zero value is a line for each.
const (
	// ViewLines is tcpdump's form, and what each segment does behind it.
	ViewLines View = iota
	// ViewLadder draws both ends as columns, with their states beside them.
	ViewLadder
	// ViewFollow shows the octets that applications have exchanged.
	ViewFollow
	// ViewSummary is a table of connections.
	ViewSummary
	// ViewPicture draws headers as the RFCs do. It is of Octets, not of sights.
	ViewPicture
)

// Views say how sights are shown. The zero value is a line for each, with
// relative numbers.
type Views struct {
	// View is what text is. Pages (html, svg) are ladders always.
	View View
	// Absolute shows sequence numbers as they are (tcpdump -S).
	Absolute bool
	// Hex adds the octets in hexadecimal digits and ASCII (tcpdump -X), ASCII
	// as text alone (tcpdump -A).
	Hex, ASCII bool
	// Fields adds all fields of both headers (tcpdump -v).
	Fields bool
	// States adds both ends' states to each line.
	States bool
	// Live says that what is shown happens now: rows appear as it does. Without
	// it, what belongs to one connection stands together.
	Live bool
	// Bare leaves our annotations out: lines are tcpdump's alone.
	Bare bool
	// Name returns the name that stands in a text in place of an address that
	// nobody knows, or "". Nil knows no name.
	Name func(netip.Addr) string
}

// endpoint words one end of a connection.
func (v *Views) endpoint(a netip.AddrPort) string {
	if v != nil && v.Name != nil {
		if name := v.Name(a.Addr()); name != "" {
			return Escape(name) + ":" + strconv.Itoa(int(a.Port()))
		}
	}
	return a.String()
}
