package report

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// latencyKinds are the objects that rtt reports.
func latencyKinds(o *Options) {
	o.Kinds = []string{"run", "rtt", "rtt-summary", "error", "summary"}
}

// probed is a record as rtt makes it; without an answer where rtt is zero.
func probed(target string, n int, reply finding.Reason, rtt float64) finding.Record {
	r := finding.New("rtt").Set("target", target).Set("addr", apple).Set("port", 80).Set("n", n).
		Set("reply", reply).Set("at", noon.Add(time.Duration(n)*100*time.Millisecond))
	if rtt > 0 {
		r = r.Set("rtt_us", rtt).Set("user_rtt_us", rtt+112.5).Set("ttl", 63).Set("clock", string(finding.PacketRing))
	}
	return r
}

// histogram makes bins of one width.
func histogram(from, width float64, counts ...int) (bins []finding.Record) {
	for i, n := range counts {
		low := from + float64(i)*width
		bins = append(bins, finding.New("bin").Set("from_us", low).Set("to_us", low+width).Set("n", n))
	}
	return bins
}

// measured is a target's summary with times around one.
func measured(target string, median float64) finding.Record {
	return finding.New("rtt-summary").Set("target", target).Set("addr", apple).Set("port", 80).
		Set("sent", 100).Set("received", 98).Set("resets", 3).Set("loss", 0.02).Set("late", 1).Set("duplicates", 2).
		Set("icmp_errors", 0).Set("not_sent", 0).
		Set("min_us", 0.996*median).Set("mean_us", 1.001*median).Set("p50_us", median).Set("p90_us", 1.005*median).
		Set("p95_us", 1.01*median).Set("p99_us", 1.04*median).Set("max_us", 1.1*median).
		Set("stddev_us", 0.01*median).Set("jitter_us", 0.005*median).
		Set("clock", string(finding.PacketRing)).Set("error_us", 0.4).
		Set("histogram", histogram(0.996*median, 0.0174*median, 60, 25, 8, 0, 3, 2)).Set("hdr", "HISTFAAAA")
}

// silence is the summary of a target that answered nothing.
func silence() finding.Record {
	return finding.New("rtt-summary").Set("target", "10.0.2.4:443").Set("addr", apple.Next().Next()).Set("port", 443).
		Set("sent", 10).Set("received", 0).Set("loss", 1.0).Set("late", 0).Set("icmp_errors", 4).Set("not_sent", 1).
		Set("failed", []string{"p95<=20ms (no sample)", "loss<=1% (100%)"}).
		Set("detail", "the name server says otherwise")
}

// measurement is a run with an outcome of every kind.
func measurement() []finding.Record {
	return []finding.Record{
		runRecord().Set("args", []string{"rtt", "apple.example:80", "-i", "100ms"}),
		probed("apple.example:80", 1, finding.SYNACK, 20123.4),
		probed("apple.example:80", 2, finding.RST, 23.4),
		probed("10.0.2.2", 3, finding.NoReply, 0).Set("late_us", 2104000.0).Set("detail", "a SYN-ACK came after 2.104 s, too late"),
		probed("10.0.2.2", 4, finding.AdminProhibited, 0).Set("from", router).Set("ttl", 62),
		probed("10.0.2.2", 5, finding.LocalRefusal, 0).Set("detail", "operation not permitted"),
		probed("10.0.2.2", 6, finding.SYNACK, 1234567.8),
		measured("apple.example:80", 20091).Set("failed", []string{"p95<=20ms (20.292 ms)"}),
		measured("10.0.2.2:80", 82.4).Set("late", 0).Set("histogram", histogram(80, 0.5, 9998, 0, 0, 1, 1)),
		silence(),
	}
}

func measurementSummary() finding.Record {
	return finding.New("summary").Set("hosts", 3).Set("elapsed_ms", 10234.5).Set("sent", 330).Set("received", 298).Set("strays", 0).Set("exit", 1)
}

