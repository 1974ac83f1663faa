package probe

import (
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// A record has what there is to know, and nothing that the octets do not say.
func TestSegmentRecordOfPieces(t *testing.T) {
	build := func(h wire.Header, g wire.Segment) []byte {
		h.TTL, h.ID, h.Src, h.Dst = 61, 7, ant, apple
		d, err := wire.AppendDatagram(nil, h, g)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	whole := build(wire.Header{}, wire.Segment{SrcPort: 4000, DstPort: 80, Seq: 1, Ack: 2, Flags: wire.ACK, Payload: make([]byte, 100)})
	unsized := append([]byte(nil), whole...)
	unsized[2], unsized[3] = 0, 0
	for _, c := range []struct {
		name  string
		of    []byte
		field string
		want  any
	}{
		{"whole", whole, "from", ant.String() + ":4000"},
		{"whole", whole, "len", int64(100)},
		{"whole", whole, "checksum", "valid"},
		{"without its data's end", whole[:60], "len", int64(100)},
		{"without its data's end", whole[:60], "checksum", "unverified"},
		{"eight octets of TCP", whole[:28], "seq", int64(1)},
		{"eight octets of TCP", whole[:28], "flags", nil},
		{"eight octets of TCP", whole[:28], "window", nil},
		{"two octets of TCP", whole[:22], "from", ant.String()},
		{"a cut header", whole[:19], "ttl", nil},
		{"for a device to cut up", unsized, "len", int64(100)},
		{"UDP", build(wire.Header{Protocol: wire.ProtocolUDP}, wire.Segment{}), "from", ant.String()},
		{"UDP", build(wire.Header{Protocol: wire.ProtocolUDP}, wire.Segment{}), "flags", nil},
		{"a later fragment", build(wire.Header{FragOffset: 3}, wire.Segment{}), "seq", nil},
		{"a later fragment", build(wire.Header{FragOffset: 3}, wire.Segment{}), "ip_id", int64(7)},
	} {
		record := SegmentRecord(c.of)
		if err := record.Validate(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := record.Get(c.field); got != c.want {
			t.Errorf("%s: %s is %v, want %v", c.name, c.field, got, c.want)
		}
	}
	bare := BareSegmentRecord(whole[20:])
	if bare.Text("from") != ":4000" || bare.Text("to") != ":80" || bare.Text("checksum") != "unverified" || bare.Get("ttl") != nil || bare.Validate() != nil {
		t.Errorf("bare: %+v", bare)
	}
}
