package report

import (
	"io"

	"github.com/tcpscope/tcpscope/probe/flow"
)

// ladder is the view of both ends as columns, a terminal wide.
type ladder struct {
	Options
	w io.Writer
}

func newLadder(w io.Writer, o Options) *ladder { return &ladder{Options: o, w: w} }

func (l *ladder) sight(*Sight) error { return nil }

func (l *ladder) leave(*flow.Connection) error { return nil }

func (l *ladder) end() error { return nil }
