package report

import (
	"strconv"
	"strings"

	"github.com/tcpscope/tcpscope/probe/flow"
)

// dialogue is one connection of the view that follows them. It may be written
// when the table has used the connection's memory again.
type dialogue struct {
	script
	n       int
	ends    string // both addresses
	origin  string // when it began, and what is to be known of that
	streams *flow.Streams
	titled  bool
	queued  bool // waits to be written
	held    int  // how much of its text the view has counted
	left    bool // nothing follows
}

// newDialogue begins the dialogue of a connection whose first sight is s.
func newDialogue(n int, s *Sight, v *Views, p *flow.Pool) *dialogue {
	c := s.Event.Connection
	return &dialogue{
		n: n, streams: flow.NewStreams(p), origin: beginning(c, s.At),
		ends: ": client " + v.endpoint(c.End(flow.Client).Addr()) + ", server " + v.endpoint(c.End(flow.Server).Addr()),
	}
}

// title is what stands above the dialogue, or above the rest of it.
func (d *dialogue) title() string {
	text := "#" + strconv.Itoa(d.n)
	if d.titled {
		text += ", continued" + d.ends
	} else {
		text += d.ends + d.origin
	}
	d.titled = true
	return Wrap(text, "", pageWidth)
}

// script writes down what both ends say. Lines of the client begin with "> ",
// those of the server with "< ". What is no octet of theirs stands between
// brackets just behind that sign, so that nothing they say looks like it.
type script struct {
	color, hex bool
	// made says that the octets of the latest segment are not known, because
	// tcpdump's text does not have them.
	made bool
	text []byte
	// spoken says that there are octets, captured or not.
	spoken bool
	side   flow.Side
	// open says that a line of side is not ended.
	open bool
	// rest is what cannot be shown before more is known: a carriage return,
	// or the beginning of a character.
	rest [2]partial
	// due is an aside that more of its kind may be added to.
	due aside
}

// aside is something to be said about the octets of one side.
type aside struct {
	kind asideKind
	side flow.Side
	n    uint64
}

// asideKind is what an aside says.
type asideKind uint8

const (
	asideNothing asideKind = iota
	asideHole
	asideText
	asideLate
	asideChanged
	asideEarly
	asideOutside
	asideEnd
	asideReset
)

// words are what an aside says.
func (a aside) words() string {
	octets := Plural(int64(a.n), "octet")
	switch a.kind {
	case asideHole:
		return octets + " not captured"
	case asideText:
		return octets + " that tcpdump's text does not have"
	case asideLate:
		return octets + " of those not captured, late:"
	case asideChanged:
		return octets + " sent again as something else"
	case asideEarly:
		return octets + " sent again from before the first"
	case asideOutside:
		return octets + " that nobody was given"
	case asideReset:
		return "reset"
	default:
		return "end"
	}
}

// piece writes down what streams tell.
func (c *script) piece(p flow.Piece) {
	c.spoken = c.spoken || p.Kind <= flow.PieceHole
	switch p.Kind {
	case flow.PiecePayload:
		c.say(p)
	case flow.PieceHole:
		kind := asideHole
		if c.made {
			kind = asideText
		}
		c.aside(p.From, kind, p.Length)
	case flow.PieceLate:
		c.aside(p.From, asideLate, p.Length)
		c.say(p)
		c.spill(p.From)
		c.endLine()
	case flow.PieceChanged:
		c.aside(p.From, asideChanged, p.Length)
	case flow.PieceEarly:
		c.aside(p.From, asideEarly, p.Length)
	case flow.PieceOutside:
		c.aside(p.From, asideOutside, p.Length)
	case flow.PieceEnd:
		c.aside(p.From, asideEnd, 0)
	}
}

// aside writes down an aside as soon as another is due, or octets are.
func (c *script) aside(side flow.Side, kind asideKind, n uint64) {
	if c.due.kind != kind || c.due.side != side || kind == asideLate {
		c.settle()
		c.due = aside{kind: kind, side: side}
	}
	c.due.n += n
}

// settle writes down the aside that is due.
func (c *script) settle() {
	if c.due.kind == asideNothing {
		return
	}
	look := yellow
	if c.due.kind == asideEnd {
		look = dim
	}
	c.spill(c.due.side)
	c.endLine()
	c.text = appendPainted(c.text, c.color, look, string(sign(c.due.side))+"["+c.due.words()+"]\n")
	c.due = aside{}
}

// say writes down octets.
func (c *script) say(p flow.Piece) {
	c.settle()
	if c.hex {
		c.dump(p)
		return
	}
	if c.open && c.side != p.From {
		c.endLine()
	}
	c.side = p.From
	c.write(p.Octets)
}

// finish writes down what was waited for.
func (c *script) finish() {
	c.settle()
	c.spill(flow.Client)
	c.spill(flow.Server)
}

// sign begins the lines of a side.
func sign(s flow.Side) byte {
	if s == flow.Client {
		return '>'
	}
	return '<'
}

// sideStyle tells the two sides apart.
func sideStyle(s flow.Side) style {
	if s == flow.Client {
		return cyan
	}
	return magenta
}

// endLine ends a line that is open.
func (c *script) endLine() {
	if c.open {
		c.text, c.open = append(c.text, '\n'), false
	}
}

// appendPainted appends whole lines in a style.
func appendPainted(b []byte, color bool, s style, lines string) []byte {
	if !color {
		return append(b, lines...)
	}
	for line := range strings.Lines(lines) {
		b = appendUnstyle(append(appendStyle(b, s), strings.TrimSuffix(line, "\n")...), s)
		b = append(b, '\n')
	}
	return b
}
