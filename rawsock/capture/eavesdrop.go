package capture

import (
	"context"
	"errors"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Tap is the part of probe/link.Tap that an Eavesdrop stands in for.
type Tap interface {
	Receive(ctx context.Context, batch []wire.Arrival) (int, error)
	Pending() bool
	Drops() uint64
	Close() error
}

// Eavesdrop is a Tap that tells its sinks what another tap hears, in both
// directions, with that tap's stamps.
type Eavesdrop struct {
	Tap
	sinks []Sink
}

// NewEavesdrop returns an Eavesdrop on tap. Closing it closes the tap, not the
// sinks.
func NewEavesdrop(tap Tap, sinks ...Sink) *Eavesdrop { return &Eavesdrop{tap, sinks} }

// Receive receives a batch and tells the sinks of all of it.
func (e *Eavesdrop) Receive(ctx context.Context, batch []wire.Arrival) (int, error) {
	n, err := e.Tap.Receive(ctx, batch)
	for i := range batch[:n] {
		for _, s := range e.sinks {
			s.Segment(batch[i].At, batch[i].Datagram, batch[i].Outgoing)
		}
	}
	return n, err
}

// lastWords is how long a tap may keep what has passed the device. The ring of
// a packet socket hands a block over when it is 4 ms old.
const lastWords = 20 * time.Millisecond

// Close tells of what the tap still holds, and closes it. Nobody may be
// receiving.
func (e *Eavesdrop) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	batch := make([]wire.Arrival, 64)
	for {
		if _, err := e.Receive(ctx, batch); err != nil {
			if ctx.Err() != nil {
				err = nil
			}
			return errors.Join(err, e.Tap.Close())
		}
	}
}
