package sockdiag

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"
)

// The octets are those of struct inet_diag_req_v2, field by field.
func TestEncode(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Log("compared on little-endian machines only")
		return
	}
	r := request{
		family: familyIPv4, states: allStates, device: 3,
		local:  netip.MustParseAddrPort("127.0.0.1:80"),
		remote: netip.MustParseAddrPort("127.0.0.2:40000"),
	}
	want := "02060000" + "fe1f0000" + "0050" + "9c40" +
		"7f000001000000000000000000000000" + "7f000002000000000000000000000000" +
		"03000000" + "ffffffffffffffff"
	if got := hex.EncodeToString(r.encode()); got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
}

func TestDecode(t *testing.T) {
	message := func(family, state byte, addrs ...byte) []byte {
		b := make([]byte, messageLength)
		b[0], b[1] = family, state
		binary.BigEndian.PutUint16(b[4:], 80)
		binary.BigEndian.PutUint16(b[6:], 40000)
		copy(b[8:], addrs[:len(addrs)/2])
		copy(b[24:], addrs[len(addrs)/2:])
		for i := range 5 {
			binary.NativeEndian.PutUint32(b[52+4*i:], uint32(i))
		}
		return b
	}
	mapped := bytes.Repeat(append(make([]byte, 10), 0xff, 0xff, 127, 0, 0, 1), 2)
	v4 := []byte{127, 0, 0, 1, 127, 0, 0, 1}
	v6 := append(append(make([]byte, 15), 1), append(make([]byte, 15), 2)...)
	want := Socket{
		Local: netip.MustParseAddrPort("127.0.0.1:80"), Remote: netip.MustParseAddrPort("127.0.0.1:40000"),
		State: TimeWait, RQueue: 1, WQueue: 2, UID: 3, Inode: 4,
	}
	embryo := want
	embryo.State = SynReceived
	six := want
	six.Local, six.Remote = netip.MustParseAddrPort("[::1]:80"), netip.MustParseAddrPort("[::2]:40000")
	for name, c := range map[string]struct {
		b    []byte
		want Socket
	}{
		"IPv4":                {message(familyIPv4, byte(TimeWait), v4...), want},
		"IPv4 on IPv6":        {message(familyIPv6, byte(TimeWait), mapped...), want},
		"IPv6":                {message(familyIPv6, byte(TimeWait), v6...), six},
		"embryo":              {message(familyIPv4, byte(newSynReceived), v4...), embryo},
		"attributes after it": {append(message(familyIPv4, byte(TimeWait), v4...), 1, 2, 3), want},
	} {
		if got, err := decode(c.b); err != nil || got != c.want {
			t.Errorf("%s: %+v %v, want\n%+v", name, got, err, c.want)
		}
	}
	for n := range messageLength {
		if _, err := decode(make([]byte, n)); err == nil {
			t.Errorf("%d octets: no error", n)
		}
	}
}

func TestStateString(t *testing.T) {
	for s, want := range map[State]string{
		0: "unknown", Established: "established", TimeWait: "time-wait", Closing: "closing", newSynReceived: "unknown", 255: "unknown",
	} {
		if got := s.String(); got != want {
			t.Errorf("%d: %q, want %q", s, got, want)
		}
	}
}
