package rtt

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// World is what a session needs of the world.
type World interface {
	link.World
	link.Taps
	// Loopback is the world without any choice of device or source address.
	// Clocks are calibrated there.
	Loopback() World
}

// Session is an open link, a tap beside it, the source ports that probes
// leave from, and what they have found.
type Session struct {
	plan     Plan
	world    World
	clock    finding.Clock
	untapped error // why there is no tap though one was wanted

	calibration calibration
	closing     closers

	link     link.Link
	listener *probe.Listener[event]
	// device is a path by the one device that all targets are reached by; the
	// zero Path if there are several.
	device link.Path
	tap    link.Tap // on that device, or on all; nil without
	// polled says that the run itself polls the tap, and that the link hears
	// only what the tap does not, because the answers have found another way
	// to us. The tap wakes us once in a few milliseconds, which is right where
	// there is much to hear, but too late for the user's clock to be of
	// interest.
	polled   bool
	observer *probe.Listener[event]

	rotations map[netip.Addr]*rotation // by source address
	targets   []*target
	// connector is nil but for sessions that time connect().
	connector link.Connector

	done  []Sample // not yet handed over
	count counters
}

// target is what a session knows of a target.
type target struct {
	*Target
	place int
	// err is why there is no way to it, as far as is known; refused is why its
	// latest probe that did not leave did not.
	err, refused error
	// path is the way that its probes take.
	path     link.Path
	rotation *rotation
	syn      *wire.Template
	// exchanges are the latest from each source port.
	exchanges []exchange
	// sent is the number of the probe sent last.
	sent uint32
	// met counts the probes that were lost because they met an earlier one.
	met   int
	stats *Stats
	// fastest is the shortest sample; zero before there is one. Until then
	// slow counts the answers that would have been samples of a second or
	// more.
	fastest time.Duration
	slow    int
}

// counters are what a session has done so far; they may be read while it runs.
type counters struct {
	segments, sent, received, lost, strays atomic.Uint64
}

// Progress is how far a session has come.
type Progress struct {
	// Segments counts all that were sent, our resets included.
	Segments uint64
	// Sent and Received count probes that left, and those answered in time;
	// Lost those of which no answer is hoped for any more.
	Sent, Received, Lost uint64
	// Strays came to our ports but answer no probe.
	Strays uint64
	// Drops counts datagrams that the kernel had no room for.
	Drops uint64
}

// Open reserves the source ports, opens tap and link, and calibrates the
// clock. Where no target can be reached the error is the route's. What it
// cannot have falls back to less, but for want of privilege.
func Open(ctx context.Context, w World, plan Plan) (_ *Session, err error) {
	s := newSession(plan)
	s.world, s.rotations = w, make(map[netip.Addr]*rotation)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err = s.route(); err != nil {
		return nil, err
	}
	var locals []netip.AddrPort
	for _, r := range s.rotations {
		locals = append(locals, r.locals...)
	}
	if s.clock == finding.PacketRing {
		if s.tap, err = w.Tap(s.device.Interface, locals...); err != nil {
			if refused(err) {
				return nil, err
			}
			s.untapped, s.clock = err, finding.SocketStamp
		}
	}
	config := link.Config{Local: locals, NoTransmitStamps: s.clock != finding.SocketStamp}
	if s.polled = s.tap != nil && plan.Busy() && s.device.Index != 0; s.polled {
		config.Except = s.device.Index
	}
	if s.link, err = w.Open(config); err != nil {
		return nil, err
	}
	calibration, bench := calibrate(ctx, w.Loopback(), s.clock)
	s.calibration = calibration
	s.closing.add(bench.close)
	s.listener = probe.Listen(s.link, listener(func() { s.stray(false) }))
	if !s.polled {
		s.observe()
	}
	return s, nil
}

// newSession returns a session that is not open.
func newSession(plan Plan) *Session {
	s := &Session{plan: plan, clock: plan.Spec.Clock, targets: make([]*target, len(plan.Targets))}
	if s.clock == "" {
		s.clock = finding.PacketRing
	}
	for i := range s.targets {
		s.targets[i] = &target{Target: &plan.Targets[i], place: i, stats: NewStats(plan.Spec.Timeout, precision(len(plan.Targets)))}
	}
	return s
}

