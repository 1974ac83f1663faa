package probe

import (
	"net/netip"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Heard is a reply together with the probe that it claims to answer.
type Heard struct {
	Reply Reply
	// Local and Remote are the probe's source and destination.
	Local, Remote netip.AddrPort
	// Quoted is the sequence number that an ICMP error quotes.
	Quoted wire.Seq
}

// Answers reports whether it answers a SYN with the given ISN: what RFC 9293,
// Section 3.10.7.3 lets a connection in SYN-SENT believe, and nothing that a
// sender could make who has not seen the SYN.
func (h *Heard) Answers(isn wire.Seq) bool {
	switch r := &h.Reply; {
	case r.ICMP:
		return h.Quoted == isn
	case r.Is(wire.SYN | wire.ACK), r.Is(wire.RST | wire.ACK):
		return r.Ack == isn.Add(1)
	}
	return false
}

// to names the probe among those of one run.
func (h *Heard) to() endpoint { return endpoint{addrNumber(h.Remote.Addr()), h.Remote.Port()} }

// Ear turns datagrams into replies. It keeps what it needs for parsing, so
// that only SYN-ACKs with options cost an allocation, and nothing does
// without them. The zero value is useful.
type Ear struct {
	// NoOptions leaves a reply's Options nil.
	NoOptions bool

	segment wire.Segment
	// credulous makes it hear segments with a bad checksum too.
	credulous bool
}

// Hear reads an arrival; ok is false for what cannot answer any probe.
// Datagrams that are cut short or malformed are not believed, nor those that
// this host sent.
func (e *Ear) Hear(a wire.Arrival) (h Heard, ok bool) {
	header, payload, err := wire.ParseHeader(a.Datagram)
	if err != nil || a.Outgoing || header.FragOffset != 0 {
		return Heard{}, false
	}
	h.Reply = Reply{From: header.Src, TTL: header.TTL, At: a.At}
	switch header.Protocol {
	case wire.ProtocolTCP:
		if e.segment.Parse(payload) != nil || !e.credulous && wire.VerifyTCP(a.Datagram) == wire.Invalid {
			return Heard{}, false
		}
		h.tcp(header, &e.segment)
		if !e.NoOptions && h.Reply.Is(wire.SYN|wire.ACK) {
			h.Reply.Options = cloneOptions(e.segment.Options)
		}
		return h, true
	case wire.ProtocolICMP:
		return h, h.icmp(payload)
	}
	return Heard{}, false
}

func (h *Heard) tcp(header wire.Header, g *wire.Segment) {
	h.Remote = netip.AddrPortFrom(header.Src, g.SrcPort)
	h.Local = netip.AddrPortFrom(header.Dst, g.DstPort)
	h.Reply.Flags, h.Reply.Seq, h.Reply.Ack, h.Reply.Window = g.Flags, g.Seq, g.Ack, g.Window
}

func (h *Heard) icmp(message []byte) bool {
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
	h.Remote = netip.AddrPortFrom(quote.Header.Dst, quote.DstPort)
	h.Local = netip.AddrPortFrom(quote.Header.Src, quote.SrcPort)
	h.Quoted = quote.Seq
	h.Reply.ICMP, h.Reply.Type, h.Reply.Code = true, icmp.Type, icmp.Code
	h.Reply.Quoted = quote.Header.ID
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
