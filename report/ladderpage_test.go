package report

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/flow"
)

// checkXML takes care that an image is one.
func checkXML(t testing.TB, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
	}
}

// viewRecords are what a run of read says besides what it shows.
func viewRecords(exit int) (before, after []finding.Record) {
	before = []finding.Record{finding.New("run").Set("version", "1.0").Set("args", []string{"read", hostileName, "-o", "html"}).Set("kernel", "6.18.0").Set("at", noon)}
	after = []finding.Record{finding.New("summary").Set("segments", 45).Set("connections", 3).Set("elapsed_ms", 12.0).Set("other", 2).
		Set("unreadable", 1).Set("forgotten", 2).Set("exit", exit).Set("detail", "packet 46: "+hostileName)}
	return before, after
}

// pageOf draws what tcpdump has printed into a file.
func pageOf(t *testing.T, format Format, views Views, text string, records bool) string {
	t.Helper()
	var b strings.Builder
	o := testOptions(&b)
	o.Views = &views
	v, err := Open([]Output{{Format: format}}, o)
	if err != nil {
		t.Fatal(err)
	}
	before, after := viewRecords(0)
	if !records {
		before, after = nil, nil
	}
	mustWrite(t, v, before...)
	feed(t, v, flow.Config{Copies: true}, text)
	mustWrite(t, v, after...)
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// severalLadders has a connection of every kind.
func severalLadders(t *testing.T) string {
	var text strings.Builder
	text.WriteString(contentsOf(t, "../rawsock/capture/testdata/articles.txt"))
	for i, file := range []string{"trouble", "copies", "woven", "paws"} {
		// Each on ports of its own.
		port := string("2345"[i]) + "000"
		text.WriteString(strings.ReplaceAll(contentsOf(t, "testdata/ladder-"+file+".txt"), ".4000", "."+port))
	}
	return text.String()
}

func TestLadderPages(t *testing.T) {
	text := severalLadders(t)
	for _, format := range []Format{FormatHTML, FormatSVG} {
		got := pageOf(t, format, Views{}, text, true)
		golden(t, "ladder."+string(format), got)
		for _, absent := range []string{"<script", "alert(1)</", "\x1b", "\u202e", "https://", "ZgotmplZ", " href=\"http", "@import", "url("} {
			if strings.Contains(got, absent) {
				t.Errorf("%s has %q", format, absent)
			}
		}
		if format == FormatSVG {
			checkXML(t, got)
		}
	}
	if got := pageOf(t, FormatSVG, Views{Absolute: true}, text, true); !strings.Contains(got, "PSH,ACK seq 3046343625:3046343827 ack 267775428 (202)") {
		t.Error("no absolute numbers")
	}
}

// However a run ends, its page is whole, and says so.
func TestLadderPageOfNothing(t *testing.T) {
	for _, format := range []Format{FormatHTML, FormatSVG} {
		got := pageOf(t, format, Views{}, "", false)
		for _, want := range []string{"0 TCP connections", "No segment of TCP was seen.", "did not come to its end"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", format, want, got)
			}
		}
	}
}

// A page draws so many connections and segments, and counts the rest.
func TestLadderPageIsBounded(t *testing.T) {
	for _, format := range []Format{FormatHTML, FormatSVG} {
		out := &sink{}
		o := testOptions(nil)
		o.Stdout, o.Views = out, &Views{}
		v, err := Open([]Output{{Format: format}}, o)
		if err != nil {
			t.Fatal(err)
		}
		p := v.(*multi).outputs[0].recordWriter.(*ladderPage)
		table := flow.New(flow.Config{Connections: 1000, Leave: func(c *flow.Connection) {
			if err := v.Leave(c); err != nil {
				t.Fatal(err)
			}
		}})
		for n := range 100_000 {
			see(t, v, table, 0, &Sight{At: noon.Add(time.Duration(n) * time.Microsecond), Datagram: synOf(t, n)})
		}
		for n := range 20 * pageSegments {
			see(t, v, table, 0, &Sight{At: noon.Add(time.Minute + time.Duration(n)), Datagram: synOf(t, n/(2*pageSegments))})
		}
		drawn := 0
		for _, t := range p.list {
			drawn += len(t.rungs)
		}
		if len(p.list) != pageConnections || drawn > allPageSegments {
			t.Errorf("%d connections with %d segments", len(p.list), drawn)
		}
		notes := p.notes()
		if len(notes) != 2 || !strings.Contains(notes[1].Text, " connections that began first are drawn, ") {
			t.Errorf("%+v", notes)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if out.octets > 32<<20 {
			t.Errorf("%d octets", out.octets)
		}
	}
}
