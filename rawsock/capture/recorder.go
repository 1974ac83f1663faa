package capture

import (
	"io"
	"os"
	"sync"
	"time"
)

// flushInterval is how long a datagram may stay in memory only.
const flushInterval = time.Second

// Comment returns what is to be noted beside a datagram; "" for nothing. It
// is called by one goroutine at a time.
type Comment func(datagram []byte, outgoing bool) string

// Recorder is a Sink that writes a pcapng file. What it was told reaches the
// file after a second at most, in whole blocks, so that the file is readable
// at any time and whatever ends the program. It is safe for concurrent use.
type Recorder struct {
	comment Comment

	mu     sync.Mutex
	file   io.WriteCloser
	out    *Writer
	flush  *time.Timer // nil while nothing waits
	err    error       // the first of writing
	closed bool
}

// Create returns a Recorder that writes to the named file. A new file is
// readable by its owner alone, for it holds what was said on the network; an
// existing one is overwritten, as tcpdump does. The error is an *fs.PathError.
func Create(name, application string, comment Comment) (*Recorder, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return NewRecorder(f, application, comment), nil
}

// NewRecorder returns a Recorder that writes to w and closes it. The comment
// may be nil. Even if nothing is recorded, w becomes a valid file.
func NewRecorder(w io.WriteCloser, application string, comment Comment) *Recorder {
	r := &Recorder{comment: comment, file: w, out: NewWriter(w, application)}
	r.err = r.out.Flush()
	return r
}

// Segment records a datagram. After the first error, or Close, it does nothing.
func (r *Recorder) Segment(at time.Time, datagram []byte, outgoing bool) {
	p := Packet{Datagram: datagram, At: at, Direction: Inbound}
	if outgoing {
		p.Direction = Outbound
	}
	r.Packet(p)
}

// Packet is Segment for a datagram that another capture may have cut short.
// The comment is the Recorder's.
func (r *Recorder) Packet(p Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil || r.closed {
		return
	}
	if r.comment != nil {
		p.Comment = r.comment(p.Datagram, p.Direction == Outbound)
	}
	r.err = r.out.Write(p)
	if r.flush == nil {
		r.flush = time.AfterFunc(flushInterval, r.flushLate)
	}
}

func (r *Recorder) flushLate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flush = nil
	if r.err == nil && !r.closed {
		r.err = r.out.Flush()
	}
}

// Err returns the first error of writing, if there was one.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Close writes what is left and closes the file. It returns the first error
// of the whole recording. A second Close returns os.ErrClosed.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return os.ErrClosed
	}
	r.closed = true
	if r.flush != nil {
		r.flush.Stop()
		r.flush = nil
	}
	if r.err == nil {
		r.err = r.out.Flush()
	}
	err := r.err
	if cerr := r.file.Close(); err == nil {
		err = cerr
	}
	return err
}
