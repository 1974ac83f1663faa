//go:build peers

package wire

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// tcpdumpLines returns what tcpdump says of the datagrams, a line each.
func tcpdumpLines(t *testing.T, datagrams [][]byte) []string {
	t.Helper()
	var capture, stderr bytes.Buffer
	w := pcapgo.NewWriter(&capture)
	if err := w.WriteFileHeader(0xffff, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	for _, d := range datagrams {
		info := gopacket.CaptureInfo{Timestamp: time.Unix(0, 0), CaptureLength: len(d), Length: len(d)}
		if err := w.WritePacket(info, d); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("tcpdump", "-n", "-S", "-t", "-r", "-")
	cmd.Stdin, cmd.Stderr = &capture, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tcpdump: %v\n%s", err, &stderr)
	}
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	if len(lines) != len(datagrams) {
		t.Fatalf("tcpdump printed %d lines, want %d:\n%s", len(lines), len(datagrams), out)
	}
	return lines
}

// TestWordsTcpdump holds the tables of this package's words against tcpdump.
func TestWordsTcpdump(t *testing.T) {
	var datagrams [][]byte
	for _, c := range wordCases {
		g := Segment{SrcPort: 40000, DstPort: 9, Flags: SYN, Options: []Option{c.option}, Payload: []byte("payload")}
		datagrams = append(datagrams, mustDatagram(t, probeHeader(), g))
	}
	for i, line := range tcpdumpLines(t, datagrams) {
		c := wordCases[i]
		want := c.tcpdump
		if want == "" {
			want = c.want
		}
		_, options, _ := strings.Cut(line, "options [")
		behind, ok := strings.CutPrefix(options, want)
		if !ok || (behind != "" && behind[0] != ',' && behind[0] != ']') {
			t.Errorf("%s: tcpdump says %q, want %q", c.name, options, want)
		}
	}
}

func TestFlagsTcpdump(t *testing.T) {
	var datagrams [][]byte
	for f := range 256 {
		datagrams = append(datagrams, mustDatagram(t, probeHeader(), Segment{SrcPort: 40000, DstPort: 9, Flags: Flags(f)}))
	}
	for f, line := range tcpdumpLines(t, datagrams) {
		if want := "Flags [" + Flags(f).String() + "],"; !strings.Contains(line, want) {
			t.Errorf("flags %08b: tcpdump says %q, want %q", f, line, want)
		}
	}
}
