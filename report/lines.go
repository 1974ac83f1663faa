package report

import (
	"io"

	"github.com/tcpscope/tcpscope/probe/flow"
)

// lines is the view of a line for each sight, in tcpdump's form, and what the
// segment does in its connection behind it.
type lines struct {
	Options
	w   io.Writer
	buf []byte
}

func newLines(w io.Writer, o Options) *lines { return &lines{Options: o, w: w} }

func (l *lines) sight(s *Sight) error {
	l.buf = append(AppendSegment(l.buf[:0], s.At, s.Datagram), '\n')
	_, err := l.w.Write(l.buf)
	return err
}

func (l *lines) leave(*flow.Connection) error { return nil }

func (l *lines) end() error { return nil }
