package report

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s\n(rewrite with -update)", name, got, want)
	}
}

// testOptions are what the commands would choose.
func testOptions(stdout *strings.Builder) Options {
	return Options{
		Version: "1.0", Kinds: []string{"run", "port", "host-status", "error", "summary"}, Stdout: stdout, Location: time.UTC,
		Service: func(port uint16) string {
			return map[uint16]string{22: "ssh", 80: "http", 443: "https", 6443: "kubernetes", 9200: "elasticsearch"}[port]
		},
	}
}

// render writes the records in one format to standard output.
func render(t *testing.T, format Format, change func(*Options), records ...finding.Record) string {
	t.Helper()
	var b strings.Builder
	o := testOptions(&b)
	if change != nil {
		change(&o)
	}
	w, err := Open([]Output{{Format: format}}, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func runRecord() finding.Record {
	return finding.New("run").Set("version", "1.0").Set("args", []string{"syn", "apple", "-p", "-"}).Set("seed", 42).
		Set("source", ant).Set("interface", "eth0").Set("kernel", "6.18.0").Set("at", noon)
}

// port is a record as syn makes it.
func port(addr netip.Addr, n int, state finding.State, reason finding.Reason) finding.Record {
	r := finding.New("port").Set("target", "10.0.2.0/24").Set("addr", addr).Set("port", n).Set("method", "syn").
		Set("state", state).Set("reason", reason).Set("tries", 1)
	if reason == finding.NoReply {
		return r.Set("tries", 3)
	}
	return r.Set("from", addr).Set("ttl", 61).Set("rtt_us", 61.042+float64(n)).Set("at", noon)
}

// firewalled is a run against hosts of every sort.
func firewalled() []finding.Record {
	pear, plum := apple.Next(), apple.Next().Next()
	records := []finding.Record{
		runRecord(),
		port(apple, 443, finding.Filtered, finding.AdminProhibited).Set("from", router).Set("ttl", 62),
		port(apple, 80, finding.Open, finding.SYNACK).Set("target", "apple.example").Set("window", 65535).Set("options", []string{"mss 1460", "nop", "wscale 7"}),
		port(apple, 22, finding.Open, finding.SYNACK).Set("target", "apple.example").Set("tries", 2),
		port(apple, 9200, finding.Closed, finding.RST).Set("ttl", 62).Set("origin", finding.FromFirewall).
			Set("detail", "the reset arrived with another TTL than the SYN-ACKs of this host, so a firewall on the way has sent it"),
		port(apple, 23, finding.NotSent, finding.LocalRefusal).Set("from", netip.Addr{}).Set("ttl", nil).Set("rtt_us", nil).Set("detail", "sendto: operation not permitted"),
		port(pear, 6443, finding.OpenFiltered, finding.NoReply),
		port(pear, 80, finding.Unfiltered, finding.RST),
	}
	for n := range 985 {
		records = append(records, port(apple, 10000+n, finding.Closed, finding.RST))
	}
	for n := range 30 {
		from := []netip.Addr{router, apple, ant}[n%3]
		records = append(records, port(apple, 20000+n, finding.Filtered, finding.HostProhibited).Set("from", from))
	}
	for n := range 25 {
		records = append(records, port(pear, 30000+n, finding.Filtered, finding.NoReply))
	}
	records = append(records,
		finding.New("host-status").Set("addr", pear).Set("status", finding.Answers).Set("detail", "answers a SYN without timestamps, but none with them"),
		finding.New("host-status").Set("addr", plum).Set("target", "plum.example:80").Set("status", finding.Unreachable).Set("reason", finding.HostUnreachable).Set("from", router).Set("ports", 1000))
	silent := plum
	for range 30 {
		silent = silent.Next()
		records = append(records, finding.New("host-status").Set("addr", silent).Set("target", "10.0.2.0/24").Set("status", finding.Silent).Set("reason", finding.NoReply).Set("ports", 1000))
	}
	return append(records, finding.New("host-status").Set("addr", silent.Next()).Set("status", finding.NoARP).Set("ports", 1000))
}

func summary() finding.Record {
	return finding.New("summary").Set("hosts", 34).Set("counts", []finding.Count{{Name: "open", N: 2}, {Name: "closed", N: 986}, {Name: "filtered", N: 56}, {Name: "unfiltered", N: 1}, {Name: "open|filtered", N: 1}, {Name: "not-sent", N: 1}}).
		Set("elapsed_ms", 1234.5).Set("sent", 4012).Set("received", 1020).Set("strays", 1).Set("kernel_drops", 0).Set("exit", 0)
}

func TestText(t *testing.T) {
	run := append(firewalled(), summary())
	one := []finding.Record{port(apple, 80, finding.Open, finding.SYNACK), finding.New("summary").Set("elapsed_ms", 12.3).Set("sent", 1).Set("received", 1)}
	long := netip.MustParseAddr("192.168.100.200")
	wide := []finding.Record{port(apple, 9200, finding.Filtered, finding.AdminProhibited).Set("from", long).Set("tries", 2), port(apple, 6443, finding.OpenFiltered, finding.NoReply), port(apple, 443, finding.Filtered, finding.PortUnreachable)}
	lossy := finding.New("summary").Set("elapsed_ms", 125000.0).Set("sent", 65535).Set("received", 60000).Set("kernel_drops", 1234).Set("limited_by", finding.LimitConntrack)
	for _, c := range []struct {
		name    string
		change  func(*Options)
		records []finding.Record
	}{
		{"default", nil, run},
		{"color", func(o *Options) { o.Color = true }, run},
		{"open", func(o *Options) { o.Show = []finding.State{finding.Open} }, run},
		{"verbose", func(o *Options) { o.Verbose = true }, append([]finding.Record{runRecord(), run[2], run[5]}, one...)},
		{"quiet", func(o *Options) { o.Quiet = true }, one},
		{"one", nil, one},
		{"interrupted", nil, run[:8]},
		{"wide", nil, wide},
		{"lossy", nil, []finding.Record{lossy}},
	} {
		got := render(t, FormatText, c.change, c.records...)
		golden(t, "text-"+c.name+".golden", got)
		if c.name == "color" {
			continue
		}
		for line := range strings.Lines(got) {
			if width(line) > pageWidth+1 || strings.HasSuffix(line, " \n") {
				t.Errorf("%s: line of %d columns: %q", c.name, width(line), line)
			}
		}
	}
}

func TestTextShowsAllWhenAsked(t *testing.T) {
	all := func(o *Options) {
		for _, w := range finding.States() {
			o.Show = append(o.Show, finding.State(w.Name))
		}
	}
	got := render(t, FormatText, all, firewalled()...)
	for _, want := range []string{"\n  10984 ", "\n  20029 ", "\n  30024 ", "\n10.0.2.34 "} {
		if !strings.Contains(got, want) {
			t.Errorf("no line %q", want)
		}
	}
}

// A table of all ports there are must not take longer the longer it is.
func TestTextShowsEveryPort(t *testing.T) {
	var records []finding.Record
	for n := range 65535 {
		records = append(records, port(apple, n+1, finding.Open, finding.SYNACK))
	}
	got := render(t, FormatText, nil, records...)
	if n := strings.Count(got, " open "); n != len(records) {
		t.Errorf("%d lines", n)
	}
}

func TestTextOfManyPortsIsSmall(t *testing.T) {
	w := newText(unclosed{&strings.Builder{}}, Options{})
	for n := range 65535 {
		if err := w.Write(port(apple, n+1, finding.Closed, finding.RST)); err != nil {
			t.Fatal(err)
		}
	}
	h := w.hosts[apple]
	if len(h.buckets) != 1 || h.buckets[0].rows != nil || h.buckets[0].count != 65535 {
		t.Errorf("%d buckets, %d rows kept", len(h.buckets), len(h.buckets[0].rows))
	}
}

func TestTextSegments(t *testing.T) {
	records := []finding.Record{
		finding.New("segment").Set("n", 1).Set("at", noon).Set("direction", finding.Sent),
		finding.New("segment").Set("n", 2).Set("at", noon.Add(400*time.Microsecond)).Set("direction", finding.Received).
			Set("explanation", "RST: nothing listens on port 80, or a firewall rejects it by a reset. It acknowledges our SYN, so it answers this probe and no other."),
		finding.New("summary").Set("sent", 1).Set("received", 1).Set("elapsed_ms", 2000.4),
	}
	records[0].Datagram = syn()
	records[1].Datagram = icmp(3, 13, 0, syn())
	golden(t, "text-segments.golden", render(t, FormatText, nil, records...))
	golden(t, "text-segments-color.golden", render(t, FormatText, func(o *Options) { o.Color = true }, records...))
}

func TestProgramFormats(t *testing.T) {
	records := append(firewalled()[:8], finding.New("error").Set("message", "interrupted").Set("exit", 130), summary())
	for _, f := range []Format{FormatJSON, FormatJSONL, FormatCSV} {
		golden(t, "all."+string(f), render(t, f, nil, records...))
		golden(t, "open."+string(f), render(t, f, func(o *Options) { o.Show = []finding.State{finding.Open} }, records...))
		golden(t, "empty."+string(f), render(t, f, nil))
	}
}

func TestWriteRefusesWhatTheTableDoesNotKnow(t *testing.T) {
	w, err := Open(nil, testOptions(&strings.Builder{}))
	if err != nil {
		t.Fatal(err)
	}
	err = w.Write(finding.New("port").Set("colour", "red"))
	if want := `report: port: no field "colour" in the table`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestWords(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 65535: "65,535", 1234567: "1,234,567", -123: "-123", -1234: "-1,234"} {
		if got := Grouped(n); got != want {
			t.Errorf("Grouped(%d) = %s", n, got)
		}
	}
	for d, want := range map[time.Duration]string{12 * time.Millisecond: "12 ms", 1500 * time.Millisecond: "1.5 s", 125 * time.Second: "2 min 5 s", 3*time.Hour + 90*time.Second: "3 h 1 min"} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %s", d, got)
		}
	}
	if got := fmt.Sprint(Plural(1, "host"), Plural(2000, "host")); got != "1 host2,000 hosts" {
		t.Error(got)
	}
}
