package rawsock

import (
	"slices"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// tcp is a datagram as far as stamps are concerned: told by its sequence number.
func tcp(seq byte) []byte {
	d := make([]byte, 40)
	d[0], d[19], d[27] = 0x45, 9, seq
	return d
}

func TestMatch(t *testing.T) {
	mac := make([]byte, 14)
	frame := func(seq byte, padding int) []byte { return slices.Concat(mac, tcp(seq), make([]byte, padding)) }
	for name, c := range map[string]struct {
		part   []wire.Departure
		cursor int
		frame  []byte
		want   int
	}{
		"first":                {[]wire.Departure{{Datagram: tcp(1)}, {Datagram: tcp(2)}}, 0, frame(1, 0), 0},
		"second":               {[]wire.Departure{{Datagram: tcp(1)}, {Datagram: tcp(2)}}, 0, frame(2, 0), 1},
		"padded by the device": {[]wire.Departure{{Datagram: tcp(1)}}, 0, frame(1, 6), 0},
		"without link header":  {[]wire.Departure{{Datagram: tcp(1)}}, 0, tcp(1), 0},
		"overtaken":            {[]wire.Departure{{Datagram: tcp(1)}, {Datagram: tcp(2)}}, 1, frame(1, 0), 0},
		"equal ones in order":  {[]wire.Departure{{Datagram: tcp(1)}, {Datagram: tcp(1)}}, 1, frame(1, 0), 1},
		"stamped already":      {[]wire.Departure{{Datagram: tcp(1), KernelStamp: true}}, 0, frame(1, 0), -1},
		"refused":              {[]wire.Departure{{Datagram: tcp(1), Err: unix.EPERM}, {Datagram: tcp(1)}}, 0, frame(1, 0), 1},
		"of an earlier batch":  {[]wire.Departure{{Datagram: tcp(1)}}, 0, frame(2, 0), -1},
		"too short":            {[]wire.Departure{{Datagram: nil}}, 0, frame(2, 0), -1},
		"empty frame":          {[]wire.Departure{{Datagram: tcp(1)}}, 0, nil, -1},
		"cursor at the end":    {[]wire.Departure{{Datagram: tcp(1)}}, 1, frame(1, 0), 0},
	} {
		if got := match(c.part, c.cursor, c.frame); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestPacketFilter(t *testing.T) {
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x45, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: 1000},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config PacketConfig
		octet  byte
		want   int
	}{
		"everything":        {PacketConfig{Frames: true}, 0, passAll},
		"everything, cut":   {PacketConfig{Frames: true, Snap: 96}, 0, 96},
		"passed":            {PacketConfig{Frames: true, Filter: program}, 0x45, 1000},
		"passed, cut":       {PacketConfig{Frames: true, Filter: program, Snap: 96}, 0x45, 96},
		"cut is no promise": {PacketConfig{Frames: true, Filter: program, Snap: 5000}, 0x45, 1000},
		"rejected":          {PacketConfig{Frames: true, Filter: program}, 0x60, 0},
		"rejected, cut":     {PacketConfig{Frames: true, Filter: program, Snap: 96}, 0x60, 0},
	} {
		got, err := packetFilter(c.config)
		if err != nil {
			t.Fatal(err)
		}
		instructions, ok := bpf.Disassemble(got)
		if !ok {
			t.Fatalf("%s: %v", name, got)
		}
		vm, err := bpf.NewVM(instructions)
		if err != nil {
			t.Fatal(err)
		}
		frame := make([]byte, 1<<19)
		frame[0] = c.octet
		if n, err := vm.Run(frame); n != c.want || err != nil {
			t.Errorf("%s: %d %v, want %d", name, n, err, c.want)
		}
	}
	if program[3].K != 1000 {
		t.Error("the caller's program was changed")
	}
}

func TestChecksumState(t *testing.T) {
	for status, want := range map[uint32]wire.Checksum{
		unix.TP_STATUS_USER: wire.Unverified,
		unix.TP_STATUS_USER | unix.TP_STATUS_CSUMNOTREADY: wire.Offloaded,
		unix.TP_STATUS_USER | unix.TP_STATUS_CSUM_VALID:   wire.Valid,
	} {
		if got := checksumState(status); got != want {
			t.Errorf("%#x: %v, want %v", status, got, want)
		}
	}
}

func TestRingLayout(t *testing.T) {
	// The formula of linux/if_packet.h, against the library's layout.
	if headerSpace != 48 || blockHeader != 8 {
		t.Errorf("header space %d, block header at %d", headerSpace, blockHeader)
	}
}
