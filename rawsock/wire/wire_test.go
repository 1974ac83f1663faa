package wire

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

// The hosts of the laboratory from which the frames in testdata come.
var (
	ant   = netip.MustParseAddr("10.0.1.2")
	apple = netip.MustParseAddr("10.0.2.2")
)

// linuxSYN is the segment with which Linux opens a connection.
func linuxSYN() Segment {
	return Segment{
		SrcPort: 40000, DstPort: 80, Seq: 0x01020304, Flags: SYN, Window: 64240,
		Options: []Option{MSS(1460), SACKPermitted(), Timestamps(0x05060708, 0), NOP(), WindowScale(7)},
	}
}

func probeHeader() Header {
	return Header{TTL: 64, DF: true, ID: 0x1234, Src: ant, Dst: apple}
}

// mustDatagram encodes, or ends the test.
func mustDatagram(tb testing.TB, h Header, g Segment) []byte {
	tb.Helper()
	d, err := AppendDatagram(nil, h, g)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// octetsOf reads hex digits; spaces are for the eye.
func octetsOf(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
