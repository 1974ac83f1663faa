//go:build peers

package report

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/capture"
)

// TestAppendSegmentAgainstTcpdump lets tcpdump read the datagrams of
// segmentCases, and compares its lines with the ones that we expect of
// ourselves. The capture is ours too, so it shows that tcpdump reads those.
func TestAppendSegmentAgainstTcpdump(t *testing.T) {
	var file bytes.Buffer
	w := capture.NewWriter(&file, "tcpscope test")
	for _, c := range segmentCases() {
		if err := w.Write(capture.Packet{Datagram: c.datagram, At: time.Unix(0, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	cmd := exec.Command("tcpdump", "-n", "-S", "-t", "-r", "-")
	cmd.Stdin, cmd.Stderr = &file, &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tcpdump: %v\n%s", err, &complaints)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(segmentCases()) {
		t.Fatalf("tcpdump wrote %d lines for %d datagrams:\n%s", len(lines), len(segmentCases()), out)
	}
	for i, c := range segmentCases() {
		// It goes on to decode payloads that we leave alone.
		if !strings.HasPrefix(lines[i], c.line) {
			t.Errorf("tcpdump %s\nours    %s", lines[i], c.line)
		}
	}
}
