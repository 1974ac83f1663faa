package report

import (
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

const hostileName = "<script>alert(1)</script>\"'\u202e\x1b[31m.example"

// course is a run of a thousand probes a second over one path: slow waves,
// an outlier now and then, a few lost.
func course(target string, addr netip.Addr, probes int) (records []finding.Record) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range probes {
		at := noon.Add(time.Duration(n) * time.Millisecond)
		r := finding.New("rtt").Set("target", target).Set("addr", addr).Set("port", 80).Set("n", n+1).Set("at", at)
		switch {
		case n%251 == 17:
			r = r.Set("reply", finding.NoReply)
		case n == 500:
			r = r.Set("reply", finding.NoReply).Set("late_us", 1003000.0).Set("detail", "a SYN-ACK came after 1.003 s")
		case n == 700:
			r = r.Set("reply", finding.LocalRefusal)
		default:
			rtt := 20000 + 90*rng.ExpFloat64() + 400*float64(n%400)/400
			if n%97 == 3 {
				rtt += 900 * rng.Float64()
			}
			r = r.Set("reply", finding.SYNACK).Set("rtt_us", rtt)
		}
		records = append(records, r)
	}
	return records
}

// latencyReport is a run against three targets, of which one has a hostile
// name and one never answers.
func latencyReport() []finding.Record {
	records := []finding.Record{runRecord().Set("args", []string{"rtt", hostileName, "10.0.2.3:80", "-i", "1ms", "-c", "1000"})}
	records = append(records, course(hostileName+":80", apple, 1000)...)
	records = append(records, course("10.0.2.3", apple.Next(), 40)...)
	for n := range 10 {
		records = append(records, finding.New("rtt").Set("addr", apple.Next().Next()).Set("port", 443).Set("n", n+1).
			Set("at", noon.Add(time.Duration(n)*100*time.Millisecond)).Set("reply", finding.NoReply))
	}
	return append(records,
		measured(hostileName+":80", 20091).Set("histogram", histogram(20000, 58, 310, 260, 170, 98, 61, 40, 22, 12, 6, 4, 0, 3, 2, 0, 1, 2, 0, 0, 1, 1)).
			Set("failed", []string{"p95<=20ms (20.292 ms)"}),
		measured("10.0.2.3:80", 20091).Set("addr", apple.Next()),
		silence(), measurementSummary())
}

func TestHTML(t *testing.T) {
	got := render(t, FormatHTML, latencyKinds, latencyReport()...)
	golden(t, "latency.html", got)
	for _, absent := range []string{"<script", "alert(1)</", "\x1b", "\u202e", "http://", "https://", "ZgotmplZ"} {
		if strings.Contains(got, absent) {
			t.Errorf("the report has %q", absent)
		}
	}
	for text, want := range map[string]int{"<svg class=\"chart": 5, "<rect ": 16 + 5, "<h2": 4, "not met: ": 3, "Clock packet-ring, good to 0.4 µs": 2} {
		if n := strings.Count(got, text); n != want {
			t.Errorf("%d of %s, want %d", n, text, want)
		}
	}
}

// However a run ends, its report is whole, and says so.
func TestHTMLOfARunThatFailed(t *testing.T) {
	run := latencyReport()
	failed := finding.New("error").Set("message", "send: network is down").Set("hint", "look at <eth0>").Set("exit", 3)
	stopped := measurementSummary().Set("exit", 130).Set("kernel_drops", 3).Set("limited_by", finding.LimitConntrack).Set("detail", "a & b")
	for name, c := range map[string]struct {
		records []finding.Record
		want    []string
	}{
		"nothing":     {nil, []string{"did not come to its end"}},
		"no summary":  {run[:500], []string{"did not come to its end", "before the figures", "over the run"}},
		"not met":     {[]finding.Record{run[0], measured("x", 5e6).Set("p99_us", 9e6).Set("failed", []string{"loss=0 (2%)"}).Set("clock", "sun-dial")}, []string{"Not as expected: loss=0 (2%)", "5.000 s", "Clock sun-dial, good", "<title>Handshake latency: x (10.0.2.2:80)</title>"}},
		"error":       {append(run[:2:2], failed), []string{"The run failed: send: network is down", "look at &lt;eth0&gt;"}},
		"interrupted": {append(run[:2:2], stopped), []string{"was interrupted", "dropped 3 arrivals", "connection tracking", "a &amp; b"}},
	} {
		got := render(t, FormatHTML, latencyKinds, c.records...)
		for _, want := range append(c.want, "<!DOCTYPE html>", "</html>\n") {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", name, want, got)
			}
		}
	}
}

