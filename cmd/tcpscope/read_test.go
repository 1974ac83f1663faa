package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// articles are the packets of the articles that the project began with: the
// first 23 lines are of tcpdump -S.
const (
	articles         = root + "/rawsock/capture/testdata/articles.txt"
	absoluteArticles = 23
)

// golden holds a text to a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: differs:\n%s", name, difference(string(want), got))
	}
}

// difference is where two texts part.
func difference(want, got string) string {
	wanted, has := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
	i := 0
	for i < len(wanted) && i < len(has) && wanted[i] == has[i] {
		i++
	}
	next := func(lines []string) string { return strings.Join(lines[min(i, len(lines)):min(i+3, len(lines))], "") }
	return fmt.Sprintf("line %d: got\n%swant\n%s", i+1, next(has), next(wanted))
}

// mask takes out of objects what differs from run to run.
func mask(text string) string {
	text = regexp.MustCompile(`("kind":"run","version":)"[^"]*"`).ReplaceAllString(text, `$1"v"`)
	text = regexp.MustCompile(`"kernel":"[^"]*","at":"[^"]*"`).ReplaceAllString(text, `"kernel":"k","at":"then"`)
	text = regexp.MustCompile(`(?m)^(run),.*$`).ReplaceAllString(text, `$1`)
	text = regexp.MustCompile(`(?m)^(summary),.*$`).ReplaceAllString(text, `$1`)
	return regexp.MustCompile(`"elapsed_ms":[0-9.e+-]*`).ReplaceAllString(text, `"elapsed_ms":0`)
}

// The articles, in every view.
func TestReadArticles(t *testing.T) {
	for _, test := range []struct{ file, flags string }{
		{"articles.lines", ""},
		{"articles.states", "--states -S"},
		{"articles.verbose", "-v"},
		{"articles.ladder", "--ladder"},
		{"articles.follow", "--follow"},
		{"articles.summary", "--summary"},
		{"articles.jsonl", "-o jsonl"},
		{"articles.summary.jsonl", "--summary -o jsonl"},
		{"articles.csv", "-o csv"},
	} {
		status, stdout, stderr := call(t, "read "+test.flags+" "+articles, "")
		if status != 0 || stderr != "" {
			t.Errorf("%s: exit status %d: %s", test.flags, status, stderr)
		}
		golden(t, test.file, mask(stdout))
	}
}

// tcpdump's lines come back as they were, octet for octet.
func TestReadGivesBackLines(t *testing.T) {
	text, err := os.ReadFile(articles)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(strings.Split(strings.TrimSpace(string(text)), "\n"), func(line string) bool {
		return strings.HasPrefix(strings.TrimSpace(line), "0x")
	})
	lines := func(flags string) []string {
		_, stdout, _ := call(t, "read -q "+flags+articles, "")
		return strings.Split(strings.TrimSpace(stdout), "\n")
	}
	absolute, relative := lines("-S "), lines("")
	if len(want) != 45 || len(absolute) != len(want) || len(relative) != len(want) {
		t.Fatalf("%d, %d and %d lines", len(want), len(absolute), len(relative))
	}
	got := slices.Concat(absolute[:absoluteArticles], relative[absoluteArticles:])
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d:\n got %s\nwant %s", i+1, got[i], want[i])
		}
	}
}

// dated is a datagram and when it was seen.
type dated struct {
	at       time.Time
	datagram []byte
	client   bool // sent it
}

// begins is when the dialogues of the tests do, on a second.
func begins() time.Time { return time.Unix(1_700_000_000, 0) }

