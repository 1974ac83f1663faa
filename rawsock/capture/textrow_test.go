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

// tcpdump -s 64 leaves out the end of a line, and so does a malformed option.
func TestTextCutOptions(t *testing.T) {
	for tail, unread := range map[string]string{
		"mss 1460,sackOK,TS [|tcp]>":   "TS [|tcp]",
		"mss 1460,sackOK, [|tcp]":      "[|tcp]",
		"mss 1460,sackOK,mss[bad opt]": "mss[bad opt]",
		"mss 1460,sackOK,[bad opt]]":   "[bad opt]]",
	} {
		lines, r := readText(t, "IP 10.0.1.2.1 > 10.0.2.2.2: Flags [P.], seq 1:12, ack 1, win 1, options ["+tail+"\nIP 10.0.2.2.2 > 10.0.1.2.1: Flags [.], ack 12, win 1, options [ [|tcp]\n", reads())
		if len(lines) != 2 || r.Problem() != nil {
			t.Errorf("%s: %d lines, %v", tail, len(lines), r.Problem())
			continue
		}
		if l := lines[0]; l.Length != 11 || len(l.Segment.Options) < 2 || len(l.Unread) != 1 || l.Unread[0] != unread {
			t.Errorf("%s: length %d, %v, %q", tail, l.Length, l.Segment.Options, l.Unread)
		}
		if l := lines[1]; l.Length != 0 || l.Segment.DataOffset != 5 || len(l.Unread) != 1 {
			t.Errorf("%s: then %+v", tail, l)
		}
	}
}

// Lines of tcpdump -q are not taken for other protocols'.
func TestTextQuiet(t *testing.T) {
	lines, r := readText(t, "17:35:43.707223 IP 10.0.1.2.1 > 10.0.2.2.2: tcp 0\n17:35:43.707299 IP 10.0.1.2.1 > 10.0.2.2.53: UDP, length 3\n", reads())
	if len(lines) != 0 || r.Tally() != (Tally{Other: 1, Unreadable: 1}) || r.Problem() == nil || r.Problem().Error() != "line 1: tcpdump -q does not show what a segment is" {
		t.Errorf("%+v, %v", r.Tally(), r.Problem())
	}
}