func TestTextLatency(t *testing.T) {
	run := append(measurement(), measurementSummary())
	var many []finding.Record
	for n := range 12 {
		r := measured("10.0.2.0/24", 19000+1000*float64(n)).Set("addr", netip.AddrFrom4([4]byte{10, 0, 2, byte(n + 90)}))
		if n == 3 {
			r = r.Set("target", "apple.example:80").Set("failed", []string{"p95<=20ms (22.220 ms)"})
		}
		many = append(many, r)
	}
	many = append(many, silence())
	long := append(many[:12:12], measured("a-name-that-takes-more-room-than-there-is.example:80", 20091).Set("sent", 1234567))
	for _, c := range []struct {
		name    string
		change  func(*Options)
		records []finding.Record
	}{
		{"default", nil, run},
		{"color", func(o *Options) { o.Color = true }, run},
		{"verbose", func(o *Options) { o.Verbose = true }, run},
		{"quiet", func(o *Options) { o.Quiet = true }, run},
		{"interrupted", nil, run[:3]},
		{"apart", nil, []finding.Record{measured("10.0.2.2:80", 123456.7).Set("min_us", 0.5).Set("p90_us", 1234567.8).Set("p95_us", 2345678.9).
			Set("p99_us", 3456789.0).Set("max_us", 98765432.1).Set("stddev_us", 2345678.9).Set("jitter_us", 3456789.0)}},
		{"many", nil, append(many[:len(many):len(many)], measurementSummary())},
		{"many-long", nil, long},
		{"many-verbose", func(o *Options) { o.Verbose = true }, many},
	} {
		change := func(o *Options) {
			latencyKinds(o)
			if c.change != nil {
				c.change(o)
			}
		}
		got := render(t, FormatText, change, c.records...)
		golden(t, "latency-"+c.name+".golden", got)
		for line := range strings.Lines(got) {
			if width(line) > pageWidth+1 && !strings.Contains(line, " n=") || strings.HasSuffix(line, " \n") {
				t.Errorf("%s: line of %d columns: %q", c.name, width(line), line)
			}
		}
	}
}

func TestProgramFormatsOfLatency(t *testing.T) {
	for _, f := range []Format{FormatJSONL, FormatCSV} {
		golden(t, "latency."+string(f), render(t, f, latencyKinds, append(measurement(), measurementSummary())...))
	}
}

// Whatever stands in a name or a detail, a probe is one line of harmless text.
func TestTextLatencyOfHostileNames(t *testing.T) {
	const hostile = "evil\n\x1b[31m\u202e\xff.example"
	r := probed(hostile+":80", 1, finding.NoReply, 0).Set("detail", hostile)
	got := render(t, FormatText, latencyKinds, r)
	name := Escape(hostile)
	if want := name + " (10.0.2.2:80) no-reply n=1: " + name + "\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDrawHistogram(t *testing.T) {
	var bins []bin
	for i := range 100 {
		bins = append(bins, bin{float64(i), float64(i + 1), 0})
	}
	bins[0].n, bins[50].n, bins[99].n = 10000, 1, 10
	got := drawHistogram(bins, scale{"us", 1, 1})
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) != 12 || len(lines[0]) != pageWidth || !strings.HasSuffix(lines[5], "     1  #") || !strings.HasSuffix(lines[11], "    10  #") || !strings.HasSuffix(lines[1], "     0") {
		t.Errorf("\n%s", got)
	}
	for _, few := range [][]bin{nil, {{1, 2, 0}}, {{1, 2, fewSamples - 1}}} {
		if got := drawHistogram(few, scaleOf()); got != "" {
			t.Errorf("%v: %q", few, got)
		}
	}
	if got := drawHistogram([]bin{{1, 1, fewSamples}}, scaleOf()); strings.Count(got, "\n") != 1 {
		t.Errorf("%q", got)
	}
}

func TestTimesAndShares(t *testing.T) {
	for us, want := range map[float64]string{
		0: "0.0 us", 0.44: "0.4 us", 999.94: "999.9 us", 999.96: "1.000 ms", 20123.4: "20.123 ms",
		999999.4: "999.999 ms", 999999.6: "1.000 s", 12345678: "12.346 s",
	} {
		if got := duration(us); got != want {
			t.Errorf("duration(%v) = %s", us, got)
		}
	}
	for share, want := range map[float64]string{
		0: "0.0%", 1: "100.0%", 0.02: "2.0%", 0.0001: "0.01%", 0.999999: "99.9999%", 0.1234: "12.3%", 1e-12: "0.0000000%",
	} {
		if got := percent(share); got != want {
			t.Errorf("percent(%v) = %s", share, got)
		}
	}
}

// A table has one unit, in which its least median says something and its
// longest time still fits.
func TestScaleOf(t *testing.T) {
	for _, test := range []struct {
		median, longest float64
		want            string
	}{
		{23.44, 99e3, "23.4 us"},
		{23.44, 1e5, "0.023 ms"},
		{20123.4, 99e5, "20.123 ms"},
		{20123.4, 1e7, "20.1 ms"},
		{1.5e6, 2e6, "1.500 s"},
	} {
		s := scaleOf(finding.New("rtt-summary").Set("p50_us", test.median).Set("max_us", test.longest))
		if got := s.format(test.median) + " " + s.unit; got != test.want {
			t.Errorf("%v, up to %v: %s, want %s", test.median, test.longest, got, test.want)
		}
	}
}

// A probe's line must be cheap: there may be ten thousand a second.
func BenchmarkProbe(b *testing.B) {
	for _, target := range []string{"10.0.2.2:80", "apple.example:80"} {
		b.Run(fmt.Sprint(target), func(b *testing.B) {
			w, err := Open(nil, Options{Stdout: io.Discard})
			if err != nil {
				b.Fatal(err)
			}
			r := probed(target, 1234, finding.SYNACK, 20123.4)
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Write(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
