package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Octets that people paste: a SYN over IPv4, whose checksum a device was to
// fill in.
const (
	pastedIPv4 = "4500003ce6af40003d0640090a0001020a000202"
	pastedTCP  = "ba92270f52a8f43f00000000a002721017320000020405b40402080afc847d270000000001030307"
	pastedLink = "0200000000020200000000010800"
	pastedSYN  = pastedIPv4 + pastedTCP
)

// grouped puts something before and behind every octet of hexadecimal digits.
func grouped(digits, before, behind string) string {
	var b strings.Builder
	for i := 0; i < len(digits); i += 2 {
		b.WriteString(before + digits[i:i+2] + behind)
	}
	return b.String()
}

// dumped shows octets as tcpdump -X does.
func dumped(tb testing.TB, digits string) string {
	tb.Helper()
	octets, err := hex.DecodeString(digits)
	if err != nil {
		tb.Fatal(err)
	}
	var b strings.Builder
	for i := 0; i < len(octets); i += 16 {
		b.WriteString("\t0x00" + hex.EncodeToString([]byte{byte(i)}) + ": ")
		for j := i; j < min(i+16, len(octets)); j += 2 {
			b.WriteString(" " + hex.EncodeToString(octets[j:min(j+2, len(octets))]))
		}
		b.WriteString("  ................\n")
	}
	return b.String()
}

const tcpdumpsLine = "18:49:48.101543 IP 10.0.1.2.47762 > 10.0.2.2.9999: Flags [S], seq 1386804287, win 29200, options [mss 1460,sackOK,TS val 4236541223 ecr 0,nop,wscale 7], length 0\n"

// callWords runs the program with arguments.
func callWords(t *testing.T, words []string, stdin string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(context.Background(), append([]string{"tcpscope"}, words...), strings.NewReader(stdin), &out, &errs)
	return status, out.String(), errs.String()
}

// However octets are pasted, they are the same.
func TestDecodeForms(t *testing.T) {
	want := "IP 10.0.1.2.47762 > 10.0.2.2.9999: Flags [S], seq 1386804287, win 29200, options [mss 1460,sackOK,TS val 4236541223 ecr 0,nop,wscale 7], length 0\n"
	for name, text := range map[string]string{
		"digits":         pastedSYN,
		"upper case":     strings.ToUpper(pastedSYN),
		"groups":         grouped(pastedSYN, "", " "),
		"colons":         grouped(pastedSYN, "", ":"),
		"dashes":         strings.TrimSuffix(grouped(pastedSYN, "", "-"), "-"),
		"0x once":        "0x" + pastedSYN,
		"0x everywhere":  grouped(pastedSYN, "0x", " "),
		"escaped":        `"` + grouped(pastedSYN, `\x`, "") + `"`,
		"array":          "unsigned char packet[] = {\n" + grouped(pastedSYN, " 0x", ",") + "\n};\n",
		"list":           "[" + grouped(pastedSYN, "0x", ", ") + "]",
		"tcpdump -X":     tcpdumpsLine + dumped(t, pastedSYN),
		"with Ethernet":  pastedLink + pastedSYN,
		"lines, CRLF":    pastedIPv4 + "\r\n" + pastedTCP + "\r\n",
		"a blank before": "\n\n  " + pastedSYN + "\n",
	} {
		for _, call := range []struct{ line, stdin string }{{"decode", text}, {"decode -q -", text}, {"decode -q", ""}} {
			words := strings.Fields(call.line)
			if call.stdin == "" {
				words = append(words, "--", text)
			}
			status, stdout, stderr := callWords(t, words, call.stdin)
			if status != 0 || stderr != "" || !strings.Contains(stdout, want) {
				t.Errorf("%s, %q: %d, %q\n%s", name, call.line, status, stderr, stdout)
			}
			if pictures := strings.Contains(stdout, "+-+-+"); pictures == strings.Contains(call.line, "-q") {
				t.Errorf("%s, %q: pictures %v", name, call.line, pictures)
			}
		}
	}
}

func TestDecodeUsageErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dump")
	if err := os.WriteFile(file, []byte(pastedSYN), 0o600); err != nil {
		t.Fatal(err)
	}
	const (
		advice = "\nhint: what tcpdump -X, Wireshark, xxd and hexdump -C print will do, and digits alone; tcpscope decode --help has examples"
		notHex = "not octets in hexadecimal digits: "
	)
	for _, c := range []struct{ line, stdin, want string }{
		{"decode", "", "no octets: standard input is empty\nhint: tcpscope decode --help has examples"},
		{"decode", " \n ", "no octets: standard input is empty\nhint: tcpscope decode --help has examples"},
		{"decode - 45", "", "- stands alone: octets come from standard input or as arguments"},
		{"decode 4500 003", "", notHex + "line 1, column 8: an odd number of hexadecimal digits" + advice},
		{"decode 45 0o 00", "", notHex + "line 1, column 5: 'o' is not a hexadecimal digit" + advice},
		{"decode hello", "", notHex + "line 1, column 1: 'h' is not a hexadecimal digit" + advice},
		{"decode", "45 00\n00 3g\n", notHex + "line 2, column 5: 'g' is not a hexadecimal digit" + advice},
		{"decode", "45\x1b[31m", notHex + `line 1, column 3: '\x1b' is not a hexadecimal digit` + advice},
		{"decode", "0x0000:  4500 003c\n0x0010:  0a00", notHex + "line 2, column 1: offset 0x0010 where 0x0004 should follow" + advice},
		{"decode", "0x0010:  0a00", notHex + "line 1, column 1: offset 0x0010: the rows before it are missing" + advice},
		{"decode " + file, "", notHex + "line 1, column 1: '/' is not a hexadecimal digit\nhint: that is a file: tcpscope decode - < FILE for a dump in it, tcpscope read FILE for a capture"},
		{"decode x45x00x00x3c", "", notHex + "line 1, column 1: 'x' is not a hexadecimal digit\nhint: the shell took the backslashes: put the octets in quotes, '\\x45\\x00'"},
		{"decode", "b'E\\x00\\x00<'", notHex + "line 1, column 1: an odd number of hexadecimal digits\nhint: Python writes bytes in digits with print(packet.hex())"},
		{"decode", "E\x00\x00<\xe6\xaf", notHex + `line 1, column 2: '\x00' is not a hexadecimal digit` + "\nhint: octets as they are need digits first: xxd FILE | tcpscope decode"},
		{"decode", tcpdumpsLine, notHex + "line 1, column 9: '.' is not a hexadecimal digit\nhint: tcpdump's lines without a dump are for tcpscope read -; tcpdump -X adds the octets"},
		{"decode", "0000000 0045 3c00 afe6 0040\n", notHex + "line 1, column 7: an odd number of hexadecimal digits\nhint: hexdump and od show words in this machine's order unless asked for octets: hexdump -C, od -A x -t x1"},
		{"decode", "0000000 45 00 00 3c e6 af 40 00 3d 06 40 09 0a 00 01 02\n0000020 0a 00\n", notHex + "line 2, column 1: offset 0x0020 where 0x0010 should follow\nhint: od counts in octal: od -A x -t x1"},
		{"decode", "\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "standard input is a capture file\nhint: tcpscope read FILE shows it"},
		{"decode", strings.Repeat("00 ", maxPasted/3+1), "standard input: more than 16 MiB of text"},
		{"decode deadbeef", "", "4 octets: neither a frame nor a datagram nor a TCP header that can be recognised\nhint: --as says what they begin with: ethernet, sll, sll2, null, ppp, ipv4, ipv6, tcp or icmp"},
		{"decode 6000000000140640" + strings.Repeat("00", 31) + "01", "", "this is IPv6, which is not yet supported; decode reads TCP over IPv4"},
		{"decode ffffffffffff0200000000010806" + "0001080006040001", "", "no IPv4, and so no TCP over it: ARP"},
		{"decode --as ethernet 4500", "", "no IPv4, and so no TCP over it: cut short within the link header"},
		{"decode --as ipv44 4500", "", `--as "ipv44": need auto, ethernet, sll, sll2, null, ppp, ipv4, ipv6, tcp or icmp; did you mean ipv4?`},
		{"decode --resolve 4500", "", "--resolve: decode shows what the octets hold"},
		{"decode -qv 4500", "", "--quiet contradicts --verbose: one asks for less, the other for more"},
		{"decode -o html " + pastedSYN, "", `-o "html": unknown format "html"; need text, json, jsonl or csv`},
		{"decode --pcap x " + pastedSYN, "", "--pcap is not a flag of decode"},
	} {
		status, stdout, stderr := call(t, c.line, c.stdin)
		want := "tcpscope: error: " + strings.ReplaceAll(c.want, "\nhint: ", "\ntcpscope: hint: ") + "\n"
		if status != exitUsage || stdout != "" || stderr != want {
			t.Errorf("%.60q: %d, %q, want\n%q", c.line, status, stderr, want)
		}
	}
}

