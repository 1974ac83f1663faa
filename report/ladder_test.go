package report

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// show shows what tcpdump has printed in one view or page, as read does.
func show(t *testing.T, format Format, views Views, text string, change func(*Options)) string {
	t.Helper()
	var b strings.Builder
	o := testOptions(&b)
	o.Views = &views
	if change != nil {
		change(&o)
	}
	v, err := Open([]Output{{Format: format}}, o)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, v, flow.Config{}, text)
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// feed shows tcpdump's lines to a viewer. A line's device is its place.
func feed(t *testing.T, v Viewer, c flow.Config, text string) {
	t.Helper()
	c.Leave = func(c *flow.Connection) {
		if err := v.Leave(c); err != nil {
			t.Fatal(err)
		}
	}
	table, places := flow.New(c), map[string]int{}
	in := capture.NewText(strings.NewReader(text), capture.TextConfig{Day: time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)})
	for {
		line, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		datagram, err := line.AppendDatagram(nil)
		if err != nil {
			t.Fatal(err)
		}
		if places[line.Device] == 0 {
			places[line.Device] = len(places) + 1
		}
		see(t, v, table, places[line.Device], &Sight{At: line.At, Device: line.Device, Datagram: datagram, Text: true})
	}
	for c := range table.All() {
		if err := v.Leave(c); err != nil {
			t.Fatal(err)
		}
	}
}

// see shows one datagram, whatever it is.
func see(t testing.TB, v Viewer, table *flow.Table, place int, s *Sight) {
	t.Helper()
	s.N++
	h, payload, err := wire.ParseHeader(s.Datagram)
	s.Header = &h
	if g, wrong := wire.ParseSegment(payload); err == nil && wrong == nil && h.Protocol == wire.ProtocolTCP {
		event := table.Add(s.At, &h, &g, place)
		s.Segment, s.Event = &g, &event
	}
	if err := v.Sight(s); err != nil {
		t.Fatal(err)
	}
}

func contentsOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLadder(t *testing.T) {
	for name, c := range map[string]struct {
		views Views
		text  string
	}{
		"reset-after-close": {Views{}, contentsOf(t, "../probe/flow/testdata/curl.txt")},
		"crossing":          {Views{}, contentsOf(t, "../probe/flow/testdata/crossing.txt")},
		"crossing-absolute": {Views{Absolute: true}, contentsOf(t, "../probe/flow/testdata/crossing.txt")},
		"upper":             {Views{}, contentsOf(t, "../rawsock/wire/testdata/upper.txt")},
		"articles-live":     {Views{Live: true}, contentsOf(t, "../rawsock/capture/testdata/articles.txt")},
	} {
		t.Run(name, func(t *testing.T) {
			c.views.View = ViewLadder
			got := show(t, FormatText, c.views, c.text, nil)
			golden(t, "ladder-"+name+".golden", got)
		})
	}
}

func TestLadderPages(t *testing.T) {
	text := contentsOf(t, "../rawsock/capture/testdata/articles.txt")
	for _, format := range []Format{FormatHTML, FormatSVG} {
		golden(t, "ladder."+string(format), show(t, format, Views{}, text, nil))
	}
}
