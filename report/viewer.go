package report

import (
	"fmt"
	"io"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/flow"
)

// Viewer is a Writer that also shows what was seen in passing. Views (text,
// html, svg) are made of sights and connections, the other formats of the
// records about them, which are for the caller to write: sights come a hundred
// thousand a second, and few need records of them.
//
// What is shown waits in memory until Flush, or until there is much of it.
type Viewer interface {
	Writer
	// Sight shows a datagram. It keeps nothing of s.
	Sight(s *Sight) error
	// Leave shows a connection that is forgotten, whose ports are used again, or
	// that is left when the run ends. It is called once for each.
	Leave(c *flow.Connection) error
	// Picture shows octets field by field. Only ViewPicture does.
	Picture(o *Octets) error
	// Flush lets out what waits.
	Flush() error
}

// view is one output made of sights and connections.
type view interface {
	sight(s *Sight) error
	leave(c *flow.Connection) error
	// end shows what is left; nothing follows but the summary.
	end() error
}

// viewed shows something in all views.
func (m *multi) viewed(show func(view) error) error {
	var errs []error
	m.each(&errs, func(o output) error {
		v, ok := o.recordWriter.(view)
		if !ok {
			return nil
		}
		o.gate.shut = true
		return show(v)
	})
	return m.result(errs)
}

// Sight makes multi a Viewer.
func (m *multi) Sight(s *Sight) error {
	return m.viewed(func(v view) error { return v.sight(s) })
}

// Leave makes multi a Viewer.
func (m *multi) Leave(c *flow.Connection) error {
	return m.viewed(func(v view) error { return v.leave(c) })
}

// Flush makes multi a Viewer.
func (m *multi) Flush() error {
	var errs []error
	m.each(&errs, func(o output) error { return o.gate.open() })
	return m.result(errs)
}

// textView is the text of sights: a view, and the run's end below it.
type textView struct {
	view
	*textWriter
	ended bool
}

// newTextView writes the view that o.Views asks for.
func newTextView(w io.WriteCloser, o Options) *textView {
	t := &textView{textWriter: newText(w, o)}
	switch o.Views.View {
	case ViewLines:
		t.view = newLines(w, o)
	case ViewLadder:
		t.view = newLadder(w, o)
	case ViewFollow:
		t.view = newFollow(w, o)
	case ViewSummary:
		t.view = newConnections(w, o)
	case ViewPicture:
		t.view = picture{t.textWriter}
	}
	return t
}

// Write shows how the run ended. Segments and connections are the view's.
func (t *textView) Write(r finding.Record) error {
	switch r.Kind {
	case "error":
		return closing(t.finish(), func() error { return t.textWriter.error(r) })
	case "summary":
		return closing(t.finish(), func() error { return t.summary(r) })
	}
	return nil
}

// Close shows what is left if no summary came.
func (t *textView) Close() error { return closing(t.finish(), t.textWriter.Close) }

func (t *textView) finish() error {
	if t.ended {
		return nil
	}
	t.ended = true
	return t.view.end()
}

// summary is what was seen, in figures.
func (t *textView) summary(r finding.Record) error {
	if t.Quiet || t.Views.View == ViewPicture {
		return nil
	}
	segments, _ := r.Int("segments")
	if exit, _ := r.Int("exit"); segments == 0 && exit != 0 {
		return nil // there is an error to be read instead
	}
	connections, _ := r.Int("connections")
	line := Plural(segments, "segment") + " of " + Plural(connections, "connection")
	for _, more := range []struct{ field, words string }{
		{"copies", " seen twice"},
		{"paws_trouble", " of PAWS trouble"},
		{"other", " of other protocols"},
		{"unreadable", " not to be read"},
		{"forgotten", " forgotten for want of room"},
	} {
		if n, _ := r.Int(more.field); n > 0 {
			line += ", " + Grouped(n) + more.words
		}
	}
	if ms, ok := r.Number("elapsed_ms"); ok && t.Views.Live {
		line += ", in " + span(time.Duration(ms*float64(time.Millisecond)))
	}
	if drops, ok := r.Int("kernel_drops"); ok {
		line += fmt.Sprintf("; %s dropped by the kernel", Grouped(drops))
		if drops > 0 {
			line = t.paint(yellow, line)
		}
	}
	return t.print(line + "\n" + Wrap(Escape(r.Text("detail")), "", pageWidth))
}

// sight sets what follows off from the view.
func (t *textView) sight(s *Sight) error {
	t.lines = true
	return t.view.sight(s)
}
