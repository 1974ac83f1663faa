package report

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// pictured are octets as they are shown.
func pictured(t testing.TB, o *Octets, change ...func(*Options)) string {
	t.Helper()
	var out strings.Builder
	options := testOptions(&out)
	options.Kinds, options.Views = []string{"run", "segment", "summary"}, &Views{View: ViewPicture}
	for _, c := range change {
		c(&options)
	}
	w, err := Open(nil, options)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		w.Write(finding.New("run").Set("version", "1")), w.Picture(o), w.Write(finding.New("segment").Set("n", 1)),
		w.Write(finding.New("summary").Set("segments", 1)), w.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func quiet(o *Options)    { o.Quiet = true }
func verbose(o *Options)  { o.Verbose = true }
func coloured(o *Options) { o.Color = true }

// overIPv4 are octets that begin with an IPv4 header.
func overIPv4(datagram []byte) *Octets { return &Octets{All: datagram, Layer: wire.LayerIPv4} }

// segmentOf is a segment of an established connection.
func segmentOf(flags wire.Flags, data string, options ...wire.Option) wire.Segment {
	return wire.Segment{SrcPort: 40000, DstPort: 80, Seq: 1001, Ack: 2001, Flags: flags, Window: 502, Options: options, Payload: []byte(data)}
}

// established is that segment in a datagram.
func established(flags wire.Flags, data string, options ...wire.Option) []byte {
	return tcp(ant, apple, segmentOf(flags, data, options...))
}

// framed is a SYN in an Ethernet frame with padding.
func framed() *Octets {
	header := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0}
	return &Octets{
		Title: "Dump 1 of 2", All: slices.Concat(header, syn(), []byte{0, 0}), Link: "Ethernet", Offset: 14, Layer: wire.LayerIPv4,
		Fields: []OctetField{{0, 6, "destination", "02:00:00:00:00:02"}, {6, 6, "source", "02:00:00:00:00:01"}, {12, 2, "EtherType", "IPv4"}},
	}
}

func TestPicture(t *testing.T) {
	hostile := "GET / HTTP/1.1\r\n\x1b]0;owned\x07\xff" + strings.Repeat("a", 400)
	for _, c := range []struct {
		name   string
		octets *Octets
		change []func(*Options)
	}{
		{"syn", framed(), nil},
		{"verbose", overIPv4(established(wire.PSH|wire.ACK, hostile, wire.NOP(), wire.NOP(), wire.Timestamps(7, 8))), []func(*Options){verbose}},
		{"quiet", overIPv4(established(wire.PSH|wire.ACK, hostile, wire.NOP(), wire.NOP(), wire.Timestamps(7, 8))), []func(*Options){quiet}},
		{"colour", overIPv4(edited(established(wire.RST, ""), 36, 0xff)), []func(*Options){coloured}},
		{"bare", &Octets{All: syn()[20:], Layer: wire.LayerTCP, Note: "It is a guess."}, nil},
		{"quoted", overIPv4(icmp(3, 4, 1400, syn()[:28])), nil},
		{"sack", overIPv4(established(wire.ACK, "", wire.NOP(), wire.NOP(), wire.SACK(wire.SACKBlock{Left: 3001, Right: 4001}))), nil},
		{"odd-options", overIPv4(established(wire.SYN, "", wire.FastOpen([]byte("cook")), wire.NOP(), wire.Option{Kind: 253, Data: []byte{1, 2, 3}}, wire.Timestamps(7, 8))), nil},
		{"cut-header", overIPv4(syn()[:33]), nil},
		{"cut-ip", overIPv4(syn()[:13]), nil},
	} {
		got := pictured(t, c.octets, c.change...)
		golden(t, "picture-"+c.name+".golden", got)
		checkPage(t, got)
	}
}

// checkPage holds a page to 80 columns of harmless text. Lines in tcpdump's
// form are longer, and dumps begin with a tab.
func checkPage(t testing.TB, page string) {
	t.Helper()
	for line := range strings.Lines(page) {
		line = regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(strings.TrimRight(line, "\n"), "")
		if !strings.HasPrefix(line, "IP") && utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "        ")) > pageWidth {
			t.Errorf("too long: %q", line)
		}
		if clean := strings.ReplaceAll(line, "\t", ""); Escape(clean) != clean || strings.HasSuffix(line, " ") {
			t.Errorf("not as it should be: %q", line)
		}
	}
}

