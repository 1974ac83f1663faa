package sockdiag

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"
	"time"
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
	onSix := want
	onSix.IPv6 = true
	six := onSix
	six.Local, six.Remote = netip.MustParseAddrPort("[::1]:80"), netip.MustParseAddrPort("[::2]:40000")
	for name, c := range map[string]struct {
		b    []byte
		want Socket
	}{
		"IPv4":                {message(familyIPv4, byte(TimeWait), v4...), want},
		"IPv4 on IPv6":        {message(familyIPv6, byte(TimeWait), mapped...), onSix},
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

// attribute appends one of a message.
func attribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, aligned(len(value))-len(value))...)
}

// numbers are words from 1, of four octets each.
func numbers(n int) []byte {
	var b []byte
	for i := range n {
		b = binary.NativeEndian.AppendUint32(b, uint32(i+1))
	}
	return b
}

func TestDecodeAttributes(t *testing.T) {
	message := make([]byte, messageLength)
	message[1], message[2], message[3] = byte(Established), byte(Keepalive), 2
	binary.NativeEndian.PutUint32(message[52:], 1500)
	binary.NativeEndian.PutUint64(message[44:], 77)
	message = attribute(message, attributeTOS, []byte{0x10})
	message = attribute(message, attributeCongestion, []byte("cubic\x00"))
	message = attribute(message, 200, []byte("what later kernels tell"))
	message = attribute(message, attributeMark, numbers(1))
	message = attribute(message, attributeV6Only, []byte{1})
	message = attribute(message, attributeMemory, numbers(12))
	whole := attribute(message, attributeInfo, numbers(80))
	s, err := decode(whole)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Timer{Keepalive, 1500 * time.Millisecond, 2}); s.Timer != want || s.Cookie != 77 {
		t.Errorf("%+v %d", s.Timer, s.Cookie)
	}
	if s.TOS != 0x10 || s.Congestion != "cubic" || s.Mark != 1 || !s.V6Only {
		t.Errorf("%+v", s)
	}
	if want := (Memory{1, 2, 3, 4, 6, 8, 9}); s.Memory == nil || *s.Memory != want {
		t.Errorf("%+v, want %+v", s.Memory, want)
	}
	// The words are numbered from 1: that at octet 4n is n+1.
	if i := s.Info; i == nil || i.RTO != 3*time.Microsecond || i.RTT != 18*time.Microsecond || i.MinRTT != 38*time.Microsecond ||
		i.Unacked != 7 || i.TotalRetransmitted != 26 || i.PeerWindow != 58 || i.SinceSent != 12*time.Millisecond || i.PathMTU != 16 {
		t.Errorf("%+v", i)
	}
	// Wherever a message is cut, the rest is read as it is.
	for n := range len(whole) - messageLength {
		if got, err := decode(whole[:messageLength+n]); err != nil || got.Cookie != 77 {
			t.Errorf("%d octets of attributes: %+v %v", n, got, err)
		}
	}
}

// Struct tcp_info has grown from kernel to kernel.
func TestInfoOfAnyLength(t *testing.T) {
	for _, test := range []struct {
		length int
		want   Info
	}{
		{0, Info{}},
		{12, Info{RTO: 3 * time.Microsecond}},
		{104, Info{TotalRetransmitted: 26}},
	} {
		got := decodeInfo(numbers(100)[:test.length])
		if test.length > 0 && got.RTO != 3*time.Microsecond || got.TotalRetransmitted != test.want.TotalRetransmitted || got.PeerWindow != 0 {
			t.Errorf("%d octets: %+v", test.length, got)
		}
	}
	none := numbers(100)
	binary.NativeEndian.PutUint32(none[148:], noRTT)
	if got := decodeInfo(none).MinRTT; got != 0 {
		t.Errorf("least round trip time without a sample: %v", got)
	}
}

// A timer that is due may be late.
func TestLateTimer(t *testing.T) {
	message := make([]byte, messageLength)
	message[1], message[2] = byte(Established), byte(Retransmit)
	binary.NativeEndian.PutUint32(message[52:], ^uint32(3))
	if s, err := decode(message); err != nil || s.Timer != (Timer{Kind: Retransmit}) {
		t.Errorf("%+v %v", s.Timer, err)
	}
}

func TestStateString(t *testing.T) {
	for k, want := range map[TimerKind]string{NoTimer: "", Wait: "time-wait", Probe: "probe", 5: "unknown"} {
		if got := k.String(); got != want {
			t.Errorf("timer %d: %q, want %q", k, got, want)
		}
	}
	for s, want := range map[State]string{
		0: "unknown", Established: "established", TimeWait: "time-wait", Closing: "closing", newSynReceived: "unknown", 255: "unknown",
	} {
		if got := s.String(); got != want {
			t.Errorf("%d: %q, want %q", s, got, want)
		}
	}
}