// What octets begin with is found out, said where it is a guess, and may be
// overruled.
func TestDecodeRecognition(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{pastedSYN, "60 octets: IPv4, TCP\n"},
		{pastedLink + pastedSYN, "74 octets: Ethernet, IPv4, TCP\n"},
		{pastedTCP, "40 octets: TCP\nNothing stands before it: taken for a bare TCP header because every field would\nbe in order. --as says what it is, if that is wrong.\n"},
		{"--as tcp " + pastedTCP, "40 octets: TCP\n\nTCP header: octets 0 to 39"},
		{"--as tcp " + pastedTCP[:16], "The octets end here, within the header."},
		{"--as ipv4 " + pastedTCP, "fault: not 4, so this is no IPv4 header"},
		{"--as sll 000000010006020000000001000008 00" + pastedSYN, "76 octets: Linux cooked, IPv4, TCP\n"},
		{"0800000000000002000103060200000000010000" + pastedSYN, "80 octets: Linux cooked v2, IPv4, TCP\n"},
		{"02000000" + pastedSYN, "64 octets: BSD loopback, IPv4, TCP\n"},
		{"0021" + pastedSYN, "62 octets: PPP, IPv4, TCP\n"},
		{"45c00038000000004001641c0a0002010a000102" + "0303a03d00000000" + pastedSYN[:56], "56 octets: IPv4, ICMP, quoting IPv4, TCP\n"},
		{"--as icmp 0303a03d00000000" + pastedSYN[:56], "36 octets: ICMP, quoting IPv4, TCP\n"},
	} {
		status, stdout, stderr := call(t, "decode -q "+c.line, "")
		if status != 0 || stderr != "" || !strings.Contains(stdout, c.want) {
			t.Errorf("%s: %d, %q\n%s\nwant %q", c.line, status, stderr, stdout, c.want)
		}
	}
}

// Several dumps are shown one after another, those of other protocols too.
func TestDecodeSeveral(t *testing.T) {
	text := tcpdumpsLine + dumped(t, pastedSYN) + "ARP, Request who-has\n" + dumped(t, "ffffffffffff02000000000108060001080006040001") + dumped(t, "deadbeef")
	status, stdout, stderr := call(t, "decode -q", text)
	for _, want := range []string{"=== Dump 1 of 3, 60 octets: IPv4, TCP\n", "\n=== Dump 2 of 3, 22 octets: Ethernet, ARP\n", "\n=== Dump 3 of 3, 4 octets: nothing recognised\n"} {
		if status != 0 || stderr != "" || !strings.Contains(stdout, want) {
			t.Errorf("%d, %q\n%s\nwant %q", status, stderr, stdout, want)
		}
	}
	_, stdout, _ = call(t, "decode -o jsonl", text)
	if lines := strings.Split(stdout, "\n"); len(lines) != 4 || !strings.Contains(lines[2], `"segments":1,"other":2,"exit":0`) {
		t.Error(stdout)
	}
}

// The articles' dumps are whole, and were captured before a device had seen
// them.
func TestDecodeArticles(t *testing.T) {
	text, err := os.ReadFile(root + "/rawsock/capture/testdata/articles.txt")
	if err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := call(t, "decode -q", string(text))
	if status != 0 || stderr != "" || strings.Contains(stdout, "fault: ") {
		t.Errorf("%d, %q\n%s", status, stderr, stdout)
	}
	dumps := strings.Count(string(text), "0x0000:")
	for _, words := range []string{"=== Dump ", "offloaded: ", "\nTCP header: "} {
		if n := strings.Count(stdout, words); n != dumps {
			t.Errorf("%d of %q, want %d", n, words, dumps)
		}
	}
}

