package rtt

import (
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// event is what an arrival means for a measurement.
type event struct {
	kind          eventKind
	local, remote netip.AddrPort
	// isn is that of the SYN which left, or which the reply claims to answer; of
	// a challenge, that of the SYN which the peer still knows.
	isn wire.Seq
	// reply, from and ttl are a reply's.
	reply finding.Reason
	from  netip.Addr
	ttl   uint8
	// device is the index of the one it passed.
	device int
	// at is the kernel's stamp, in nanoseconds since 1970; user is when the
	// program had it.
	at   int64
	user time.Time
}

type eventKind uint8

const (
	// left: our SYN has passed the device.
	left eventKind = iota
	// replied: something has come back.
	replied
	// challenged: a bare ACK has come back, because the peer still knows the
	// 4-tuple from an earlier probe whose reset was lost.
	challenged
)

// listener makes events of what a link hears: replies.
func listener(strays func()) func(wire.Arrival) (event, bool) {
	ear := probe.Ear{NoOptions: true}
	return func(a wire.Arrival) (event, bool) {
		h, ok := ear.Hear(a)
		if ok {
			e := reply(&h)
			if e.valid(&h) {
				e.user = time.Now()
				return e, true
			}
		}
		strays()
		return event{}, false
	}
}

// observer makes events of what a tap hears: departures, and replies. ours tells
// which endpoints are our own: on loopback, what leaves also arrives.
func observer(ours func(netip.AddrPort) bool, strays func()) func(wire.Arrival) (event, bool) {
	ear := probe.Ear{NoOptions: true}
	var segment wire.Segment
	return func(a wire.Arrival) (event, bool) {
		if a.Outgoing {
			return departure(a, &segment)
		}
		if h, ok := ear.Hear(a); ok {
			e := reply(&h)
			if e.device = a.Interface; e.valid(&h) {
				return e, true
			}
			if ours(e.remote) {
				return event{}, false
			}
		}
		strays()
		return event{}, false
	}
}

// valid reports whether the event proves that its sender has seen a SYN, as
// far as the reply itself can tell.
func (e *event) valid(h *probe.Heard) bool { return e.kind == challenged || h.Answers(e.isn) }

// departure is the event of a SYN that leaves; scratch is for parsing.
func departure(a wire.Arrival, scratch *wire.Segment) (event, bool) {
	header, payload, err := wire.ParseHeader(a.Datagram)
	if err != nil || header.Protocol != wire.ProtocolTCP || header.FragOffset != 0 ||
		scratch.Parse(payload) != nil || scratch.Flags != wire.SYN {
		return event{}, false
	}
	return event{
		kind:   left,
		local:  netip.AddrPortFrom(header.Src, scratch.SrcPort),
		remote: to(header, scratch.DstPort),
		isn:    scratch.Seq,
		device: a.Interface,
		at:     a.At.UnixNano(),
	}, true
}

// to is where a segment goes.
func to(h wire.Header, port uint16) netip.AddrPort { return netip.AddrPortFrom(h.Dst, port) }

// reply is the event of something that comes back.
func reply(h *probe.Heard) event {
	e := event{
		kind: replied, local: h.Local, remote: h.Remote, isn: isnOf(h),
		from: h.Reply.From, ttl: h.Reply.TTL, at: h.Reply.At.UnixNano(),
	}
	switch r := &h.Reply; {
	case r.ICMP:
		e.reply = finding.ICMP(r.Type, r.Code)
	case r.Is(wire.SYN | wire.ACK):
		e.reply = finding.SYNACK
	case r.Is(wire.RST | wire.ACK):
		e.reply = finding.RST
	case r.Is(wire.ACK):
		e.kind = challenged
	}
	return e
}
