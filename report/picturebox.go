package report

import (
	"fmt"
	"strings"
)

// wordBits is the width of a picture: one word, as in the RFCs.
const wordBits = 32

// box is one field of a header's picture.
type box struct {
	bit, bits int // its place, from the header's first bit
	title     string
	value     string // what the octets hold; "" where they are not there
	wrong     bool
}

// piece is the part of a box that stands in one word.
type piece struct {
	bits   int
	titles []string // a line each
	value  string
	wrong  bool
}

// drawing shows the boxes of a header in the way of RFC 9293, Figure 1: a row
// for each word that is there, or begins to be. The octet that a word begins
// with stands before it.
func (t *textWriter) drawing(h *header) string {
	const ruler = " 0                   1                   2                   3"
	margin := strings.Repeat(" ", 6)
	edge := margin + t.paint(dim, strings.Repeat("+-", wordBits)+"+") + "\n"
	var b strings.Builder
	b.WriteString(margin + t.paint(dim, ruler) + "\n" + margin)
	digits := ""
	for i := range wordBits {
		digits += fmt.Sprintf(" %d", i%10)
	}
	b.WriteString(t.paint(dim, digits) + "\n" + edge)
	for word := 0; word*wordBits < 8*len(h.octets); word++ {
		t.row(&b, pieces(h.boxes, word), t.paint(dim, fmt.Sprintf("%5d", h.at+4*word))+" ")
		b.WriteString(edge)
	}
	return b.String()
}

// row writes one word: the names of its fields, and their values below.
func (t *textWriter) row(b *strings.Builder, row []piece, margin string) {
	lines := 1
	for _, p := range row {
		lines = max(lines, len(p.titles))
	}
	bar := t.paint(dim, "|")
	for i := range lines + 1 {
		b.WriteString(margin + bar)
		margin = strings.Repeat(" ", width(margin))
		for _, p := range row {
			text, look := p.value, bold
			if i < lines {
				text, look = "", plain
				if at := i - (lines-len(p.titles))/2; at >= 0 && at < len(p.titles) {
					text = p.titles[at]
				}
			}
			if p.wrong {
				look = red
			}
			b.WriteString(t.paintCentred(look, text, 2*p.bits-1) + bar)
		}
		b.WriteByte('\n')
	}
}

// paintCentred puts text into the middle of that many columns. What is too
// long for them is cut.
func (t *textWriter) paintCentred(look style, text string, columns int) string {
	text = text[:min(len(text), columns)]
	left := (columns - len(text)) / 2
	return strings.Repeat(" ", left) + t.paint(look, text) + strings.Repeat(" ", columns-len(text)-left)
}

// pieces are the parts of boxes, in their order, that stand in a word. What
// none has a place in is blank.
func pieces(boxes []box, word int) []piece {
	var row []piece
	at, end := word*wordBits, (word+1)*wordBits
	for _, f := range boxes {
		from, to := max(f.bit, at), min(f.bit+f.bits, end)
		if from >= to {
			continue
		}
		row = append(row, f.piece(from, to))
		at = to
	}
	if at < end {
		row = append(row, piece{bits: end - at})
	}
	return row
}

// piece is the part of f between two bits. The value stands in the widest
// part.
func (f *box) piece(from, to int) piece {
	p := piece{bits: to - from, value: f.value, wrong: f.wrong, titles: strings.Split(f.title, "\n")}
	if p.bits == 1 { // there is no room but below
		p.titles = strings.Split(f.title, "")
	}
	first := min(f.bits, wordBits-f.bit%wordBits) // bits of the first part
	widest := f.bit
	if rest := min(f.bits-first, wordBits); rest > first {
		widest = f.bit + first
	}
	if from != widest && f.value != "" {
		p.value = "..."
	}
	return p
}
