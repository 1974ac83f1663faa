//go:build peers

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// pastedFrames are Ethernet frames with all kinds of segments.
func pastedFrames(t *testing.T) [][]byte {
	t.Helper()
	ant, apple := netip.MustParseAddr("10.0.1.2"), netip.MustParseAddr("10.0.2.2")
	header := wire.Header{TTL: 61, ID: 0xbeef, TOS: 0x10, DF: true, Src: ant, Dst: apple}
	var frames [][]byte
	add := func(datagram []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, slices.Concat([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0}, datagram))
		return datagram
	}
	var syn []byte
	for i, g := range []wire.Segment{
		{Flags: wire.SYN, Options: []wire.Option{wire.MSS(1460), wire.SACKPermitted(), wire.Timestamps(4236541223, 0), wire.NOP(), wire.WindowScale(7)}},
		{Flags: wire.SYN | wire.ACK | wire.ECE, Options: []wire.Option{wire.MSS(1460), wire.FastOpen([]byte("cookie")), wire.NOP(), wire.NOP()}},
		{Flags: wire.ACK, Options: []wire.Option{wire.NOP(), wire.NOP(), wire.SACK(wire.SACKBlock{Left: 7, Right: 9}, wire.SACKBlock{Left: 4294967290, Right: 3})}},
		{Flags: wire.PSH | wire.ACK | wire.URG, Urgent: 5, Payload: []byte("GET /0123 HTTP/1.1\r\nHost: 45 00 00 3c\r\n\r\n\x00\xff|\x1b[0m")},
		{Flags: wire.FIN | wire.ACK, Payload: []byte("0010")},
		{Flags: wire.ACK, Payload: make([]byte, 200)},
		{Flags: wire.RST, KeepChecksum: true, Checksum: 0x1234},
	} {
		g.SrcPort, g.DstPort, g.Seq, g.Ack, g.Window = 47762, 80, wire.Seq(4294967295-i), wire.Seq(1000*i), uint16(500+i)
		datagram := add(wire.AppendDatagram(nil, header, g))
		if i == 0 {
			syn = datagram
		}
	}
	header.Src, header.Dst = apple, ant
	add(wire.AppendICMPError(nil, header, wire.ICMPError{Type: wire.ICMPUnreachable, Code: 4, Rest: 1400, Original: syn[:28]}))
	return frames
}

// fileOf is a capture file of Ethernet frames.
func fileOf(t *testing.T, frames [][]byte) string {
	t.Helper()
	le := binary.LittleEndian
	file := le.AppendUint32(nil, 0xa1b2c3d4)
	file = le.AppendUint16(le.AppendUint16(file, 2), 4)
	file = le.AppendUint32(le.AppendUint32(append(file, make([]byte, 8)...), 65535), 1)
	for i, f := range frames {
		file = le.AppendUint32(le.AppendUint32(file, uint32(i)), 0)
		file = le.AppendUint32(le.AppendUint32(file, uint32(len(f))), uint32(len(f)))
		file = append(file, f...)
	}
	name := filepath.Join(t.TempDir(), "frames.pcap")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// printed is what a program prints, given something to read.
func printed(t *testing.T, stdin []byte, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return string(out)
}

// decodedPage is what decode says of a text, without which dump it was.
func decodedPage(t *testing.T, text string) string {
	t.Helper()
	status, stdout, stderr := callWords(t, []string{"decode", "-"}, text)
	if status != 0 || stderr != "" {
		t.Fatalf("%d, %q\n%s", status, stderr, text)
	}
	var page strings.Builder
	for line := range strings.Lines(stdout) {
		if strings.HasPrefix(line, "=== ") {
			_, line, _ = strings.Cut(line, ", ")
		}
		page.WriteString(line)
	}
	return page.String()
}

// Whatever program has printed a frame, it is the same frame.
func TestDecodeAgainstDumps(t *testing.T) {
	frames := pastedFrames(t)
	file := fileOf(t, frames)
	var framed, bare []string
	for _, f := range frames {
		framed = append(framed, decodedPage(t, hex.EncodeToString(f)))
		bare = append(bare, decodedPage(t, hex.EncodeToString(f[14:])))
		for _, dump := range [][]string{
			{"xxd"}, {"xxd", "-p"}, {"xxd", "-i"}, {"xxd", "-g", "1"}, {"xxd", "-u"}, {"hexdump", "-C"},
			{"od", "-A", "x", "-t", "x1"}, {"od", "-A", "x", "-t", "x1z"}, {"od", "-A", "n", "-v", "-t", "x1"},
		} {
			if got := decodedPage(t, printed(t, f, dump[0], dump[1:]...)); got != framed[len(framed)-1] {
				t.Errorf("%q:\n%s\nwant\n%s", dump, got, framed[len(framed)-1])
			}
		}
	}
	for _, c := range []struct {
		want []string
		line []string
	}{
		{bare, []string{"tcpdump", "-nXr", file}}, {bare, []string{"tcpdump", "-nxr", file}}, {bare, []string{"tcpdump", "-vvnSXr", file}},
		{framed, []string{"tcpdump", "-nxxr", file}}, {framed, []string{"tcpdump", "-neXXr", file}},
		{framed, []string{"tshark", "-x", "-r", file}}, {framed, []string{"tshark", "-P", "-x", "-r", file}},
	} {
		want := strings.Join(c.want, "\n")
		if got := decodedPage(t, printed(t, nil, c.line[0], c.line[1:]...)); got != want {
			t.Errorf("%q:\n%s\nwant\n%s", c.line[:2], got, want)
		}
	}
}

// Fields have the values that tshark finds.
func TestDecodeAgainstTshark(t *testing.T) {
	frames := pastedFrames(t)
	frames = frames[:len(frames)-1] // the last is ICMP
	fields := []string{
		"ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "tcp.window_size_value", "tcp.urgent_pointer", "ip.ttl", "ip.id", "tcp.flags.ack",
	}
	args := []string{"-r", fileOf(t, frames), "-T", "fields"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	rows := strings.Split(strings.TrimSpace(printed(t, nil, "tshark", args...)), "\n")
	if len(rows) != len(frames) {
		t.Fatalf("%d rows of %d frames", len(rows), len(frames))
	}
	for i, row := range rows {
		v := strings.Split(row, "\t")
		_, stdout, _ := callWords(t, []string{"decode", "-o", "jsonl", hex.EncodeToString(frames[i])}, "")
		var s struct {
			From, To                               string
			Seq, Ack, Len, Window, Urgent, TTL, ID uint32
		}
		lines := strings.Split(stdout, "\n")
		if err := json.Unmarshal([]byte(strings.Replace(lines[1], "ip_id", "id", 1)), &s); err != nil {
			t.Fatal(err)
		}
		if v[11] != "1" && v[11] != "True" {
			v[5] = "0" // an acknowledgment without ACK is none
		}
		if got := fmt.Sprint(s.From, s.To, s.Seq, s.Ack, s.Len, s.Window, s.Urgent, s.TTL, fmt.Sprintf("0x%04x", s.ID)); got != fmt.Sprint(
			v[0]+":"+v[1], v[2]+":"+v[3], sharksNumber(t, v[4]), sharksNumber(t, v[5]), sharksNumber(t, v[6]), sharksNumber(t, v[7]), sharksNumber(t, v[8]), sharksNumber(t, v[9]), v[10]) {
			t.Errorf("frame %d: %s, tshark %q", i+1, got, v)
		}
	}
}

// sharksNumber reads one of tshark's.
func sharksNumber(t *testing.T, text string) uint32 {
	t.Helper()
	var n uint32
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return n
}
