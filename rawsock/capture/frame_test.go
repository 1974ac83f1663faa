package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// join returns its arguments one after another.
func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// pcapBegins is the time of the first frame of pcapOf, in seconds since 1970.
const pcapBegins = 1_600_000_000

// pcapOf is a file of the given frames, a second apart.
func pcapOf(tb testing.TB, link LinkType, frames ...[]byte) []byte {
	tb.Helper()
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	err := w.WriteFileHeader(65535, layers.LinkType(link))
	for i, frame := range frames {
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(pcapBegins+int64(i), 0), CaptureLength: len(frame), Length: len(frame) + i}
		err = errors.Join(err, w.WritePacket(ci, frame))
	}
	if err != nil {
		tb.Fatal(err)
	}
	return file.Bytes()
}

func gzipped(tb testing.TB, file []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(file); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func TestFrame(t *testing.T) {
	d := datagram("data")
	to, from := []byte{2, 0, 0, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 2}
	sll := []byte{0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 2, 0, 0}
	sll2 := []byte{8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 1, 6, 2, 0, 0, 0, 0, 2, 0, 0}
	fromOnly := Frame{Source: HardwareAddr(from)}
	both := Frame{Source: HardwareAddr(from), Destination: HardwareAddr(to)}
	for _, c := range []struct {
		name   string
		link   LinkType
		frame  []byte
		reason string
		want   Frame // addresses, direction and device only
	}{
		{"Ethernet", LinkEthernet, join(to, from, []byte{8, 0}, d), "", both},
		{"VLAN tag", LinkEthernet, join(to, from, []byte{0x81, 0, 0, 5, 8, 0}, d), "", both},
		{"three tags", LinkEthernet, join(to, from, []byte{0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x91, 0, 0, 7, 8, 0}, d), "", both},
		{"tag cut", LinkEthernet, join(to, from, []byte{0x81, 0, 0}), "cut short within the link header", both},
		{"SNAP", LinkEthernet, join(to, from, []byte{0, 32, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, d), "", both},
		{"LLC", LinkEthernet, join(to, from, []byte{0, 3, 0x42, 0x42, 3}), "EtherType 0x0003", both},
		{"PPPoE", LinkEthernet, join(to, from, []byte{0x88, 0x64, 0x11, 0, 0, 1, 0, 26, 0, 0x21}, d), "", both},
		{"PPPoE cut", LinkEthernet, join(to, from, []byte{0x88, 0x64, 0x11}), "cut short within the link header", both},
		{"ARP", LinkEthernet, join(to, from, []byte{8, 6}, make([]byte, 28)), "ARP", both},
		{"IPv6", LinkEthernet, join(to, from, []byte{0x86, 0xdd, 0x60}), "IPv6", both},
		{"LLDP", LinkEthernet, join(to, from, []byte{0x88, 0xcc, 1}), "EtherType 0x88cc", both},
		{"nothing behind", LinkEthernet, join(to, from, []byte{8, 0}), "cut short before the IPv4 header", both},
		{"another version", LinkEthernet, join(to, from, []byte{8, 0, 0x60}), "IP version 6 where the link header says IPv4", both},
		{"short Ethernet", LinkEthernet, to, "cut short within the link header", Frame{}},
		{"cooked", LinkSLL, join(sll, []byte{8, 0}, d), "", Frame{Source: HardwareAddr(from), Direction: Outbound}},
		{"cooked, tag", LinkSLL, join(sll, []byte{0x81, 0, 0, 1, 8, 0}, d), "", Frame{Source: HardwareAddr(from), Direction: Outbound}},
		{"short cooked", LinkSLL, sll, "cut short within the link header", Frame{}},
		{"cooked v2", LinkSLL2, join(sll2, d), "", Frame{Source: fromOnly.Source, Direction: Inbound, DeviceIndex: 3}},
		{"short cooked v2", LinkSLL2, sll2[:19], "cut short within the link header", Frame{}},
		{"BSD loopback", LinkNull, join([]byte{2, 0, 0, 0}, d), "", Frame{}},
		{"OpenBSD loopback", LinkLoop, join([]byte{0, 0, 0, 2}, d), "", Frame{}},
		{"loopback, IPv6", LinkNull, []byte{30, 0, 0, 0, 0x60}, "IPv6", Frame{}},
		{"short loopback", LinkNull, []byte{2}, "cut short within the link header", Frame{}},
		{"PPP", LinkPPP, join([]byte{0, 0x21}, d), "", Frame{}},
		{"PPP in HDLC, protocol field compressed", LinkPPPHDLC, join([]byte{0xff, 3, 0x21}, d), "", Frame{}},
		{"PPP, IPv6", LinkPPP, []byte{0, 0x57, 0x60}, "IPv6", Frame{}},
		{"PPP, LCP", LinkPPP, []byte{0xc0, 0x21, 1}, "not an Internet protocol", Frame{}},
		{"PPP cut", LinkPPP, []byte{0}, "cut short within the link header", Frame{}},
		{"raw", LinkRaw, d, "", Frame{}},
		{"raw, empty", LinkRaw, nil, "cut short within the link header", Frame{}},
		{"raw, neither version", LinkRawBSD, []byte{0x10}, "not an Internet protocol", Frame{}},
		{"unknown link", 147, d, "link type 147", Frame{}},
	} {
		r, err := NewReader(bytes.NewReader(pcapOf(t, c.link, c.frame)))
		if err != nil {
			t.Fatal(err)
		}
		var f Frame
		if err := r.ReadFrame(&f); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got, ok := f.Datagram()
		if ok != (c.reason == "") || f.Reason() != c.reason || ok && !bytes.Equal(got, d) {
			t.Errorf("%s: %x, %q; want reason %q", c.name, got, f.Reason(), c.reason)
		}
		if f.Source != c.want.Source || f.Destination != c.want.Destination || f.Direction != c.want.Direction || f.DeviceIndex != c.want.DeviceIndex {
			t.Errorf("%s: from %v to %v, direction %d, device %d", c.name, f.Source, f.Destination, f.Direction, f.DeviceIndex)
		}
	}
}

// Interfaces of one file may differ in everything; packets of all kinds are
// counted.
func TestFramesOfSeveralInterfaces(t *testing.T) {
	d := datagram("12345678")
	size := uint32(len(d))
	f := newNg(binary.LittleEndian)
	device := func(link LinkType, name string) {
		b := f.words(uint32(link), 0, optDevice|uint32(len(name))<<16)
		f.block(blockInterface, append(b, name...))
	}
	device(LinkRaw, "eth0")
	device(LinkNull, strings.Repeat("x", 300))
	f.block(5, make([]byte, 1<<20)) // nothing for us, and longer than any buffer
	first := len(f.b)
	f.block(blockEnhanced, append(f.words(1, 0, 0, 5, 5), 30, 0, 0, 0, 0x60, 0, 0, 0))
	second := len(f.b)
	f.block(blockEnhanced, append(append(f.words(0, 0, 7, size, size+9), d...), 2, 0, 4, 0, 2, 0, 0, 0))
	r, err := NewReader(iotest.HalfReader(bytes.NewReader(gzipped(t, f.b))))
	if err != nil {
		t.Fatal(err)
	}
	var one, two Frame
	if err := errors.Join(r.ReadFrame(&one), r.ReadFrame(&two)); err != nil {
		t.Fatal(err)
	}
	if one.Number != 1 || one.Offset != int64(first) || one.Device != strings.Repeat("x", 255) || one.Interface != 1 || one.Reason() != "IPv6" {
		t.Errorf("first: %+v, %s", one, one.Reason())
	}
	if two.Number != 2 || two.Offset != int64(second) || two.Device != "eth0" || two.Direction != Outbound || two.Missing() != 9 || two.Captured != len(d) {
		t.Errorf("second: %+v", two)
	}
	if err := r.ReadFrame(&one); err != io.EOF || r.Skipped() != 1 {
		t.Errorf("%d skipped, %v", r.Skipped(), err)
	}
}

// However a compressed file is broken, what comes before is read.
func TestBrokenGzip(t *testing.T) {
	frames := make([][]byte, 200)
	for i := range frames {
		frames[i] = datagram(strings.Repeat("x", i))
	}
	plain := pcapOf(t, LinkRaw, frames...)
	whole := gzipped(t, plain)
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1 // within the checksum
	for _, c := range []struct {
		name string
		file []byte
		want error
	}{
		{"whole", whole, io.EOF},
		{"two members", append(bytes.Clone(whole), gzipped(t, plain[24:])...), io.EOF},
		{"checksum", flipped, gzip.ErrChecksum},
		{"cut", whole[:len(whole)-4], io.ErrUnexpectedEOF},
	} {
		got, _, err := readAll(c.file)
		if !errors.Is(err, c.want) || len(got) < len(frames) {
			t.Errorf("%s: %d packets, %v", c.name, len(got), err)
		}
	}
	if _, err := NewReader(bytes.NewReader(whole[:5])); !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != "file header: gzip: unexpected EOF" {
		t.Errorf("gzip header cut: %v", err)
	}
}

func TestDetect(t *testing.T) {
	ng := newNg(binary.BigEndian).b
	for _, c := range []struct {
		file []byte
		want Format
	}{
		{nil, FormatUnknown}, {[]byte("17:35"), FormatUnknown}, {ng, FormatPcapng}, {gzipped(t, ng), FormatPcapng},
		{pcapOf(t, LinkRaw), FormatPcap}, {gzipped(t, []byte("IP")), FormatUnknown},
	} {
		if got, r, err := Detect(bytes.NewReader(c.file)); got != c.want || err != nil || r == nil {
			t.Errorf("%.4x: %v, %v", c.file, got, err)
		}
	}
	broken := errors.New("broken")
	if _, err := NewReader(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("of a broken reader: %v", err)
	}
}

// Where a file lies about a length, or has no end, memory does not follow.
func TestMemoryIsBounded(t *testing.T) {
	lie := (&ngFile{order: binary.LittleEndian}).words(pcapMicro, 2|4<<16, 0, 0, 1<<31, uint32(LinkRaw), 0, 0, maxBlock, maxBlock, 0)
	var endless ngFile
	endless.order = binary.LittleEndian
	endless.b = newNg(binary.LittleEndian).b
	block := (&ngFile{order: binary.LittleEndian}).block(blockInterface, make([]byte, 8)).b
	for _, c := range []struct {
		name string
		file io.Reader
	}{
		{"captured length", bytes.NewReader(lie)},
		{"interfaces without end", io.MultiReader(bytes.NewReader(endless.b), &repeated{of: block})},
		{"a block of nothing", io.MultiReader(bytes.NewReader(endless.b), bytes.NewReader(endless.words(99, 1<<28, 0)), io.LimitReader(&repeated{of: block}, 1<<26))},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := NewReader(c.file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err == nil || err == io.EOF {
			t.Errorf("%s: %v", c.name, err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
			t.Errorf("%s: %d octets of memory", c.name, n)
		}
	}
}

// repeated gives the same octets for ever.
type repeated struct {
	of []byte
	at int
}

func (r *repeated) Read(b []byte) (int, error) {
	n := copy(b, r.of[r.at:])
	r.at = (r.at + n) % len(r.of)
	return n, nil
}

func TestReadFrameDoesNotAllocate(t *testing.T) {
	for name, file := range map[string][]byte{"pcap": pcapOf(t, LinkRaw, slices.Repeat([][]byte{datagram("x")}, 2000)...), "pcapng": write(t, slices.Repeat(samples(), 500))} {
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		var f Frame
		if n := testing.AllocsPerRun(1000, func() {
			if err := r.ReadFrame(&f); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations a packet", name, n)
		}
	}
}

// BenchmarkReadFrame reads 100,000 segments from memory. "x-pcapgo" is how
// many times longer pcapgo takes for the same, with its reading that copies
// nothing; it looks into no frame.
func BenchmarkReadFrame(b *testing.B) {
	frame := join(make([]byte, 12), []byte{8, 0}, datagram(strings.Repeat("x", 100)))
	file := pcapOf(b, LinkEthernet, slices.Repeat([][]byte{frame}, 100_000)...)
	b.ReportAllocs()
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			b.Fatal(err)
		}
		var f Frame
		for err = r.ReadFrame(&f); err == nil; err = r.ReadFrame(&f) {
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
	ours := b.Elapsed() / time.Duration(b.N)
	start := time.Now()
	r, err := pcapgo.NewReader(bytes.NewReader(file))
	if err != nil {
		b.Fatal(err)
	}
	for err == nil {
		_, _, err = r.ZeroCopyReadPacketData()
	}
	b.ReportMetric(float64(time.Since(start))/float64(ours), "x-pcapgo")
	b.ReportMetric(float64(ours.Nanoseconds())/100_000, "ns/packet")
}
