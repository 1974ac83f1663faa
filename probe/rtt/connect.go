package rtt

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"syscall"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/link"
)

// maxConnecting bounds the connections that are being made at a time: each
// takes a thread.
const maxConnecting = 256

// Connector makes connections with the kernel's own TCP, which needs no
// privilege.
type Connector interface {
	link.Connector
	// Listen opens a port on src where the kernel accepts connections by
	// itself. Clocks are calibrated there.
	Listen(src netip.Addr) (link.Port, error)
}

// OpenConnect returns a session that times connect() instead of sending
// segments of its own: what TCP_INFO says where there is a connection, else the
// user's clock.
func OpenConnect(ctx context.Context, c Connector, plan Plan) *Session {
	s := newSession(plan)
	s.clock, s.connector = finding.TCPInfo, c
	s.calibration = calibrateConnect(ctx, c)
	return s
}

// calibrateConnect measures on loopback. The true time lies between zero and
// what connect() took, so that no clock's error is larger than the distance
// from what it says to the farther of the two.
func calibrateConnect(ctx context.Context, c Connector) calibration {
	port, err := c.Listen(loopback)
	if err != nil {
		return newCalibration(nil, err)
	}
	errs := make(map[finding.Clock][]time.Duration)
	pace := time.NewTicker(calibrationInterval)
	defer pace.Stop()
	began := time.Now()
	for i := range calibrations {
		if i > 0 && time.Since(began) > calibrationTime {
			break
		}
		<-pace.C
		x, err := c.Connect(ctx, link.ConnectConfig{Remote: port.Local(), Timeout: calibrationTime})
		if err != nil || x.Err != nil {
			break
		}
		errs[finding.TCPInfo] = append(errs[finding.TCPInfo], max(x.RTT, x.Elapsed-x.RTT))
		errs[finding.UserClock] = append(errs[finding.UserClock], x.Elapsed)
	}
	return newCalibration(errs, port.Close())
}

// connecting is a connect() that has returned.
type connecting struct {
	target int
	n      uint32
	link.Connected
	// local is why this host could not even try, or ctx's error; nil if it did.
	local error
}

// connect is Run for sessions that time connect().
func (s *Session) connect(ctx context.Context, yield func([]Sample, error) bool) {
	start, timer := time.Now(), time.NewTimer(time.Hour)
	defer timer.Stop()
	schedule, pending := s.plan.schedule(), 0
	results := make(chan connecting, maxConnecting)
	calls, cancel := context.WithCancel(ctx)
	defer func() { // no call outlives the run
		cancel()
		for ; pending > 0; pending-- {
			<-results
		}
	}()
	for ctx.Err() == nil && (pending > 0 || !schedule.over()) {
		now := time.Since(start)
		for pending < maxConnecting {
			target, due := schedule.turn(now)
			if !due {
				break
			}
			pending++
			t := s.targets[target]
			t.sent++
			s.count.sent.Add(1)
			go func(n uint32) { results <- s.call(calls, t, n) }(t.sent)
		}
		wait := time.Duration(math.MaxInt64)
		if pending < maxConnecting && !schedule.over() {
			wait = max(schedule.due()-time.Since(start), 0)
		}
		timer.Reset(wait)
		select {
		case c := <-results:
			pending--
			if !errors.Is(c.local, context.Canceled) {
				s.report(s.targets[c.target], c.sample())
			}
		case <-timer.C:
		case <-ctx.Done():
		}
		if !s.flush(yield) {
			return
		}
	}
	if ctx.Err() != nil {
		yield(nil, context.Cause(ctx))
	}
}

// call makes one connection.
func (s *Session) call(ctx context.Context, t *target, n uint32) connecting {
	x, err := s.connector.Connect(ctx, link.ConnectConfig{Remote: t.Addr, Timeout: s.plan.Spec.Timeout})
	return connecting{t.place, n, x, err}
}

// sample is what a connect() comes to.
func (c *connecting) sample() Sample {
	s := Sample{Target: c.target, N: c.n, At: c.At}
	err := errors.Join(c.local, c.Err)
	var icmp link.ICMPError
	switch {
	case c.Retransmits > 0:
		// What it took is the kernel's timer more than anything else.
		s.Reply = finding.NoReply
		if err == nil {
			s.Late = c.Elapsed
		}
	case err == nil:
		s.Reply, s.RTT, s.Clock, s.User = finding.SYNACK, c.RTT, finding.TCPInfo, c.Elapsed
		if c.RTT == 0 {
			s.RTT, s.Clock = c.Elapsed, finding.UserClock
		}
	case errors.Is(err, syscall.ECONNREFUSED):
		s.Reply, s.RTT, s.Clock, s.User = finding.RST, c.Elapsed, finding.UserClock, c.Elapsed
	case errors.Is(err, syscall.ETIMEDOUT):
		s.Reply = finding.NoReply
	case errors.As(err, &icmp):
		typ, code, from := icmp.ICMP()
		s.Reply, s.From = finding.ICMP(typ, code), from
	default:
		s.Reply, s.Refused = finding.LocalRefusal, err
	}
	return s
}