// dialogue is a connection from its handshake to its close by the client:
// eleven segments, a millisecond apart, of which each end says something in
// one. The ports tell connections apart.
func dialogue(tb testing.TB, port uint16, begin time.Time) []dated {
	tb.Helper()
	const client, server = 1000, 500_000
	hello, answer := []byte("hello\n"), []byte("HELLO, and more\n")
	options := []wire.Option{wire.MSS(1460), wire.SACKPermitted(), wire.Timestamps(7, 0), wire.NOP(), wire.WindowScale(7)}
	c, s := uint32(client+1), uint32(server+1)
	said, heard := c+uint32(len(hello)), s+uint32(len(answer))
	var all []dated
	for i, g := range []struct {
		client   bool
		flags    wire.Flags
		seq, ack uint32
		options  []wire.Option
		payload  []byte
	}{
		{true, wire.SYN, client, 0, options, nil},
		{false, wire.SYN | wire.ACK, server, c, options, nil},
		{true, wire.ACK, c, s, nil, nil},
		{true, wire.PSH | wire.ACK, c, s, nil, hello},
		{false, wire.ACK, s, said, nil, nil},
		{false, wire.PSH | wire.ACK, s, said, nil, answer},
		{true, wire.ACK, said, heard, nil, nil},
		{true, wire.FIN | wire.ACK, said, heard, nil, nil},
		{false, wire.ACK, heard, said + 1, nil, nil},
		{false, wire.FIN | wire.ACK, heard, said + 1, nil, nil},
		{true, wire.ACK, said + 1, heard + 1, nil, nil},
	} {
		from, to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), port), netip.MustParseAddrPort("10.0.0.2:80")
		if !g.client {
			from, to = to, from
		}
		datagram, err := wire.AppendDatagram(nil,
			wire.Header{TTL: 64, DF: true, ID: uint16(i + 1), Src: from.Addr(), Dst: to.Addr()},
			wire.Segment{SrcPort: from.Port(), DstPort: to.Port(), Seq: wire.Seq(g.seq), Ack: wire.Seq(g.ack), Flags: g.flags, Window: 512, Options: g.options, Payload: g.payload})
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, dated{begin.Add(time.Duration(i) * time.Millisecond), datagram, g.client})
	}
	return all
}

// Link headers of every kind, in front of what the client has sent or not.
var (
	bare     = func(dated) []byte { return nil }
	ethernet = func(d dated) []byte { return slices.Concat(ends(d), []byte{8, 0}) }
	vlan     = func(d dated) []byte { return slices.Concat(ends(d), []byte{0x81, 0, 0, 5, 8, 0}) }
	null     = func(dated) []byte { return []byte{2, 0, 0, 0} }
	loop     = func(dated) []byte { return []byte{0, 0, 0, 2} }
	sll      = func(d dated) []byte {
		return slices.Concat([]byte{0, way(d), 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0})
	}
	sll2 = func(d dated) []byte {
		return slices.Concat([]byte{8, 0, 0, 0, 0, 0, 0, 1, 0, 1, way(d), 6, 2, 0, 0, 0, 0, 1, 0, 0})
	}
)

// ends are Ethernet's two addresses.
func ends(d dated) []byte {
	if d.client {
		return []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1}
	}
	return []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
}

// way is the packet type of a cooked header: outgoing is the client's.
func way(d dated) byte {
	if d.client {
		return 4
	}
	return 0
}

// pcapFile is a capture of one link type, in microseconds.
func pcapFile(link capture.LinkType, header func(dated) []byte, packets ...dated) []byte {
	order := binary.LittleEndian
	b := order.AppendUint32(nil, 0xa1b2c3d4)
	b = order.AppendUint16(order.AppendUint16(b, 2), 4)
	b = order.AppendUint32(append(b, make([]byte, 8)...), 262144)
	b = order.AppendUint32(b, uint32(link))
	for _, p := range packets {
		frame := append(header(p), p.datagram...)
		b = order.AppendUint32(b, uint32(p.at.Unix()))
		b = order.AppendUint32(b, uint32(p.at.Nanosecond()/1000))
		b = order.AppendUint32(order.AppendUint32(b, uint32(len(frame))), uint32(len(frame)))
		b = append(b, frame...)
	}
	return b
}

// ngBlock is one block of a pcapng file.
func ngBlock(kind uint32, body ...[]byte) []byte {
	b := slices.Concat(body...)
	b = append(b, make([]byte, -len(b)&3)...)
	order := binary.LittleEndian
	length := uint32(12 + len(b))
	return order.AppendUint32(append(order.AppendUint32(order.AppendUint32(nil, kind), length), b...), length)
}

// pcapngHead begins a pcapng file of raw interfaces with names.
func pcapngHead(devices ...string) []byte {
	order := binary.LittleEndian
	file := ngBlock(0x0a0d0d0a, order.AppendUint32(nil, 0x1a2b3c4d), []byte{1, 0, 0, 0}, bytes.Repeat([]byte{0xff}, 8))
	for _, name := range devices {
		option := order.AppendUint16(order.AppendUint16(nil, 2), uint16(len(name)))
		option = append(append(option, name...), make([]byte, -len(name)&3)...)
		file = append(file, ngBlock(1, []byte{101, 0, 0, 0, 0, 0, 0, 0}, option, make([]byte, 4))...)
	}
	return file
}

