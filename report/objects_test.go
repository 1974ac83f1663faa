package report

import (
	"strings"
	"testing"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/flow"
)

// objects is a Viewer that writes records of what it is shown.
type objects struct{ Viewer }

func (o objects) Sight(s *Sight) error {
	r := probe.SegmentRecord(s.Datagram).Set("at", s.At)
	if s.Text { // what tcpdump does not say
		r = r.Set("ttl", nil).Set("ip_id", nil).Set("checksum", nil)
	}
	if s.Event != nil {
		r = s.Event.Describe(r)
	}
	return o.Write(r)
}

func (o objects) Leave(c *flow.Connection) error { return o.Write(c.Record()) }

// asObjects is a display of tcpdump's in a format made of records.
func asObjects(t *testing.T, format Format, file string) string {
	t.Helper()
	var b strings.Builder
	o := testOptions(&b)
	o.Views, o.Kinds = &Views{}, []string{"segment", "connection", "summary"}
	v, err := Open([]Output{{Format: format}}, o)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, objects{v}, flow.Config{}, contentsOf(t, file))
	summary := finding.New("summary").Set("segments", 45).Set("connections", 3).Set("elapsed_ms", 1.5)
	if err := v.Write(summary); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The segments and connections of the articles, as objects.
func TestObjectsOfTheArticles(t *testing.T) {
	for _, format := range []Format{FormatJSON, FormatCSV} {
		golden(t, "articles."+string(format), asObjects(t, format, "../rawsock/capture/testdata/articles.txt"))
	}
}
