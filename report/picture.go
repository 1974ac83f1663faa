package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Octets are octets without a history, as people paste them, and what they
// are taken for.
type Octets struct {
	// Title says which they are, "Dump 2 of 3"; "" if there are no others.
	Title string
	// Note says how it is known what they are; "" where that goes without
	// saying.
	Note string
	All  []byte
	// Link names the link header that they begin with, "" for none, and
	// Fields are its fields.
	Link   string
	Fields []OctetField
	// Offset is where what follows the link header begins, and Layer what it
	// is: IPv4, or a TCP or ICMP header without one. It is "" for anything
	// else, which Other names.
	Offset int
	Layer  wire.Layer
	Other  string
}

// OctetField is a field of a link header.
type OctetField struct {
	Offset, Length int
	Name, Value    string
}

// Faults returns what is wrong with the octets: a text for each fault, which
// begins with the header and the field.
func (o *Octets) Faults() []string {
	d := dissect(o, false, nil)
	var all []string
	for _, h := range d.headers {
		for _, l := range h.lines {
			if l.fault != "" {
				all = append(all, h.name+", "+l.name+": "+l.fault)
			}
		}
	}
	return all
}

// picture is the view of Octets.
type picture struct{ *textWriter }

// sight and leave have nothing to show: pictures are of octets.
func (picture) sight(*Sight) error           { return nil }
func (picture) leave(*flow.Connection) error { return nil }
func (picture) end() error                   { return nil }

// Picture makes multi a Viewer.
func (m *multi) Picture(o *Octets) error {
	return m.viewed(func(v view) error {
		if t, ok := v.(*textView); ok {
			if p, ok := t.view.(picture); ok {
				return p.show(o)
			}
		}
		return nil
	})
}

// show writes a paragraph for each header. Quiet leaves the pictures out.
func (p picture) show(o *Octets) error {
	d := dissect(o, p.Verbose, p.Service)
	paragraphs := []string{p.heading(d)}
	for _, h := range d.headers {
		text := p.paint(bold, h.heading()) + "\n"
		if !p.Quiet && len(h.boxes) > 0 {
			text += p.drawing(h)
		}
		for _, l := range h.lines {
			text += p.line(l)
		}
		for _, n := range h.notes {
			text += Wrap(n, "      ", pageWidth)
		}
		paragraphs = append(paragraphs, text)
	}
	for _, r := range d.rest {
		paragraphs = append(paragraphs, p.remainder(r))
	}
	return p.print(paragraphs...)
}

// heading is what the octets are, and the datagram in tcpdump's form.
func (p picture) heading(d *dissection) string {
	o := d.octets
	text := Plural(int64(len(o.All)), "octet") + ": " + strings.Join(d.layers, ", ")
	if o.Title != "" {
		text = "=== " + o.Title + ", " + text
	}
	text = p.paint(bold, text) + "\n"
	if o.Layer == wire.LayerIPv4 {
		text += string(AppendSegment(nil, time.Time{}, o.All[o.Offset:])) + "\n"
	}
	return text + Wrap(Escape(o.Note), "", pageWidth)
}

// The columns of a field's line.
const (
	rawOctets  = 4 // in a row
	nameWidth  = 17
	textColumn = 6 + 2*rawOctets + 2 + nameWidth + 1
)

// line writes a field: where it is, its octets, its name, and what it says.
func (p picture) line(l line) string {
	text := strings.Split(strings.TrimSuffix(Wrap(l.text, "", pageWidth-textColumn), "\n"), "\n")
	plainRows := len(text)
	if l.fault != "" {
		text = append(text, strings.Split(strings.TrimSuffix(Wrap("fault: "+l.fault, "", pageWidth-textColumn), "\n"), "\n")...)
	}
	raw := l.raw
	var b strings.Builder
	for i := 0; i < len(text) || len(raw) > 0; i++ {
		offset, name := "", ""
		if i == 0 {
			offset, name = fmt.Sprint(l.at), l.name
		}
		row := raw[:min(len(raw), rawOctets)]
		raw = raw[len(row):]
		said := ""
		if i < len(text) {
			said = text[i]
		}
		if i >= plainRows {
			said = p.paint(red, said)
		}
		head := fmt.Sprintf("%-*x  %-*s ", 2*rawOctets, row, nameWidth, name)
		b.WriteString(strings.TrimRight(fmt.Sprintf("%*s", 5-len(offset), "")+p.paint(dim, offset)+" "+head+said, " ") + "\n")
	}
	return b.String()
}

// shortDump is how much of a payload is shown unless the user asks for more.
const shortDump = 256

// remainder writes octets that are no header's.
func (p picture) remainder(r remainder) string {
	text := p.paint(bold, fmt.Sprintf("%s: %s, from octet %d", r.name, Plural(int64(len(r.octets)), "octet"), r.at)) + "\n"
	shown := r.octets
	if !p.Verbose && len(shown) > shortDump {
		shown = shown[:shortDump]
	}
	text += strings.TrimPrefix(string(appendHex(nil, shown)), "\n") + "\n"
	if more := len(r.octets) - len(shown); more > 0 {
		text += fmt.Sprintf("\tand %s more; -v shows all\n", Plural(int64(more), "octet"))
	}
	return text
}