// ngPacket is an enhanced packet block, stamped in microseconds.
func ngPacket(device int, p dated) []byte {
	order, at := binary.LittleEndian, uint64(p.at.UnixMicro())
	b := order.AppendUint32(nil, uint32(device))
	b = order.AppendUint32(order.AppendUint32(b, uint32(at>>32)), uint32(at))
	b = order.AppendUint32(order.AppendUint32(b, uint32(len(p.datagram))), uint32(len(p.datagram)))
	return ngBlock(6, b, p.datagram)
}

// pcapngFile has every packet on every device, a few microseconds apart.
func pcapngFile(packets []dated, devices ...string) []byte {
	file := pcapngHead(devices...)
	for _, p := range packets {
		for i := range devices {
			file = append(file, ngPacket(i, p)...)
			p.at = p.at.Add(10 * time.Microsecond)
		}
	}
	return file
}

func zipped(tb testing.TB, file []byte) []byte {
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

// saved is a file with these contents.
func saved(tb testing.TB, contents []byte) string {
	tb.Helper()
	f, err := os.CreateTemp(tb.TempDir(), "")
	if err == nil {
		_, err = f.Write(contents)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return f.Name()
}

// readText is what a successful read of a file's contents shows.
func readText(t *testing.T, flags string, contents []byte) string {
	t.Helper()
	status, stdout, stderr := call(t, "read "+flags+" "+saved(t, contents), "")
	if status != 0 || stderr != "" {
		t.Errorf("read %s: exit status %d: %s", flags, status, stderr)
	}
	return stdout
}

// The same segments are the same lines, whatever they are wrapped in.
func TestReadFormats(t *testing.T) {
	all := dialogue(t, 40000, begins())
	want := readText(t, "--states", pcapFile(capture.LinkRaw, bare, all...))
	if n := strings.Count(want, "\n"); n != 13 || !strings.HasPrefix(want, begins().Format("15:04:05.000000")+" IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1000, win 512, options [") ||
		!strings.Contains(want, "# close-4/4; client time-wait, server closed; the client closed first and holds TIME-WAIT\n\n11 segments of 1 connection\n") {
		t.Fatalf("%d lines:\n%s", n, want)
	}
	for name, file := range map[string][]byte{
		"Ethernet":         pcapFile(capture.LinkEthernet, ethernet, all...),
		"VLAN":             pcapFile(capture.LinkEthernet, vlan, all...),
		"IPv4":             pcapFile(capture.LinkIPv4, bare, all...),
		"BSD loopback":     pcapFile(capture.LinkNull, null, all...),
		"OpenBSD loopback": pcapFile(capture.LinkLoop, loop, all...),
		"pcapng":           pcapngFile(all, "eth0"),
		"gzip of pcap":     zipped(t, pcapFile(capture.LinkRaw, bare, all...)),
		"gzip of pcapng":   zipped(t, pcapngFile(all, "eth0")),
	} {
		if got := readText(t, "--states", file); got != want {
			t.Errorf("%s: %s", name, difference(want, got))
		}
	}
	for name, test := range map[string]struct {
		file   []byte
		prefix string
	}{
		"SLL":  {pcapFile(capture.LinkSLL, sll, all...), ""},
		"SLL2": {pcapFile(capture.LinkSLL2, sll2, all...), "lo    Out "},
	} {
		got := readText(t, "--states", test.file)
		if test.prefix != "" && !strings.Contains(got, " "+test.prefix+"IP 10.0.0.1.40000 > ") {
			t.Errorf("%s: no device in\n%s", name, got)
		}
		if plain := regexp.MustCompile(`(?m)^(\S+) (lo +)?(Out|In +) IP`).ReplaceAllString(got, "$1 IP"); plain != want {
			t.Errorf("%s: %s", name, difference(want, plain))
		}
	}
}

// What is no IPv4 is counted.
func TestReadOthers(t *testing.T) {
	all := dialogue(t, 40000, begins())
	arp := dated{begins(), make([]byte, 28), true}
	file := pcapFile(capture.LinkEthernet, func(d dated) []byte {
		if len(d.datagram) == 28 {
			return slices.Concat(ends(d), []byte{8, 6})
		}
		return ethernet(d)
	}, append([]dated{arp, arp}, all...)...)
	if got := readText(t, "", file); !strings.HasSuffix(got, "\n\n11 segments of 1 connection, 2 of other protocols\n") {
		t.Errorf("%s", got)
	}
}

// Copies on several devices, or in captures of several places, change nothing.
func TestReadCopies(t *testing.T) {
	all := dialogue(t, 40000, begins())
	late := slices.Clone(all)
	for i := range late {
		late[i].at = late[i].at.Add(20 * time.Microsecond)
	}
	here, there := saved(t, pcapFile(capture.LinkRaw, bare, all...)), saved(t, pcapFile(capture.LinkEthernet, ethernet, late...))
	status, two, stderr := call(t, "read --states "+there+" "+here, "")
	if status != 0 {
		t.Errorf("%d %s", status, stderr)
	}
	for name, got := range map[string]string{
		"two files":   two,
		"two devices": readText(t, "--states", pcapngFile(all, "eth0", "eth1")),
	} {
		lines := strings.Split(got, "\n")
		if len(lines) != 25 || lines[23] != "22 segments of 1 connection, 11 seen twice" {
			t.Fatalf("%s: %d lines:\n%s", name, len(lines), got)
		}
		for i := range 11 {
			first, second := lines[2*i], lines[2*i+1]
			if strings.Contains(first, "copy") || !strings.Contains(second, "# copy; ") {
				t.Errorf("%s: packet %d:\n%s\n%s", name, i+1, first, second)
			}
			_, before, _ := strings.Cut(first, "; client ")
			_, after, _ := strings.Cut(second, "; client ")
			if before, _, _ = strings.Cut(before, ";"); before != after {
				t.Errorf("%s: a copy changes states:\n%s\n%s", name, first, second)
			}
		}
	}
}

// Files are merged by their stamps.
func TestReadMerges(t *testing.T) {
	first := dialogue(t, 40000, begins())
	second := dialogue(t, 40001, begins().Add(500*time.Microsecond))
	a, b := saved(t, pcapFile(capture.LinkRaw, bare, first...)), saved(t, pcapngFile(second, "x"))
	_, got, _ := call(t, "read -q "+b+" "+a, "")
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if len(lines) != 22 || !slices.IsSorted(lines) {
		t.Errorf("%d lines:\n%s", len(lines), got)
	}
}

// pipe is a standard input that a test writes to while the program reads.
type pipe struct {
	*io.PipeWriter
	lines chan string
	done  chan int
}

// beside runs the program beside the test.
func beside(ctx context.Context, line string) *pipe {
	in, out := io.Pipe()
	shown, stdout := io.Pipe()
	p := &pipe{out, make(chan string), make(chan int, 1)}
	go func() {
		defer close(p.lines)
		text, rest := "", make([]byte, 1<<16)
		for {
			n, err := shown.Read(rest)
			text += string(rest[:n])
			for {
				line, after, found := strings.Cut(text, "\n")
				if !found {
					break
				}
				p.lines <- line
				text = after
			}
			if err != nil {
				return
			}
		}
	}()
	go func() {
		status := run(ctx, append([]string{"tcpscope"}, strings.Fields(line)...), in, stdout, io.Discard)
		stdout.Close()
		in.Close()
		p.done <- status
	}()
	return p
}

// What has come through a pipe is shown before more comes, wherever the pipe
// pauses.
func TestReadPipe(t *testing.T) {
	all := dialogue(t, 40000, begins())
	for name, file := range map[string][]byte{"pcap": pcapFile(capture.LinkRaw, bare, all...), "pcapng": pcapngFile(all, "x")} {
		var part int // where the third packet ends, and a part of the fourth
		for part = 1; bytes.Count(file[:part], []byte{40000 >> 8, 40000 & 0xff}) < 4; part++ {
			continue
		}
		p := beside(t.Context(), "read -q -")
		p.Write(file[:part])
		for i := range 3 {
			if line := <-p.lines; !strings.Contains(line, "Flags [") {
				t.Errorf("%s: line %d: %q", name, i+1, line)
			}
		}
		p.Write(file[part:])
		p.Close()
		for range p.lines {
			continue
		}
		if status := <-p.done; status != 0 {
			t.Errorf("%s: exit status %d", name, status)
		}
	}
}

// The last of those that were asked for ends the run, though the pipe goes on.
func TestReadPipeCount(t *testing.T) {
	file := pcapFile(capture.LinkRaw, bare, dialogue(t, 40000, begins())[:3]...)
	p := beside(t.Context(), "read -q -c 3 -")
	p.Write(file)
	n := 0
	for range p.lines {
		n++
	}
	if status := <-p.done; status != 0 || n != 3 {
		t.Errorf("exit status %d, %d lines", status, n)
	}
}

// An interrupted wait for a pipe ends, even before anything has come.
func TestReadPipeInterrupted(t *testing.T) {
	file := pcapFile(capture.LinkRaw, bare, dialogue(t, 40000, begins())...)
	for _, part := range []int{0, 3, 30, 200} {
		ctx, interrupt := context.WithCancel(t.Context())
		p := beside(ctx, "read -")
		p.Write(file[:part])
		if part == 200 {
			<-p.lines
		}
		interrupt()
		for range p.lines {
			continue
		}
		if status := <-p.done; status != exitInterrupted {
			t.Errorf("after %d octets: exit status %d", part, status)
		}
	}
}

func TestReadStandardInput(t *testing.T) {
	file := pcapFile(capture.LinkRaw, bare, dialogue(t, 40000, begins())...)
	status, stdout, stderr := call(t, "read -", string(file))
	if want := readText(t, "", file); status != 0 || stdout != want || stderr != "" {
		t.Errorf("%d %q\n%s", status, stderr, difference(want, stdout))
	}
}

func TestReadSelects(t *testing.T) {
	file := pcapngFile(slices.Concat(dialogue(t, 40000, begins()), dialogue(t, 40001, begins().Add(time.Second))), "x")
	for _, test := range []struct {
		flags string
		lines int
		last  string
	}{
		{"", 22, "22 segments of 2 connections"},
		{"-c 3", 3, "3 segments of 1 connection"},
		{"-c 22", 22, "22 segments of 2 connections"},
		{"-c 23", 22, "22 segments of 2 connections"},
		{"--filter=port~40001", 11, "11 segments of 1 connection"},
		{"--filter=tcp[tcpflags]&tcp-syn!=0", 4, "4 segments of 2 connections"},
		{"--filter=src~host~10.0.0.2 -c 2", 2, "2 segments of 1 connection"},
		{"--filter=udp", 0, "0 segments of 0 connections"},
		{"--connections 1", 22, "22 segments of 2 connections, 1 forgotten for want of room"},
	} {
		args := strings.Fields("tcpscope read " + test.flags + " " + saved(t, file))
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "~", " ")
		}
		var out bytes.Buffer
		status := run(t.Context(), args, nil, &out, io.Discard)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if n := strings.Count(out.String(), " > "); status != 0 || n != test.lines || lines[len(lines)-1] != test.last {
			t.Errorf("%s: exit status %d, %d lines, %q", test.flags, status, n, lines[len(lines)-1])
		}
	}
}

