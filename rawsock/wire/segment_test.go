package wire

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"
)

func TestSegmentRoundTrip(t *testing.T) {
	g := linuxSYN()
	g.Ack, g.Reserved, g.Urgent, g.Payload = 0x0a0b0c0d, 0x5, 0x1314, []byte("data")
	b, err := g.AppendTo(nil, ant, apple)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseSegment(b)
	if err != nil {
		t.Fatal(err)
	}
	want := g
	want.DataOffset, want.KeepChecksum, want.Checksum = 10, true, got.Checksum
	want.Options = []Option{
		{Kind: OptMSS, Data: []byte{0x05, 0xb4}},
		{Kind: OptSACKPermitted, Data: []byte{}, Offset: 4},
		{Kind: OptTimestamps, Data: []byte{5, 6, 7, 8, 0, 0, 0, 0}, Offset: 6},
		{Kind: OptNOP, Offset: 16},
		{Kind: OptWindowScale, Data: []byte{7}, Offset: 17},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestSegmentVerbatim parses octets with every kind of fault, and encodes them.
func TestSegmentVerbatim(t *testing.T) {
	const fixed = "9c40 0050 01020304 05060708"
	for _, c := range []struct {
		name, octets string
		fault        bool // at the data offset
		truncated    bool
		options      int
		payload      string
	}{
		{name: "bare", octets: fixed + "5010 0102 0304 0506"},
		{name: "all flags, all reserved bits", octets: fixed + "5fff 0102 0304 0506"},
		{name: "data", octets: fixed + "5010 0102 0304 0506 6869", payload: "hi"},
		{name: "data offset 0", octets: fixed + "0010 0102 0304 0506 6869", fault: true, payload: "hi"},
		{name: "data offset 4", octets: fixed + "4010 0102 0304 0506 6869", fault: true, payload: "hi"},
		{name: "data offset 6, 2 octets there", octets: fixed + "6010 0102 0304 0506 6869", fault: true, truncated: true, payload: "hi"},
		{name: "end and padding", octets: fixed + "7010 0102 0304 0506 01 00 deadbeefca fe 6869", options: 2, payload: "hi"},
		{name: "end in the last octet", octets: fixed + "6010 0102 0304 0506 01010100", options: 4},
		{name: "kind in the last octet", octets: fixed + "6010 0102 0304 0506 01010108", options: 4},
		{name: "length 0", octets: fixed + "6010 0102 0304 0506 05000101", options: 1},
		{name: "length 1", octets: fixed + "6010 0102 0304 0506 01080101 6869", options: 2, payload: "hi"},
		{name: "length past the header", octets: fixed + "6010 0102 0304 0506 04020204 05b4", options: 2, payload: "\x05\xb4"},
		{name: "length up to the header's end", octets: fixed + "6010 0102 0304 0506 4d04aabb", options: 1},
		{name: "NOPs only", octets: fixed + "6010 0102 0304 0506 01010101", options: 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := octetsOf(t, c.octets)
			g, err := ParseSegment(b)
			if c.fault {
				wantParseError(t, err, LayerTCP, 12, c.truncated)
			} else if err != nil {
				t.Fatal(err)
			}
			if len(g.Options) != c.options || string(g.Payload) != c.payload {
				t.Errorf("options %v, payload %q", g.Options, g.Payload)
			}
			got, err := g.AppendTo([]byte("before"), ant, apple)
			if err != nil {
				t.Fatal(err)
			}
			if want := append([]byte("before"), b...); !bytes.Equal(got, want) {
				t.Errorf("encoded\n got %x\nwant %x", got, want)
			}
		})
	}
}

// TestSegmentCutShort checks that only fields that are whole are given.
func TestSegmentCutShort(t *testing.T) {
	b := octetsOf(t, "9c40 0050 01020304 05060708 5312 0102 0304 0506")
	whole, err := ParseSegment(b)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		g, err := ParseSegment(b[:n:n])
		wantParseError(t, err, LayerTCP, n, true)
		for _, field := range []struct {
			name      string
			end       int
			got, want any
		}{
			{"SrcPort", 2, g.SrcPort, whole.SrcPort},
			{"DstPort", 4, g.DstPort, whole.DstPort},
			{"Seq", 8, g.Seq, whole.Seq},
			{"Ack", 12, g.Ack, whole.Ack},
			{"Flags", 14, g.Flags, whole.Flags},
			{"Window", 16, g.Window, whole.Window},
			{"Checksum", 18, g.Checksum, whole.Checksum},
		} {
			want := field.want
			if n < field.end {
				want = reflect.Zero(reflect.TypeOf(want)).Interface()
			}
			if field.got != want {
				t.Errorf("%d octets: %s is %v, want %v", n, field.name, field.got, want)
			}
		}
	}
}

