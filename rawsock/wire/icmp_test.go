package wire

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// router answers in the name of the network.
var router = netip.MustParseAddr("10.0.3.1")

func TestICMPErrorRoundTrip(t *testing.T) {
	original := mustDatagram(t, probeHeader(), linuxSYN())
	for _, icmpType := range []uint8{ICMPUnreachable, ICMPSourceQuench, ICMPRedirect, ICMPTimeExceeded, ICMPParameterProblem} {
		m := ICMPError{Type: icmpType, Code: 13, Rest: 0x05dc, Original: original[:28]}
		d, err := AppendICMPError([]byte("before"), Header{TTL: 62, TOS: 0xc0, Src: router, Dst: ant}, m)
		if err != nil {
			t.Fatal(err)
		}
		d = d[len("before"):]
		h, message, err := ParseHeader(d)
		if err != nil || h.Protocol != ProtocolICMP || h.Src != router || VerifyHeader(d) != Valid || VerifyICMP(message) != Valid {
			t.Fatalf("type %d: %+v, %v", icmpType, h, err)
		}
		got, err := ParseICMPError(message)
		if err != nil {
			t.Fatal(err)
		}
		if got.Type != m.Type || got.Code != m.Code || got.Rest != m.Rest || !bytes.Equal(got.Original, m.Original) || !got.KeepChecksum {
			t.Errorf("type %d: got %+v", icmpType, got)
		}
		q, err := ParseQuote(got.Original)
		if err != nil {
			t.Fatal(err)
		}
		if q.SrcPort != 40000 || q.DstPort != 80 || q.Seq != 0x01020304 || q.Header.Src != ant || q.Header.Dst != apple || q.Header.ID != 0x1234 || len(q.Segment) != 8 {
			t.Errorf("type %d: quote %+v", icmpType, q)
		}
	}
}

func TestICMPErrorVerbatim(t *testing.T) {
	b := octetsOf(t, "0304 dead 0000 05dc 45")
	m, err := ParseICMPError(b)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.AppendTo(nil); err != nil || !bytes.Equal(got, b) {
		t.Errorf("got %x, %v; want %x", got, err, b)
	}
}

func TestParseICMPErrorFaults(t *testing.T) {
	_, err := ParseICMPError(nil)
	wantParseError(t, err, LayerICMP, 0, true)
	_, err = ParseICMPError(octetsOf(t, "0301 0000 0000"))
	wantParseError(t, err, LayerICMP, 6, true)
	for icmpType := range 256 {
		_, err := ParseICMPError([]byte{byte(icmpType), 7: 0})
		switch icmpType {
		case 3, 4, 5, 11, 12:
			if err != nil {
				t.Errorf("type %d: %v", icmpType, err)
			}
		default:
			if !errors.Is(err, ErrNotICMPError) {
				t.Errorf("type %d: %v", icmpType, err)
			}
		}
	}
}

func TestAppendICMPErrorErrors(t *testing.T) {
	good := Header{TTL: 64, Src: router, Dst: ant}
	for _, c := range []struct {
		h    Header
		m    ICMPError
		want string
	}{
		{good, ICMPError{Type: 8}, "icmp: type 8: not an ICMP error"},
		{Header{}, ICMPError{Type: 3}, "ipv4: source address"},
		{good, ICMPError{Type: 3, Original: make([]byte, 65508)}, "ipv4: payload of 65516 octets"},
	} {
		b, err := AppendICMPError([]byte("before"), c.h, c.m)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || string(b) != "before" {
			t.Errorf("got %q, %v; want %s", b, err, c.want)
		}
	}
}

func TestParseQuote(t *testing.T) {
	withOptions := probeHeader()
	withOptions.Options = []byte{0x94, 4, 0, 0, 1, 1, 1, 1}
	plain, long := mustDatagram(t, probeHeader(), linuxSYN()), mustDatagram(t, withOptions, linuxSYN())
	for name, b := range map[string][]byte{
		"eight octets":              plain[:28],
		"whole":                     plain,
		"with extensions":           append(bytes.Clone(plain), make([]byte, 76)...),
		"IP options, eight octets":  long[:36],
		"IP options, whole":         long,
		"total length in host form": append([]byte{0x45, 0, 0x3c, 0}, plain[4:28]...),
	} {
		q, err := ParseQuote(b)
		if err != nil || q.SrcPort != 40000 || q.DstPort != 80 || q.Seq != 0x01020304 {
			t.Errorf("%s: %+v, %v", name, q, err)
		}
	}

	for _, c := range []struct {
		name      string
		b         []byte
		layer     Layer
		offset    int
		truncated bool
	}{
		{"nothing", nil, LayerIPv4, 0, true},
		{"half an IP header", plain[:19], LayerIPv4, 19, true},
		{"IP options cut short", long[:27], LayerIPv4, 0, true},
		{"seven octets", plain[:27], LayerTCP, 7, true},
		{"UDP", mustDatagram(t, Header{Protocol: ProtocolUDP, Src: ant, Dst: apple}, linuxSYN()), LayerIPv4, 9, false},
		{"later fragment", mustDatagram(t, Header{FragOffset: 1, Src: ant, Dst: apple}, linuxSYN()), LayerIPv4, 6, false},
	} {
		_, err := ParseQuote(c.b)
		t.Run(c.name, func(t *testing.T) { wantParseError(t, err, c.layer, c.offset, c.truncated) })
	}
}