// What -w writes is read as what was read.
func TestReadWrites(t *testing.T) {
	text, err := os.ReadFile(articles)
	if err != nil {
		t.Fatal(err)
	}
	all := dialogue(t, 40000, begins())
	for name, contents := range map[string][]byte{"pcap": pcapFile(capture.LinkEthernet, ethernet, all...), "text": text} {
		copied := filepath.Join(t.TempDir(), "copy.pcapng")
		want := readText(t, "-S --states -w "+copied, contents)
		got, err := os.ReadFile(copied)
		if err != nil {
			t.Fatal(err)
		}
		again := readText(t, "-S --states", got)
		if name == "text" { // whose stamps are of no time zone
			want, again = unstamped(want), unstamped(again)
		}
		if again != want {
			t.Errorf("%s: %s", name, difference(want, again))
		}
		if r, err := capture.NewReader(bytes.NewReader(got)); err != nil {
			t.Error(err)
		} else if p, err := r.Next(); err != nil || p.Comment != "handshake-1/3" {
			t.Errorf("%s: comment %q, %v", name, p.Comment, err)
		}
	}
}

// unstamped takes the stamps from lines.
func unstamped(text string) string {
	return regexp.MustCompile(`(?m)^\S+ IP `).ReplaceAllString(text, "IP ")
}

func TestReadFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	outputs := ""
	formats := []string{"text", "json", "jsonl", "csv", "html", "svg"}
	for _, f := range formats {
		outputs += " -o " + f + "=" + file(f)
	}
	status, stdout, stderr := call(t, "read"+outputs+" "+articles, "")
	if status != 0 || !strings.HasSuffix(stdout, "\n45 segments of 3 connections\n") || stderr != "" {
		t.Errorf("%d %q %q", status, stdout, stderr)
	}
	contents := map[string]string{}
	for _, f := range formats {
		b, err := os.ReadFile(file(f))
		if err != nil {
			t.Fatal(err)
		}
		contents[f] = string(b)
	}
	for f, want := range map[string]string{
		"text": "45 segments of 3 connections", "html": "</html>", "svg": "</svg>",
		"jsonl": `"kind":"summary"`, "csv": "\nconnection,",
	} {
		if !strings.Contains(contents[f], want) {
			t.Errorf("%s: no %q", f, want)
		}
	}
	var document struct{ Objects []map[string]any }
	if err := json.Unmarshal([]byte(contents["json"]), &document); err != nil {
		t.Fatal(err)
	}
	kinds := map[any]int{}
	for _, o := range document.Objects {
		kinds[o["kind"]]++
	}
	if want := map[any]int{"run": 1, "segment": 45, "connection": 3, "summary": 1}; fmt.Sprint(kinds) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", kinds, want)
	}
	if n := strings.Count(contents["jsonl"], "\n"); n != 50 {
		t.Errorf("%d lines of JSON", n)
	}
}

