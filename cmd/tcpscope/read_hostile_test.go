package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tcpscope/tcpscope/rawsock/capture"
)

// readFrom is what a read of standard input ends with and shows.
func readFrom(t testing.TB, flags string, stdin io.Reader) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), append([]string{"tcpscope", "read"}, strings.Fields(flags+" -")...), stdin, &out, &errs)
	return status, out.String(), errs.String()
}

// A capture that ends too soon is shown as far as it goes, and the error says
// at which packet that is.
func TestReadTruncated(t *testing.T) {
	const packets = 3
	all := dialogue(t, 40000, begins())[:packets]
	pcap, pcapng := pcapFile(capture.LinkRaw, bare, all...), pcapngFile(all, "x")
	ends := map[string][]int{"pcap": {24}, "pcapng": {28}}
	for i := range all {
		ends["pcap"] = append(ends["pcap"], 24+len(pcapFile(capture.LinkRaw, bare, all[:i+1]...))-24)
	}
	head := len(pcapngHead("x"))
	for i := range packets + 1 {
		ends["pcapng"] = append(ends["pcapng"], head+len(pcapngFile(all[:i], "x"))-head)
	}
	for name, file := range map[string][]byte{"pcap": pcap, "pcapng": pcapng} {
		for n := range len(file) + 1 {
			status, stdout, stderr := readFrom(t, "-S -q", bytes.NewReader(file[:n]))
			shown := strings.Count(stdout, " IP 10.0.0.")
			whole := slices.Contains(ends[name], n)
			switch {
			case whole && (status != 0 || stderr != ""):
				t.Errorf("%s of %d octets is whole: exit status %d: %s", name, n, status, stderr)
			case !whole && status != exitFailed:
				t.Errorf("%s of %d octets: exit status %d", name, n, status)
			case !whole && n > 4 && !strings.Contains(stderr, fmt.Sprintf(": packet %d, at octet ", shown+1)) && !strings.Contains(stderr, ": file header: "):
				t.Errorf("%s of %d octets: %d packets shown: %s", name, n, shown, stderr)
			}
			if before := slices.DeleteFunc(slices.Clone(ends[name]), func(end int) bool { return end > n }); name == "pcap" && shown != max(len(before)-1, 0) {
				t.Errorf("%s of %d octets: %d packets shown", name, n, shown)
			}
			oneError(t, fmt.Sprintf("%s of %d octets", name, n), stderr)
		}
	}
}

// oneError holds a complaint to one line, which a terminal shows as it is.
func oneError(t testing.TB, what, stderr string) {
	t.Helper()
	if stderr == "" {
		return
	}
	if !strings.HasPrefix(stderr, "tcpscope: error: ") || strings.Count(stderr, "\n") != 1 || !printable(stderr) || len(stderr) > 1000 {
		t.Errorf("%s: %q", what, stderr)
	}
}

