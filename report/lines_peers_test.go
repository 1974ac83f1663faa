//go:build peers

package report

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// link is a link type with a header for it.
type link struct {
	name   string
	typ    layers.LinkType
	header []byte
	// device and way are how tcpdump begins the line.
	device, way string
}

func links() []link {
	cooked2 := make([]byte, 20) // of an interface that there is nowhere
	copy(cooked2, []byte{8, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe, 0, 1, 4, 6})
	loopback := bytes.Clone(cooked2)
	copy(loopback[4:], []byte{0, 0, 0, 1, 0, 1, 0, 6})
	return []link{
		{name: "raw", typ: layers.LinkTypeRaw},
		{name: "ethernet", typ: layers.LinkTypeEthernet, header: append(make([]byte, 12), 8, 0)},
		{name: "cooked", typ: layers.LinkTypeLinuxSLL, header: append(make([]byte, 14), 8, 0), way: "In"},
		{name: "cooked v2", typ: 276, header: cooked2, device: "?", way: "Out"},
		{name: "cooked v2 of lo", typ: 276, header: loopback, device: "lo", way: "In"},
	}
}

// tcpdump returns what tcpdump writes of frames.
func tcpdump(t *testing.T, l link, sights []*Sight, args ...string) string {
	t.Helper()
	var file, complaints bytes.Buffer
	w := pcapgo.NewWriterNanos(&file)
	if err := w.WriteFileHeader(1<<18, l.typ); err != nil {
		t.Fatal(err)
	}
	for _, s := range sights {
		frame := append(bytes.Clone(l.header), s.Datagram...)
		info := gopacket.CaptureInfo{Timestamp: s.At, CaptureLength: len(frame), Length: len(frame) + s.Missing}
		if err := w.WritePacket(info, frame); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("tcpdump", append(args, "-r", "-")...)
	cmd.Stdin, cmd.Stderr, cmd.Env = &file, &complaints, []string{"TZ=UTC"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tcpdump: %v\n%s", err, &complaints)
	}
	return string(out)
}

// against compares our lines with tcpdump's, under all options.
func against(t *testing.T, l link, sights []*Sight) {
	t.Helper()
	for _, s := range sights {
		s.Device, s.Way = l.device, l.way
	}
	for _, c := range []struct {
		args  string
		views Views
	}{
		{"-n", Views{}},
		{"-nS", Views{Absolute: true}},
		{"-nv", Views{Fields: true}},
		{"-nX", Views{Hex: true}},
		{"-nA", Views{ASCII: true}},
		{"-nvSX", Views{Fields: true, Absolute: true, Hex: true}},
	} {
		if (c.views.Hex || c.views.ASCII) && len(l.header) > 0 && cut(sights) {
			// Where the capture ends within a header that it has begun to
			// print, tcpdump forgets where the datagram began, and its dump
			// begins with the link header.
			continue
		}
		c.views.Bare = true
		rest := tcpdump(t, l, sights, c.args)
		view := newLines(nil, Options{Views: &c.views})
		faults := 0
		for i, s := range sights {
			ours := string(view.appendSight(nil, s))
			line := rest[:min(len(rest), len(ours)+40)]
			behind, same := strings.CutPrefix(rest, ours)
			end := strings.IndexByte(behind, '\n')
			if !same || end > 0 {
				t.Errorf("%s %s, segment %d: % x, %d missing:\ntcpdump %q\nours    %q", l.name, c.args, i, s.Datagram, s.Missing, line, ours)
				if faults++; faults == 5 {
					break
				}
				// Find the next segment by its stamp.
				next := strings.Index(rest, "\n"+string(appendStamp(nil, s.At.Add(time.Millisecond))))
				if next < 0 {
					break
				}
				rest = rest[next+1:]
				continue
			}
			rest = behind[end+1:]
		}
	}
}

// cut reports whether not all of a datagram was captured.
func cut(sights []*Sight) bool {
	return slices.ContainsFunc(sights, func(s *Sight) bool {
		return s.Missing > 0 || len(s.Datagram) < 4 || len(s.Datagram) < int(binary.BigEndian.Uint16(s.Datagram[2:]))
	})
}

// seen makes sights of datagrams, a millisecond apart.
func seen(datagrams ...[]byte) []*Sight {
	var sights []*Sight
	for i, d := range datagrams {
		sights = append(sights, &Sight{At: noon.Add(time.Duration(i) * time.Millisecond), Datagram: d})
	}
	return sights
}

func TestLinesOddAgainstTcpdump(t *testing.T) {
	for _, l := range links() {
		against(t, l, seen(oddDatagrams()...))
	}
}

func TestLinesOptionsAgainstTcpdump(t *testing.T) {
	octets := []byte{0x51, 0x02, 0xf9, 0x89, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38}
	var datagrams [][]byte
	for kind := range 256 {
		for _, size := range []int{0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 18, 20, 34, 40, 41, 255} {
			o := append([]byte{byte(kind), byte(size)}, octets[:max(0, min(size, 40)-2)]...)
			datagrams = append(datagrams, optioned(wire.ACK, o...))
			if len(o) <= 36 {
				datagrams = append(datagrams, optioned(wire.ACK, append([]byte{1, 1}, o...)...))
			}
		}
	}
	for subtype := range 16 {
		for size := 2; size <= 36; size++ {
			for low := range 16 {
				for _, flags := range []wire.Flags{wire.SYN, wire.SYN | wire.ACK, wire.ACK} {
					o := append([]byte{30, byte(size)}, octets[:size-2]...)
					if size > 2 {
						o[2] = byte(subtype<<4 | low)
					}
					if size > 3 {
						o[3] = byte(low * 0x11)
					}
					datagrams = append(datagrams, optioned(flags, o...))
				}
			}
		}
	}
	for _, size := range []int{2, 3, 10, 18, 26, 34} { // each kind after each
		datagrams = append(datagrams, optioned(wire.ACK, append([]byte{5, byte(size)}, octets[:size-2]...)...))
	}
	for size := 2; size < 24; size++ { // Fast Open, in both forms, and its experiment's neighbours
		for _, kind := range []byte{34, 253, 254} {
			datagrams = append(datagrams, optioned(wire.SYN, append([]byte{kind, byte(size)}, octets[2:][:size-2]...)...))
		}
	}
	against(t, links()[0], seen(datagrams...))
}

func TestLinesFlagsAgainstTcpdump(t *testing.T) {
	var datagrams [][]byte
	for flags := range 512 { // with the nonce sum bit of old
		g := wire.Segment{SrcPort: 40000, DstPort: 9, Seq: 1000, Ack: 2000, Reserved: byte(flags >> 8), Flags: wire.Flags(flags), Urgent: 7}
		datagrams = append(datagrams, tcp(ant, apple, g))
		g.Payload = []byte("some\r\ndata\t of\x00 mine \x7f\xff\r")
		datagrams = append(datagrams, tcp(ant, apple, g))
	}
	for _, l := range links() {
		against(t, l, seen(datagrams...))
	}
}

// TestLinesCutAgainstTcpdump cuts segments at every octet, in the capture and
// on the link.
func TestLinesCutAgainstTcpdump(t *testing.T) {
	whole := [][]byte{
		syn(),
		optioned(wire.ACK, 1, 1, 5, 18, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 7, 0),
		optioned(wire.ACK, 29, 10, 1, 2, 3, 4, 5, 6, 7, 8, 77, 6, 1, 2, 3, 4),
		optioned(wire.SYN, 30, 4, 1, 0x81, 19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
		optioned(wire.SYN, 254, 8, 0xf9, 0x89, 1, 2, 3, 4, 34, 6, 1, 2, 3, 4, 28, 4, 0x80, 5, 20, 4, 1, 2, 13, 6, 0, 0, 0, 1),
		optioned(wire.ACK|wire.PSH, 5, 6, 1, 2, 3, 4, 29, 3, 1),
		withIPOptions(7, 7, 4, 1, 2, 3, 4, 0),
		withIPOptions(68, 12, 13, 1, 1, 2, 3, 4, 0, 0, 0, 9),
		icmp(3, 3, 0, syn()), icmp(11, 0, 0, syn()), icmp(5, 1, 9, syn()), icmp(8, 0, 7, nil), icmp(12, 0, 5<<24, syn()),
		icmp(14, 0, 7, make([]byte, 12)), icmp(18, 0, 7, make([]byte, 4)), icmp(13, 0, 7, make([]byte, 12)),
		ip(wire.Header{Protocol: wire.ProtocolUDP}, []byte{0, 9, 0, 7, 0, 12, 0, 0, 1, 2, 3, 4}),
		ip(wire.Header{Protocol: 253}, []byte{1, 2, 3}),
	}
	for _, l := range links() {
		var sights []*Sight
		for _, d := range whole {
			for n := 1; n <= len(d); n++ {
				sights = append(sights, seen(d[:n], d[:n])...)
				sights[len(sights)-1].Missing = len(d) - n
			}
			sights = append(sights, &Sight{Datagram: d, Missing: 7})
		}
		for i, s := range sights {
			s.At = noon.Add(time.Duration(i) * time.Millisecond)
		}
		against(t, l, sights)
	}
}

func TestLinesHeadersAgainstTcpdump(t *testing.T) {
	var datagrams [][]byte
	discard := edited(syn(), 23, 9) // whose payload nobody decodes
	add := func(d ...[]byte) { datagrams = append(datagrams, d...) }
	for n := range 16 {
		add(edited(discard, 0, byte(0x40|n)), edited(discard, 32, byte(n<<4)))
	}
	for total := 1; total < 70; total++ {
		add(edited(discard, 3, byte(total)))
	}
	for i := range 256 {
		add(edited(discard, 1, byte(i)), edited(discard, 6, byte(i)), edited(discard, 8, byte(i)), edited(discard, 11, byte(i)), edited(discard, 37, byte(i)))
	}
	for kind := range 256 {
		for _, size := range []byte{0, 1, 2, 3, 4, 5, 7, 8, 11, 12, 13} {
			for _, pointer := range []byte{0, 4, 5, 8, 12, 13} {
				add(withIPOptions(byte(kind), size, pointer, byte(kind)^size, 1, 2, 3, 4, 5, 6, 7, 8))
			}
		}
	}
	for flags := range 256 { // of an IPv4 timestamp option
		for _, size := range []byte{4, 8, 12, 16, 20} {
			add(withIPOptions(68, size, 9, byte(flags), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 0, 0, 0))
		}
	}
	for _, protocol := range []byte{0, 1, 3, 5, 6, 7, 17, 40, 43, 60, 200, 253, 255} { // none that tcpdump decodes
		add(edited(discard, 9, protocol))
	}
	for protocol := range 256 { // later fragments
		add(edited(edited(discard, 9, byte(protocol)), 7, 9))
	}
	l := links()[1]
	for version := range 16 {
		add(edited(discard, 0, byte(version<<4|5)))
	}
	against(t, l, seen(datagrams...))
}

func TestLinesICMPAgainstTcpdump(t *testing.T) {
	var datagrams [][]byte
	inner := [][]byte{syn(), syn()[:28], edited(syn(), 9, 17), edited(syn(), 9, 253)[:28], edited(syn(), 0, 0x55), edited(syn(), 3, 10), edited(syn(), 3, 0), edited(syn(), 0, 0x4f), tcp(ant, apple, wire.Segment{SrcPort: 1, DstPort: 9, Flags: wire.ACK})}
	for typ := range 256 {
		if typ == 9 {
			continue // router advertisements
		}
		for code := range 18 {
			for _, d := range inner {
				datagrams = append(datagrams, icmp(byte(typ), byte(code), uint32(code)*3, d))
			}
		}
	}
	for _, d := range inner {
		datagrams = append(datagrams, edited(icmp(3, 1, 0, d), 6, 0x20), edited(icmp(3, 1, 0, d), 23, 1))
	}
	against(t, links()[0], seen(datagrams...))
}

// TestLinesStoryAgainstTcpdump follows random talk among few endpoints: ports
// used again, numbers that wrap, equal ports, SACK, every combination of SYN
// and ACK.
func TestLinesStoryAgainstTcpdump(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	var datagrams [][]byte
	for range 20000 {
		src, dst := ant, apple
		if random.IntN(2) == 0 {
			src, dst = dst, src
		}
		g := wire.Segment{
			SrcPort: uint16(9990 + random.IntN(6)), DstPort: uint16(9990 + random.IntN(6)), Seq: wire.Seq(random.Uint32()), Ack: wire.Seq(random.Uint32()),
			Flags: wire.Flags(random.Uint32()) &^ wire.SYN, Window: uint16(random.Uint32()), Payload: make([]byte, random.IntN(3)),
		}
		if random.IntN(20) == 0 {
			g.Flags |= wire.SYN
		}
		if random.IntN(4) == 0 {
			g.Options = []wire.Option{wire.SACK(wire.SACKBlock{Left: wire.Seq(random.Uint32()), Right: wire.Seq(random.Uint32())})}
		}
		datagrams = append(datagrams, tcp(src, dst, g))
	}
	against(t, links()[0], seen(datagrams...))
}

// TestLinesNoiseAgainstTcpdump spoils octets at random, and cuts.
func TestLinesNoiseAgainstTcpdump(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 4))
	bases := [][]byte{syn(), optioned(wire.ACK, 30, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 5, 10, 1, 2, 3, 4, 5, 6, 7, 8), withIPOptions(7, 7, 4, 1, 2, 3, 4, 68, 8, 5, 0, 1, 2, 3, 4, 0)}
	var sights []*Sight
	for len(sights) < 30000 {
		d := bytes.Clone(bases[random.IntN(len(bases))])
		for range 1 + random.IntN(4) {
			if at := random.IntN(len(d)); at != 9 {
				d[at] = byte(random.Uint32()) >> random.IntN(8)
			}
		}
		missing := 0
		if random.IntN(3) == 0 {
			n := 1 + random.IntN(len(d))
			d, missing = d[:n], random.IntN(2)*(len(d)-n)
		}
		if decoded(d) {
			continue
		}
		sights = append(sights, &Sight{At: noon.Add(time.Duration(len(sights)) * time.Millisecond), Datagram: d, Missing: missing})
	}
	against(t, links()[1], sights)
	// A link without header leaves it to the datagram to say what it is.
	sights = slices.DeleteFunc(sights, func(s *Sight) bool { return s.Datagram[0]>>4 != 4 })
	against(t, links()[0], sights)
}

// decoded reports whether tcpdump goes on behind the length, or whether we
// make more of it than tcpdump does.
func decoded(d []byte) bool {
	if len(d) < 20 {
		return false
	}
	n := int(d[0]&0xf) * 4
	if binary.BigEndian.Uint16(d[2:]) == 0 {
		return true
	}
	if len(d) < n+4 {
		return false
	}
	for _, at := range []int{n, n + 2} {
		switch port := binary.BigEndian.Uint16(d[at:]); port {
		case 9, 40000:
		default:
			if port < 10000 || port > 60000 || port == 10288 || port == 18053 {
				return true
			}
		}
	}
	return false
}