// segments are the segment objects of a read.
func segments(t *testing.T, contents string) (all []map[string]any) {
	t.Helper()
	status, stdout, stderr := call(t, "read -o jsonl -", contents)
	if status != 0 {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	for line := range strings.Lines(stdout) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		if o["kind"] == "segment" {
			all = append(all, o)
		}
	}
	return all
}

// Stamps of no date are no times; those of a date, or of captures, are.
func TestReadStamps(t *testing.T) {
	const line = "IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1, win 512, length 0\n"
	packet := dialogue(t, 40000, begins())[0]
	simple := append(pcapngHead("x"), ngBlock(3, binary.LittleEndian.AppendUint32(nil, uint32(len(packet.datagram))), packet.datagram)...)
	at := begins().Format(time.RFC3339)
	for _, test := range []struct{ name, text, want string }{
		{"none", line, ""},
		{"time of day", "12:00:01.000002 " + line, ""},
		{"date", "2026-01-02 12:00:01.000002 " + line, "2026-01-02T12:00:01.000002"},
		{"epoch", "1700000000.000000 " + line, at},
		{"pcap", string(pcapFile(capture.LinkRaw, bare, packet)), at},
		{"simple packet block", string(simple), ""},
	} {
		all := segments(t, test.text)
		if len(all) != 1 {
			t.Errorf("%s: %d segments", test.name, len(all))
			continue
		}
		got, has := all[0]["at"].(string)
		if has != (test.want != "") || !strings.HasPrefix(got, strings.TrimSuffix(test.want, "Z")) {
			t.Errorf("%s: at %q, want %q", test.name, got, test.want)
		}
	}
}

// A connection of undated text is at no time either, nor is its reset.
func TestReadUndatedConnections(t *testing.T) {
	if got := readText(t, "--summary -o jsonl", []byte("12:00:01.000002 IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 1, win 512, length 0\n"+
		"12:00:02.000002 IP 10.0.0.2.80 > 10.0.0.1.40000: Flags [R.], seq 0, ack 2, win 0, length 0\n")); strings.Contains(got, `"at":"1970`) || !strings.Contains(got, `"reset":{`) {
		t.Errorf("%s", got)
	}
}

// Text that begins in the middle has numbers that are relative to nobody knows
// what; they stay as they are.
func TestReadRelativeText(t *testing.T) {
	const text = `12:00:00.000000 IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [P.], seq 11:15, ack 7, win 512, length 4
12:00:00.001000 IP 10.0.0.2.80 > 10.0.0.1.40000: Flags [.], ack 15, win 512, length 0
12:00:00.002000 IP 10.0.0.2.80 > 10.0.0.1.40000: Flags [P.], seq 7:9, ack 15, win 512, length 2
`
	for _, flags := range []string{"-q", "-q -S"} {
		if got := readText(t, flags, []byte(text)); got != text {
			t.Errorf("%s: %s", flags, difference(text, got))
		}
	}
	for i, want := range []struct{ seq, ack any }{{11.0, 7.0}, {7.0, 15.0}, {7.0, 15.0}} {
		got := segments(t, text)[i]
		if got["rel_seq"] != want.seq || got["rel_ack"] != want.ack || got["seq"] != nil || got["ack"] != nil {
			t.Errorf("segment %d: %v", i+1, got)
		}
	}
}

