package wire

import (
	"encoding/binary"
	"net/netip"
)

// Vary holds the fields that may differ between datagrams made from one
// Template. All of them are written as they are, zeros included; begin with
// Template.Vary and change what differs.
type Vary struct {
	Src, Dst         [4]byte
	SrcPort, DstPort uint16
	Seq, Ack         Seq
	// ID is the IP header's.
	ID uint16
	// TSval goes into the first timestamps option; it is ignored if the
	// template has none.
	TSval uint32
}

// Template makes many datagrams that differ in a few fields: one costs a copy
// and a handful of additions, since the checksums are carried on from sums
// over everything that stays (RFC 1624). It does not change once made, so any
// number of goroutines may use it. The zero value makes nothing; use
// NewTemplate.
type Template struct {
	// octets is the datagram with zeros in the fields that vary and in the
	// checksums that are computed.
	octets []byte
	vary   Vary
	// tcp and tsval are places in octets; a tsval of zero stands for none.
	tcp, tsval int
	// ipSum and tcpSum cover octets and the constant part of the
	// pseudo-header. Kept checksums are not touched.
	ipSum, tcpSum                       uint64
	keepIPChecksum, keepSegmentChecksum bool
}

// NewTemplate encodes a datagram as AppendDatagram does, with its errors. It
// keeps neither h's nor g's slices.
func NewTemplate(h Header, g Segment) (*Template, error) {
	octets, err := AppendDatagram(nil, h, g)
	if err != nil {
		return nil, err
	}
	t := &Template{
		octets: octets,
		vary: Vary{
			Src: h.Src.As4(), Dst: h.Dst.As4(),
			SrcPort: g.SrcPort, DstPort: g.DstPort,
			Seq: g.Seq, Ack: g.Ack, ID: h.ID,
		},
		tcp:                 ipv4HeaderLen + len(h.Options),
		keepIPChecksum:      h.KeepChecksum,
		keepSegmentChecksum: g.KeepChecksum,
	}
	at := t.tcp + tcpHeaderLen
	for _, o := range g.Options {
		if val, _, ok := o.Timestamps(); ok {
			t.vary.TSval, t.tsval = val, at+2
			break
		}
		at += o.encodedLen()
	}
	t.sumUp()
	return t, nil
}

// sumUp clears what will vary and sums the rest.
func (t *Template) sumUp() {
	ip, tcp := t.octets[:t.tcp], t.octets[t.tcp:]
	clear(ip[4:6])
	clear(ip[12:20])
	clear(tcp[0:12])
	if !t.keepIPChecksum {
		clear(ip[10:12])
	}
	if !t.keepSegmentChecksum {
		clear(tcp[tcpChecksumAt : tcpChecksumAt+2])
	}
	if t.tsval != 0 {
		clear(t.octets[t.tsval : t.tsval+4])
	}
	t.ipSum = sum(0, ip)
	unspecified := netip.IPv4Unspecified()
	t.tcpSum = sum(pseudoHeaderSum(unspecified, unspecified, ProtocolTCP, len(tcp)), tcp)
}

// Vary returns the varying fields as they were in the datagram that the
// template was made from.
func (t *Template) Vary() Vary { return t.vary }

// Len is the number of octets of every datagram that the template makes.
func (t *Template) Len() int { return len(t.octets) }

// AppendTo appends a datagram with the fields of v to b. It does not allocate
// if b has room for Len octets.
func (t *Template) AppendTo(b []byte, v Vary) []byte {
	be := binary.BigEndian
	start := len(b)
	b = append(b, t.octets...)
	ip, tcp := b[start:start+t.tcp], b[start+t.tcp:]

	be.PutUint16(ip[4:], v.ID)
	src, dst := be.Uint32(v.Src[:]), be.Uint32(v.Dst[:])
	be.PutUint32(ip[12:], src)
	be.PutUint32(ip[16:], dst)
	addrs := uint64(src) + uint64(dst)
	if !t.keepIPChecksum {
		be.PutUint16(ip[10:], ^fold(t.ipSum+addrs+uint64(v.ID)))
	}

	be.PutUint16(tcp[0:], v.SrcPort)
	be.PutUint16(tcp[2:], v.DstPort)
	be.PutUint32(tcp[4:], uint32(v.Seq))
	be.PutUint32(tcp[8:], uint32(v.Ack))
	acc := t.tcpSum + addrs + uint64(v.SrcPort) + uint64(v.DstPort) + uint64(v.Seq) + uint64(v.Ack)
	if t.tsval != 0 {
		be.PutUint32(b[start+t.tsval:], v.TSval)
		acc += t.tsvalSum(v.TSval)
	}
	if !t.keepSegmentChecksum {
		be.PutUint16(tcp[tcpChecksumAt:], ^fold(acc))
	}
	return b
}

// tsvalSum is TSval's share of the TCP sum. At an odd place in the segment
// its octets count in the other half of their words.
func (t *Template) tsvalSum(val uint32) uint64 {
	if (t.tsval-t.tcp)%2 != 0 {
		return uint64(val) << 8
	}
	return uint64(val)
}
