package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// datagram is a bare IPv4 header, as long as it says, followed by payload.
func datagram(payload string) []byte {
	b := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 1, 2, 10, 0, 2, 2}
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

func samples() []Packet {
	at := time.Date(2026, 3, 1, 4, 5, 6, 789012345, time.UTC)
	return []Packet{
		{Datagram: datagram("x"), At: at, Direction: Outbound, Comment: "SYN 1 of 3 to 10.0.2.2:80"},
		{Datagram: datagram("answer"), At: at.Add(61042 * time.Nanosecond), Direction: Inbound, Comment: "é, three octets"},
		{Datagram: datagram("cut")[:22], At: at.Add(time.Second), Missing: 1},
		{Datagram: datagram(""), At: at.Add(2 * time.Second)},
	}
}

func write(t *testing.T, packets []Packet) []byte {
	t.Helper()
	var file bytes.Buffer
	w := NewWriter(&file, "tcpscope test")
	for _, p := range packets {
		if err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// readAll returns copies of all packets, and the error that ended them.
func readAll(file []byte) ([]Packet, int, error) {
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, 0, err
	}
	var packets []Packet
	for {
		p, err := r.Next()
		if err != nil {
			return packets, r.Skipped(), err
		}
		p.Datagram = bytes.Clone(p.Datagram)
		p.At = p.At.UTC()
		packets = append(packets, p)
	}
}

func TestRoundTrip(t *testing.T) {
	got, skipped, err := readAll(write(t, samples()))
	if err != io.EOF || skipped != 0 {
		t.Fatalf("%d skipped, error %v", skipped, err)
	}
	if want := samples(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestWriterAgainstGopacket(t *testing.T) {
	r, err := pcapgo.NewNgReader(bytes.NewReader(write(t, samples())), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	if app := r.SectionInfo().Application; app != "tcpscope test" {
		t.Errorf("application %q", app)
	}
	for i, want := range samples() {
		data, ci, opts, err := r.ReadPacketDataWithOptions()
		if err != nil {
			t.Fatal(err)
		}
		if link := ci.AncillaryData[0]; link != layers.LinkTypeRaw {
			t.Errorf("packet %d: link type %v", i, link)
		}
		got := Packet{Datagram: data, At: ci.Timestamp.UTC(), Missing: ci.Length - ci.CaptureLength}
		if len(opts.Comments) > 0 {
			got.Comment = opts.Comments[0]
		}
		if opts.Flags != nil {
			got.Direction = Direction(opts.Flags.Direction)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("packet %d: gopacket reads %+v\nwant %+v", i, got, want)
		}
	}
	if _, _, err := r.ReadPacketData(); err != io.EOF {
		t.Errorf("behind the last packet: %v", err)
	}
}

func TestCommentsAreCutAndValid(t *testing.T) {
	p := samples()[0]
	for _, c := range []struct{ comment, want string }{
		{strings.Repeat("é", 40000), strings.Repeat("é", 32767)},
		{"a\xffb", "a\uFFFDb"},
	} {
		p.Comment = c.comment
		got, _, err := readAll(write(t, []Packet{p, p}))
		if err != io.EOF || len(got) != 2 || got[1].Comment != c.want {
			t.Errorf("%.10q...: %d packets, error %v", c.comment, len(got), err)
		}
	}
}

func TestReaderAgainstGopacket(t *testing.T) {
	d := datagram("data")
	padded := append(bytes.Clone(d), 0, 0, 0, 0)
	mac := bytes.Repeat([]byte{2}, 12)
	sll := func(packetType byte) []byte {
		return append([]byte{0, packetType, 0, 1, 0, 6, 13: 0, 14: 8, 15: 0}, d...)
	}
	sll2 := append([]byte{8, 0, 10: sllOutgoing, 19: 0}, d...)
	arp := append(bytes.Clone(mac), 8, 6, 0, 1)
	for _, c := range []struct {
		name  string
		link  layers.LinkType
		frame []byte
		want  Direction
		none  bool
	}{
		{name: "raw", link: layers.LinkType(LinkRaw), frame: d},
		{name: "raw of OpenBSD", link: layers.LinkType(LinkRawOpen), frame: d},
		{name: "IPv4", link: layers.LinkType(LinkIPv4), frame: d},
		{name: "raw IPv6", link: layers.LinkType(LinkRaw), frame: []byte{0x60, 0, 0, 0}, none: true},
		{name: "loopback", link: layers.LinkType(LinkNull), frame: append([]byte{2, 0, 0, 0}, d...)},
		{name: "Ethernet", link: layers.LinkType(LinkEthernet), frame: append(append(bytes.Clone(mac), 8, 0), padded...)},
		{name: "Ethernet, two tags", link: layers.LinkType(LinkEthernet), frame: append(append(bytes.Clone(mac), 0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0), d...)},
		{name: "ARP", link: layers.LinkType(LinkEthernet), frame: arp, none: true},
		{name: "short Ethernet", link: layers.LinkType(LinkEthernet), frame: mac, none: true},
		{name: "short tag", link: layers.LinkType(LinkEthernet), frame: append(bytes.Clone(mac), 0x81, 0, 0), none: true},
		{name: "cooked, sent", link: layers.LinkType(LinkSLL), frame: sll(sllOutgoing), want: Outbound},
		{name: "cooked, received", link: layers.LinkType(LinkSLL), frame: sll(0), want: Inbound},
		{name: "cooked v2", link: layers.LinkType(LinkSLL2), frame: sll2, want: Outbound},
		{name: "unknown link", link: 147, frame: d, none: true},
	} {
		at := time.Unix(1e9, 123456789).UTC()
		ci := gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(c.frame), Length: len(c.frame)}
		var pcap, ng bytes.Buffer
		w := pcapgo.NewWriterNanos(&pcap)
		nw, err := pcapgo.NewNgWriter(&ng, c.link)
		if err = errors.Join(err, w.WriteFileHeader(65535, c.link), w.WritePacket(ci, c.frame), nw.WritePacket(ci, c.frame), nw.Flush()); err != nil {
			t.Fatal(err)
		}
		for format, file := range map[string][]byte{"pcap": pcap.Bytes(), "pcapng": ng.Bytes()} {
			got, skipped, err := readAll(file)
			want := []Packet{{Datagram: d, At: at, Direction: c.want}}
			if c.none {
				want = nil
			}
			if err != io.EOF || !reflect.DeepEqual(got, want) || skipped != 1-len(want) {
				t.Errorf("%s in %s: got %+v, %d skipped, error %v", c.name, format, got, skipped, err)
			}
		}
	}
}

func TestPcapMicrosecondsBothOrders(t *testing.T) {
	for _, order := range []byteOrders{binary.LittleEndian, binary.BigEndian} {
		b := order.AppendUint32(nil, pcapMicro)
		b = order.AppendUint16(order.AppendUint16(b, 2), 4)
		d := datagram("")
		for _, word := range []uint32{0, 0, 65535, uint32(LinkRaw), 7, 999999, uint32(len(d)), uint32(len(d)) + 5} {
			b = order.AppendUint32(b, word)
		}
		got, _, err := readAll(append(b, d...))
		want := []Packet{{Datagram: d, At: time.Unix(7, 999999000).UTC(), Missing: 5}}
		if err != io.EOF || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: got %+v, error %v", order, got, err)
		}
	}
}

// byteOrders is what both orders do.
type byteOrders interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// ngFile builds blocks by hand, for what no writer at hand can write.
type ngFile struct {
	order byteOrders
	b     []byte
}

func (f *ngFile) block(kind uint32, body []byte) *ngFile {
	body = append(body, make([]byte, -len(body)&3)...)
	length := uint32(len(body) + blockFraming)
	f.b = f.order.AppendUint32(f.order.AppendUint32(f.b, kind), length)
	f.b = append(f.b, body...)
	f.b = f.order.AppendUint32(f.b, length)
	return f
}

func (f *ngFile) words(words ...uint32) []byte {
	var b []byte
	for _, w := range words {
		b = f.order.AppendUint32(b, w)
	}
	return b
}

// iface is an interface block; resolution and offset are options.
func (f *ngFile) iface(resolution byte, offset uint64) *ngFile {
	b := f.order.AppendUint16(nil, uint16(LinkRaw))
	b = f.order.AppendUint16(b, 0)
	b = f.order.AppendUint32(b, 24) // snapshot length
	b = f.order.AppendUint16(f.order.AppendUint16(b, optTSResol), 1)
	b = append(b, resolution, 0, 0, 0)
	b = f.order.AppendUint16(f.order.AppendUint16(b, optTSOffset), 8)
	b = f.order.AppendUint64(b, offset)
	return f.block(blockInterface, b)
}

func newNg(order byteOrders) *ngFile {
	f := &ngFile{order: order}
	version := order.Uint32(order.AppendUint16(order.AppendUint16(nil, 1), 0))
	return f.block(blockSection, f.words(byteOrder, version, ^uint32(0), ^uint32(0)))
}

func TestPcapng(t *testing.T) {
	d := datagram("12345678") // longer than the snapshot length
	for _, order := range []byteOrders{binary.LittleEndian, binary.BigEndian} {
		f := newNg(order).iface(6, 0).iface(0x80|10, 100).iface(12, 0)
		size := uint32(len(d))
		f.block(blockEnhanced, append(f.words(0, 0, 5000001, size, size), d...))
		f.block(blockEnhanced, append(f.words(1, 0, 3<<10|512, size, size), d...))
		f.block(99, []byte("unknown blocks are passed over"))
		f.block(blockEnhanced, append(f.words(2, 1, 0, size, size), d...))
		f.block(blockSimple, append(f.words(size), d[:24]...))
		f.block(blockPacket, append(f.words(0, 0, 1, size, size), d...))
		f.b = append(f.b, newNg(binary.BigEndian).b...) // a second section, perhaps of another order
		f.order = binary.BigEndian
		f.iface(3, 0).block(blockEnhanced, append(f.words(0, 0, 1500, size, size), d...))

		got, _, err := readAll(f.b)
		if err != io.EOF {
			t.Fatal(err)
		}
		whole := func(at time.Time) Packet { return Packet{Datagram: d, At: at.UTC()} }
		want := []Packet{
			whole(time.Unix(5, 1000)),
			whole(time.Unix(103, 5e8)),
			whole(time.Unix(0, (1<<32)/1000)),
			{Datagram: d[:24], Missing: 4},
			whole(time.Unix(0, 1000)),
			whole(time.Unix(1, 5e8)),
		}
		want[3].At = time.Time{}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%v: got  %+v\nwant %+v", order, got, want)
		}
	}
}

func TestReaderErrors(t *testing.T) {
	ng := func(build func(f *ngFile)) []byte {
		f := newNg(binary.LittleEndian)
		build(f)
		return f.b
	}
	pcap := func(captured uint32) []byte {
		f := &ngFile{order: binary.LittleEndian}
		return f.words(pcapMicro, 2|4<<16, 0, 0, 65535, uint32(LinkRaw), 0, 0, captured, captured)
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "file header: the file ends too soon"},
		{"text", []byte("10.0.0.1\n"), "file header: not a valid capture file: it begins with 31 30 2e 30"},
		{"header only in part", pcap(0)[:20], "file header: the file ends too soon"},
		{"old pcap", []byte{0xd4, 0xc3, 0xb2, 0xa1, 1, 0, 4, 0, 23: 0}, "file header: not a valid capture file: pcap version 1"},
		{"record cut", pcap(8), "packet 1, at octet 24: the file ends too soon"},
		{"record too long", pcap(1 << 30), "packet 1, at octet 24: not a valid capture file: a packet of 1073741824 octets"},
		{"section of no order", ng(func(f *ngFile) { f.b[8] = 0 }), "packet 1, at octet 0: not a valid capture file: section of unknown byte order"},
		{"block too short", ng(func(f *ngFile) { f.b = append(f.b, f.words(1, 8, 8)...) }), "packet 1, at octet 28: not a valid capture file: a block of 8 octets"},
		{"block too long", ng(func(f *ngFile) { f.b = append(f.b, f.words(1, 1<<30, 8)...) }), "packet 1, at octet 28: not a valid capture file: a block of 1073741824 octets"},
		{"block cut", ng(func(f *ngFile) { f.b = append(f.b, f.words(1, 32, 8)...) }), "packet 1, at octet 28: the file ends too soon"},
		{"block head cut", ng(func(f *ngFile) { f.b = append(f.b, 1) }), "packet 1, at octet 28: the file ends too soon"},
		{"lengths differ", ng(func(f *ngFile) { f.b = append(f.b, f.words(99, 12, 16)...) }), "packet 1, at octet 28: not a valid capture file: a block of 12 octets ends as one of 16"},
		{"no interface", ng(func(f *ngFile) { f.block(blockEnhanced, f.words(0, 0, 0, 0, 0)) }), "packet 1, at octet 28: not a valid capture file: a packet of interface 0, which no block describes"},
		{"clock too fine", ng(func(f *ngFile) { f.iface(20, 0) }), "packet 1, at octet 28: not a valid capture file: a clock finer than a 64-bit stamp can hold"},
		{"packet beyond block", ng(func(f *ngFile) { f.iface(9, 0).block(blockEnhanced, f.words(0, 0, 0, 8, 8, 0)) }), "packet 1, at octet 68: not a valid capture file: a packet of 8 octets in a block of 4"},
		{"short enhanced block", ng(func(f *ngFile) { f.iface(9, 0).block(blockEnhanced, nil) }), "packet 1, at octet 68: not a valid capture file: an enhanced packet block of 12 octets"},
		{"short simple block", ng(func(f *ngFile) { f.block(blockSimple, nil) }), "packet 1, at octet 28: not a valid capture file: a simple packet block of 12 octets"},
		{"short packet block", ng(func(f *ngFile) { f.block(blockPacket, nil) }), "packet 1, at octet 28: not a valid capture file: a packet block of 12 octets"},
		{"short interface", ng(func(f *ngFile) { f.block(blockInterface, nil) }), "packet 1, at octet 28: not a valid capture file: an interface block of 12 octets"},
		{"pcapng of another version", ng(func(f *ngFile) { f.b[12] = 2 }), "packet 1, at octet 0: not a valid capture file: pcapng version 2"},
		{"short section", (&ngFile{order: binary.LittleEndian}).block(blockSection, []byte{0x4d, 0x3c, 0x2b, 0x1a}).b, "packet 1, at octet 0: not a valid capture file: a section block of 16 octets"},
		{"unknown block cut", ng(func(f *ngFile) { f.b = append(f.b, f.words(99, 1<<31, 8)...) }), "packet 1, at octet 28: the file ends too soon"},
	} {
		packets, _, err := readAll(c.file)
		if err == nil || err.Error() != c.want || len(packets) != 0 {
			t.Errorf("%s: %d packets, error %v; want %s", c.name, len(packets), err, c.want)
		}
	}
}

