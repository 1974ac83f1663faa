package probe

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Exchange is one probe, all its tries included, and what came back.
type Exchange struct {
	Method Method
	Probe  Probe
	// Local is where the probe was sent from.
	Local netip.AddrPort
	// Tries is how many segments were sent.
	Tries int
	// At is when the answered try left, or the last one where none was.
	At time.Time
	// RTT is from that try to its answer, by the kernel's stamps where it
	// gives them. Zero where there was no answer, or where it cannot be told
	// which try was answered (Karn's rule).
	RTT time.Duration
	// Reply is the answer that decides; nil means silence.
	Reply *Reply
	// Refused is why the probe never left this host; nil if it did.
	Refused error
}

// Reply is a datagram that answers a probe.
type Reply struct {
	// From is its source address: a router's, for most ICMP errors.
	From netip.Addr
	// TTL is as it arrived.
	TTL uint8
	At  time.Time

	// ICMP says that Type and Code are filled in, else the fields after them.
	ICMP       bool
	Type, Code uint8

	Flags    wire.Flags
	Seq, Ack wire.Seq
	Window   uint16
	Options  []wire.Option

	// Quoted is the IP ID of the datagram that an ICMP error is about.
	Quoted uint16
}

// noRoute reports whether the kernel knows no way to the host.
func (x Exchange) noRoute() bool {
	return errors.Is(x.Refused, syscall.ENETUNREACH) || errors.Is(x.Refused, syscall.EHOSTUNREACH)
}

// is reports whether the reply is a TCP segment that has exactly these flags
// among SYN, RST and ACK.
func (r *Reply) is(flags wire.Flags) bool {
	return !r.ICMP && r.Flags&(wire.SYN|wire.RST|wire.ACK) == flags
}

// answers reports whether r is an answer to a SYN with the given ISN: what
// RFC 9293, Section 3.10.7.3 lets a connection in SYN-SENT believe, and
// nothing that a sender could make who has not seen the SYN.
func (r *Reply) answers(isn, quoted wire.Seq) bool {
	switch {
	case r.ICMP:
		return quoted == isn
	case r.is(wire.SYN | wire.ACK), r.is(wire.RST | wire.ACK):
		return r.Ack == isn.Add(1)
	}
	return false
}

// echo is the timestamp that a segment echoes, if it does.
func (r *Reply) echo() (tsval uint32, ok bool) {
	for _, o := range r.Options {
		if _, ecr, ok := o.Timestamps(); ok {
			return ecr, true
		}
	}
	return 0, false
}

// soft reports whether a better answer can be hoped for: a router that has no
// way to the host just now may have one at the next try (RFC 1122,
// Section 4.2.3.9).
func (r *Reply) soft() bool {
	if !r.ICMP {
		return false
	}
	if r.Type != wire.ICMPUnreachable {
		return true
	}
	switch r.Code {
	case netUnreachable, hostUnreachable, sourceRouteFailed, netUnknown, hostUnknown:
		return true
	}
	return false
}

// rejects reports whether the reply is an ICMP error that only a rule makes.
// No host's TCP answers like this: where nobody listens it sends RST
// (RFC 9293, Section 3.10.7.1).
func (r *Reply) rejects() bool {
	return r.ICMP && r.Type == wire.ICMPUnreachable && !r.soft() && r.Code != fragmentationNeeded
}

// The codes of a destination unreachable message that are about the way, not
// about a rule (RFC 792; RFC 1122, Section 3.2.2.1).
const (
	netUnreachable      = 0
	hostUnreachable     = 1
	fragmentationNeeded = 4
	sourceRouteFailed   = 5
	netUnknown          = 6
	hostUnknown         = 7
)

// endpoint names a probe among those of one run: its source port is the same
// for all.
type endpoint struct {
	addr uint32
	port uint16
}

// heard is a reply together with the probe that it claims to answer.
type heard struct {
	reply  Reply
	to     endpoint
	local  netip.AddrPort
	quoted wire.Seq
}

// ear turns datagrams into replies. It keeps what it needs for parsing, so
// that only SYN-ACKs with options cost an allocation.
type ear struct {
	segment wire.Segment
	// credulous makes it hear segments with a bad checksum too.
	credulous bool
}

// hear reads an arrival; ok is false for what cannot answer any probe.
// Datagrams that are cut short or malformed are not believed.
func (e *ear) hear(a wire.Arrival) (h heard, ok bool) {
	header, payload, err := wire.ParseHeader(a.Datagram)
	if err != nil || a.Outgoing || header.FragOffset != 0 {
		return heard{}, false
	}
	h.reply = Reply{From: header.Src, TTL: header.TTL, At: a.At}
	switch header.Protocol {
	case wire.ProtocolTCP:
		if e.segment.Parse(payload) != nil || !e.credulous && wire.VerifyTCP(a.Datagram) == wire.Invalid {
			return heard{}, false
		}
		h.tcp(header, &e.segment)
		return h, true
	case wire.ProtocolICMP:
		return h, h.icmp(payload)
	}
	return heard{}, false
}

func (h *heard) tcp(header wire.Header, g *wire.Segment) {
	h.to = endpoint{addrNumber(header.Src), g.SrcPort}
	h.local = netip.AddrPortFrom(header.Dst, g.DstPort)
	h.reply.Flags, h.reply.Seq, h.reply.Ack, h.reply.Window = g.Flags, g.Seq, g.Ack, g.Window
	if h.reply.is(wire.SYN | wire.ACK) {
		h.reply.Options = cloneOptions(g.Options)
	}
}

func (h *heard) icmp(message []byte) bool {
	icmp, err := wire.ParseICMPError(message)
	if err != nil {
		return false
	}
	if icmp.Type == wire.ICMPSourceQuench || icmp.Type == wire.ICMPRedirect {
		return false // the datagram that they quote went on its way
	}
	quote, err := wire.ParseQuote(icmp.Original)
	if err != nil {
		return false
	}
	h.to = endpoint{addrNumber(quote.Header.Dst), quote.DstPort}
	h.local = netip.AddrPortFrom(quote.Header.Src, quote.SrcPort)
	h.quoted = quote.Seq
	h.reply.ICMP, h.reply.Type, h.reply.Code = true, icmp.Type, icmp.Code
	h.reply.Quoted = quote.Header.ID
	return true
}

// cloneOptions copies options out of a datagram that will be overwritten.
func cloneOptions(options []wire.Option) []wire.Option {
	c := make([]wire.Option, len(options))
	for i, o := range options {
		o.Data = append([]byte(nil), o.Data...)
		c[i] = o
	}
	return c
}
