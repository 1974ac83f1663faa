package capture

import (
	"context"
	"sync"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Link is the part of probe/link.Link that a Tee stands in for; any type of
// that shape will do.
type Link interface {
	Send(batch []wire.Departure) error
	Receive(ctx context.Context, batch []wire.Arrival) (int, error)
	Pending() bool
	Drops() uint64
	Close() error
}

// Sink is told of every datagram that passes a Tee. A Tee may call it from
// two goroutines at once, and several Tees may share it. The datagram is
// valid during the call only. A sink keeps its errors to itself until it is
// asked: recording must not break what is recorded.
type Sink interface {
	Segment(at time.Time, datagram []byte, outgoing bool)
}

// Tee is a Link that tells its sinks what another link sends and receives. It
// is as safe for concurrent use as that link.
type Tee struct {
	link  Link
	sinks []Sink
	// order keeps an answer from being told before what it answers: while a
	// batch is sent, what arrives waits.
	order sync.Mutex
}

// NewTee returns a Tee on link. Closing it closes the link, not the sinks.
func NewTee(link Link, sinks ...Sink) *Tee { return &Tee{link: link, sinks: sinks} }

// Send sends the batch, and then tells the sinks of every datagram that the
// kernel took; not of those that it refused or that were not tried.
func (t *Tee) Send(batch []wire.Departure) error {
	for i := range batch {
		// The stamp tells below what was tried, so none may be left over
		// from a batch before.
		batch[i].At, batch[i].Err = time.Time{}, nil
	}
	t.order.Lock()
	defer t.order.Unlock()
	err := t.link.Send(batch)
	for i := range batch {
		if d := &batch[i]; d.Err == nil && !d.At.IsZero() {
			t.tell(d.At, d.Datagram, true)
		}
	}
	return err
}

// Receive receives a batch and tells the sinks of all of it. A link that also
// shows what this host sends thus has that told twice if it was sent through
// the Tee.
func (t *Tee) Receive(ctx context.Context, batch []wire.Arrival) (int, error) {
	n, err := t.link.Receive(ctx, batch)
	t.order.Lock()
	defer t.order.Unlock()
	for i := range batch[:n] {
		t.tell(batch[i].At, batch[i].Datagram, batch[i].Outgoing)
	}
	return n, err
}

// Pending is the link's.
func (t *Tee) Pending() bool { return t.link.Pending() }

// Drops is the link's.
func (t *Tee) Drops() uint64 { return t.link.Drops() }

// Close closes the link.
func (t *Tee) Close() error { return t.link.Close() }

func (t *Tee) tell(at time.Time, datagram []byte, outgoing bool) {
	for _, s := range t.sinks {
		s.Segment(at, datagram, outgoing)
	}
}
