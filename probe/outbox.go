package probe

import (
	"net/netip"

	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Outbox collects the datagrams of one Send, each with its owner, a T. Its
// memory is used again.
type Outbox[T any] struct {
	Departures []wire.Departure
	// Owners are the departures' own; the zero T owns our resets.
	Owners []T

	octets []byte
	resets *wire.Template
}

// NewOutbox returns an empty Outbox.
func NewOutbox[T any]() (*Outbox[T], error) {
	// Windows, options and DF of a reset are what tcp_v4_send_reset makes:
	// none, none, and set.
	resets, err := wire.NewTemplate(
		wire.Header{DF: true, TTL: 64, Protocol: wire.ProtocolTCP, Src: unspecified, Dst: unspecified},
		wire.Segment{Flags: wire.RST})
	if err != nil {
		return nil, err
	}
	return &Outbox[T]{resets: resets}, nil
}

// Put adds a datagram made from a template.
func (o *Outbox[T]) Put(owner T, t *wire.Template, v wire.Vary) {
	start := len(o.octets)
	o.octets = t.AppendTo(o.octets, v)
	o.Departures = append(o.Departures, wire.Departure{Datagram: o.octets[start:]})
	o.Owners = append(o.Owners, owner)
}

// Reset answers a SYN-ACK that we do not go on with: a bare RST whose number
// is the one that the SYN-ACK expects (RFC 9293, Section 3.10.7.3).
func (o *Outbox[T]) Reset(h *Heard) { o.ResetAt(h.Local, h.Remote, h.Reply.Ack) }

// ResetAt ends what a SYN from local to remote may have opened. seq is the
// sequence number that the other end expects next.
func (o *Outbox[T]) ResetAt(local, remote netip.AddrPort, seq wire.Seq) {
	var nobody T
	o.Put(nobody, o.resets, wire.Vary{
		Src:     local.Addr().As4(),
		Dst:     remote.Addr().As4(),
		SrcPort: local.Port(),
		DstPort: remote.Port(),
		Seq:     seq,
	})
}

// Full reports whether there is enough for one Send.
func (o *Outbox[T]) Full() bool { return len(o.Departures) >= sendBatch }

// Empty reports whether there is nothing to be sent.
func (o *Outbox[T]) Empty() bool { return len(o.Departures) == 0 }

// Clear forgets what was sent. The datagrams' memory is used again.
func (o *Outbox[T]) Clear() {
	clear(o.Owners)
	o.Departures, o.Owners, o.octets = o.Departures[:0], o.Owners[:0], o.octets[:0]
}

// templates are the SYNs of each kind of path: one, or two where some of the
// hosts are our own.
type templates map[template]*wire.Template

// template is what the SYNs of two paths may differ in.
type template struct {
	mss, window uint16
	windowScale uint8
}

// of returns what the plan's SYNs look like on a path.
func (all templates) of(plan Plan, path link.Path) (*wire.Template, error) {
	name := template{path.MSS, path.Window, path.WindowScale}
	if t := all[name]; t != nil {
		return t, nil
	}
	t, err := wire.NewTemplate(plan.Spec.Like.look(path, plan.plain))
	if err == nil {
		all[name] = t
	}
	return t, err
}