// Names stand for addresses that nobody knows, and tell connections apart.
func TestReadNames(t *testing.T) {
	const text = `12:00:00.000000 IP ant.example.40000 > apple.example.http: Flags [S], seq 1, win 512, length 0
12:00:00.001000 IP apple.example.http > ant.example.40000: Flags [S.], seq 5, ack 2, win 512, length 0
12:00:00.002000 IP ant.example.40000 > apple.example.http: Flags [.], ack 1, win 512, length 0
12:00:00.003000 IP bee.example.40000 > apple.example.http: Flags [S], seq 1, win 512, length 0
`
	got := readText(t, "--states", []byte(text))
	for _, want := range []string{" IP ant.example.40000 > apple.example.80: Flags [S], ", " IP bee.example.40000 > ", "# handshake-3/3; client established, server established", "\n4 segments of 2 connections\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// What is wrong with a command line of watch or read is said at once.
func TestReadUsage(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	file := saved(t, pcapFile(capture.LinkRaw, bare, dialogue(t, 40000, begins())...))
	const hint = "\ntcpscope: hint: "
	for _, test := range []struct{ line, want string }{
		{"read", "read needs a FILE" + hint + "- is standard input"},
		{"read " + missing, missing + ": no such file or directory"},
		{"read " + file + " " + missing, missing + ": no such file or directory"},
		{"read " + dir, dir + ": is a directory"},
		{"read - -", "-: standard input can be read once only"},
		{"read --filter host " + file, `--filter "host": filter, column 5: the end stands where a host should`},
		{"read --filter porf " + file, `--filter "porf": filter, column 1: "porf" is no word of the filter language` + hint + `did you mean "port"?`},
		{"read -c 0 " + file, `--count "0": need a number from 1 to 9223372036854775807`},
		{"read -c many " + file, `--count "many": need a number from 1 to 9223372036854775807`},
		{"read --connections 0 " + file, `--connections "0": need a number from 1 to 100000000`},
		{"read --ladder --summary " + file, "--ladder and --summary are different views" + hint + "give one of them"},
		{"read --summary --follow --ladder " + file, "--ladder, --follow and --summary are different views" + hint + "give one of them"},
		{"read --resolve " + file, "--resolve: read shows addresses" + hint + "names that change under a connection would tear it apart"},
		{"read -i lo " + file, "-i is not a flag of read"},
		{"read -q -v " + file, "--quiet contradicts --verbose: one asks for less, the other for more"},
		{"read -o xml " + file, `-o "xml": unknown format "xml"; need text, json, jsonl, csv, html or svg`},
		{"read -w " + filepath.Join(missing, "x") + " " + file, "--pcap: open " + filepath.Join(missing, "x") + ": no such file or directory"},
		{"watch --ladder --follow", "--ladder and --follow are different views" + hint + "give one of them"},
		{"watch --resolve", "--resolve: watch shows addresses" + hint + "names that change under a connection would tear it apart"},
		{"watch -c -1", `--count "-1": need a number from 1 to 9223372036854775807`},
		{"watch --duration 0s", `--duration "0s": need a duration from 1ms to 8784h, such as 500ms or 2s`},
		{"watch port 99999", `filter "port 99999": filter, column 6: "99999" is no port` + hint + "the greatest is 65535"},
		{"watch --filter tcp", "--filter is not a flag of watch"},
	} {
		status, stdout, stderr := call(t, test.line, "")
		if want := "tcpscope: error: " + test.want + "\n"; status != exitUsage || stdout != "" || stderr != want {
			t.Errorf("%s: exit status %d, stdout %q\n got %swant %s", test.line, status, stdout, stderr, want)
		}
	}
}

// A standard output that cannot be written is an error in every view.
func TestReadUnwritable(t *testing.T) {
	for _, flags := range []string{"", "--ladder", "--summary", "-o jsonl"} {
		line := strings.Fields("tcpscope read " + flags + " " + articles)
		var errs bytes.Buffer
		if status := run(t.Context(), line, nil, unwritable{os.ErrClosed}, &errs); status != exitFailed || errs.Len() == 0 {
			t.Errorf("%s: exit status %d: %s", flags, status, errs.String())
		}
	}
}
