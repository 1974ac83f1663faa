package report

import (
	"io"

	"github.com/tcpscope/tcpscope/probe/flow"
)

// lines is the view of a line for each sight, in tcpdump's form, and what the
// segment does in its connection behind it.
type lines struct {
	views   Views
	printer printer
	notes   annotator
	color   bool
	w       io.Writer
	buf     []byte
}

func newLines(w io.Writer, o Options) *lines {
	l := &lines{w: w, color: o.Color, printer: printer{color: o.Color}}
	if o.Views != nil {
		l.views = *o.Views
	}
	l.notes, l.printer.name = newAnnotator(l.views), l.views.Name
	if !l.views.Absolute {
		l.printer.origins = newOrigins(maxOrigins)
	}
	return l
}

func (l *lines) sight(s *Sight) error {
	l.buf = append(l.appendSight(l.buf[:0], s), '\n')
	_, err := l.w.Write(l.buf)
	return err
}

// appendSight appends all that a sight is shown as, but for the last line
// feed.
func (l *lines) appendSight(b []byte, s *Sight) []byte {
	b = appendDevice(appendStamp(b, s.At), s)
	p := l.printer
	if s.Relative {
		p.origins = nil
	}
	p.fields = l.views.Fields && (!s.Text || s.Header != nil && s.Header.TTL != 0)
	p.made = s.Text
	b = p.appendIP(b, s.Datagram, len(s.Datagram)+s.Missing)
	if !l.views.Bare {
		b = l.appendNotes(b, s)
	}
	switch {
	case s.Text:
	case l.views.Hex:
		b = appendHex(b, s.Datagram)
	case l.views.ASCII:
		b = appendASCII(b, s.Datagram)
	}
	return b
}

// appendNotes appends the annotation, if there is anything to say.
func (l *lines) appendNotes(b []byte, s *Sight) []byte {
	start := len(b)
	look := plain
	if l.color {
		look = dim
	}
	b = append(appendStyle(b, look), "  # "...)
	words := len(b)
	if b = l.notes.appendTo(b, s); len(b) == words {
		return b[:start]
	}
	return appendUnstyle(b, look)
}

// appendDevice appends where a sight was seen, as tcpdump does for captures of
// all devices; names of files may be anything.
func appendDevice(b []byte, s *Sight) []byte {
	if s.Device == "" {
		return b
	}
	b = append(appendPadded(b, Escape(s.Device), 5), ' ')
	if s.Way == "" {
		return b
	}
	return append(appendPadded(b, Escape(s.Way), 3), ' ')
}

// appendPadded appends words, and blanks up to a width.
func appendPadded(b []byte, words string, width int) []byte {
	b = append(b, words...)
	for n := len(words); n < width; n++ {
		b = append(b, ' ')
	}
	return b
}

// appendStyle begins a style, appendUnstyle ends it.
func appendStyle(b []byte, s style) []byte {
	if s == plain {
		return b
	}
	return append(append(append(b, "\x1b["...), s...), 'm')
}

func appendUnstyle(b []byte, s style) []byte {
	if s == plain {
		return b
	}
	return append(b, "\x1b[0m"...)
}

func (l *lines) leave(*flow.Connection) error { return nil }

func (l *lines) end() error { return nil }
