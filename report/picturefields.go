package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// dissection is octets taken apart.
type dissection struct {
	octets  *Octets
	verbose bool
	service func(port uint16) string
	layers  []string
	headers []*header
	rest    []remainder
}

// header is one header, taken apart.
type header struct {
	name, source string // "TCP header", "RFC 9293, Section 3.1"
	at           int    // where it begins in all octets
	octets       []byte // what is there of it
	boxes        []box
	lines        []line
	notes        []string
	bit          int // where the next field begins
	verbose      bool
}

// line is what is said of one field.
type line struct {
	at         int
	raw        []byte // the octets that it is in
	name, text string
	fault      string // what is wrong with it; "" if nothing is
}

// remainder is octets that are not a header's.
type remainder struct {
	name   string
	at     int
	octets []byte
}

// dissect takes octets apart.
func dissect(o *Octets, verbose bool, service func(uint16) string) *dissection {
	d := &dissection{octets: o, verbose: verbose, service: service}
	if o.Link != "" {
		d.link()
	}
	b := o.All[o.Offset:]
	switch o.Layer {
	case wire.LayerIPv4:
		d.ipv4(b, o.Offset, "")
	case wire.LayerTCP:
		d.tcp(b, o.Offset, carrier{whole: true})
	case wire.LayerICMP:
		d.icmp(b, o.Offset, wire.VerifyICMP(b))
	default:
		d.layers = append(d.layers, cmp.Or(o.Other, "nothing recognised"))
		d.remain("Not looked into", o.Offset, b)
	}
	return d
}

// link takes over the fields of a link header.
func (d *dissection) link() {
	o := d.octets
	d.layers = append(d.layers, o.Link)
	h := d.header(o.Link+" header", "", 0, o.All[:o.Offset])
	for _, f := range o.Fields {
		h.lines = append(h.lines, line{at: f.Offset, raw: o.All[f.Offset : f.Offset+f.Length], name: f.Name, text: f.Value})
	}
}

func (d *dissection) header(name, source string, at int, octets []byte) *header {
	h := &header{name: name, source: source, at: at, octets: octets, verbose: d.verbose}
	d.headers = append(d.headers, h)
	return h
}

// remain keeps octets for a dump, if there are any.
func (d *dissection) remain(name string, at int, octets []byte) {
	if len(octets) > 0 {
		d.rest = append(d.rest, remainder{name, at, octets})
	}
}

// heading says which header it is, and where.
func (h *header) heading() string {
	text := h.name
	if n := len(h.octets); n > 0 {
		text += fmt.Sprintf(": octets %d to %d", h.at, h.at+n-1)
	}
	if h.source != "" {
		text += " (" + h.source + ")"
	}
	return text
}

// draw takes the next bits for a field of the picture alone, and returns their
// value; false if they are not all there.
func (h *header) draw(bits int, title string) (v uint64, ok bool) {
	f := box{bit: h.bit, bits: bits, title: title}
	h.bit += bits
	if ok = h.bit <= 8*len(h.octets); ok {
		for bit := f.bit; bit < h.bit; bit++ {
			v = v<<1 | uint64(h.octets[bit/8]>>(7-bit%8)&1)
		}
		f.value = fmt.Sprint(v)
	}
	h.boxes = append(h.boxes, f)
	return v, ok
}

// field takes the next bits for a field, and says of it what say returns: in
// the picture, which has the plain number if that is "", and in its line.
func (h *header) field(bits int, title, name string, say func(v uint64) (value, text string)) {
	v, ok := h.draw(bits, title)
	if !ok {
		return
	}
	value, text := say(v)
	f := &h.boxes[len(h.boxes)-1]
	if value != "" {
		f.value = value
	}
	if bits < 8 && h.verbose {
		text = pattern(f.bit, bits, v) + text
	}
	h.lines = append(h.lines, line{at: h.at + f.bit/8, raw: h.octets[f.bit/8 : (h.bit+7)/8], name: name, text: text})
}

// pattern writes bits in their place within an octet: "0100 ....".
func pattern(bit, bits int, v uint64) string {
	row := []byte("........")
	for i := range bits {
		row[bit%8+i] = '0' + byte(v>>(bits-1-i)&1)
	}
	return string(row[:4]) + hardSpace + string(row[4:]) + " "
}

// fault says what is wrong with the last field.
func (h *header) fault(format string, args ...any) {
	h.lines[len(h.lines)-1].fault = fmt.Sprintf(format, args...)
	if len(h.boxes) > 0 {
		h.boxes[len(h.boxes)-1].wrong = true
	}
}

// note adds a remark about the header as a whole.
func (h *header) note(format string, args ...any) {
	h.notes = append(h.notes, fmt.Sprintf(format, args...))
}

// justNumber is what there is to say of a number that says it all.
func justNumber(v uint64) (value, text string) { return "", fmt.Sprint(v) }

// sentence joins what there is to say.
func sentence(parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, "; ")
}
