package wire

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzSegment: parse, encode, compare; and say every option's words.
func FuzzSegment(f *testing.F) {
	for _, fr := range readFrames(f, "testdata/upper.txt") {
		f.Add(fr.octets[20:])
	}
	for _, c := range wordCases {
		g := Segment{Options: []Option{c.option}, Payload: []byte("payload")}
		b, err := g.AppendTo(nil, ant, apple)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := ParseSegment(b)
		var fault *ParseError
		if err != nil && (!errors.As(err, &fault) || fault.Offset > len(b)) {
			t.Fatalf("%x: %#v", b, err)
		}
		for i, o := range g.Options {
			if o.String() == "" {
				t.Errorf("%x: option %d has no words", b, i)
			}
			if o.Malformed && i != len(g.Options)-1 {
				t.Errorf("%x: options behind a malformed one", b)
			}
			if OptionKind(b[tcpHeaderLen+o.Offset]) != o.Kind {
				t.Errorf("%x: option %d is not at %d", b, i, o.Offset)
			}
		}
		if len(b) < tcpHeaderLen || len(b) > maxTotalLen-ipv4HeaderLen {
			return
		}
		got, err := g.AppendTo(nil, ant, apple)
		if err != nil || !bytes.Equal(got, b) {
			t.Fatalf("encoded\n got %x, %v\nwant %x", got, err, b)
		}
	})
}

// FuzzDatagram: parse header and segment, encode both, compare; and build a
// finished datagram whose checksums are then right.
func FuzzDatagram(f *testing.F) {
	for _, fr := range readFrames(f, "testdata/upper.txt") {
		f.Add(fr.octets)
	}
	withOptions := probeHeader()
	withOptions.Options = []byte{0x94, 4, 0, 0}
	f.Add(mustDatagram(f, withOptions, linuxSYN()))
	f.Fuzz(func(t *testing.T, d []byte) {
		VerifyHeader(d)
		VerifyTCP(d)
		h, payload, err := ParseHeader(d)
		if len(d) < ipv4HeaderLen || d[0]>>4 != 4 {
			if err == nil {
				t.Fatalf("%x is no IPv4 datagram", d)
			}
			return
		}
		want := d
		if err == nil {
			want = d[:h.TotalLen]
		}
		got, encodeErr := h.AppendTo(nil, len(payload))
		if got = append(got, payload...); encodeErr != nil || !bytes.Equal(got, want) {
			t.Fatalf("encoded\n got %x, %v\nwant %x", got, encodeErr, want)
		}
		g, segmentErr := ParseSegment(payload)
		if err != nil || segmentErr != nil || h.Protocol != ProtocolTCP || h.MF || h.FragOffset != 0 {
			return
		}
		h.KeepChecksum, g.KeepChecksum = false, false
		finished, err := AppendDatagram(nil, h, g)
		if err != nil {
			t.Fatal(err)
		}
		if VerifyHeader(finished) != Valid || VerifyTCP(finished) != Valid {
			t.Fatalf("%x: checksums are %v and %v", finished, VerifyHeader(finished), VerifyTCP(finished))
		}
	})
}

// FuzzICMP: parse, encode, compare; and read the quote.
func FuzzICMP(f *testing.F) {
	segment := mustDatagram(f, probeHeader(), linuxSYN())
	for _, original := range [][]byte{nil, segment[:28], segment} {
		b, err := ICMPError{Type: ICMPTimeExceeded, Original: original}.AppendTo(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		VerifyICMP(b)
		m, err := ParseICMPError(b)
		if err != nil {
			return
		}
		if got, err := m.AppendTo(nil); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("encoded\n got %x, %v\nwant %x", got, err, b)
		}
		q, err := ParseQuote(m.Original)
		if err != nil {
			return
		}
		if len(q.Segment) < quotedOctets {
			t.Fatalf("%x: a quote of %d octets", b, len(q.Segment))
		}
		g, err := ParseSegment(q.Segment)
		if g.SrcPort != q.SrcPort || g.DstPort != q.DstPort || g.Seq != q.Seq {
			t.Fatalf("%x: quote %+v, segment %+v, %v", b, q, g, err)
		}
	})
}
