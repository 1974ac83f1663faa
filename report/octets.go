package report

import (
	"strconv"
	"unicode/utf8"

	"github.com/tcpscope/tcpscope/probe/flow"
)

// partial is the beginning of something that takes several octets.
type partial struct {
	octets [utf8.UTFMax]byte
	n      int
}

// with returns the octets, with more behind them, and is empty then.
func (p *partial) with(more []byte) []byte {
	if p.n == 0 {
		return more
	}
	joined := append(p.octets[:p.n:p.n], more...)
	p.n = 0
	return joined
}

func (p *partial) set(octets []byte) { p.n = copy(p.octets[:], octets) }

// write appends octets of the side whose line it is as text, line by line.
// What Escape replaces is replaced, except for tabs; a carriage return is left
// out before a line feed.
func (c *script) write(octets []byte) {
	rest := &c.rest[c.side]
	octets = rest.with(octets)
	c.text = appendStyle(c.text, c.look(c.open))
	for len(octets) > 0 {
		n := plainPrefix(octets)
		if n > 0 {
			c.begin()
			c.text, octets = append(c.text, octets[:n]...), octets[n:]
			continue
		}
		first := octets[0]
		switch {
		case first == '\n':
			c.lineFeed()
			n = 1
		case first == '\r' && len(octets) == 1, first >= utf8.RuneSelf && !utf8.FullRune(octets):
			rest.set(octets)
			n = len(octets)
		case first == '\r' && octets[1] == '\n':
			n = 1
		default:
			n = c.character(octets)
		}
		octets = octets[n:]
	}
	c.text = appendUnstyle(c.text, c.look(c.open))
}

// plainPrefix is how many octets at the beginning a terminal shows as they are.
func plainPrefix(octets []byte) int {
	for i, c := range octets {
		if c < ' ' && c != '\t' || c >= 0x7f {
			return i
		}
	}
	return len(octets)
}

// character appends one character, in a form that is safe, and returns how many
// octets it took.
func (c *script) character(octets []byte) (size int) {
	c.begin()
	r, size := utf8.DecodeRune(octets)
	switch {
	case size == 1:
		c.text = appendEscaped(c.text, octets[0])
	case harmless(r):
		c.text = append(c.text, octets[:size]...)
	default:
		c.text = append(c.text, Escape(string(octets[:size]))...)
	}
	return size
}

// appendEscaped appends an octet that cannot be shown.
func appendEscaped(b []byte, octet byte) []byte {
	const digits = "0123456789abcdef"
	return append(b, '\\', 'x', digits[octet>>4], digits[octet&0xf])
}

// spill writes down what a side has begun and will not go on with.
func (c *script) spill(side flow.Side) {
	octets := c.rest[side].with(nil)
	if len(octets) == 0 {
		return
	}
	if c.side != side {
		c.endLine()
		c.side = side
	}
	c.text = appendStyle(c.text, c.look(c.open))
	c.begin()
	for _, octet := range octets {
		c.text = appendEscaped(c.text, octet)
	}
	c.text = appendUnstyle(c.text, c.look(c.open))
}

// look is the style of the side whose line it is, where there is any.
func (c *script) look(styled bool) style {
	if !styled || !c.color {
		return plain
	}
	return sideStyle(c.side)
}

// begin begins a line unless one is open.
func (c *script) begin() {
	if !c.open {
		c.text = append(appendStyle(c.text, c.look(true)), sign(c.side), ' ')
		c.open = true
	}
}

// lineFeed ends a line, be it empty.
func (c *script) lineFeed() {
	if !c.open {
		c.text = append(appendStyle(c.text, c.look(true)), sign(c.side))
	}
	c.text = append(appendUnstyle(c.text, c.look(true)), '\n')
	c.open = false
}

// dump appends octets in the layout of hexdump -C, with their offsets in the
// stream.
func (c *script) dump(p flow.Piece) {
	c.side = p.From
	const digits = "0123456789abcdef"
	const row, half = 16, 8
	for octets, offset := p.Octets, p.Offset; len(octets) > 0; offset += row {
		line := octets[:min(row, len(octets))]
		octets = octets[len(line):]
		b := append(appendStyle(c.text, c.look(true)), sign(c.side), ' ')
		b = append(appendOffset(b, offset), ' ')
		for i := range row {
			if i%half == 0 {
				b = append(b, ' ')
			}
			if i < len(line) {
				b = append(b, digits[line[i]>>4], digits[line[i]&0xf], ' ')
			} else {
				b = append(b, ' ', ' ', ' ')
			}
		}
		b = append(b, ' ')
		for _, octet := range line {
			if !graphic(octet) && octet != ' ' {
				octet = '.'
			}
			b = append(b, octet)
		}
		c.text = append(appendUnstyle(b, c.look(true)), '\n')
	}
}

// appendOffset appends an offset in eight hexadecimal digits at least.
func appendOffset(b []byte, offset uint64) []byte {
	const digits = 8
	start := len(b)
	b = strconv.AppendUint(append(b, "00000000"...), offset, 16)
	// Of the zeros in front as many go as there are digits behind them.
	written := len(b) - start - digits
	return append(b[:start], b[start+min(written, digits):]...)
}
