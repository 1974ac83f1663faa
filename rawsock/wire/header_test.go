package wire

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// wantParseError fails unless err is a *ParseError at that place.
func wantParseError(t *testing.T, err error, layer Layer, offset int, truncated bool) {
	t.Helper()
	var fault *ParseError
	if !errors.As(err, &fault) {
		t.Errorf("got error %v, want a *ParseError", err)
		return
	}
	if fault.Layer != layer || fault.Offset != offset || fault.Truncated != truncated {
		t.Errorf("got %+v, want %s, octet %d, truncated %t", *fault, layer, offset, truncated)
	}
}

func TestParseHeader(t *testing.T) {
	b := octetsOf(t, "47b9 0024 beef b123 3f06 abcd 0a000102 0a000202 94040000 01010100 6869 6a6b6c6d6e6f")
	h, payload, err := ParseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	want := Header{
		IHL: 7, TOS: 0xb9, TotalLen: 36, ID: 0xbeef, Evil: true, MF: true, FragOffset: 0x1123,
		TTL: 63, Protocol: ProtocolTCP, Checksum: 0xabcd, Src: ant, Dst: apple,
		Options: b[20:28], KeepChecksum: true,
	}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got  %+v\nwant %+v", h, want)
	}
	if got := string(payload); got != "hijklmno" {
		t.Errorf("payload %q", got)
	}
}

func TestParseHeaderCutsToTotalLength(t *testing.T) {
	d := mustDatagram(t, probeHeader(), linuxSYN())
	_, payload, err := ParseHeader(append(d, make([]byte, 6)...))
	if err != nil || len(payload) != len(d)-20 {
		t.Errorf("payload of %d octets, %v; want %d", len(payload), err, len(d)-20)
	}
}

func TestParseHeaderFaults(t *testing.T) {
	good := mustDatagram(t, probeHeader(), linuxSYN())
	for _, c := range []struct {
		name      string
		change    func(d []byte) []byte
		offset    int
		truncated bool
		payload   int
	}{
		{"nothing", func([]byte) []byte { return nil }, 0, true, 0},
		{"version 6", func(d []byte) []byte { d[0] = 0x65; return d }, 0, false, len(good)},
		{"19 octets", func(d []byte) []byte { return d[:19] }, 19, true, 0},
		{"IHL 4", func(d []byte) []byte { d[0] = 0x44; return d }, 0, false, len(good) - 20},
		{"IHL 0", func(d []byte) []byte { d[0] = 0x40; return d }, 0, false, len(good) - 20},
		{"IHL 15 in 30 octets", func(d []byte) []byte { d[0] = 0x4f; return d[:30] }, 0, true, 10},
		{"total length 19", func(d []byte) []byte { d[3] = 19; return d }, 2, false, len(good) - 20},
		{"total length 0", func(d []byte) []byte { d[3] = 0; return d }, 2, false, len(good) - 20},
		{"total length 61", func(d []byte) []byte { d[3]++; return d }, 2, true, len(good) - 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := c.change(bytes.Clone(good))
			h, payload, err := ParseHeader(d)
			wantParseError(t, err, LayerIPv4, c.offset, c.truncated)
			if len(payload) != c.payload {
				t.Errorf("payload of %d octets, want %d", len(payload), c.payload)
			}
			if len(d) < 20 || d[0]>>4 != 4 {
				return
			}
			got, err := h.AppendTo(nil, len(payload))
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, payload...); !bytes.Equal(got, d) {
				t.Errorf("encoded\n got %x\nwant %x", got, d)
			}
		})
	}
}

// TestParseHeaderCutShort checks that only fields that are whole are given.
func TestParseHeaderCutShort(t *testing.T) {
	d := mustDatagram(t, probeHeader(), linuxSYN())
	whole, _, err := ParseHeader(d)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		h, _, err := ParseHeader(d[:n:n])
		wantParseError(t, err, LayerIPv4, n, true)
		for _, field := range []struct {
			name      string
			end       int
			got, want any
		}{
			{"IHL", 1, h.IHL, whole.IHL},
			{"TotalLen", 4, h.TotalLen, whole.TotalLen},
			{"ID", 6, h.ID, whole.ID},
			{"DF", 8, h.DF, whole.DF},
			{"TTL", 9, h.TTL, whole.TTL},
			{"Protocol", 10, h.Protocol, whole.Protocol},
			{"Checksum", 12, h.Checksum, whole.Checksum},
			{"Src", 16, h.Src, whole.Src},
			{"Dst", 20, h.Dst, whole.Dst},
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

func TestHeaderAppendErrors(t *testing.T) {
	for _, c := range []struct {
		change  func(h *Header)
		payload int
		want    string
	}{
		{func(h *Header) { h.Src = netip.Addr{} }, 0, "ipv4: source address invalid IP is not IPv4"},
		{func(h *Header) { h.Dst = netip.MustParseAddr("::1") }, 0, "ipv4: destination address ::1 is not IPv4"},
		{func(h *Header) { h.IHL = 16 }, 0, "ipv4: header length of 16 words: want 0 to 15"},
		{func(h *Header) { h.FragOffset = 0x2000 }, 0, "ipv4: fragment offset 8192: want 0 to 8191"},
		{func(h *Header) { h.Options = make([]byte, 44) }, 0, "ipv4: options of 44 octets: want a multiple of 4 up to 40"},
		{func(h *Header) { h.Options = make([]byte, 3) }, 0, "ipv4: options of 3 octets: want a multiple of 4 up to 40"},
		{func(*Header) {}, 65516, "ipv4: payload of 65516 octets: want 0 to 65515"},
		{func(*Header) {}, -1, "ipv4: payload of -1 octets: want 0 to 65515"},
	} {
		h := probeHeader()
		c.change(&h)
		b, err := h.AppendTo([]byte("before"), c.payload)
		if err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
		if string(b) != "before" {
			t.Errorf("%s: left %q", c.want, b)
		}
	}
}

func TestAppendDatagram(t *testing.T) {
	b, err := AppendDatagram([]byte("before"), probeHeader(), linuxSYN())
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte("before"), octetsOf(t, `
		4500 003c 1234 4000 4006 1185 0a00 0102 0a00 0202
		9c40 0050 0102 0304 0000 0000 a002 faf0 8967 0000
		0204 05b4 0402 080a 0506 0708 0000 0000 0103 0307`)...)
	if !bytes.Equal(b, want) {
		t.Errorf("got  %x\nwant %x", b, want)
	}
	for _, c := range []struct {
		h    Header
		g    Segment
		want string
	}{
		{Header{}, linuxSYN(), "ipv4: source"},
		{probeHeader(), Segment{DataOffset: 16}, "tcp: data offset"},
		{probeHeader(), Segment{Payload: make([]byte, 65496)}, "ipv4: payload of 65516 octets"},
	} {
		b, err := AppendDatagram([]byte("before"), c.h, c.g)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || string(b) != "before" {
			t.Errorf("got %q, %v; want %s", b, err, c.want)
		}
	}
}

func TestParseErrorString(t *testing.T) {
	_, err := ParseSegment(make([]byte, 20))
	if want := "TCP header, octet 12: data offset is less than 5 words"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
