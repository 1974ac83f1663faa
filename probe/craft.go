package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// OwnedError says that a local socket owns the 4-tuple that a segment would
// have been sent into.
type OwnedError struct {
	Local, Remote netip.AddrPort
	// State is the socket's, as ss names it.
	State string
}

func (e *OwnedError) Error() string {
	return fmt.Sprintf("a socket of this host owns %v > %v (%s), and the segment could end or corrupt its connection", e.Local, e.Remote, e.State)
}

// CraftTally is what came of crafting in figures.
type CraftTally struct {
	Sent, Received int
	Drops          uint64
	// Detail says what it means that nothing answered; "" where something did.
	Detail string
	// Mute says that no answer was to be expected.
	Mute bool
}

// Craft sends the segment that the spec describes as often as it says, and
// emits every segment sent and every answer as a segment record with its
// explanation. A SYN-ACK that acknowledges our SYN is reset. It returns an
// *OwnedError before anything is sent where the segment could harm a
// connection of this host.
func Craft(ctx context.Context, w link.World, spec CraftSpec, rng *rand.Rand, emit func(finding.Record) error) (CraftTally, error) {
	path, err := w.Path(spec.Target.Addr())
	if err != nil {
		return CraftTally{}, err
	}
	local, release, err := spec.claim(w, path.Source)
	if err != nil {
		return CraftTally{}, err
	}
	defer release()
	l, err := w.Open(link.Config{Local: []netip.AddrPort{local}})
	if err != nil {
		return CraftTally{}, err
	}
	c := &crafting{spec: spec, local: local, link: l, emit: emit, heard: make(chan overheard), ear: Ear{credulous: true}}
	c.seq = wire.Seq(rng.Uint32())
	if spec.Seq != nil {
		c.seq = *spec.Seq
	}
	err = c.run(ctx)
	return c.tally, errors.Join(err, l.Close())
}

// claim returns the endpoint to send from. It is a quiet port, except where a
// socket of ours owns the 4-tuple and the segment cannot harm it: then that
// socket takes the answers, as it would anyway.
func (s CraftSpec) claim(w link.World, source netip.Addr) (netip.AddrPort, func(), error) {
	local := netip.AddrPortFrom(source, s.SourcePort)
	if s.SourcePort != 0 {
		state, err := w.Owner(local, s.Target)
		if err != nil {
			return local, nil, err
		}
		if state != "" && s.harms() {
			return local, nil, &OwnedError{local, s.Target, state}
		}
		if state != "" {
			return local, func() {}, nil
		}
	}
	port, err := w.Reserve(source, s.SourcePort)
	if err != nil {
		return local, nil, err
	}
	return port.Local(), func() { port.Close() }, nil
}

// harms reports whether the segment may change the state of a connection: a
// SYN may draw resets from both ends, a FIN may close, an RST may end it, and
// data may be taken for the application's.
func (s CraftSpec) harms() bool {
	return s.Flags&(wire.SYN|wire.FIN|wire.RST) != 0 || len(s.Data) > 0
}

// Datagram is the segment as it leaves local with the given sequence number.
func (s CraftSpec) Datagram(local netip.AddrPort, seq wire.Seq) ([]byte, error) {
	header := wire.Header{
		TOS: s.DSCP << 2, DF: s.DF, TTL: s.TTL, Protocol: wire.ProtocolTCP,
		Src: local.Addr(), Dst: s.Target.Addr(),
	}
	if s.IPID != nil {
		header.ID = *s.IPID
	}
	segment := wire.Segment{
		SrcPort: local.Port(), DstPort: s.Target.Port(),
		Seq: seq, Ack: s.ack(), Flags: s.Flags, Window: s.Window, Urgent: s.Urgent,
		Options: s.Options, Payload: s.Data,
	}
	datagram, err := wire.AppendDatagram(nil, header, segment)
	if err != nil || !s.BadSum {
		return datagram, err
	}
	// One bit is enough for everyone to see.
	_, octets, err := wire.ParseHeader(datagram)
	if err != nil {
		return nil, err
	}
	if segment, err = wire.ParseSegment(octets); err != nil {
		return nil, err
	}
	segment.Checksum ^= 1
	segment.KeepChecksum = true
	return wire.AppendDatagram(nil, header, segment)
}

