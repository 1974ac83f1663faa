package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// World is what an Endpoint needs of the world; a link.World has it.
type World interface {
	Path(dst netip.Addr) (link.Path, error)
	Reserve(src netip.Addr, port uint16) (link.Port, error)
	Open(link.Config) (link.Link, error)
}

// Setup says where an Endpoint stands.
type Setup struct {
	// Toward is the host that the Endpoint is to speak with: it decides on the
	// source address and the MTU. The zero Addr is for those who only listen.
	Toward netip.Addr
	// Local are the ports to reserve. A zero Addr is filled in by the way
	// Toward, a zero port by the kernel; the zero AddrPort may be repeated.
	Local []netip.AddrPort
	// Log is told of segments that belong to no connection, and of the resets
	// that answer them. See Config.Log.
	Log func(Passage)
}

// Endpoint is a link and its quiet ports, on which any number of connections
// live. Its methods, and those of its connections and listeners, may be called
// by any number of goroutines.
//
// What arrives for its ports and belongs to no connection is reset, as the
// kernel would (RFC 9293, Section 3.10.7.1).
type Endpoint struct {
	link  link.Link
	path  link.Path
	log   func(Passage)
	ports []link.Port

	mu        sync.Mutex // over all below, the connections, and Send
	conns     map[pair]*Conn
	listeners map[netip.AddrPort]*Listener
	// quiet is until when what comes late is to be answered.
	quiet  time.Time
	err    error         // why the link is of no use any more
	idle   chan struct{} // closed when the last connection has ended
	batch  []wire.Departure
	octets []byte

	hearing sync.WaitGroup
	stop    context.CancelFunc
}

// pair is a connection's name.
type pair struct{ local, remote netip.AddrPort }

// Open reserves the ports and opens the link. The error is that of the call
// that failed.
func Open(w World, s Setup) (*Endpoint, error) {
	e := &Endpoint{log: s.Log, conns: map[pair]*Conn{}, listeners: map[netip.AddrPort]*Listener{}}
	if err := e.reserve(w, s); err != nil {
		e.release()
		return nil, err
	}
	local := make([]netip.AddrPort, len(e.ports))
	for i, p := range e.ports {
		local[i] = p.Local()
	}
	var err error
	if e.link, err = w.Open(link.Config{Local: local, NoTransmitStamps: true}); err != nil {
		e.release()
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	e.hearing.Go(func() { e.hear(ctx) })
	return e, nil
}

func (e *Endpoint) reserve(w World, s Setup) (err error) {
	if s.Toward.IsValid() {
		if e.path, err = w.Path(s.Toward); err != nil {
			return err
		}
	}
	for _, local := range s.Local {
		addr := local.Addr()
		if !addr.IsValid() {
			addr = e.path.Source
		}
		port, err := w.Reserve(addr, local.Port())
		if err != nil {
			return err
		}
		e.ports = append(e.ports, port)
	}
	if len(e.ports) == 0 {
		return errors.New("an endpoint needs a port")
	}
	return nil
}

// release gives the ports back.
func (e *Endpoint) release() (err error) {
	for _, p := range e.ports {
		err = errors.Join(err, p.Close())
	}
	return err
}

// Wait returns when every connection has ended, and what may come late has had
// its time: 2 s, or 3 retransmission timeouts where that is longer. After that
// Close leaves nothing for the kernel to answer. Its error is ctx's.
func (e *Endpoint) Wait(ctx context.Context) error {
	for {
		idle, quiet := e.left()
		var late <-chan time.Time
		if idle == nil {
			if quiet <= 0 {
				return nil
			}
			late = time.After(quiet)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-idle:
		case <-late:
		}
	}
}

// left returns what tells that the last connection has ended, nil if it has,
// and how long something may come late.
func (e *Endpoint) left() (idle <-chan struct{}, quiet time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.conns) == 0 || e.err != nil {
		return nil, time.Until(e.quiet)
	}
	if e.idle == nil {
		e.idle = make(chan struct{})
	}
	return e.idle, 0
}

// Close resets the connections that are left, and gives link and ports back at
// once. Closing twice is no error.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	if errors.Is(e.err, net.ErrClosed) {
		e.mu.Unlock()
		return nil
	}
	for _, c := range e.conns {
		c.core.abort(time.Now())
		c.flush()
	}
	e.fail(net.ErrClosed)
	e.mu.Unlock()
	e.stop()
	err := e.link.Close()
	e.hearing.Wait()
	return errors.Join(err, e.release())
}

// fail ends everything because the link is of no use any more.
func (e *Endpoint) fail(err error) {
	e.err = err
	for _, c := range e.conns {
		c.core.end(err)
		c.settled()
	}
	for _, l := range e.listeners {
		l.changed.Broadcast()
	}
}

