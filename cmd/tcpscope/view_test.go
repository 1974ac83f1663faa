package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/capture"
)

// remarks is what stands behind the lines of a file.
func remarks(t *testing.T, packets ...dated) []string {
	t.Helper()
	_, stdout, stderr := call(t, "read --states "+saved(t, pcapFile(capture.LinkRaw, bare, packets...)), "")
	if stderr != "" {
		t.Error(stderr)
	}
	var all []string
	for line := range strings.Lines(stdout) {
		if _, remark, ok := strings.Cut(line, "  # "); ok {
			all = append(all, strings.TrimSpace(remark))
		}
	}
	return all
}

// with returns the packets after a change to copies of their datagrams.
func with(packets []dated, change func([]byte) []byte) []dated {
	packets = slices.Clone(packets)
	for i := range packets {
		packets[i].datagram = change(slices.Clone(packets[i].datagram))
	}
	return packets
}

// States need no option: what tcpdump -s 64 has cut off does not matter.
func TestReadCutHeaders(t *testing.T) {
	whole := dialogue(t, 40000, begins())
	want := remarks(t, whole...)
	if len(want) != len(whole) || !strings.HasPrefix(want[len(want)-1], "close-4/4; client time-wait, server closed") {
		t.Fatalf("%q", want)
	}
	for _, length := range []int{40, 41, 50, 59} {
		got := remarks(t, with(whole, func(d []byte) []byte { return d[:min(len(d), length)] })...)
		if !slices.Equal(got, want) {
			t.Errorf("%d octets of each datagram:\n got %q\nwant %q", length, got, want)
		}
	}
	for _, remark := range remarks(t, with(whole, func(d []byte) []byte { return d[:39] })...) {
		if remark != "its header is not all here: not followed" {
			t.Errorf("39 octets: %q", remark)
		}
	}
}

// What another capture has cut off is not there, and not malformed, in what -w
// writes either.
func TestReadWritesCut(t *testing.T) {
	var file bytes.Buffer
	w := capture.NewWriter(&file, "")
	for _, d := range dialogue(t, 40000, begins()) {
		if err := w.Write(capture.Packet{Datagram: d.datagram[:40], Missing: len(d.datagram) - 40, At: d.at}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "out.pcapng")
	call(t, "read -w "+name+" "+saved(t, file.Bytes()), "")
	out, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	got, want := cutOff(t, out), cutOff(t, file.Bytes())
	if !slices.Equal(got, want) || slices.Max(want) == 0 {
		t.Errorf("%d octets are missing, of %d", got, want)
	}
}

// A filter's lengths are those of datagrams, however much was captured.
func TestReadFiltersCut(t *testing.T) {
	cut := with(dialogue(t, 40000, begins()), func(d []byte) []byte { return d[:40] })
	file := saved(t, pcapFile(capture.LinkRaw, bare, cut...))
	for filter, want := range map[string]int{"greater 60": 2, "less 45": 7, "len = 46": 1} {
		_, stdout, stderr := callWords(t, []string{"read", "-q", "--filter", filter, file}, "")
		if got := strings.Count(stdout, "\n"); got != want || stderr != "" {
			t.Errorf("%s: %d lines, not %d: %s", filter, got, want, stderr)
		}
	}
}

// cutOff is how many octets of each packet of a capture are missing.
func cutOff(t *testing.T, file []byte) (missing []int) {
	t.Helper()
	r, err := capture.NewReader(bytes.NewReader(file))
	for err == nil {
		var p capture.Packet
		if p, err = r.Next(); err == nil {
			missing = append(missing, p.Missing)
		}
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	return missing
}

// A datagram that is all there, and whose TCP header claims more, is malformed.
func TestReadLongDataOffset(t *testing.T) {
	long := with(dialogue(t, 40000, begins()), func(d []byte) []byte { d[32] = 0xf0; return d })
	for _, remark := range remarks(t, long[:2]...) {
		if remark != "malformed: its receiver drops it" {
			t.Errorf("%q", remark)
		}
	}
}

// A total length of zero is that of a datagram over 65,535 octets, which a
// device is to split.
func TestReadUnsplit(t *testing.T) {
	whole := dialogue(t, 40000, begins())
	want := remarks(t, whole...)
	got := remarks(t, with(whole, func(d []byte) []byte { d[2], d[3] = 0, 0; return d })...)
	if !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

// Help names the letter that tcpdump has for the device.
func TestWatchHelpInterface(t *testing.T) {
	if _, stdout, _ := call(t, "watch --help", ""); !strings.Contains(stdout, "  -i, --interface NAME  ") {
		t.Error(stdout)
	}
}

// A disk that stays full is one problem.
func TestOneLine(t *testing.T) {
	full, other := errors.New("no space"), errors.New("no way")
	if got := oneLine(errors.Join(full, errors.Join(full, other))); got != "no space; no way" {
		t.Error(got)
	}
}