// What is wrong is said at its field.
func TestPictureFaults(t *testing.T) {
	bad := func(d []byte, changes ...int) []byte {
		for i := 0; i < len(changes); i += 2 {
			d = edited(d, changes[i], byte(changes[i+1]))
		}
		return d
	}
	option := func(option ...byte) []byte { // in place of the first two options
		d := established(wire.ACK, "", wire.Timestamps(7, 8), wire.NOP(), wire.NOP())
		copy(d[40:], option)
		return d
	}
	for _, c := range []struct {
		name   string
		octets []byte
		want   []string // some of the faults
	}{
		{"none", syn(), nil},
		{"version", bad(syn(), 0, 0x65), []string{"IPv4 header, version: not 4, so this is no IPv4 header, or none begins here"}},
		{"short IHL", bad(syn(), 0, 0x44), []string{"IPv4 header, header length: a header has 5 words at least; read as if it had"}},
		{"long IHL", bad(syn()[:40], 0, 0x4f), []string{"IPv4 header, header length: only 40 octets are there"}},
		{"no length", bad(syn(), 3, 0), []string{"IPv4 header, total length: zero: the device was to cut this into segments and fill it in, or it was lost"}},
		{"short length", bad(syn(), 3, 19), []string{"IPv4 header, total length: less than the header's 20"}},
		{"cut short", syn()[:50], []string{"IPv4 header, total length: only 50 octets are there: cut short by the capture, or when it was copied", "TCP header, data offset: only 30 octets are there"}},
		{"evil", bad(syn(), 6, 0xc0), []string{"IPv4 header, flags: the reserved bit is set (RFC 3514 calls it evil)"}},
		{"header checksum", bad(syn(), 10, 0), []string{"IPv4 header, checksum: want 0x23b9"}},
		{"data offset", bad(syn(), 32, 0x40), []string{"TCP header, data offset: a header has 5 words at least; read as if it had"}},
		{"long data offset", bad(syn(), 32, 0xf0), []string{"TCP header, data offset: the whole segment has 40 octets"}},
		{"reserved", bad(syn(), 32, 0xa2), []string{"TCP header, reserved: should be zero (RFC 9293, Section 3.1)"}},
		{"the last reserved", bad(syn(), 32, 0xa1), []string{"TCP header, reserved: the last bit is set: NS of RFC 3540, which is historic, or AE of accurate ECN"}},
		{"checksum", bad(established(wire.ACK, "data"), 41, 'e'), []string{"TCP header, checksum: want 0x15c6"}},
		{"option of no length", option(8, 0), []string{"TCP header, option kind 8: a length of 0 cannot be; what follows is not read"}},
		{"option too long", option(8, 13), []string{"TCP header, option kind 8: a length of 13 reaches beyond the header; what follows is not read"}},
		{"option cut off", option(2, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 8), []string{"TCP header, option kind 8: the header ends before its length"}},
		{"ICMP checksum", icmp(11, 0, 0, syn()[:28]), []string{"ICMP header, checksum: want 0x5487"}},
		{"IPv4 option", ip(wire.Header{Protocol: wire.ProtocolTCP, Options: []byte{7, 1, 0, 0}}, syn()[20:]), []string{"IPv4 header, option: its length does not fit into the header"}},
	} {
		got := overIPv4(c.octets).Faults()
		for _, w := range c.want {
			if !slices.Contains(got, w) {
				t.Errorf("%s: %q, want %q", c.name, got, w)
			}
		}
		if c.want == nil && got != nil {
			t.Errorf("%s: %q", c.name, got)
		}
		checkPage(t, pictured(t, overIPv4(c.octets)))
	}
}

