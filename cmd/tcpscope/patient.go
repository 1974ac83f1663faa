package main

import (
	"context"
	"io"
)

// patientChunk is how much is read at a time of what may keep us waiting. A
// pipe holds no more.
const patientChunk = 64 << 10

// patient reads what may keep its reader waiting: a pipe, a terminal. The end
// of its context ends the wait, which closing a pipe that others have opened
// would not.
type patient struct {
	ctx    context.Context
	chunks chan []byte
	rest   []byte // of the chunk that Read was given last
	// waits is called before there is nothing to do but wait.
	waits func() error
	err   error // why there are no more chunks
}

func newPatient(ctx context.Context, r io.Reader, waits func() error) *patient {
	p := &patient{ctx: ctx, chunks: make(chan []byte), waits: waits}
	go p.pump(r)
	return p
}

// pump reads from r until its end, or that of the context. Of its two chunks,
// one is being filled while the other is being read.
func (p *patient) pump(r io.Reader) {
	defer close(p.chunks)
	filling, other := make([]byte, patientChunk), make([]byte, patientChunk)
	for {
		n, err := r.Read(filling)
		if n > 0 {
			select {
			case p.chunks <- filling[:n]:
				filling, other = other, filling
			case <-p.ctx.Done():
				return
			}
		}
		if err != nil {
			p.err = err
			return
		}
	}
}

// Read makes patient an io.Reader. It belongs to one goroutine.
func (p *patient) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		if err := p.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// next waits for a chunk.
func (p *patient) next() (err error) {
	var more bool
	select {
	case p.rest, more = <-p.chunks:
	default:
		if err := p.waits(); err != nil {
			return err
		}
		select {
		case p.rest, more = <-p.chunks:
		case <-p.ctx.Done():
		}
	}
	switch {
	case p.ctx.Err() != nil:
		return p.ctx.Err()
	case !more:
		return p.err
	}
	return nil
}