func TestSegmentLen(t *testing.T) {
	for _, c := range []struct {
		g    Segment
		want uint32
	}{
		{Segment{}, 0},
		{Segment{Flags: ACK}, 0},
		{Segment{Flags: SYN}, 1},
		{Segment{Flags: FIN | ACK}, 1},
		{Segment{Flags: SYN | FIN, Payload: []byte("abc")}, 5},
		{Segment{Flags: RST, Payload: []byte("why")}, 3},
	} {
		if got := c.g.Len(); got != c.want {
			t.Errorf("%v with %d octets: %d, want %d", c.g.Flags, len(c.g.Payload), got, c.want)
		}
	}
}

func TestSegmentPadsOptions(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []Option
		given   uint8
		words   uint8
		tail    string
	}{
		{"3 octets", []Option{WindowScale(7)}, 0, 6, "03030700"},
		{"5 octets", []Option{SACKPermitted(), WindowScale(7)}, 0, 7, "0402030307000000"},
		{"4 octets", []Option{MSS(536)}, 0, 6, "02040218"},
		{"3 octets in a given header", []Option{WindowScale(7)}, 5, 5, "030307"},
	} {
		g := Segment{Options: c.options, DataOffset: c.given}
		b, err := g.AppendTo(nil, ant, apple)
		if err != nil {
			t.Fatal(err)
		}
		if got := b[12] >> 4; got != c.words {
			t.Errorf("%s: data offset %d, want %d", c.name, got, c.words)
		}
		if want := octetsOf(t, c.tail); !bytes.Equal(b[20:], want) {
			t.Errorf("%s: options %x, want %x", c.name, b[20:], want)
		}
	}
}

func TestSegmentAppendErrors(t *testing.T) {
	six := netip.MustParseAddr("::1")
	for _, c := range []struct {
		g        Segment
		src, dst netip.Addr
		want     string
	}{
		{Segment{}, six, apple, "tcp: source address ::1 is not IPv4"},
		{Segment{}, ant, netip.Addr{}, "tcp: destination address invalid IP is not IPv4"},
		{Segment{DataOffset: 16}, ant, apple, "tcp: data offset of 16 words: want 0 to 15"},
		{Segment{Reserved: 16}, ant, apple, "tcp: reserved bits 0x10: want 0 to 0xf"},
		{Segment{Options: []Option{{Kind: 77, Data: make([]byte, 39)}}}, ant, apple, "tcp: options of 44 octets: want at most 40"},
		{Segment{Options: []Option{{Kind: 77, Data: make([]byte, 39)}}, DataOffset: 5}, ant, apple, "tcp: options of 41 octets: want at most 40"},
		{Segment{Payload: make([]byte, 65496)}, ant, apple, "tcp: payload of 65496 octets: want at most 65495"},
	} {
		b, err := c.g.AppendTo([]byte("before"), c.src, c.dst)
		if err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
		if string(b) != "before" {
			t.Errorf("%s: left %q", c.want, b)
		}
	}
}

func TestSegmentKeepChecksum(t *testing.T) {
	g := Segment{Checksum: 0xbad1, KeepChecksum: true}
	b, err := g.AppendTo(nil, ant, apple)
	if err != nil || b[16] != 0xba || b[17] != 0xd1 {
		t.Errorf("checksum %x, %v", b[16:18], err)
	}
}

func TestSegmentOption(t *testing.T) {
	g := Segment{Options: []Option{NOP(), MSS(1), MSS(2), {Kind: OptTimestamps, Malformed: true}}}
	if o, ok := g.Option(OptMSS); !ok || o.Data[1] != 1 {
		t.Errorf("mss: %v, %t", o, ok)
	}
	if _, ok := g.Option(OptTimestamps); ok {
		t.Error("found a malformed option")
	}
	if _, ok := g.Option(OptSACK); ok {
		t.Error("found an absent option")
	}
}

// TestParseReuses checks that nothing of an earlier segment remains.
func TestParseReuses(t *testing.T) {
	long := mustDatagram(t, probeHeader(), linuxSYN())[20:]
	var g Segment
	for _, b := range [][]byte{long, long[:19], long[:20], long, make([]byte, 20), octetsOf(t, "0001000200000003000000045010ffff00000000")} {
		fresh, wantErr := ParseSegment(b)
		if err := g.Parse(b); !reflect.DeepEqual(err, wantErr) {
			t.Errorf("%x: %v, want %v", b, err, wantErr)
		}
		if len(g.Options) != len(fresh.Options) {
			t.Errorf("%x: %d options, want %d", b, len(g.Options), len(fresh.Options))
		}
		reused := g
		reused.Options, fresh.Options = nil, nil
		if !reflect.DeepEqual(reused, fresh) {
			t.Errorf("%x:\n got %+v\nwant %+v", b, reused, fresh)
		}
	}
}