// The meaning of single fields.
func TestPictureMeanings(t *testing.T) {
	offloaded := syn()
	pseudo := bytes.Clone(offloaded)
	pseudo[36], pseudo[37] = 0x17, 0x32
	fragment := func(h wire.Header) []byte {
		h.Protocol = wire.ProtocolTCP
		return ip(h, syn()[20:])
	}
	for _, c := range []struct {
		octets []byte
		want   string
	}{
		{syn(), "0x958c: valid"},
		{pseudo, "offloaded: the sum of the pseudo-header alone; the device was to make it 0x958c, or nobody was to look"},
		{syn()[:59], "unverified, for it covers octets that are not here"},
		{fragment(wire.Header{MF: true}), "unverified, for it covers the other fragments too"},
		{fragment(wire.Header{MF: true}), "0: the first fragment; more follow"},
		{fragment(wire.Header{FragOffset: 3}), "3 eights: from octet 24 of what was cut up"},
		{fragment(wire.Header{FragOffset: 3, ID: 7, MF: true}), "0x0007 (7); the same in all fragments"},
		{syn(), "0x0000 (0); as in SYN-ACKs and resets of Linux"},
		{syn(), "64; no router on its way yet, if sent with 64 (Linux, BSD, macOS)"},
		{edited(syn(), 8, 52), "52; 12 routers on its way, if sent with 64 (Linux, BSD, macOS)"},
		{edited(syn(), 8, 127), "127; 1 router on its way, if sent with 128 (Windows)"},
		{edited(syn(), 8, 30), "30; 2 routers on its way, if sent with 32"},
		{edited(syn(), 8, 0), "0; nobody may pass it on"},
		{edited(syn(), 9, 200), "200: unknown"},
		{edited(syn(), 1, 0xb9), "46: EF, expedited forwarding (RFC 3246)"},
		{edited(syn(), 1, 0x23), "8: CS1, class selector (RFC 2474)"},
		{edited(syn(), 1, 0x23), "3: CE, congestion experienced"},
		{edited(syn(), 1, 0x28), "10: AF11, assured forwarding (RFC 2597)"},
		{edited(syn(), 16, 127), "127.0.2.2, loopback"},
		{edited(syn(), 16, 224), "224.0.2.2, multicast: TCP has no such peers"},
		{syn(), "SYN ([S] in tcpdump): asks for a connection, handshake 1/3"},
		{syn(), "1000: the initial one, which the SYN takes itself; data begin with 1001"},
		{syn(), "0; without ACK it means nothing"},
		{syn(), "64240 octets; never scaled in a SYN (RFC 7323)"},
		{syn(), "wscale 7 (length 3): my later windows count times 128, if both SYNs have this option"},
		{syn(), "80, by custom http"},
		{established(wire.SYN|wire.ECE|wire.CWR, ""), "asks for a connection, and for ECN, handshake 1/3"},
		{established(wire.SYN|wire.ACK, ""), `SYN, ACK ([S.] in tcpdump, where "." is ACK): accepts a connection, handshake 2/3`},
		{established(wire.FIN|wire.ACK, "bye"), "1001: of the first octet of data; the FIN takes 1004"},
		{established(wire.FIN|wire.ACK, ""), "1001: taken by the FIN itself"},
		{established(wire.ACK, ""), "1001: of the next octet to be sent; this segment takes none"},
		{established(wire.ACK, ""), "502, unscaled; the scale, which the SYNs told, is not known here"},
		{edited(edited(established(wire.ACK, ""), 34, 0), 35, 0), "0: closed, at any scale"},
		{established(wire.RST, ""), "502; in a reset it means nothing"},
		{established(wire.RST, ""), "2001, but without ACK it means nothing"},
		{established(0, ""), "none ([none] in tcpdump): no TCP sends this; it is a probe"},
		{established(wire.SYN|wire.FIN, ""), "a contradiction that no TCP sends; it is a probe"},
		{established(wire.ACK, "", wire.WindowScale(7)), "but it means nothing without SYN"},
		{established(wire.SYN, "", wire.WindowScale(15)), "more than the 14 that it is taken for (RFC 7323)"},
		{established(wire.ACK, "", wire.SACK(wire.SACKBlock{Left: 100, Right: 200})), "the first block came twice (D-SACK, RFC 2883)"},
		{established(wire.SYN, "", wire.FastOpen(nil)), "asks for a Fast Open cookie (RFC 7413)"},
		{icmp(11, 0, 0, syn()[:28]), "64, as it reached the sender of the message"},
		{icmp(11, 0, 0, syn()[:28]), "The quote ends here: eight octets of what a datagram carries are all that a router has to quote (RFC 792)."},
		{icmp(5, 1, 0x0a000201, syn()), "redirect 10.0.2.2 to host 10.0.2.1"},
		{icmp(12, 0, 20<<24, syn()), "octet 20 of the quoted datagram is what is wrong"},
		{icmp(8, 0, 7<<16|9, []byte("ping")), "echo request, id 7, seq 9"},
		{icmp(3, 1, 0, nil), "It should quote the datagram that it is about, and quotes nothing."},
	} {
		page := strings.Join(strings.Fields(pictured(t, overIPv4(c.octets), quiet)), " ")
		if raw := regexp.MustCompile(`( [0-9a-f]{1,8})+ `); !strings.Contains(page, c.want) && !strings.Contains(raw.ReplaceAllString(page, " "), c.want) {
			t.Errorf("%x:\n%s\nlacks %q", c.octets, page, c.want)
		}
	}
}

// FuzzPicture takes any octets for anything: the page is harmless, boxes join
// without gaps, and every octet of a header is some field's.
func FuzzPicture(f *testing.F) {
	for _, d := range [][]byte{
		nil, syn(), syn()[:33], syn()[20:], icmp(3, 4, 1400, syn()[:28]), icmp(8, 0, 1, nil), established(wire.ACK, "data", wire.SACK(wire.SACKBlock{Left: 1, Right: 2})),
		ip(wire.Header{Protocol: wire.ProtocolTCP, Options: []byte{7, 7, 4, 0, 0, 0, 0, 0}}, syn()[20:]),
	} {
		for _, layer := range []string{"", "IPv4", "TCP", "ICMP"} {
			f.Add(d, layer)
		}
	}
	f.Fuzz(func(t *testing.T, octets []byte, layer string) {
		if !slices.Contains([]string{"", "IPv4", "TCP", "ICMP"}, layer) {
			return
		}
		o := &Octets{All: octets, Layer: wire.Layer(layer)}
		checkPage(t, pictured(t, o, verbose))
		for _, h := range dissect(o, false, nil).headers {
			bit, at := 0, h.at
			for _, b := range h.boxes {
				if b.bit != bit || b.bits < 1 {
					t.Fatalf("%s: a box at bit %d, after one that ends at %d", h.name, b.bit, bit)
				}
				bit += b.bits
			}
			if bit < 8*len(h.octets) {
				t.Fatalf("%s: %d bits drawn of %d octets", h.name, bit, len(h.octets))
			}
			for _, l := range h.lines {
				if l.at > at && h.name != "ICMP header" && len(h.octets)%4 == 0 {
					t.Fatalf("%s: octet %d is no field's", h.name, at)
				}
				at = max(at, l.at+len(l.raw))
			}
		}
	})
}
