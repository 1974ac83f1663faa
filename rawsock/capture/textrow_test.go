package capture

import (
	"strings"
	"testing"
	"time"
)

// Trying how a line was wrapped does not move the time that -ttt counts.
func TestTextWrappedDelta(t *testing.T) {
	second := strings.Replace(lineSYNACK, "17:35:43.707299", "00:00:00.000076", 1)
	lines, _ := readText(t, " 00:00:00.000000 IP 10.0.1.2.1 > 10.0.2.2.2: Flags [S], seq 1, win 1, length 0\n "+strings.Replace(second, "mss 1460", "mss\n1460", 1)+"\n", reads())
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	if gap := lines[1].At.Sub(lines[0].At); gap != 76*time.Microsecond || len(lines[1].Unread) != 0 {
		t.Errorf("%v later, %q not read", gap, lines[1].Unread)
	}
}
