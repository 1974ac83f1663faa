package report

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
)

// The columns of a ladder: a time, a state, the client's rail, the segments,
// the server's rail, a state.
const (
	timeColumns  = 8
	stateColumns = len("SYN-RECEIVED")
	margin       = timeColumns + 1 + stateColumns + 1
	lane         = pageWidth - margin - 2 - 1 - stateColumns
)

// pen draws ladders for a terminal.
type pen struct {
	Options
	w   io.Writer
	buf []byte
	// lines says that something stands above.
	lines bool
}

func newPen(w io.Writer, o Options) pen { return pen{Options: o, w: w} }

// spill passes on what has been drawn if there is much of it, flush all.
func (p *pen) spill() error {
	if len(p.buf) < enough/2 {
		return nil
	}
	return p.flush()
}

func (p *pen) flush() error {
	if len(p.buf) == 0 {
		return nil
	}
	_, err := p.w.Write(p.buf)
	p.buf = p.buf[:0]
	return err
}

// gap sets what follows off from what stands above.
func (p *pen) gap() {
	if p.lines {
		p.buf = append(p.buf, '\n')
	}
	p.lines = true
}

// title begins a connection's ladder, or goes on with one that was broken off.
func (p *pen) title(t *talk, first *rung) {
	p.gap()
	text := "#" + strconv.Itoa(t.n)
	if t.drawn.begun {
		text += ", continued"
	} else {
		t.drawn.begin(first)
		text += ": client " + p.endOf(t, flow.Client, 60) + ", server " + p.endOf(t, flow.Server, 60) + beginning(t.Connection, t.began)
	}
	for line := range strings.Lines(Wrap(text, "", pageWidth)) {
		p.buf = append(append(p.buf, p.paint(bold, strings.TrimSuffix(line, "\n"))...), '\n')
	}
	p.ends(t)
}

// guessed warns of ends that may have been taken for each other.
const guessed = " (no SYN seen: the lower port is taken for the server's)"

// beginning says when a connection began, and what is to be known of its ends.
func beginning(c *flow.Connection, began time.Time) string {
	text := ""
	if !began.IsZero() {
		text = ", at " + began.Format("15:04:05.000000")
	}
	return text + unless(!c.SidesGuessed(), guessed)
}

// ends names the rails, and the states as they are.
func (p *pen) ends(t *talk) {
	number := "#" + strconv.Itoa(t.n)
	if len(number) > timeColumns {
		number = "" // the title has it
	}
	left, right := p.endOf(t, flow.Client, lane/2), p.endOf(t, flow.Server, lane/2)
	p.row(number, stateName(t.drawn.client), left+strings.Repeat(" ", max(lane+2-width(left)-width(right), 1))+right, stateName(t.drawn.server), bold)
}

// endOf names an end.
func (p *pen) endOf(t *talk, side flow.Side, columns int) string {
	return shorten(p.Views.endpoint(t.End(side).Addr()), columns)
}

// shorten leaves out the middle of a name that is too long: what tells hosts
// apart stands before it, and the port behind.
func shorten(name string, columns int) string {
	letters := []rune(name)
	if len(letters) <= columns {
		return name
	}
	const dots, tail = "...", len(":65535") + 2
	return string(letters[:columns-len(dots)-tail]) + dots + string(letters[len(letters)-tail:])
}

// row appends one line. What stands between the margins is a lane with both
// rails.
func (p *pen) row(time, client, between, server string, s style) {
	b := p.buf
	start := len(b)
	b = append(b, strings.Repeat(" ", max(timeColumns-len(time), 0))...)
	b = append(b, p.paint(dim, time)...)
	b = append(b, ' ')
	b = append(b, p.paint(bold, client)...)
	b = append(b, strings.Repeat(" ", max(stateColumns-len(client), 0)+1)...)
	b = append(b, p.paint(s, between)...)
	if server != "" {
		b = append(b, ' ')
		b = append(b, p.paint(bold, server)...)
	}
	for len(b) > start && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	p.buf = append(b, '\n')
}

// rung draws one segment, and what comes before it that is none.
func (p *pen) rung(d *drawn, r *rung) {
	asides, client, server := d.take(r)
	for _, text := range asides {
		p.aside(text)
	}
	var elapsed string
	if r.timed {
		elapsed = string(appendElapsed(nil, r.at))
	}
	arrow, below := p.arrow(r)
	p.row(elapsed, client, "|"+arrow+"|", server, r.style())
	for _, text := range below {
		p.row("", "", "|"+indent+text+strings.Repeat(" ", max(lane-len(indent)-len(text), 0))+"|", "", r.style())
	}
}

// aside draws what is no segment.
func (p *pen) aside(text string) {
	text = "(" + text + ")"
	before := max(lane-len(text), 0) / 2
	p.row("", "", ":"+strings.Repeat(" ", before)+text+strings.Repeat(" ", max(lane-before-len(text), 0))+":", "", yellow)
}

// broken ends a ladder that goes on below.
func (p *pen) broken() {
	p.aside("no room to wait: it goes on below")
}

// indent is what stands before the text in an arrow, but for its head.
const indent = "   "

// arrow draws a segment between the rails, and returns what finds no room on
// the arrow, for lines of their own.
func (p *pen) arrow(r *rung) (arrow string, below []string) {
	const room = lane - len(indent) - len(" >")
	words := r.label(false)
	if len(strings.Join(words, " ")) > room {
		if brief := r.label(true); len(strings.Join(brief, " ")) <= room {
			words = brief
		}
	}
	label := words[0]
	words = words[1:]
	for len(words) > 0 && len(label)+1+len(words[0]) <= room {
		label += " " + words[0]
		words = words[1:]
	}
	rest := strings.Join(words, " ")
	remark := r.remark()
	if rest != "" && remark != "" {
		rest += ", "
	}
	if rest+remark != "" && (rest != "" || len(label)+1+len(remark) > room) {
		below = strings.Split(strings.TrimSuffix(Wrap(rest+remark, "", room), "\n"), "\n")
		remark = ""
	}
	if offer := r.offer(); offer != "" && len(words) == 0 {
		if n := len(label) + 1 + len(offer); n <= room && (remark == "" || n+len(" - ")+len(remark) <= room) {
			label += " " + offer
		}
	}
	return shaft(r, label, remark), below
}

// shaft writes text on an arrow.
func shaft(r *rung, label, remark string) string {
	line := "-"
	if r.copy {
		line = "."
	}
	text := label + " "
	if remark != "" {
		if fill := lane - 2*len(indent) - len(label) - len(remark) - len("  "); fill > 0 {
			text += strings.Repeat(line, fill) + " "
		}
		text += remark + " "
	}
	if r.from == flow.Client {
		return line + line + " " + text + strings.Repeat(line, max(lane-len(indent)-len(text)-1, 0)) + ">"
	}
	return "<" + line + " " + text + strings.Repeat(line, max(lane-len(indent)-len(text), 0))
}

// appendElapsed writes a time in eight columns, in seconds, as exactly as
// there is room for.
func appendElapsed(b []byte, d time.Duration) []byte {
	for decimals := 6; decimals >= 0; decimals-- {
		text := strconv.AppendFloat(b, d.Seconds(), 'f', decimals, 64)
		if len(text)-len(b) <= timeColumns {
			return text
		}
	}
	if d < 0 {
		return append(b, "earlier"...)
	}
	return append(b, ">3 years"...)
}