// crafting is one Craft under way.
type crafting struct {
	spec  CraftSpec
	local netip.AddrPort
	seq   wire.Seq
	link  link.Link
	emit  func(finding.Record) error
	heard chan overheard
	ear   Ear
	tally CraftTally
	// n and last are the number and the time of the latest record.
	n    int
	last time.Time
}

// overheard is an arrival with octets of its own, or why there are no more.
type overheard struct {
	datagram []byte
	at       time.Time
	err      error
}

func (c *crafting) run(ctx context.Context) error {
	listening, stop := context.WithCancel(context.Background())
	var listener sync.WaitGroup
	defer listener.Wait()
	defer stop()
	listener.Go(func() { c.listen(listening) })
	for i := range c.spec.Count {
		if err := c.send(); err != nil {
			return err
		}
		wait := c.spec.Interval
		if i == c.spec.Count-1 {
			wait = c.spec.Timeout
		}
		if err := c.hear(ctx, wait); err != nil {
			return err
		}
	}
	if c.tally.Received == 0 {
		c.tally.Detail, c.tally.Mute = c.spec.silence()
	}
	return nil
}

func (c *crafting) listen(ctx context.Context) {
	arrivals := make([]wire.Arrival, 16)
	for {
		n, err := c.link.Receive(ctx, arrivals)
		if err != nil {
			select {
			case c.heard <- overheard{err: err}:
			case <-ctx.Done():
			}
			return
		}
		for _, a := range arrivals[:n] {
			select {
			case c.heard <- overheard{append([]byte(nil), a.Datagram...), a.At, nil}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// send sends the segment once more.
func (c *crafting) send() error {
	datagram, err := c.spec.Datagram(c.local, c.seq)
	if err != nil {
		return err
	}
	return c.put(datagram, "")
}

// put sends a datagram and reports it.
func (c *crafting) put(datagram []byte, explanation string) error {
	departures := []wire.Departure{{Datagram: datagram}}
	if err := c.link.Send(departures); err != nil {
		return err
	}
	if err := departures[0].Err; err != nil {
		if errors.Is(err, os.ErrPermission) {
			return fmt.Errorf("%w: %w", errOwnFirewall, err)
		}
		return err
	}
	c.tally.Sent++
	return c.report(finding.Sent, datagram, departures[0].At, explanation)
}

// hear reports what arrives until wait is over.
func (c *crafting) hear(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
			c.tally.Drops = c.link.Drops()
			return nil
		case o := <-c.heard:
			if o.err != nil {
				return o.err
			}
			if err := c.take(o); err != nil {
				return err
			}
		}
	}
}

// take reports one arrival, and resets what it opened.
func (c *crafting) take(o overheard) error {
	h, ok := c.ear.Hear(wire.Arrival{Datagram: o.datagram, At: o.at})
	if !ok || h.Remote != c.spec.Target || h.Local != c.local {
		return nil
	}
	c.tally.Received++
	if err := c.report(finding.Received, o.datagram, o.at, c.spec.explain(c.seq, &h, c.checksum(h, o.datagram))); err != nil {
		return err
	}
	if c.spec.Flags&wire.SYN == 0 || !h.Reply.Is(wire.SYN|wire.ACK) || !c.spec.takes(c.seq, h.Reply.Ack) {
		return nil
	}
	out, err := NewOutbox[struct{}]()
	if err != nil {
		return err
	}
	out.Reset(&h)
	return c.put(out.Departures[0].Datagram, "our reset: the half-open connection is not left behind")
}

// checksum is the state of an answer's TCP checksum.
func (c *crafting) checksum(h Heard, datagram []byte) wire.Checksum {
	if h.Reply.ICMP {
		return wire.Unverified
	}
	return wire.VerifyTCP(datagram)
}

// ack is the acknowledgement number as it stands on the wire.
func (s CraftSpec) ack() wire.Seq {
	if s.Ack == nil {
		return 0
	}
	return *s.Ack
}

// length is SEG.LEN of the segment.
func (s CraftSpec) length() uint32 { return wire.Segment{Flags: s.Flags, Payload: s.Data}.Len() }

// report emits a segment record.
func (c *crafting) report(direction finding.Direction, datagram []byte, at time.Time, explanation string) error {
	c.n++
	record := SegmentRecord(datagram).
		Set("n", c.n).
		Set("at", at).
		Set("direction", direction).
		Set("explanation", explanation)
	if !c.last.IsZero() {
		record = record.Set("dt_us", float64(at.Sub(c.last))/float64(time.Microsecond))
	}
	c.last = at
	return c.emit(record)
}
