package report

import (
	"io"

	"github.com/tcpscope/tcpscope/probe/flow"
)

// follow is the view of the octets that two applications have exchanged.
type follow struct {
	Options
	w io.Writer
}

func newFollow(w io.Writer, o Options) *follow { return &follow{Options: o, w: w} }

func (f *follow) sight(*Sight) error { return nil }

func (f *follow) leave(*flow.Connection) error { return nil }

func (f *follow) end() error { return nil }