// printable reports whether a terminal shows a text and does nothing else.
func printable(text string) bool {
	return utf8.ValidString(text) && !regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x7f\x{80}-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}]`).MatchString(text)
}

func TestReadTruncatedGzip(t *testing.T) {
	file := zipped(t, pcapFile(capture.LinkRaw, bare, dialogue(t, 40000, begins())[:3]...))
	for n := range file {
		status, stdout, stderr := readFrom(t, "-S -q", bytes.NewReader(file[:n]))
		if status != exitFailed {
			t.Errorf("%d octets: exit status %d: %s%s", n, status, stdout, stderr)
		}
		oneError(t, fmt.Sprint(n, " octets"), stderr)
	}
	damaged := slices.Clone(file)
	damaged[len(damaged)-6] ^= 1 // the checksum
	if status, stdout, stderr := readFrom(t, "-q", bytes.NewReader(damaged)); status != exitFailed || strings.Count(stdout, "\n") != 3 || !strings.Contains(stderr, "gzip: invalid checksum") {
		t.Errorf("%d %q %q", status, stdout, stderr)
	}
}

// put returns a copy of a file with a word at an offset; negative ones count
// from its end.
func put(file []byte, offset int, word uint32) []byte {
	file = slices.Clone(file)
	if offset < 0 {
		offset += len(file)
	}
	binary.LittleEndian.PutUint32(file[offset:], word)
	return file
}

// Where a file lies, the packets before the lie are shown, and the error says
// where it stands.
func TestReadLies(t *testing.T) {
	all := dialogue(t, 40000, begins())[:3]
	pcap, pcapng := pcapFile(capture.LinkRaw, bare, all...), pcapngFile(all, "x")
	second := 24 + 16 + len(all[0].datagram) // the record's header
	block := len(pcapngFile(all[:1], "x"))
	for _, test := range []struct {
		name  string
		file  []byte
		shown int
		want  string // "" is none
	}{
		{"captured length of 4 GiB", put(pcap, second+8, 1<<32-1), 1, `packet 2, at octet \d+: `},
		{"captured length of 2 GiB", put(pcap, second+8, 1<<31-1), 1, `packet 2, at octet \d+: `},
		{"captured length beyond the end", put(pcap, -len(all[2].datagram)-8, 1000), 2, `packet 3, at octet \d+: the file ends too soon`},
		{"captured length of nothing", put(pcap, second+8, 0), 1, `.*`},
		{"original length of nothing", put(pcap, second+12, 0), 3, ""},
		{"original length of 4 GiB", put(pcap, second+12, 1<<32-1), 3, ""},
		{"snap length of one", put(pcap, 16, 1), 3, ""},
		{"snap length of 4 GiB", put(pcap, 16, 1<<32-1), 3, ""},
		{"microseconds of an hour", put(pcap, second+4, 1<<32-1), 3, ""},
		{"version", put(pcap, 4, 1<<16|7), 0, `file header: `},
		{"link type", put(pcap, 20, 65535), 0, ""},
		{"block length of nothing", put(pcapng, block+4, 0), 1, `packet 2, at octet \d+: `},
		{"block length of 4 GiB", put(pcapng, block+4, 1<<32-4), 1, `packet 2, at octet \d+: `},
		{"block length not of words", put(pcapng, block+4, 81), 1, `packet 2, at octet \d+: `},
		{"block length at the end", put(pcapng, -4, 8), 2, `packet 3, at octet \d+: `},
		{"captured length beyond the block", put(pcapng, block+8+12, 1000), 1, `packet 2, at octet \d+: `},
		{"interface that is not", put(pcapng, block+8, 7), 1, `packet 2, at octet \d+: `},
		{"byte order of nobody", put(pcapng, 8, 0x01020304), 0, `.*`},
		{"a second file behind", slices.Concat(pcap, pcapng), 3, `packet 4, at octet \d+: `},
	} {
		status, stdout, stderr := readFrom(t, "-q -S", bytes.NewReader(test.file))
		shown, want := strings.Count(stdout, " IP 10.0.0."), 0
		if test.want != "" {
			want = exitFailed
		}
		if status != want || shown != test.shown || test.want != "" && !regexp.MustCompile("^tcpscope: error: standard input: "+test.want).MatchString(stderr) {
			if test.want == ".*" && shown >= test.shown {
				continue
			}
			t.Errorf("%s: exit status %d, %d packets shown, %q", test.name, status, shown, stderr)
		}
		oneError(t, test.name, stderr)
	}
}

// repeated gives the same octets for ever.
type repeated struct {
	of []byte
	at int
}

func (r *repeated) Read(b []byte) (int, error) {
	for n := 0; n < len(b); {
		copied := copy(b[n:], r.of[r.at:])
		n, r.at = n+copied, (r.at+copied)%len(r.of)
	}
	return len(b), nil
}

// What is no capture and no text of tcpdump's is told so at once, even if it
// has no end.
func TestReadNoCapture(t *testing.T) {
	for _, test := range []struct {
		name string
		file io.Reader
		want string
	}{
		{"empty", strings.NewReader(""), "the file is empty"},
		{"zeros", &repeated{of: []byte{0}}, "neither pcap nor pcapng nor text"},
		{"a program", strings.NewReader("\x7fELF\x02\x01\x01"), "neither pcap nor pcapng nor text"},
		{"prose", strings.NewReader("Once upon a time\nthere was a SYN.\n"), "no packet in it: neither pcap nor pcapng, nor a line of tcpdump's"},
		{"a line feed", strings.NewReader("\n"), "no packet in it: neither pcap nor pcapng, nor a line of tcpdump's"},
		{"gzip of nothing", bytes.NewReader(zipped(t, nil)), "the file is empty"},
		{"gzip of gzip", bytes.NewReader(zipped(t, zipped(t, []byte("x")))), "neither pcap nor pcapng nor text"},
	} {
		status, stdout, stderr := readFrom(t, "-q", test.file)
		if want := "tcpscope: error: standard input: " + test.want + "\n"; status != exitFailed || stdout != "" || stderr != want {
			t.Errorf("%s: %d %q %q", test.name, status, stdout, stderr)
		}
	}
	for _, device := range []string{"/dev/zero", "/dev/urandom"} {
		want := "tcpscope: error: " + device + ": neither pcap nor pcapng nor text\n"
		if status, stdout, stderr := call(t, "read -q "+device, ""); status != exitFailed || stdout != "" || stderr != want {
			t.Errorf("%s: %d %q %q", device, status, stdout, stderr)
		}
	}
	// A file that nobody may read.
	locked := saved(t, []byte("x"))
	if err := os.Chmod(locked, 0); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(locked); err == nil {
		f.Close() // root may
	} else if status, _, stderr := call(t, "read "+locked, ""); status != exitUsage || stderr != "tcpscope: error: "+locked+": permission denied\n" {
		t.Errorf("%d %q", status, stderr)
	}
}

// One file that cannot be read does not hide the others.
func TestReadOneOfSeveral(t *testing.T) {
	file := pcapFile(capture.LinkRaw, bare, dialogue(t, 40000, begins())...)
	good, cut, empty := saved(t, file), saved(t, file[:len(file)-1]), saved(t, nil)
	status, stdout, stderr := call(t, "read -q --filter ip "+good+" "+cut+" "+empty, "")
	if n := strings.Count(stdout, "\n"); status != exitFailed || n != 21 || !strings.Contains(stderr, cut+": packet 11, at octet ") || !strings.Contains(stderr, empty+": the file is empty\n") {
		t.Errorf("%d, %d lines, %s", status, n, stderr)
	}
}

// weighed gives what another reader does, and weighs memory half-way.
type weighed struct {
	io.Reader
	left int
	heap uint64 // octets in use when that is reached
}

func (w *weighed) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	if before := w.left; before > 0 {
		if w.left -= n; w.left <= 0 {
			w.heap = heap()
		}
	}
	return n, err
}

// heap is how many octets are in use.
func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// Text takes the memory of a few lines, whatever it is made of.
func TestReadEndlessText(t *testing.T) {
	const line = "12:00:00.000000 IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [.], ack 1, win 512, length 0\n"
	// What other tests have left behind, and the race detector, take some too.
	const much, mostMemory = 8 << 20, 7 << 20
	for _, test := range []struct {
		name   string
		text   io.Reader
		status int
		want   string
	}{
		{"no line feed", io.LimitReader(&repeated{of: []byte("abc ")}, much), exitFailed, ""},
		{"a line of 1 MiB, then a packet", io.MultiReader(io.LimitReader(&repeated{of: []byte("x")}, 1<<20), strings.NewReader("\n"+line)), 0, " IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [.], ack 1, "},
		{"a packet's line without end", io.MultiReader(strings.NewReader(line[:60]), io.LimitReader(&repeated{of: []byte("12")}, much)), exitFailed, ""},
		{"options without end", io.MultiReader(strings.NewReader(strings.TrimSuffix(line, "length 0\n")+"options ["), io.LimitReader(&repeated{of: []byte("nop,")}, much)), exitFailed, ""},
		{"a dump without end", io.MultiReader(strings.NewReader(line), io.LimitReader(&repeated{of: []byte("\t0x0000:  4500 003c 4500 003c 4500 003c 4500 003c\n")}, much)), exitFailed, ""},
		{"a text head, then octets", io.MultiReader(strings.NewReader(line), io.LimitReader(&repeated{of: []byte("\x00\x1b]0;\xff\x07\n")}, much)), 0, " IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [.], ack 1, "},
	} {
		text, before := &weighed{Reader: test.text, left: much / 16 * 15}, heap()
		status, stdout, stderr := readFrom(t, "", text)
		if n := int64(text.heap) - int64(before); n > mostMemory {
			t.Errorf("%s: %d octets of memory", test.name, n)
		}
		if status != test.status || !strings.Contains(stdout, test.want) || len(stdout) > 1<<20 || !printable(stdout) {
			t.Errorf("%s: exit status %d, %.200q, %q", test.name, status, stdout, stderr)
		}
		oneError(t, test.name, stderr)
	}
}

// Whatever is read, in whatever view, is shown without a terminal's noticing,
// and ends with one of the statuses.
func FuzzRead(f *testing.F) {
	text, err := os.ReadFile(filepath.FromSlash(articles))
	if err != nil {
		f.Fatal(err)
	}
	all := dialogue(f, 40000, begins())
	for view := range uint8(6) {
		f.Add(view, text)
		f.Add(view, pcapFile(capture.LinkRaw, bare, all...))
		f.Add(view, pcapFile(capture.LinkSLL2, sll2, all...))
		f.Add(view, pcapngFile(all[:4], "eth0", "\x1b[31m"))
	}
	f.Add(uint8(0), pcapFile(capture.LinkEthernet, vlan, all...))
	f.Add(uint8(0), zipped(f, pcapFile(capture.LinkRaw, bare, all...)))
	f.Fuzz(func(t *testing.T, view uint8, contents []byte) {
		views := []string{"-v -X --states", "--ladder", "--follow", "--summary", "-o jsonl", "-A -o html"}
		flags := views[int(view)%len(views)]
		status, stdout, stderr := readFrom(t, flags, bytes.NewReader(contents))
		if status != 0 && status != exitFailed {
			t.Errorf("%s: exit status %d: %s", flags, status, stderr)
		}
		if !printable(stdout) {
			t.Errorf("%s: not printable: %q", flags, stdout)
		}
		oneError(t, flags, stderr)
	})
}
