package report

import (
	"io"
	"sync"
	"time"
)

// Trace writes every datagram that it is told of as a line in tcpdump's form,
// for --packet-trace. It is safe for concurrent use. What it cannot write is
// lost: nobody misses it who no longer reads.
type Trace struct {
	location *time.Location

	mu  sync.Mutex
	w   io.Writer
	buf []byte
}

// NewTrace returns a Trace that writes to w, with stamps in the time zone of
// location; nil means the local one.
func NewTrace(w io.Writer, location *time.Location) *Trace {
	if location == nil {
		location = time.Local
	}
	return &Trace{w: w, location: location}
}

// Segment writes a line. It makes Trace a sink of rawsock/capture.Tee by its
// shape.
func (t *Trace) Segment(at time.Time, datagram []byte, _ bool) {
	if !at.IsZero() {
		at = at.In(t.location)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(AppendSegment(t.buf[:0], at, datagram), '\n')
	_, _ = t.w.Write(t.buf)
}
