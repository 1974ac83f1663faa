package probe

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Receiver is the part of a link.Link that is listened to.
type Receiver interface {
	Receive(ctx context.Context, batch []wire.Arrival) (int, error)
}

// Listener is the one receive loop of a link: it makes a T of each arrival
// that matters, and hands them over in batches whose memory is used again.
type Listener[T any] struct {
	// Heard delivers the batches. It is closed when the loop has ended.
	Heard <-chan []T

	hearing sync.WaitGroup
	stop    context.CancelFunc
	spent   chan []T
	unheard atomic.Int64 // batches that the consumer has not given back
	err     error        // why the loop ended; not to be read before that
}

// hearBatch is how many datagrams are taken from a link at once.
const hearBatch = 256

// Listen begins to listen. hear returns what an arrival comes to, and whether
// it matters; it is called from the loop's goroutine only, and the datagram
// does not outlive the call.
func Listen[T any](r Receiver, hear func(wire.Arrival) (T, bool)) *Listener[T] {
	heard := make(chan []T)
	l := &Listener[T]{Heard: heard, spent: make(chan []T, 2)}
	for range cap(l.spent) {
		l.spent <- make([]T, 0, hearBatch)
	}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.hearing.Go(func() { l.loop(ctx, r, hear, heard) })
	return l
}

func (l *Listener[T]) loop(ctx context.Context, r Receiver, hear func(wire.Arrival) (T, bool), heard chan<- []T) {
	defer close(heard)
	arrivals := make([]wire.Arrival, hearBatch)
	for {
		n, err := r.Receive(ctx, arrivals)
		if err != nil {
			if l.err = err; ctx.Err() != nil {
				l.err = net.ErrClosed
			}
			return
		}
		// Never waits for long: a consumer gives a batch back in the round in
		// which it takes it.
		batch := <-l.spent
		for _, a := range arrivals[:n] {
			if h, ok := hear(a); ok {
				batch = append(batch, h)
			}
		}
		// Before the next Receive, so that nothing is out of sight in between.
		l.unheard.Add(1)
		select {
		case heard <- batch:
		case <-ctx.Done():
			l.err = net.ErrClosed
			return
		}
	}
}

// Done gives a batch back.
func (l *Listener[T]) Done(batch []T) {
	l.unheard.Add(-1)
	l.spent <- batch[:0]
}

// Pending reports whether a batch waits to be taken, or to be given back. The
// link's own Pending is to be asked first: what leaves the link is counted
// here before the link says that nothing is left.
func (l *Listener[T]) Pending() bool { return l.unheard.Load() > 0 }

// Err is why the loop ended. It may be called once Heard is closed.
func (l *Listener[T]) Err() error { return l.err }

// Stop ends the loop. Wait returns when it has ended, which it cannot before
// its batches are given back.
func (l *Listener[T]) Stop() { l.stop() }

// Wait returns when the loop has ended.
func (l *Listener[T]) Wait() { l.hearing.Wait() }
