package report

import (
	"bytes"
	"io"
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/flow"
)

// The columns of the table of connections. Below each row stands what has no
// room in it.
const (
	endColumns   = len("255.255.255.255:65535")
	closeColumns = len("three-segment")
	rttColumns   = len("999.999 ms")
	lifeColumns  = len("99 min 59 s")
)

// connections is the view of a row for each connection. It looks at none
// before it is over.
type connections struct {
	Options
	w   io.Writer
	buf []byte
	any bool // the titles stand
}

func newConnections(w io.Writer, o Options) *connections { return &connections{Options: o, w: w} }

func (c *connections) sight(*Sight) error { return nil }

func (c *connections) leave(of *flow.Connection) error {
	c.buf = c.buf[:0]
	if !c.any {
		c.any = true
		c.row(bold, "client", "server", "close", "handshake", "duration")
	}
	var handshake, duration string
	if rtt, ok := of.HandshakeRTT(); ok {
		handshake = exact(rtt)
	}
	if of.Segments() > 1 && !of.Began().IsZero() {
		duration = lifetime(of.Last().Sub(of.Began()))
	}
	kind := of.Close()
	c.row(closeStyle(kind), c.Views.endpoint(of.End(flow.Client).Addr()), c.Views.endpoint(of.End(flow.Server).Addr()), kind.String(), handshake, duration)
	c.below(plain, volume(of))
	if c.Views.Fields {
		c.below(plain, stays(of, flow.Client))
		c.below(plain, stays(of, flow.Server))
	}
	c.below(yellow, strings.Join(flaws(of), "; "))
	_, err := c.w.Write(c.buf)
	return err
}

func (c *connections) end() error { return nil }

// row appends a line of the table. The style is that of the close, and of all
// titles.
func (c *connections) row(s style, cells ...string) {
	widths := [...]int{endColumns, endColumns, closeColumns, rttColumns, lifeColumns}
	const closing, times = 2, 3
	b := c.buf
	for i, text := range cells {
		look := s
		if i != closing && s != bold {
			look = plain
		}
		blanks := widths[i] - width(text)
		if i >= times {
			b = append(appendBlanks(b, blanks), c.paint(look, text)...)
		} else {
			b = appendBlanks(append(b, c.paint(look, text)...), blanks)
		}
		b = append(b, ' ')
	}
	c.buf = append(bytes.TrimRight(b, " "), '\n')
}

// lifetime writes how long a connection has lasted, to the microsecond only if
// that is not for long.
func lifetime(d time.Duration) string {
	if d < 100*time.Second {
		return exact(d)
	}
	return span(d)
}

// below appends what stands below a row.
func (c *connections) below(s style, text string) {
	c.buf = appendPainted(c.buf, c.Color && s != plain, s, Wrap(text, "    ", pageWidth))
}

func appendBlanks(b []byte, n int) []byte {
	for ; n > 0; n-- {
		b = append(b, ' ')
	}
	return b
}

// closeStyle is plain but for what did not go as it should.
func closeStyle(c flow.Close) style {
	switch c {
	case flow.ByReset:
		return red
	case flow.Abandoned:
		return yellow
	case flow.NotKnown:
		return dim
	}
	return plain
}

// volume says how much both ends have sent, and which of them closed first.
func volume(c *flow.Connection) string {
	client, server := c.End(flow.Client), c.End(flow.Server)
	text := "client " + Plural(int64(client.Octets()), "octet") + " in " + Plural(int64(client.Segments()), "segment") +
		", server " + Grouped(server.Octets()) + " in " + Grouped(server.Segments())
	switch first, second := c.ClosedFirst(flow.Client), c.ClosedFirst(flow.Server); {
	case first && !second:
		text += "; client closed first"
	case second && !first:
		text += "; server closed first"
	}
	return text
}

// stays says how long an end was in which states.
func stays(c *flow.Connection, s flow.Side) string {
	var parts []string
	e := c.End(s)
	for state := flow.Unknown; state <= flow.TimeWait; state++ {
		if d := e.Spent(state); d > 0 {
			parts = append(parts, state.String()+hardSpace+tied(d))
		}
	}
	now := s.String() + " " + e.State().String()
	if len(parts) == 0 {
		return now
	}
	return now + ": " + strings.Join(parts, ", ")
}

// flaws are what to look at first when something is wrong.
func flaws(c *flow.Connection) []string {
	var list []string
	add := func(n uint64, thing, rest string) {
		if n > 0 {
			list = append(list, Plural(int64(n), thing)+rest)
		}
	}
	if c.SidesGuessed() {
		list = append(list, "sides guessed")
	}
	if c.SimultaneousOpen() {
		list = append(list, "simultaneous open")
	}
	for _, s := range [...]flow.Side{flow.Client, flow.Server} {
		add(c.End(s).Retransmissions(), "retransmission", " of the "+s.String())
		add(c.End(s).Missing(), "octet", " of the "+s.String()+" missing")
	}
	if r, ok := c.Reset(); ok {
		list = append(list, "reset by the "+r.From.String()+resetOrigin(r, c.Began()))
	}
	add(c.PAWSTrouble(), "SYN", " again after PAWS trouble")
	add(c.Copies(), "segment", " seen twice")
	return list
}

// resetOrigin says when a reset came, and what kind of machine made it.
func resetOrigin(r flow.Reset, began time.Time) string {
	var parts []string
	if !r.At.IsZero() && !began.IsZero() {
		parts = append(parts, "after "+tied(r.At.Sub(began)))
	}
	if r.Shape != flow.ShapeUnknown {
		parts = append(parts, r.Shape.String())
	}
	switch r.Sender() {
	case finding.SenderPeer:
		parts = append(parts, "by the host itself")
	case finding.SenderMiddlebox:
		parts = append(parts, "by a middlebox")
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
