package rtt

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// calibration is how far clocks can be trusted, measured on loopback before
// anything is sent to a target.
type calibration struct {
	// Errors is what 98 of 100 measurements by a clock stayed within.
	Errors map[finding.Clock]time.Duration
	// Err is why nothing is known; nil if it is.
	Err error
}

const (
	// calibrations is how many measurements are made, calibrationInterval the
	// time between them, for what has just been done is done faster once more,
	// and calibrationTime how long the last is waited for.
	calibrations        = 50
	calibrationInterval = time.Millisecond
	calibrationTime     = time.Second
)

// leastError is the least that is claimed. Two taps may share their stamps on
// loopback, and agree to the nanosecond; on other devices they were seen to
// differ by up to a microsecond.
const leastError = time.Microsecond

// loopback is where clocks are calibrated.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// errNothingBack says that loopback has swallowed everything.
var errNothingBack = errors.New("nothing of what was sent came back")

// newCalibration draws the sums of measured errors.
func newCalibration(errs map[finding.Clock][]time.Duration, err error) calibration {
	c := calibration{Errors: make(map[finding.Clock]time.Duration)}
	for clock, all := range errs {
		if len(all) > 0 {
			slices.Sort(all)
			c.Errors[clock] = max(all[(len(all)*98+99)/100-1], leastError)
		}
	}
	if err == nil && len(c.Errors) == 0 {
		err = errNothingBack
	}
	if err != nil {
		c.Err = fmt.Errorf("loopback: %w", err)
	}
	return c
}

// calibrate measures the errors of a tap's clock, or of a link's, by SYNs from
// one quiet port of ours to another. Nobody answers them, but each passes the
// loopback device twice, once leaving and once arriving. What a clock makes of
// the time in between is held against a second, independent tap.
//
// The bench that it leaves is to be closed, which takes its time.
func calibrate(ctx context.Context, w World, clock finding.Clock) (calibration, *bench) {
	b := new(bench)
	errs, err := b.errors(ctx, w, clock)
	return newCalibration(errs, err), b
}

// bench is what clocks are calibrated with. The zero value is empty.
type bench struct {
	ports *rotation
	link  link.Link
	taps  [2]link.Tap // the clock under test, and the reference
}

func (b *bench) open(w World, clock finding.Clock) error {
	path, err := w.Path(loopback)
	if err != nil {
		return err
	}
	if b.ports, err = reserve(w, loopback, 0, 2); err != nil {
		return err
	}
	config := link.Config{Local: b.ports.locals, NoTransmitStamps: clock != finding.SocketStamp}
	if b.link, err = w.Open(config); err != nil {
		return err
	}
	for i := range b.taps {
		if b.taps[i], err = w.Tap(path.Interface, b.ports.locals...); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) close() error {
	var all closers
	for _, t := range b.taps {
		if t != nil {
			all.add(t.Close)
		}
	}
	if b.link != nil {
		all.add(b.link.Close)
	}
	err := all.close()
	if b.ports != nil {
		err = errors.Join(err, b.ports.close())
	}
	return err
}

// errors opens the bench and measures.
func (b *bench) errors(ctx context.Context, w World, clock finding.Clock) (map[finding.Clock][]time.Duration, error) {
	if err := b.open(w, clock); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var socket passages
	var rings [2]passages
	var watching sync.WaitGroup
	for i, tap := range b.taps {
		watching.Go(func() { rings[i].watch(ctx, tap, 2*calibrations) })
	}
	watching.Go(func() { socket.watch(ctx, b.link, calibrations) })
	if err := socket.dispatch(ctx, b.link, b.ports.locals[0], b.ports.locals[1]); err != nil {
		cancel()
		watching.Wait()
		return nil, err
	}
	// Only now: a process that is kept from running for so long while it sends
	// has nothing else to show.
	defer time.AfterFunc(calibrationTime, cancel).Stop()
	watching.Wait()
	second := finding.UserClock
	if clock == finding.SocketStamp {
		second = clock
	}
	return map[finding.Clock][]time.Duration{
		finding.PacketRing: rings[0].errors(&rings[1]),
		second:             socket.errors(&rings[1]),
	}, nil
}

// passages are when SYNs passed the loopback device, by one clock. A SYN's
// sequence number is its place.
type passages [calibrations]stamps

// dispatch sends the SYNs, one by one as probes leave, and notes when.
func (p *passages) dispatch(ctx context.Context, l link.Link, from, to netip.AddrPort) error {
	pace := time.NewTicker(calibrationInterval)
	defer pace.Stop()
	header := wire.Header{DF: true, TTL: 64, Protocol: wire.ProtocolTCP, Src: from.Addr(), Dst: to.Addr()}
	segment := wire.Segment{SrcPort: from.Port(), DstPort: to.Port(), Flags: wire.SYN}
	departures := make([]wire.Departure, 1)
	for i := range p {
		var err error
		segment.Seq = wire.Seq(i)
		if departures[0].Datagram, err = wire.AppendDatagram(departures[0].Datagram[:0], header, segment); err != nil {
			return err
		}
		if err := errors.Join(l.Send(departures), departures[0].Err); err != nil {
			return err
		}
		p[i].left = departures[0].At.UnixNano()
		select {
		case <-pace.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// watch notes the passages that r hears, until there are n or time is up.
func (p *passages) watch(ctx context.Context, r probe.Receiver, n int) {
	arrivals := make([]wire.Arrival, calibrations)
	var scratch wire.Segment
	for n > 0 {
		got, err := r.Receive(ctx, arrivals)
		if err != nil {
			return // what is missing is not counted
		}
		for _, a := range arrivals[:got] {
			e, ok := departure(a, &scratch)
			switch {
			case !ok || uint32(e.isn) >= calibrations:
				continue
			case a.Outgoing:
				p[e.isn].left = e.at
			default:
				p[e.isn].heard = e.at
			}
			n--
		}
	}
}

// errors holds a clock's passages against another's.
func (p *passages) errors(reference *passages) []time.Duration {
	var errs []time.Duration
	for i, x := range p {
		if ref := reference[i]; x.left != 0 && x.heard != 0 && ref.left != 0 && ref.heard != 0 {
			errs = append(errs, time.Duration((x.heard-x.left)-(ref.heard-ref.left)).Abs())
		}
	}
	return errs
}
