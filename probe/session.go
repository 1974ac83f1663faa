package probe

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Session is an open link and the quiet ports that probes leave from. A
// session may run several plans, one after the other, if the first covers
// their hosts.
type Session struct {
	world link.World
	link  link.Link
	// ports are the quiet ports, one for each source address.
	ports map[netip.Addr]link.Port

	listener *Listener[Heard]

	count   counters
	limited limits
}

// counters are what a session has done so far; they may be read while it runs.
type counters struct {
	sent, received, strays, unreset, done, open atomic.Uint64
}

// Progress is how far a session has come.
type Progress struct {
	// Sent and Received count segments: retries and resets among the sent
	// ones; only what answers a probe among the received.
	Sent, Received uint64
	// Strays came to our ports but answer no probe: late, foreign or forged.
	Strays uint64
	// Unreset counts our resets that this host refused to send.
	Unreset uint64
	// Done counts finished probes; Open those that found an open port.
	Done, Open uint64
	// Drops counts datagrams that the kernel had no room for.
	Drops uint64
}

// everyHost is how many hosts are asked for their route one by one before
// anything is sent. Beyond, one host speaks for its /24.
const everyHost = 1 << 12

// Open reserves a quiet port on every source address that the plan's hosts
// are reached from, then opens the link. Where no host can be reached the
// error is the route's.
func Open(w link.World, plan Plan) (_ *Session, err error) {
	s := &Session{
		world: w,
		ports: make(map[netip.Addr]link.Port),
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := s.reserve(plan); err != nil {
		return nil, err
	}
	var locals []netip.AddrPort
	for _, port := range s.ports {
		locals = append(locals, port.Local())
	}
	if s.link, err = w.Open(link.Config{Local: locals}); err != nil {
		return nil, err
	}
	var ear Ear
	s.listener = Listen(s.link, func(a wire.Arrival) (Heard, bool) {
		h, ok := ear.Hear(a)
		if !ok {
			s.count.strays.Add(1)
		}
		return h, ok
	})
	return s, nil
}

// reserve takes the quiet ports.
func (s *Session) reserve(plan Plan) error {
	var unreachable error
	hosts := plan.Scope.Hosts()
	step := uint64(1)
	if hosts > everyHost {
		step = 256
	}
	for i := uint64(0); i < hosts; i += step {
		addr, _ := plan.Scope.Host(i)
		path, err := s.world.Path(addr)
		if err != nil {
			unreachable = err
			continue
		}
		if s.ports[path.Source] != nil {
			continue
		}
		port, err := s.world.Reserve(path.Source, plan.Spec.SourcePort)
		if err != nil {
			return err
		}
		s.ports[path.Source] = port
	}
	if len(s.ports) == 0 {
		return unreachable
	}
	return nil
}

// local is the quiet port on a source address. Where one host spoke for its
// /24 when the ports were reserved, and another is reached from another
// address, any of ours will do.
func (s *Session) local(source netip.Addr) netip.AddrPort {
	port := s.ports[source]
	if port == nil {
		port = s.ports[slices.MinFunc(slices.Collect(maps.Keys(s.ports)), netip.Addr.Compare)]
	}
	return port.Local()
}

// Progress may be called at any time, from any goroutine.
func (s *Session) Progress() Progress {
	return Progress{
		Sent:     s.count.sent.Load(),
		Received: s.count.received.Load(),
		Strays:   s.count.strays.Load(),
		Unreset:  s.count.unreset.Load(),
		Done:     s.count.done.Load(),
		Open:     s.count.open.Load(),
		Drops:    s.link.Drops(),
	}
}

// LimitedBy is what the runs so far had to wait for; "" where the answers set
// the pace. Not to be called while a run goes on.
func (s *Session) LimitedBy() finding.Limit { return s.limited.tightest() }

// Close ends the session. The quiet ports go last: until then a late SYN-ACK
// meets silence, afterwards the kernel's own reset.
func (s *Session) Close() error {
	var errs []error
	if s.listener != nil {
		s.listener.Stop()
		errs = append(errs, s.link.Close())
		s.listener.Wait()
	}
	for _, port := range s.ports {
		errs = append(errs, port.Close())
	}
	return errors.Join(errs...)
}