func TestDecodeRecords(t *testing.T) {
	segment := func(line string) map[string]any {
		t.Helper()
		status, stdout, stderr := call(t, "decode -o json "+line, "")
		var document struct{ Objects []map[string]any }
		if err := json.Unmarshal([]byte(stdout), &document); err != nil || status != 0 || stderr != "" {
			t.Fatalf("%s: %d, %q, %v\n%s", line, status, stderr, err, stdout)
		}
		o := document.Objects
		if len(o) != 3 || o[0]["kind"] != "run" || o[1]["kind"] != "segment" || o[2]["kind"] != "summary" || o[2]["exit"] != 0.0 {
			t.Fatalf("%s: %v", line, o)
		}
		return o[1]
	}
	for _, c := range []struct {
		line, field string
		want        any
	}{
		{pastedSYN, "from", "10.0.1.2:47762"},
		{pastedSYN, "flags", "S"},
		{pastedSYN, "seq", 1386804287.0},
		{pastedSYN, "ack", nil},
		{pastedSYN, "checksum", "offloaded"},
		{pastedSYN, "ttl", 61.0},
		{pastedSYN, "len", 0.0},
		{pastedSYN, "explanation", nil},
		{pastedTCP, "from", ":47762"},
		{pastedTCP, "to", ":9999"},
		{pastedTCP, "checksum", "unverified"},
		{pastedTCP, "ttl", nil},
		{pastedSYN[:100], "flags", "S"},
		{pastedSYN[:100], "explanation", "IPv4 header, total length: only 50 octets are there: cut short by the capture, or when it was copied; TCP header, data offset: only 30 octets are there"},
		{pastedSYN[:60], "seq", 1386804287.0},
		{pastedSYN[:60], "flags", nil},
		{"4500003ce6af40003d06400a" + pastedSYN[24:], "explanation", "IPv4 header, checksum: want 0x4009"},
		{"45c00038000000004001641c0a0002010a000102" + "0303a03d00000000" + pastedSYN[:56], "icmp", "icmp-port-unreachable"},
	} {
		if got := segment(c.line)[c.field]; got != c.want {
			t.Errorf("%s: %s is %v, want %v", c.line, c.field, got, c.want)
		}
	}
}

// Whoever has changed their mind about pasting something may interrupt.
func TestDecodeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	in, out := io.Pipe()
	defer out.Close()
	var errs bytes.Buffer
	status := run(ctx, []string{"tcpscope", "decode"}, in, io.Discard, &errs)
	if status != exitInterrupted || errs.String() != "tcpscope: interrupted\n" {
		t.Errorf("%d, %q", status, errs.String())
	}
}

// The page names all that --as takes.
func TestDecodeWordsAreInThePage(t *testing.T) {
	_, item, _ := strings.Cut(section(pages(t)["tcpscope-decode"], "OPTIONS"), "Fl -as ")
	item, _, _ = strings.Cut(item, "\n.El\n")
	same(t, "--as", matches(`(?m)^\.Cm (\w+)`, item), startWords())
	var offered []string
	for _, c := range candidates((&program{}).app(), []string{"decode", "--as", ""}) {
		offered = append(offered, c.word)
	}
	same(t, "completion", offered, startWords())
}

// The page's example is what the program prints.
func TestDecodeExampleInThePage(t *testing.T) {
	_, example, _ := strings.Cut(section(pages(t)["tcpscope-decode"], "EXAMPLES"), "\n.Ss One worked through\n")
	blocks := matches(`(?s)\n\.Bd -literal\n(.*?)\n\.Ed`, example)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks", len(blocks))
	}
	status, stdout, stderr := call(t, strings.TrimPrefix(blocks[0], "$ tcpscope "), "")
	var picture strings.Builder
	for line := range strings.Lines(stdout) {
		if strings.Contains(line, "|") || strings.Contains(line, "+-") || strings.HasPrefix(line, "       0") {
			picture.WriteString(line[1:])
		}
	}
	if status != 0 || stderr != "" || picture.String() != blocks[1]+"\n" {
		t.Errorf("%d, %q\n%s", status, stderr, picture.String())
	}
}

// Whatever is pasted is shown, or refused in one line with advice.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		pastedSYN, pastedTCP, pastedLink + pastedSYN, tcpdumpsLine + dumped(f, pastedSYN), pastedSYN[:37], "\x00", "b''", "x45x00", "0000000 0000", "[", "{",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		status, stdout, stderr := callWords(t, []string{"decode", "-o", "text", "-"}, text)
		switch {
		case status == exitDone && stdout != "" && stderr == "":
		case status == exitUsage && stdout == "" && strings.HasPrefix(stderr, "tcpscope: error: ") && strings.Count(stderr, "\n") <= 2:
		default:
			t.Errorf("%d, %q\n%s", status, stderr, stdout)
		}
		if strings.ContainsAny(stdout+stderr, "\x1b\x00\r") {
			t.Errorf("%q%q", stdout, stderr)
		}
	})
}
