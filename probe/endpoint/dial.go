package endpoint

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
)

// Dial makes a connection on an Endpoint of its own, which goes when the
// connection has: see Conn.Done. See Endpoint.Dial for its errors.
func Dial(ctx context.Context, w World, cfg Config) (*Conn, error) {
	if err := cfg.Validate(); err != nil {
		return nil, opError("dial", cfg.Local, cfg.Remote, err)
	}
	e, err := Open(w, Setup{Toward: cfg.Remote.Addr(), Local: []netip.AddrPort{cfg.Local}, Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	c, err := e.Dial(ctx, cfg)
	if err != nil {
		go e.leave()
		return nil, err
	}
	go func() {
		e.leave()
		close(c.done)
	}()
	return c, nil
}

// leave closes an Endpoint once nothing comes any more. A Wait without end has
// no error, and nobody is there to be told that closing failed.
func (e *Endpoint) leave() {
	e.Wait(context.Background())
	e.Close()
}

// Dial makes a connection as Start does, and waits until it is made, as
// Conn.Handshake does.
func (e *Endpoint) Dial(ctx context.Context, cfg Config) (*Conn, error) {
	c, err := e.Start(cfg)
	if err != nil {
		return nil, err
	}
	if err := c.Handshake(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Handshake waits until a connection is in ESTABLISHED, or beyond. Where that
// fails nothing is left of it.
//
// The error is a *net.OpError. It wraps ECONNREFUSED if the peer said so,
// ETIMEDOUT if it said nothing, what an ICMP error or the kernel's own routes
// and firewall mean, or ctx's error.
func (c *Conn) Handshake(ctx context.Context) error {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	stop := context.AfterFunc(ctx, c.wake)
	defer stop()
	for c.core.state == flow.SynSent || c.core.state == flow.SynReceived {
		if err := ctx.Err(); err != nil {
			c.core.abort(time.Now())
			c.flush()
			return c.fault("dial", err)
		}
		c.changed.Wait()
	}
	if c.core.state == flow.Closed && c.core.una == c.core.iss {
		return c.fault("dial", c.core.err)
	}
	return nil
}

// Start sends a SYN to cfg.Remote from a port of the Endpoint's; cfg.Local says
// which, where it is not zero. It does not wait for the answer.
func (e *Endpoint) Start(cfg Config) (*Conn, error) {
	if err := cfg.Validate(); err != nil {
		return nil, opError("dial", cfg.Local, cfg.Remote, err)
	}
	if cfg.MTU == 0 {
		cfg.MTU = e.path.MTU
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return nil, opError("dial", cfg.Local, cfg.Remote, e.err)
	}
	local, err := e.free(cfg.Local, cfg.Remote)
	if err != nil {
		return nil, opError("dial", cfg.Local, cfg.Remote, err)
	}
	c := e.add(newConn(cfg, local, cfg.Remote))
	c.core.open(time.Now())
	c.flush()
	return c, nil
}

// add puts a connection on the list.
func (e *Endpoint) add(core *conn) *Conn {
	c := &Conn{e: e, core: core, name: pair{core.local, core.remote}, done: make(chan struct{})}
	c.changed = sync.NewCond(&e.mu)
	c.timer = time.AfterFunc(time.Hour, c.expire)
	e.conns[c.name] = c
	return c
}

// opError is an error of ours as package net would put it.
func opError(op string, local, remote netip.AddrPort, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: "tcp4", Source: net.TCPAddrFromAddrPort(local), Addr: net.TCPAddrFromAddrPort(remote), Err: err}
}