// precision is in how many digits the times of one of so many targets are
// kept, so that they all take some ten megabytes.
func precision(targets int) int {
	switch {
	case targets <= 8:
		return 4
	case targets <= 100:
		return 3
	case targets <= 1000:
		return 2
	}
	return 1
}

// refused reports whether an error is for want of privilege.
func refused(err error) bool { return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) }

// observe listens to the tap, if there is one.
func (s *Session) observe() {
	if s.tap != nil {
		s.observer = probe.Listen(s.tap, s.tapEvents())
	}
}

// tapEvents makes events of what the tap hears.
func (s *Session) tapEvents() func(wire.Arrival) (event, bool) {
	ours := func(a netip.AddrPort) bool {
		r := s.rotations[a.Addr()]
		if r == nil {
			return false
		}
		_, known := r.place(a)
		return known
	}
	return observer(ours, func() { s.stray(true) })
}

// Stats are the figures of a target. They are not to be read from another
// goroutine than that which consumes Run, while it goes on.
func (s *Session) Stats(target int) *Stats { return s.targets[target].stats }

// report counts a sample and keeps it for the consumer.
func (s *Session) report(t *target, x Sample) {
	t.stats.Add(&x)
	if x.Met > 0 {
		t.met++
	}
	switch {
	case x.Reply == finding.LocalRefusal:
		t.refused = x.Refused
	case x.Answered():
		s.count.received.Add(1)
	default:
		s.count.lost.Add(1)
	}
	s.done = append(s.done, x)
}

// flush hands the samples over; false says that nobody wants more.
func (s *Session) flush(yield func([]Sample, error) bool) bool {
	if len(s.done) > 0 && !yield(s.done, nil) {
		return false
	}
	clear(s.done)
	s.done = s.done[:0]
	return true
}

// Progress may be called at any time, from any goroutine.
func (s *Session) Progress() Progress {
	p := Progress{
		Segments: s.count.segments.Load(),
		Sent:     s.count.sent.Load(),
		Received: s.count.received.Load(),
		Lost:     s.count.lost.Load(),
		Strays:   s.count.strays.Load(),
	}
	if s.link != nil {
		p.Drops = s.link.Drops()
	}
	if s.polled {
		p.Drops += s.tap.Drops()
	}
	return p
}

// Close ends the session. The quiet ports go last: until then a late SYN-ACK
// meets silence, afterwards the kernel's own reset.
func (s *Session) Close() error {
	for _, l := range []*probe.Listener[event]{s.listener, s.observer} {
		if l != nil {
			l.Stop()
			l.Wait()
		}
	}
	if s.link != nil {
		s.closing.add(s.link.Close)
	}
	if s.tap != nil {
		s.closing.add(s.tap.Close)
	}
	err := s.closing.close()
	for _, r := range s.rotations {
		err = errors.Join(err, r.close())
	}
	return err
}

// Summary is a target's rtt-summary object, and whether an expectation of it
// does not hold.
func (s *Session) Summary(place int, expectations []Expectation) (finding.Record, bool) {
	t := s.targets[place]
	var failed []string
	for _, e := range expectations {
		if ok, got := e.Holds(t.stats); !ok {
			failed = append(failed, fmt.Sprintf("%v (%s)", e, got))
		}
	}
	record := t.stats.Summary(*t.Target).Set("failed", failed)
	if bar, known := s.calibration.Errors[finding.Clock(record.Text("clock"))]; known {
		record = record.Set("error_us", microseconds(bar))
	}
	return record.Set("detail", s.detail(t)), len(failed) > 0
}

// detail says why a target's figures are not what they might be.
func (s *Session) detail(t *target) string {
	switch {
	case t.stats.NotSent > 0:
		return t.refused.Error()
	case t.stats.Received == 0 && s.unresolved(t):
		return (&probe.NoARPError{NextHop: t.nextHop()}).Error()
	case t.met > 0:
		return fmt.Sprintf("%d of the lost met earlier ones at the peer: our resets are lost on the way", t.met)
	case s.untapped != nil:
		return fmt.Sprintf("no %s: %v", finding.PacketRing, s.untapped)
	case t.stats.Received > 0 && s.calibration.Err != nil:
		return fmt.Sprintf("the clock is not calibrated: %v", s.calibration.Err)
	}
	return ""
}
