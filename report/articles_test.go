package report_test

import (
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/wire"
	"github.com/tcpscope/tcpscope/report"
)

var (
	shownSeq = regexp.MustCompile(`seq (\d+)(?::(\d+))?`)
	shownAck = regexp.MustCompile(`ack (\d+)`)
)

// absolute replaces a line's numbers by what they are to be: seq and ack are
// what the text's are relative to.
func absolute(line string, seq, ack wire.Seq) string {
	plus := func(digits string, base wire.Seq) string {
		n, _ := strconv.ParseUint(digits, 10, 32) // by the pattern
		return strconv.FormatUint(uint64(base.Add(uint32(n))), 10)
	}
	line = shownSeq.ReplaceAllStringFunc(line, func(s string) string {
		m := shownSeq.FindStringSubmatch(s)
		if m[2] == "" {
			return "seq " + plus(m[1], seq)
		}
		return "seq " + plus(m[1], seq) + ":" + plus(m[2], seq)
	})
	return shownAck.ReplaceAllStringFunc(line, func(s string) string { return "ack " + plus(s[4:], ack) })
}

// Every packet line of the articles is read, and printed as it was; relative
// numbers become absolute.
func TestLinesOfTheArticles(t *testing.T) {
	file, err := os.ReadFile("../rawsock/capture/testdata/articles.txt")
	if err != nil {
		t.Fatal(err)
	}
	var printed []string
	for line := range strings.Lines(string(file)) {
		if !strings.HasPrefix(line, "0x") {
			printed = append(printed, strings.TrimSuffix(line, "\n"))
		}
	}
	isn := map[string]wire.Seq{
		"10.0.1.2": 1386804287, "10.0.2.2": 401184951,
		"172.17.233.46": 1089446618, "220.181.38.149": 2873299660,
	}
	text := capture.NewText(strings.NewReader(string(file)), capture.TextConfig{Options: probe.ParseOptions})
	for i, want := range printed {
		line, err := text.Next()
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if g := line.Segment.Flags; g&wire.SYN == 0 && g&wire.ACK != 0 {
			want = absolute(want, isn[line.Header.Src.String()], isn[line.Header.Dst.String()])
		}
		datagram, err := line.AppendDatagram(nil)
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		if got := string(report.AppendSegment(nil, line.At, datagram)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if _, err := text.Next(); err != io.EOF || text.Problem() != nil || len(printed) != 45 {
		t.Errorf("of %d lines: %v, %v", len(printed), err, text.Problem())
	}
	if tally := text.Tally(); tally != (capture.Tally{Segments: 45}) {
		t.Errorf("%+v", tally)
	}
}