// Wherever a file was cut, all packets before the cut are read.
func TestTruncatedAnywhere(t *testing.T) {
	file := write(t, samples())
	whole := 0
	for cut := range len(file) {
		got, _, err := readAll(file[:cut])
		if err == nil || err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if len(got) < whole {
			t.Fatalf("cut at %d: %d packets, %d before", cut, len(got), whole)
		}
		whole = len(got)
	}
	if whole != len(samples())-1 {
		t.Errorf("one octet short, %d packets are read", whole)
	}
}

func FuzzReader(f *testing.F) {
	var w bytes.Buffer
	ng := NewWriter(&w, "seed")
	for _, p := range samples() {
		_ = ng.Write(p)
	}
	_ = ng.Flush()
	f.Add(w.Bytes())
	f.Add(newNg(binary.BigEndian).iface(0xff, 1<<63).iface(19, 0).b)
	f.Add((&ngFile{order: binary.LittleEndian}).words(pcapNano, 2|4<<16, 0, 0, 65535, uint32(LinkEthernet), 1, 1, 4, 4, 0))
	for _, link := range []LinkType{LinkEthernet, LinkPPP, LinkSLL, LinkSLL2, LinkNull} {
		f.Add(pcapOf(f, link, append([]byte{0x81, 0, 0, 4, 11: 0x88, 12: 0x64, 13: 8}, datagram("")...)))
	}
	f.Add(gzipped(f, w.Bytes()))
	f.Fuzz(func(t *testing.T, file []byte) {
		packets, skipped, err := readAll(file)
		if err == nil {
			t.Fatal("a file without an end")
		}
		if err != io.EOF {
			var fault *FileError
			if !errors.As(err, &fault) || fault.Error() == "" {
				t.Fatalf("error %v says not where", err)
			}
		}
		if bytes.HasPrefix(file, []byte{0x1f, 0x8b}) {
			return // as many as it inflates to
		}
		if octets := len(file); skipped*blockFraming > octets || len(packets)*blockFraming > octets {
			t.Fatalf("%d packets and %d skipped in %d octets", len(packets), skipped, octets)
		}
		for _, p := range packets {
			if len(p.Datagram) == 0 || p.Datagram[0]>>4 != 4 || p.Missing < 0 || p.Direction > Outbound {
				t.Fatalf("packet %+v", p)
			}
		}
	})
}
