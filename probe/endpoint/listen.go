package endpoint

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// backlog bounds the connections that were not accepted yet; SYNs beyond it
// are not answered.
const backlog = 1024

// Listener waits for connections at a port of an Endpoint's.
type Listener struct {
	e       *Endpoint
	local   netip.AddrPort
	cfg     Config
	sole    bool // nobody else uses the Endpoint
	changed *sync.Cond
	ready   []*Conn
	waiting int // connections that were not accepted, ready or not
	closed  bool
}

// Listen waits for connections at cfg.Local, on an Endpoint of its own.
func Listen(w World, cfg Config) (*Listener, error) {
	e, err := Open(w, Setup{Local: []netip.AddrPort{cfg.Local}, Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	l, err := e.Listen(cfg)
	if err != nil {
		e.Close()
		return nil, err
	}
	l.sole = true
	return l, nil
}

// Listen waits for connections at a port of the Endpoint's; cfg.Local says
// which, where it is not zero. Every connection is made with cfg, its script
// included.
func (e *Endpoint) Listen(cfg Config) (*Listener, error) {
	if err := cfg.Validate(); err != nil {
		return nil, opError("listen", cfg.Local, netip.AddrPort{}, err)
	}
	if cfg.MTU == 0 {
		cfg.MTU = e.path.MTU
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	local, err := e.free(cfg.Local, netip.AddrPort{})
	if err == nil && e.err != nil {
		err = e.err
	}
	if err != nil {
		return nil, opError("listen", cfg.Local, netip.AddrPort{}, err)
	}
	l := &Listener{e: e, local: local, cfg: cfg, changed: sync.NewCond(&e.mu)}
	e.listeners[local] = l
	return l, nil
}

// Addr returns where it listens.
func (l *Listener) Addr() netip.AddrPort { return l.local }

// arrive is a segment of no connection yet.
func (l *Listener) arrive(p pair, h *wire.Header, g *wire.Segment) {
	core := newConn(l.cfg, p.local, p.remote)
	if l.waiting >= backlog {
		return
	}
	if !core.listen(time.Now(), h, g) {
		l.e.send(core, l.cfg.Log)
		return
	}
	c := l.e.add(core)
	c.listener = l
	l.waiting++
	c.flush()
}

// settled takes note of what became of a connection that was not accepted.
func (l *Listener) settled(c *Conn) {
	switch {
	case c.core.state == flow.SynReceived:
		return
	case c.core.state == flow.Closed && c.core.una == c.core.iss: // it never was one
		l.waiting--
	default:
		l.ready = append(l.ready, c)
		l.changed.Broadcast()
	}
	c.listener = nil
}

// Accept returns the next connection that is in ESTABLISHED, or was. Its error
// is ctx's, or wraps net.ErrClosed.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		l.e.mu.Lock()
		defer l.e.mu.Unlock()
		l.changed.Broadcast()
	})
	defer stop()
	for {
		switch {
		case l.closed:
			return nil, opError("accept", l.local, netip.AddrPort{}, net.ErrClosed)
		case len(l.ready) > 0:
			c := l.ready[0]
			l.ready = l.ready[1:]
			l.waiting--
			return c, nil
		case l.e.err != nil:
			return nil, opError("accept", l.local, netip.AddrPort{}, l.e.err)
		case ctx.Err() != nil:
			return nil, opError("accept", l.local, netip.AddrPort{}, ctx.Err())
		}
		l.changed.Wait()
	}
}

// Close stops listening, and resets what was not accepted. Connections that
// were stay; an Endpoint that was made for the Listener goes when they have.
func (l *Listener) Close() error {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	delete(l.e.listeners, l.local)
	for _, c := range l.ready {
		c.core.abort(time.Now())
		c.flush()
	}
	for _, c := range l.e.conns {
		if c.listener == l {
			c.listener = nil
			c.core.abort(time.Now())
			c.flush()
		}
	}
	l.ready = nil
	l.changed.Broadcast()
	if l.sole {
		go l.e.leave()
	}
	return nil
}
