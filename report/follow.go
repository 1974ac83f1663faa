package report

import (
	"io"

	"github.com/tcpscope/tcpscope/probe/flow"
)

// maxSaid bounds the text that is kept until its connection is over. When
// there is more, what was begun first is written out before its time, and the
// text says so. Besides, a connection takes 1 KiB, and what flow.Pool lets wait.
const maxSaid = 16 << 20

// follow is the view of the octets that two applications have exchanged: those
// of both ends in the order in which they were seen, each once. Live, it says
// whose they are when that changes; else one connection stands below the other.
type follow struct {
	Options
	w     io.Writer
	pool  flow.Pool
	talks map[*flow.Connection]*dialogue
	begun int
	// silent counts connections that are over and had no octets. They are not
	// shown, whatever else happened to them.
	silent int64
	// waiting are those to be written, and held how many octets of text.
	waiting []*dialogue
	held    int
	// last is the connection that was written last.
	last *dialogue
	// now is the one that tell is about, which is made once.
	now  *dialogue
	tell func(flow.Piece)
}

func newFollow(w io.Writer, o Options) *follow {
	f := &follow{Options: o, w: w, talks: map[*flow.Connection]*dialogue{}}
	f.tell = func(p flow.Piece) { f.now.piece(p) }
	return f
}

func (f *follow) sight(s *Sight) error {
	if s.Event == nil {
		return nil
	}
	d := f.dialogueOf(s)
	octets := s.Segment.Payload
	if s.Text {
		octets = nil // they are made up
	}
	f.now = d
	d.streams.Add(s.Event, s.Header, s.Segment, octets, f.tell)
	if s.Event.Steps.Has(flow.ResetStep) {
		d.aside(s.Event.From, asideReset, 0)
	}
	return f.progress(d)
}

func (f *follow) leave(c *flow.Connection) error {
	d := f.talks[c]
	if d == nil {
		return nil
	}
	delete(f.talks, c)
	f.now = d
	d.streams.End(f.tell)
	d.finish()
	d.left = true
	if !d.spoken {
		f.silent++
	}
	return f.progress(d)
}

// dialogueOf returns the dialogue that a sight belongs to.
func (f *follow) dialogueOf(s *Sight) *dialogue {
	d := f.talks[s.Event.Connection]
	if d == nil {
		f.begun++
		d = newDialogue(f.begun, s, f.Views, &f.pool)
		d.color, d.hex = f.Color, f.Views.Hex
		f.talks[s.Event.Connection] = d
	}
	d.made = s.Text
	return d
}

// progress writes out what need not wait.
func (f *follow) progress(d *dialogue) error {
	switch {
	case !d.spoken:
		return nil
	case f.Views.Live:
		d.settle()
		return f.write(d)
	}
	f.count(d)
	if len(d.text) > 0 && !d.queued {
		d.queued = true
		f.waiting = append(f.waiting, d)
	}
	for len(f.waiting) > 0 && (f.waiting[0].left || f.held > maxSaid || len(f.waiting) > maxWaiting) {
		if err := f.next(); err != nil {
			return err
		}
	}
	return nil
}

// count counts what a dialogue's text has grown by.
func (f *follow) count(d *dialogue) {
	f.held += len(d.text) - d.held
	d.held = len(d.text)
}

// next writes the dialogue that has waited longest, as far as it is known.
func (f *follow) next() error {
	d := f.waiting[0]
	f.waiting[0] = nil
	f.waiting = f.waiting[1:]
	d.queued = false
	f.held -= d.held
	d.held = 0
	d.endLine()
	return f.write(d)
}

// write writes what there is of a dialogue, below its title if another stands
// above.
func (f *follow) write(d *dialogue) error {
	if len(d.text) == 0 {
		return nil
	}
	if f.last != d {
		if err := f.title(d); err != nil {
			return err
		}
		f.last = d
	}
	_, err := f.w.Write(d.text)
	d.text = d.text[:0]
	if cap(d.text) > enough {
		d.text = nil
	}
	return err
}

// title ends what stands above, and says whose octets follow.
func (f *follow) title(d *dialogue) error {
	b := f.above()
	if f.last != nil {
		b = append(b, '\n')
	}
	b = appendPainted(b, f.Color, bold, d.title())
	_, err := f.w.Write(b)
	return err
}

// above returns what ends the line above, which may be open as long as what
// follows is shown at once.
func (f *follow) above() []byte {
	if !f.Views.Live || f.last == nil || !f.last.open {
		return nil
	}
	f.last.open = false
	return []byte{'\n'}
}

func (f *follow) end() error {
	for len(f.waiting) > 0 {
		if err := f.next(); err != nil {
			return err
		}
	}
	b := f.above()
	if f.silent > 0 && !f.Quiet {
		if f.last != nil {
			b = append(b, '\n')
		}
		b = append(b, Plural(f.silent, "connection")+" without octets\n"...)
	}
	_, err := f.w.Write(b)
	return err
}
