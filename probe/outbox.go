package probe

import (
	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// outbox collects the datagrams of one Send. Its memory is used again.
type outbox struct {
	departures []wire.Departure
	// flights are the departures' own, nil for our resets.
	flights []*flight
	octets  []byte
	// templates are the SYNs of each kind of path: one, or two where some of
	// the hosts are our own.
	templates map[template]*wire.Template
	resets    *wire.Template
}

// template is what the SYNs of two paths may differ in.
type template struct {
	mss, window uint16
	windowScale uint8
}

func newOutbox() (*outbox, error) {
	// Windows, options and DF of a reset are what tcp_v4_send_reset makes:
	// none, none, and set.
	resets, err := wire.NewTemplate(
		wire.Header{DF: true, TTL: 64, Protocol: wire.ProtocolTCP, Src: unspecified, Dst: unspecified},
		wire.Segment{Flags: wire.RST})
	if err != nil {
		return nil, err
	}
	return &outbox{templates: make(map[template]*wire.Template), resets: resets}, nil
}

// template returns what the plan's SYNs look like on a path.
func (o *outbox) template(plan Plan, path link.Path) (*wire.Template, error) {
	name := template{path.MSS, path.Window, path.WindowScale}
	if t := o.templates[name]; t != nil {
		return t, nil
	}
	t, err := wire.NewTemplate(plan.Spec.Like.look(path, plan.plain))
	if err == nil {
		o.templates[name] = t
	}
	return t, err
}

// put adds a flight's next try.
func (o *outbox) put(f *flight, t *wire.Template, v wire.Vary) {
	start := len(o.octets)
	o.octets = t.AppendTo(o.octets, v)
	o.departures = append(o.departures, wire.Departure{Datagram: o.octets[start:]})
	o.flights = append(o.flights, f)
}

// reset answers a SYN-ACK that we do not go on with: a bare RST whose number
// is the one that the SYN-ACK expects (RFC 9293, Section 3.10.7.3).
func (o *outbox) reset(h *heard) {
	o.put(nil, o.resets, wire.Vary{
		Src:     h.local.Addr().As4(),
		Dst:     h.reply.From.As4(),
		SrcPort: h.local.Port(),
		DstPort: h.to.port,
		Seq:     h.reply.Ack,
	})
}

func (o *outbox) full() bool  { return len(o.departures) >= sendBatch }
func (o *outbox) empty() bool { return len(o.departures) == 0 }

func (o *outbox) clear() {
	clear(o.flights)
	o.departures, o.flights, o.octets = o.departures[:0], o.flights[:0], o.octets[:0]
}
