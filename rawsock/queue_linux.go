package rawsock

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// queue joins the batches of several readers into one stream.
type queue struct {
	network string // for errors
	readers []*reader
	full    chan *batch
	done    chan struct{}
	once    sync.Once
	wg      sync.WaitGroup

	// held counts the datagrams that are out of their sockets, and that the
	// consumer has not come back from.
	held atomic.Int64

	// The consumer's: the batch it works on, how many arrivals of it are
	// taken, and how many of them by the last receive.
	current *batch
	taken   int
	last    int
}

// newQueue sets the readers going.
func newQueue(readers ...*reader) *queue {
	q := &queue{network: readers[0].network, readers: readers, done: make(chan struct{})}
	room := 0
	for _, r := range readers {
		room += cap(r.free)
	}
	q.full = make(chan *batch, room)
	for _, r := range readers {
		r.held = &q.held
		q.wg.Go(func() { r.run(q.full, q.done) })
	}
	return q
}

func (q *queue) receive(ctx context.Context, arrivals []wire.Arrival) (int, error) {
	q.held.Add(-int64(q.last))
	q.last = 0
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if len(arrivals) == 0 {
		return 0, nil
	}
	if err := q.next(ctx); err != nil {
		return 0, err
	}
	n := copy(arrivals, q.current.arrivals[q.taken:])
	q.taken += n
	q.last = n
	return n, nil
}

// poll is receive with an end. The readers wait in goroutines of their own, so
// that it has nothing to save.
func (q *queue) poll(wait time.Duration, arrivals []wire.Arrival) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	n, err := q.receive(ctx, arrivals)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return n, err
}

// next makes current a batch that has datagrams left, and gives the one before
// it back to its reader.
func (q *queue) next(ctx context.Context) error {
	if q.current != nil {
		if q.taken < len(q.current.arrivals) {
			return nil
		}
		q.current.from.free <- q.current // never blocks: it came from there
		q.current = nil
	}
	select {
	case <-q.done:
		return opError("receive", q.network, nil, "", net.ErrClosed)
	case <-ctx.Done():
		return ctx.Err()
	case b := <-q.full:
		q.current, q.taken = b, 0
		return b.err
	}
}

// pending reports whether anything has arrived that the consumer has not come
// back from.
func (q *queue) pending() bool {
	for _, r := range q.readers {
		if r.pending() {
			return true
		}
	}
	return q.held.Load() > 0
}

func (q *queue) drops() uint64 {
	var n uint64
	for _, r := range q.readers {
		n += r.drops()
	}
	return n
}

func (q *queue) close() error {
	var errs []error
	q.once.Do(func() {
		close(q.done)
		for _, r := range q.readers {
			errs = append(errs, r.close())
		}
		q.wg.Wait()
	})
	return errors.Join(errs...)
}
