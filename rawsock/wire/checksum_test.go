package wire

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// referenceSum is RFC 1071, Section 4.1, word for word.
func referenceSum(b []byte) uint16 {
	var acc uint32
	for ; len(b) > 1; b = b[2:] {
		acc += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) > 0 {
		acc += uint32(b[0]) << 8
	}
	for acc>>16 != 0 {
		acc = acc&0xffff + acc>>16
	}
	return uint16(acc)
}

func TestSum(t *testing.T) {
	// RFC 1071, Section 3.
	if got := fold(sum(0, []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7})); got != 0xddf2 {
		t.Errorf("got %#04x, want 0xddf2", got)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		if got, want := fold(sum(0, b)), referenceSum(b); got != want {
			t.Errorf("%d octets: got %#04x, want %#04x", n, got, want)
		}
	}
	ones := make([]byte, 0x10000)
	for i := range ones {
		ones[i] = 0xff
	}
	if got, want := fold(sum(0, ones)), referenceSum(ones); got != want {
		t.Errorf("all ones: got %#04x, want %#04x", got, want)
	}
	if got := fold(0xffffffffffffffff); got != 0xffff {
		t.Errorf("fold of all ones: %#04x", got)
	}
}

func TestVerifyTCP(t *testing.T) {
	whole := func() []byte { return mustDatagram(t, probeHeader(), linuxSYN()) }
	for _, c := range []struct {
		name   string
		change func(d []byte) []byte
		want   Checksum
	}{
		{"as computed", func(d []byte) []byte { return d }, Valid},
		{"padded by the link", func(d []byte) []byte { return append(d, 1, 2, 3) }, Valid},
		{"one bit", func(d []byte) []byte { d[len(d)-1] ^= 1; return d }, Invalid},
		{"source rewritten", func(d []byte) []byte { d[15]++; return d }, Invalid},
		{"unfinished", func(d []byte) []byte { d[36], d[37] = 0x17, 0x32; return d }, Offloaded},
		{"zero", func(d []byte) []byte { d[36], d[37] = 0, 0; return d }, Invalid},
		{"cut short", func(d []byte) []byte { return d[:len(d)-1] }, Unverified},
		{"no IPv4", func(d []byte) []byte { d[0] = 0x65; return d }, Unverified},
		{"no TCP", func(d []byte) []byte { d[9] = ProtocolUDP; return d }, Unverified},
		{"first fragment", func(d []byte) []byte { d[6] |= 0x20; return d }, Unverified},
		{"later fragment", func(d []byte) []byte { d[7] = 1; return d }, Unverified},
		{"half a header", func(d []byte) []byte { d[3] = 30; return d[:30] }, Unverified},
		{"nothing", func([]byte) []byte { return nil }, Unverified},
	} {
		if got := VerifyTCP(c.change(whole())); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestVerifyTCPOdd(t *testing.T) {
	for n := range 9 {
		g := linuxSYN()
		g.Payload = []byte("12345678")[:n]
		if got := VerifyTCP(mustDatagram(t, probeHeader(), g)); got != Valid {
			t.Errorf("payload of %d octets: %v", n, got)
		}
	}
}

func TestVerifyHeader(t *testing.T) {
	h := probeHeader()
	h.Options = []byte{1, 1, 1, 0}
	d := mustDatagram(t, h, linuxSYN())
	if got := VerifyHeader(d); got != Valid {
		t.Errorf("as computed: %v", got)
	}
	if got := VerifyHeader(d[:24]); got != Valid {
		t.Errorf("header alone: %v", got)
	}
	if got := VerifyHeader(d[:23]); got != Unverified {
		t.Errorf("cut short: %v", got)
	}
	d[8]--
	if got := VerifyHeader(d); got != Invalid {
		t.Errorf("TTL changed: %v", got)
	}
}

func TestVerifyICMP(t *testing.T) {
	m, err := ICMPError{Type: ICMPUnreachable, Code: 3, Original: []byte("an odd number of octets")}.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := VerifyICMP(m); got != Valid {
		t.Errorf("as computed: %v", got)
	}
	if got := VerifyICMP(m[:7]); got != Unverified {
		t.Errorf("half a header: %v", got)
	}
	m[1] = 13
	if got := VerifyICMP(m); got != Invalid {
		t.Errorf("code changed: %v", got)
	}
}

func TestChecksumString(t *testing.T) {
	for c, want := range map[Checksum]string{
		Unverified: "unverified", Offloaded: "offloaded", Valid: "valid", Invalid: "invalid", 99: "unverified",
	} {
		if got := c.String(); got != want {
			t.Errorf("%d: %q, want %q", c, got, want)
		}
	}
}

// What should stand in a checksum's place is what encoding puts there.
func TestProperChecksums(t *testing.T) {
	h := probeHeader()
	d := mustDatagram(t, h, Segment{SrcPort: 40000, DstPort: 9, Flags: SYN, Payload: []byte("odd")})
	message, err := ICMPError{Type: ICMPUnreachable, Original: d}.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		octets []byte
		at     int
		sum    func(b []byte) (got, want uint16)
	}{
		"header":  {d[:ipv4HeaderLen], 10, HeaderChecksum},
		"segment": {d[ipv4HeaderLen:], tcpChecksumAt, func(b []byte) (got, want uint16) { return SegmentChecksum(h.Src, h.Dst, b) }},
		"icmp":    {message, 2, ICMPChecksum},
	} {
		right := binary.BigEndian.Uint16(c.octets[c.at:])
		if got, want := c.sum(c.octets); got != right || want != right {
			t.Errorf("%s: %04x, %04x, want %04x", name, got, want, right)
		}
		for _, wrong := range []uint16{0, 1, right + 1, ^right, 0xffff} {
			spoilt := bytes.Clone(c.octets)
			binary.BigEndian.PutUint16(spoilt[c.at:], wrong)
			if got, want := c.sum(spoilt); got != wrong || want != right {
				t.Errorf("%s with %04x: %04x, %04x, want %04x", name, wrong, got, want, right)
			}
		}
	}
}