// The file appears under its name when it is whole.
func TestHTMLFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "x.html")
	o := testOptions(&strings.Builder{})
	latencyKinds(&o)
	w, err := Open([]Output{{FormatHTML, name}}, o)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, w, latencyReport()...)
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there already: %v", err)
	}
	if err := w.Close(); err != nil || !strings.HasSuffix(contents(t, name), "</html>\n") {
		t.Error(err)
	}
}

// A thousand targets have a chart each, more have not, and what is kept of
// them is bounded.
func TestHTMLOfManyTargets(t *testing.T) {
	w, err := newHTML(unclosed{&strings.Builder{}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const targets = maxCharts + 10
	for n := range 300 {
		for i := range targets {
			addr := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
			mustWrite(t, w, finding.New("rtt").Set("addr", addr).Set("port", 80).Set("reply", finding.SYNACK).
				Set("rtt_us", 100.0+float64(n)).Set("at", noon.Add(time.Duration(n)*10*time.Millisecond)))
		}
	}
	kept := 0
	for _, t := range w.targets {
		kept += len(t.line.moments)
	}
	if kept > allMoments || kept < allMoments/2 {
		t.Errorf("%d moments kept", kept)
	}
	var out strings.Builder
	w.file = unclosed{&out}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), `class="chart timeline"`); n != maxCharts || !strings.Contains(out.String(), "first 1,000 targets") {
		t.Errorf("%d time lines", n)
	}
	if out.Len() > 12<<20 {
		t.Errorf("%d octets", out.Len())
	}
}

// A long run keeps its extremes, its losses and its length, in little room.
func TestTimelineIsBounded(t *testing.T) {
	var l timeline
	const probes = 100_000
	for n := range probes {
		r := finding.New("rtt").Set("at", noon.Add(time.Duration(n)*time.Millisecond)).Set("reply", finding.SYNACK).Set("rtt_us", 1000.0)
		switch n {
		case 777:
			r = r.Set("rtt_us", 5.0)
		case 77_777:
			r = r.Set("rtt_us", 9000.0)
		case 50_000, 50_001:
			r = r.Set("rtt_us", nil).Set("reply", finding.NoReply)
		}
		l.add(r, 256)
	}
	least, most, _ := l.extremes()
	lost := uint32(0)
	for _, m := range l.moments {
		lost += m.lost
	}
	_, length := l.span()
	if least != 5 || most != 9000 || lost != 2 || length < probes*time.Millisecond || length > probes*time.Millisecond+l.step {
		t.Errorf("least %v, most %v, %d lost, %v", least, most, lost, length)
	}
	if n := len(l.moments); n > 256 || n < 128 || cap(l.moments) > 1024 {
		t.Errorf("%d moments of %d", n, cap(l.moments))
	}
}

// Silence is known later than the answers to what was sent after it.
func TestTimelineSorts(t *testing.T) {
	var l timeline
	for _, ms := range []int{5, 7, 2, 0, -3, 6, 5} {
		l.add(finding.New("rtt").Set("at", noon.Add(time.Duration(ms)*time.Millisecond)).Set("rtt_us", 1.0), 100)
	}
	var places []int64
	for _, m := range l.moments {
		places = append(places, m.place)
	}
	if got := fmt.Sprint(places); got != "[-8 -5 -3 0 1 2]" {
		t.Error(got)
	}
	l.coarsen()
	if start, length := l.span(); len(l.moments) != 5 || start.After(noon.Add(-3*time.Millisecond)) || length != 12*time.Millisecond {
		t.Errorf("%v, %v, %d", start, length, len(l.moments))
	}
	places = nil
	for _, m := range l.moments {
		places = append(places, m.place)
	}
	if got := fmt.Sprint(places); got != "[-4 -3 -2 0 1]" {
		t.Error(got)
	}
	l.add(finding.New("rtt").Set("rtt_us", 1.0), 100) // no time, no place
}

