package capture

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Tap is the part of probe/link.Tap that an Eavesdrop stands in for.
type Tap interface {
	Receive(ctx context.Context, batch []wire.Arrival) (int, error)
	Poll(wait time.Duration, batch []wire.Arrival) (int, error)
	Pending() bool
	Drops() uint64
	Close() error
}

// Eavesdrop is a Tap that tells its sinks what another tap hears, in both
// directions, with that tap's stamps.
type Eavesdrop struct {
	Tap
	local map[netip.AddrPort]bool
	sinks []Sink
}

// NewEavesdrop returns an Eavesdrop on tap, on the side of these local
// endpoints. Closing it closes the tap, not the sinks.
func NewEavesdrop(tap Tap, local []netip.AddrPort, sinks ...Sink) *Eavesdrop {
	e := &Eavesdrop{tap, make(map[netip.AddrPort]bool, len(local)), sinks}
	for _, l := range local {
		e.local[l] = true
	}
	return e
}

// Receive receives a batch and tells the sinks of it.
func (e *Eavesdrop) Receive(ctx context.Context, batch []wire.Arrival) (int, error) {
	n, err := e.Tap.Receive(ctx, batch)
	e.tell(batch[:n])
	return n, err
}

// Poll polls, and tells the sinks too.
func (e *Eavesdrop) Poll(wait time.Duration, batch []wire.Arrival) (int, error) {
	n, err := e.Tap.Poll(wait, batch)
	e.tell(batch[:n])
	return n, err
}

func (e *Eavesdrop) tell(batch []wire.Arrival) {
	for i := range batch {
		if a := &batch[i]; e.ours(a) == a.Outgoing {
			for _, s := range e.sinks {
				s.Segment(a.At, a.Datagram, a.Outgoing)
			}
		}
	}
}

// ours reports whether one of the local endpoints has sent a datagram. On
// loopback each passes twice, and that the other end's leaves, or ours
// arrives, is not our end's to see.
func (e *Eavesdrop) ours(a *wire.Arrival) bool {
	h, payload, err := wire.ParseHeader(a.Datagram)
	if err != nil || h.Protocol != wire.ProtocolTCP || len(payload) < 2 {
		return false
	}
	return e.local[netip.AddrPortFrom(h.Src, binary.BigEndian.Uint16(payload))]
}

// lastWords is how long a tap may keep what has passed the device. The ring of
// a packet socket hands a block over when it is 4 ms old.
const lastWords = 20 * time.Millisecond

// Close tells of what the tap still holds, and closes it. Nobody may be
// receiving.
func (e *Eavesdrop) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	batch := make([]wire.Arrival, 64)
	for {
		if _, err := e.Receive(ctx, batch); err != nil {
			if ctx.Err() != nil {
				err = nil
			}
			return errors.Join(err, e.Tap.Close())
		}
	}
}