// hear is the link's receive loop.
func (e *Endpoint) hear(ctx context.Context) {
	arrivals := make([]wire.Arrival, 64)
	var segment wire.Segment
	for {
		n, err := e.link.Receive(ctx, arrivals)
		e.mu.Lock()
		if err != nil {
			if e.err == nil {
				e.fail(err)
			}
			e.mu.Unlock()
			return
		}
		for _, a := range arrivals[:n] {
			if e.err == nil {
				e.arrive(a, &segment)
			}
		}
		e.mu.Unlock()
	}
}

// arrive takes one datagram.
func (e *Endpoint) arrive(a wire.Arrival, g *wire.Segment) {
	h, payload, err := wire.ParseHeader(a.Datagram)
	if err != nil || a.Outgoing || h.FragOffset != 0 || h.MF {
		return
	}
	if h.Protocol == wire.ProtocolICMP {
		e.icmp(payload)
		return
	}
	if h.Protocol != wire.ProtocolTCP || g.Parse(payload) != nil || wire.VerifyTCP(a.Datagram) == wire.Invalid {
		return
	}
	p := pair{netip.AddrPortFrom(h.Dst, g.DstPort), netip.AddrPortFrom(h.Src, g.SrcPort)}
	passage := Passage{At: a.At, Header: &h, Segment: g}
	if c := e.conns[p]; c != nil {
		tell(c.core.cfg.Log, passage)
		c.core.arrive(time.Now(), &h, g)
		c.flush()
		return
	}
	if l := e.listeners[p.local]; l != nil {
		tell(l.cfg.Log, passage)
		l.arrive(p, &h, g)
		return
	}
	tell(e.log, passage)
	if r, ok := refusal(g); ok {
		stranger := newConn(Config{}, p.local, p.remote)
		stranger.emit(r)
		e.send(stranger, e.log)
	}
}

func tell(log func(Passage), p Passage) {
	if log != nil {
		log(p)
	}
}

// send sends what a state machine has to say. It returns the first refusal of
// the kernel's.
func (e *Endpoint) send(c *conn, log func(Passage)) (refused error) {
	e.batch, e.octets = e.batch[:0], e.octets[:0]
	var going []Datagram
	for _, d := range c.out {
		start := len(e.octets)
		b, err := wire.AppendDatagram(e.octets, d.Header, d.Segment)
		if err != nil { // only a script can have made it so
			refused = err
			tell(log, Passage{At: c.now, Outgoing: true, Header: &d.Header, Segment: &d.Segment, Err: err})
			continue
		}
		e.octets = b
		e.batch = append(e.batch, wire.Departure{Datagram: b[start:]})
		going = append(going, d)
	}
	if err := e.link.Send(e.batch); err != nil && e.err == nil {
		e.fail(err)
		return err
	}
	for i, sent := range e.batch {
		if sent.Err != nil && refused == nil {
			refused = sent.Err
		}
		tell(log, Passage{At: sent.At, Outgoing: true, Header: &going[i].Header, Segment: &going[i].Segment, Err: sent.Err})
	}
	return refused
}

// forget takes a connection that has ended off the list.
func (e *Endpoint) forget(c *Conn) {
	delete(e.conns, c.name)
	// TIME-WAIT was the wait itself, and who has refused says no more.
	if !c.waited && c.core.err != syscall.ECONNREFUSED {
		wait := c.core.cfg.TimeWait
		if wait == 0 {
			wait = max(defaultTimeWait, 3*c.core.rtt.timeout())
		}
		if until := time.Now().Add(wait); until.After(e.quiet) {
			e.quiet = until
		}
	}
	if len(e.conns) == 0 && e.idle != nil {
		close(e.idle)
		e.idle = nil
	}
}

// free returns a port of ours that has no connection to a remote endpoint.
func (e *Endpoint) free(local, remote netip.AddrPort) (netip.AddrPort, error) {
	for _, p := range e.ports {
		have := p.Local()
		fits := (!local.Addr().IsValid() || local.Addr() == have.Addr()) && (local.Port() == 0 || local.Port() == have.Port())
		if _, taken := e.conns[pair{have, remote}]; fits && !taken && e.listeners[have] == nil {
			return have, nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("no port of %d is free for %v", len(e.ports), remote)
}

// icmp takes an ICMP error. Only a connection that is being made believes it
// (RFC 5461, Section 4); what is there already repeats its segments.
func (e *Endpoint) icmp(message []byte) {
	m, err := wire.ParseICMPError(message)
	if err != nil || m.Type != wire.ICMPUnreachable || m.Code == fragmentationNeeded {
		return
	}
	q, err := wire.ParseQuote(m.Original)
	if err != nil {
		return
	}
	c := e.conns[pair{netip.AddrPortFrom(q.Header.Src, q.SrcPort), netip.AddrPortFrom(q.Header.Dst, q.DstPort)}]
	if c != nil && c.core.state == flow.SynSent && q.Seq == c.core.iss {
		c.core.end(unreachable(m.Code))
		c.settled()
	}
}