func TestSVG(t *testing.T) {
	var bins []bin
	for i, n := range []int64{1, 0, 9999, 40} {
		bins = append(bins, bin{100 * float64(i), 100 * float64(i+1), n})
	}
	marks := []quantile{{"p50", 250}, {"p95", 260}, {"p99", 399}}
	golden(t, "histogram.svg", string(histogramSVG(bins, scale{"us", 1, 1}, marks)))
	var l timeline
	for _, r := range course("", apple, 800)[450:] {
		l.add(r, 40)
	}
	golden(t, "timeline.svg", string(timelineSVG(&l, scale{"ms", 1000, 3}, time.UTC)))
	var apart timeline
	for n, us := range []float64{4.2, 1500, 80, 2.1e6} {
		apart.add(finding.New("rtt").Set("at", noon.Add(time.Duration(n)*time.Minute)).Set("rtt_us", us), 40)
	}
	golden(t, "timeline-log.svg", string(timelineSVG(&apart, scale{"ms", 1000, 3}, time.UTC)))
	for _, nothing := range []template.HTML{histogramSVG(nil, scaleOf(), nil), timelineSVG(&timeline{}, scaleOf(), nil)} {
		if nothing != "" {
			t.Error(nothing)
		}
	}
}

func TestAxis(t *testing.T) {
	for _, c := range []struct {
		least, most float64
		want        string
	}{
		{20010, 20390, "[20000 20100 20200 20300 20400] false"},
		{100, 380, "[0 100 200 300 400] false"},
		{80, 1200, "[50 100 200 500 1000 2000] true"},
		{0.5, 5e6, "[0.1 1 10 100 1000 10000 100000 1e+06 1e+07] true"},
		{50, 50, "[49.95 50 50.05] false"},
		{100, 1000, "[100 200 500 1000] true"},
		{0, 0, "[0 1] false"},
	} {
		a := axisFor(c.least, c.most)
		rounded := make([]float64, len(a.ticks))
		for i, tick := range a.ticks {
			fmt.Sscan(fmt.Sprintf("%.6g", tick), &rounded[i])
		}
		if got := fmt.Sprint(rounded, a.log); got != c.want {
			t.Errorf("%v to %v: %s, want %s", c.least, c.most, got, c.want)
		}
		if low, high := a.at(c.least), a.at(c.most); low < 0 || high > 1+1e-9 || low > high {
			t.Errorf("%v to %v: at %v to %v", c.least, c.most, low, high)
		}
	}
}

func TestClockTicks(t *testing.T) {
	kolkata := time.FixedZone("IST", 5*3600+1800)
	for length, want := range map[time.Duration]string{
		time.Millisecond:     "[{0 0 ms} {0.5 0.5 ms} {1 1 ms}]",
		5 * time.Second:      "[{0.375 17:30:02} {0.775 17:30:04}]",
		10 * time.Minute:     "[{0 17:30} {0.5 17:35} {1 17:40}]",
		24 * time.Hour:       "[{0.021 18:00} {0.271 00:00} {0.521 06:00} {0.771 12:00}]",
		40 * 24 * time.Hour:  "[{0.107 Mar 6} {0.357 Mar 16} {0.607 Mar 26} {0.857 Apr 5}]",
		400 * 24 * time.Hour: "[{0.061 Mar 26} {0.311 Jul 4} {0.561 Oct 12} {0.811 Jan 20}]",
	} {
		ticks := clockTicks(noon.Truncate(time.Second), length, kolkata)
		if length == 5*time.Second {
			ticks = clockTicks(noon, length, kolkata)
		}
		for i := range ticks {
			fmt.Sscan(fmt.Sprintf("%.3f", ticks[i].at), &ticks[i].at)
		}
		if got := fmt.Sprint(ticks); got != want {
			t.Errorf("%v: %s, want %s", length, got, want)
		}
	}
}

// What the report keeps of a probe must be cheap, too, and no more at the end
// of a long run.
func BenchmarkHTMLProbe(b *testing.B) {
	w, err := newHTML(unclosed{&strings.Builder{}}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	records := course("10.0.2.2", apple, 1000)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		r := records[n%len(records)]
		for i := range r.Fields {
			if r.Fields[i].Name == "at" {
				r.Fields[i].Value = noon.Add(time.Duration(n) * time.Millisecond)
			}
		}
		if err := w.Write(r); err != nil {
			b.Fatal(err)
		}
	}
}
