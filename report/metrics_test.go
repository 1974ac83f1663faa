package report

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// sample is an rtt record as the command makes it.
func sample(n int, reply finding.Reason, us float64) finding.Record {
	r := finding.New("rtt").Set("target", "apple.example").Set("addr", apple).Set("port", 80).Set("n", n).
		Set("reply", reply).Set("at", noon)
	if us > 0 {
		return r.Set("rtt_us", us).Set("user_rtt_us", us+9).Set("ttl", 61).Set("clock", finding.PacketRing)
	}
	return r
}

// scrape asks a handler.
func scrape(t *testing.T, h http.Handler, method, path, accept string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Accept", accept)
	h.ServeHTTP(w, r)
	b, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(b)
}

func count(t *testing.T, m *Metrics, records ...finding.Record) {
	t.Helper()
	for _, r := range records {
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		if err := m.Write(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMetrics(t *testing.T) {
	m := NewMetrics("1.0")
	records := []finding.Record{
		runRecord(),
		sample(1, finding.SYNACK, 20), // on a bound: it is included
		sample(2, finding.SYNACK, 20012.5),
		sample(3, finding.RST, 999),
		sample(4, finding.NoReply, 0).Set("detail", "a SYN-ACK came after 1.02 s"),
		sample(5, finding.AdminProhibited, 0).Set("from", router),
		sample(6, finding.LocalRefusal, 0),
		sample(7, finding.ICMP(3, 200), 0),
		sample(8, finding.ICMP(12, 7), 0),
		sample(1, finding.SYNACK, 11e6).Set("target", "10.0.2.0/24").Set("addr", apple.Next()),
	}
	count(t, m, records...)
	_, body := scrape(t, m.Handler(), "GET", "/metrics", "")
	golden(t, "metrics.txt", body)
	if _, again := scrape(t, m.Handler(), "GET", "/metrics", ""); again != body {
		t.Errorf("the second scrape is another:\n%s", again)
	}
	_, binary := scrape(t, m.Handler(), "GET", "/metrics",
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	if !strings.Contains(binary, "tcpscope_rtt_seconds") {
		t.Errorf("as protocol buffer: %q", binary)
	}
}

func TestMetricsElsewhere(t *testing.T) {
	h := NewMetrics("1.0").Handler()
	for _, c := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/metrics", 200, "tcpscope_build_info{version=\"1.0\"} 1"},
		{"HEAD", "/metrics", 200, ""},
		{"POST", "/metrics", 405, "Method Not Allowed"},
		{"DELETE", "/metrics", 405, "Method Not Allowed"},
		{"GET", "/", 404, "the metrics are at /metrics"},
		{"GET", "/metrics/", 404, "404 page not found"},
		{"GET", "/debug/pprof/", 404, "404 page not found"},
	} {
		if status, body := scrape(t, h, c.method, c.path, ""); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: %d %q", c.method, c.path, status, body)
		}
	}
}

// A name can be anything that stands in a file of targets, and neither breaks
// the format nor brings what a terminal would obey.
func TestMetricsOfHostileNames(t *testing.T) {
	m := NewMetrics("1.0\x1b[2J")
	for _, name := range []string{
		"a\"} 1\nforged_total{x=\"", `back\slash`, "\xff\xfe", "\x1b[31mred\x07", "\u202egnihton", "", "blank space", "{}", "naïve.example",
	} {
		count(t, m, sample(1, finding.SYNACK, 100).Set("target", name))
	}
	_, body := scrape(t, m.Handler(), "GET", "/metrics", "")
	var lost, others []string
	for line := range strings.Lines(body) {
		switch {
		case strings.HasPrefix(line, "tcpscope_rtt_lost_total{"), strings.HasPrefix(line, "tcpscope_build_info{"):
			lost = append(lost, line)
		case !strings.HasPrefix(line, "tcpscope_") && !strings.HasPrefix(line, "# "):
			others = append(others, line)
		}
	}
	golden(t, "metrics-hostile.txt", strings.Join(lost, ""))
	if others != nil || strings.ContainsAny(body, "\x1b\a\u202e") || !utf8.ValidString(body) {
		t.Errorf("a name got out of its quotes: %q", others)
	}
}

// Neither targets that go on for long nor replies of every kind make the
// series more than they are.
func TestMetricsAreBounded(t *testing.T) {
	m := NewMetrics("1.0")
	for typ := range 256 {
		for code := range 256 {
			count(t, m, sample(1, finding.ICMP(uint8(typ), uint8(code)), 0))
		}
	}
	_, body := scrape(t, m.Handler(), "GET", "/metrics", "")
	if lines := strings.Count(body, "\n"); lines > 60 {
		t.Errorf("%d lines:\n%s", lines, body)
	}
	if !strings.Contains(body, `tcpscope_rtt_lost_total{addr="10.0.2.2",port="80",target="apple.example"} 65536`) {
		t.Errorf("lost:\n%s", body)
	}
}

func TestMetricsAllocateNothing(t *testing.T) {
	m := NewMetrics("1.0")
	records := []finding.Record{sample(1, finding.SYNACK, 100), sample(2, finding.NoReply, 0), sample(3, finding.ICMP(3, 77), 0)}
	count(t, m, records...)
	if n := testing.AllocsPerRun(1000, func() { count(t, m, records...) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMetrics(b *testing.B) {
	for _, targets := range []int{1, 1000} {
		records := make([]finding.Record, 4096)
		for i := range records {
			records[i] = sample(i, finding.SYNACK, 20000+float64(i)).Set("port", 1+i%targets)
		}
		b.Run(fmt.Sprintf("%d targets", targets), func(b *testing.B) {
			m := NewMetrics("1.0")
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_ = m.Write(records[i%len(records)])
			}
		})
	}
	b.Run("scrape of 1000 targets", func(b *testing.B) {
		m := NewMetrics("1.0")
		for i := range 4000 {
			_ = m.Write(sample(i, finding.SYNACK, 20000+float64(i)).Set("port", 1+i%1000))
		}
		h := m.Handler()
		for b.Loop() {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
		}
	})
}
