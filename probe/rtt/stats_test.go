package rtt

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/tcpscope/tcpscope/probe/finding"
)

// statsOf are the stats of some times, in three digits.
func statsOf(times ...time.Duration) *Stats {
	s := NewStats(2*time.Second, 3)
	for _, d := range times {
		s.Add(&Sample{Reply: finding.SYNACK, RTT: d, Clock: finding.PacketRing})
	}
	return s
}

// draws are random times of several shapes, the same in every run.
func draws(n int) map[string][]time.Duration {
	rng := rand.New(rand.NewPCG(1, 2))
	ns := func(f float64) time.Duration { return max(0, time.Duration(f)) }
	shapes := map[string]func(i int) time.Duration{
		"narrow":    func(int) time.Duration { return ns(20e6 + 30e3*rng.NormFloat64()) },
		"loopback":  func(int) time.Duration { return ns(18e3 + 2e3*rng.ExpFloat64()) },
		"lognormal": func(int) time.Duration { return ns(5e6 * math.Exp(1.2*rng.NormFloat64())) },
		"uniform":   func(int) time.Duration { return ns(2e9 * rng.Float64()) },
		"two paths": func(i int) time.Duration { return ns(20e6 + float64(i%5/4)*5e6 + 50e3*rng.NormFloat64()) },
		"outlier": func(i int) time.Duration {
			if i == n/2 {
				return time.Second
			}
			return ns(20e6 + 30e3*rng.NormFloat64())
		},
		"fast outliers": func(i int) time.Duration { return ns(20e6 - float64(i%50/49)*19e6 + 30e3*rng.NormFloat64()) },
		"constant":      func(int) time.Duration { return 20123456 },
		"tiny":          func(int) time.Duration { return time.Duration(rng.IntN(3)) },
	}
	all := make(map[string][]time.Duration)
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		for i := range n {
			all[name] = append(all[name], shapes[name](i))
		}
	}
	return all
}

func TestStatsCounts(t *testing.T) {
	s := NewStats(time.Second, 2)
	for _, x := range []Sample{
		{Reply: finding.SYNACK, RTT: time.Millisecond},
		{Reply: finding.RST, RTT: time.Millisecond},
		{Reply: finding.NoReply},
		{Reply: finding.NoReply, Late: time.Second},
		{Reply: finding.AdminProhibited},
		{Reply: finding.ICMP(3, 4)},
		{Reply: finding.LocalRefusal},
	} {
		s.Add(&x)
	}
	if s.Sent != 6 || s.Received != 2 || s.Resets != 1 || s.ICMP != 2 || s.NotSent != 1 || s.Late != 1 || s.Duplicates != 0 {
		t.Errorf("%+v", s)
	}
	if got := s.Loss(); got != 4.0/6 {
		t.Errorf("loss %v", got)
	}
	if got := NewStats(time.Second, 2).Loss(); got != 0 {
		t.Errorf("loss of nothing %v", got)
	}
}

// TestStatsAreTheSamples compares every figure with that of all the samples,
// kept and sorted.
func TestStatsAreTheSamples(t *testing.T) {
	for name, times := range draws(5000) {
		for digits := 1; digits <= 4; digits++ {
			s := NewStats(2*time.Second, digits)
			var sum, moved float64
			for i, d := range times {
				s.Add(&Sample{Reply: finding.SYNACK, RTT: d})
				sum += float64(d)
				if i > 0 {
					moved += math.Abs(float64(d - times[i-1]))
				}
			}
			n := float64(len(times))
			mean := sum / n
			var squares float64
			for _, d := range times {
				squares += (float64(d) - mean) * (float64(d) - mean)
			}
			sorted := slices.Sorted(slices.Values(times))
			if s.Min() != sorted[0] || s.Max() != sorted[len(sorted)-1] {
				t.Errorf("%s: %v to %v, want %v to %v", name, s.Min(), s.Max(), sorted[0], sorted[len(sorted)-1])
			}
			for _, tc := range []struct {
				what string
				got  time.Duration
				want float64
			}{
				{"mean", s.Mean(), mean},
				{"deviation", s.Deviation(), math.Sqrt(squares / (n - 1))},
				{"jitter", s.Jitter(), moved / (n - 1)},
			} {
				if math.Abs(float64(tc.got)-tc.want) > 1 {
					t.Errorf("%s: %s %v, want %v", name, tc.what, tc.got, time.Duration(tc.want))
				}
			}
			for _, q := range []float64{0, 0.001, 0.01, 0.07, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1} {
				want := sorted[max(0, int(math.Ceil(q*n-1e-6))-1)]
				most := want + want/time.Duration(math.Pow10(digits)) + finest
				if got := s.Quantile(q); got < want || got > most || got > s.Max() {
					t.Errorf("%s, %d digits: p%g %v, want %v", name, digits, 100*q, got, want)
				}
			}
		}
	}
}

func TestQuantileRanks(t *testing.T) {
	var s Stats
	for n := 1; n <= 100; n++ {
		times := make([]time.Duration, n)
		for i := range times {
			times[i] = time.Duration(i+1) * time.Microsecond
		}
		s = *statsOf(times...)
		for percent := 1; percent <= 100; percent++ {
			want := time.Duration((n*percent+99)/100) * time.Microsecond
			if got := s.Quantile(float64(percent) / 100).Truncate(time.Microsecond); got != want {
				t.Fatalf("p%d of %d is %v, want %v", percent, n, got, want)
			}
		}
	}
	for _, tc := range []struct {
		q    float64
		want time.Duration
	}{
		{0, s.Min()}, {-1, s.Min()}, {math.Inf(-1), s.Min()}, {math.NaN(), s.Min()},
		{1, s.Max()}, {2, s.Max()}, {math.Inf(1), s.Max()},
	} {
		if got := s.Quantile(tc.q); got != tc.want {
			t.Errorf("quantile %v is %v, want %v", tc.q, got, tc.want)
		}
	}
}

func TestStatsOfFewSamples(t *testing.T) {
	for _, s := range []*Stats{statsOf(), NewStats(0, 3), NewStats(-1, 2), NewStats(math.MaxInt64, 2)} {
		if s.Min() != 0 || s.Max() != 0 || s.Mean() != 0 || s.Deviation() != 0 || s.Jitter() != 0 || s.Quantile(0.5) != 0 || s.Quantile(1) != 0 {
			t.Errorf("figures of no sample: %+v", s)
		}
	}
	s := statsOf(20123456)
	if s.Min() != 20123456 || s.Max() != 20123456 || s.Mean() != 20123456 || s.Quantile(0.5) != 20123456 {
		t.Errorf("figures of one sample: %+v", s)
	}
	if s.Deviation() != 0 || s.Jitter() != 0 {
		t.Errorf("one sample deviates by %v and %v", s.Deviation(), s.Jitter())
	}
	if s := statsOf(20, 26); s.Deviation() != 4 || s.Jitter() != 6 {
		t.Errorf("two samples deviate by %v and %v", s.Deviation(), s.Jitter())
	}
}

// TestStatsBeyondTheirRange: no sample is lost, whatever the clock said.
func TestStatsBeyondTheirRange(t *testing.T) {
	s := statsOf(3*time.Second, time.Second, -time.Millisecond, math.MinInt64, math.MaxInt64)
	if s.Received != 5 || s.histogram.TotalCount() != 5 {
		t.Errorf("%d received, %d in the histogram", s.Received, s.histogram.TotalCount())
	}
	if s.Min() != 0 || s.Max() != 24*time.Hour || s.Quantile(1) != 24*time.Hour {
		t.Errorf("%v to %v", s.Min(), s.Max())
	}
	if got, want := s.Mean(), (24*time.Hour+4*time.Second)/5; got != want {
		t.Errorf("mean %v, want %v", got, want)
	}
	if got := s.Quantile(0.7); got < 2*time.Second || got > 2100*time.Millisecond {
		t.Errorf("p70 %v, want 2s", got)
	}
	if s := statsOf(3 * time.Second); s.Max() != 3*time.Second || s.Mean() != 3*time.Second || s.Quantile(0.5) != 3*time.Second {
		t.Errorf("%v, mean %v, p50 %v, want 3s", s.Max(), s.Mean(), s.Quantile(0.5))
	}
}

func TestStatsClock(t *testing.T) {
	for _, tc := range []struct {
		clocks []finding.Clock
		want   finding.Clock
	}{
		{nil, ""},
		{[]finding.Clock{finding.PacketRing, finding.PacketRing}, finding.PacketRing},
		{[]finding.Clock{finding.PacketRing, finding.SocketStamp, finding.PacketRing}, finding.SocketStamp},
		{[]finding.Clock{finding.UserClock, finding.PacketRing}, finding.UserClock},
		{[]finding.Clock{"", finding.TCPInfo, ""}, finding.TCPInfo},
	} {
		one, other := NewStats(time.Second, 2), NewStats(time.Second, 2)
		for i, c := range tc.clocks {
			one.Add(&Sample{Reply: finding.SYNACK, Clock: c})
			if i == 1 {
				one, other = other, one
			}
		}
		// What is lost was measured by no clock.
		one.Add(&Sample{Reply: finding.NoReply, Clock: finding.UserClock})
		if one.Merge(other); one.clock != tc.want {
			t.Errorf("of %v the least exact is %q, want %q", tc.clocks, one.clock, tc.want)
		}
	}
}

func TestMerge(t *testing.T) {
	for name, times := range draws(2000) {
		whole, left, right := statsOf(times...), statsOf(times[:300]...), statsOf(times[300:]...)
		right.Late, right.Duplicates = 3, 4
		right.Add(&Sample{Reply: finding.NoReply})
		right.Add(&Sample{Reply: finding.LocalRefusal})
		left.Add(&Sample{Reply: finding.TTLExceeded})
		left.Merge(right)
		if left.Sent != 2002 || left.Received != 2000 || left.Late != 3 || left.Duplicates != 4 || left.NotSent != 1 || left.ICMP != 1 {
			t.Errorf("%s: %+v", name, left)
		}
		if !left.histogram.Equals(whole.histogram) || left.Min() != whole.Min() || left.Max() != whole.Max() {
			t.Errorf("%s: the whole has other times than its parts", name)
		}
		if d := (left.Mean() - whole.Mean()).Abs(); d > 1 {
			t.Errorf("%s: mean %v, want %v", name, left.Mean(), whole.Mean())
		}
		if d := (left.Deviation() - whole.Deviation()).Abs(); d > 1 {
			t.Errorf("%s: deviation %v, want %v", name, left.Deviation(), whole.Deviation())
		}
		step := (times[300] - times[299]).Abs()
		if left.steps != 1998 || left.moved != whole.moved-step {
			t.Errorf("%s: %d steps over %v, want 1998 over %v", name, left.steps, left.moved, whole.moved-step)
		}
	}
}

func TestMergeOfUnequals(t *testing.T) {
	empty := NewStats(2*time.Second, 3)
	some := statsOf(10*time.Millisecond, 30*time.Millisecond)
	empty.Merge(some)
	if empty.Min() != some.Min() || empty.Max() != some.Max() || empty.Mean() != some.Mean() || empty.Deviation() != some.Deviation() || empty.Jitter() != some.Jitter() {
		t.Errorf("%+v, want %+v", empty, some)
	}
	some.Merge(NewStats(time.Hour, 1))
	if !some.histogram.Equals(empty.histogram) || some.Min() != empty.Min() || some.clock != finding.PacketRing {
		t.Error("nothing merged makes a difference")
	}

	coarse, fine := NewStats(20*time.Millisecond, 2), NewStats(time.Minute, 4)
	for i := range 1000 {
		x := Sample{Reply: finding.SYNACK, RTT: time.Duration(i+1) * time.Millisecond}
		[]*Stats{coarse, fine}[i%2].Add(&x)
	}
	fine.Merge(coarse)
	if got := fine.histogram.TotalCount(); got != 1000 {
		t.Errorf("%d in the histogram, want 1000", got)
	}
	narrow := NewStats(20*time.Millisecond, 2)
	narrow.Merge(fine)
	if got := narrow.histogram.TotalCount(); got != 1000 || narrow.Max() != time.Second || narrow.Quantile(0.01).Truncate(time.Millisecond) != 10*time.Millisecond {
		t.Errorf("%d in the histogram, longest %v, p1 %v", got, narrow.Max(), narrow.Quantile(0.01))
	}
}

func TestSummary(t *testing.T) {
	target := Target{Name: "apple.example", Addr: netip.MustParseAddrPort("192.0.2.1:443")}
	s := statsOf(20*time.Millisecond, 21*time.Millisecond, 23*time.Millisecond)
	s.Add(&Sample{Reply: finding.RST, RTT: 20001234, Clock: finding.SocketStamp})
	s.Add(&Sample{Reply: finding.NoReply, Late: time.Second})
	s.Duplicates = 2
	r := s.Summary(target)
	if err := r.Validate(); err != nil {
		t.Error(err)
	}
	want := "target=apple.example addr=192.0.2.1 port=443 sent=5 received=4 resets=1 loss=0.2 late=1 duplicates=2" +
		" min_us=20000 mean_us=21000.309 p50_us=20004.863 p90_us=23000 p95_us=23000 p99_us=23000 max_us=23000" +
		" stddev_us=1413.923 jitter_us=1999.589 clock=so-timestamping"
	if got := plain(r); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := len(r.Get("histogram").([]finding.Record)); n < 2 || n > mostBins {
		t.Errorf("%d bins", n)
	}
}

func TestSummaryLeavesOut(t *testing.T) {
	target := Target{Addr: netip.MustParseAddrPort("192.0.2.1:443")}
	silent := NewStats(time.Second, 2)
	silent.Add(&Sample{Reply: finding.NoReply})
	silent.Add(&Sample{Reply: finding.HostUnreachable})
	refused := NewStats(time.Second, 2)
	refused.Add(&Sample{Reply: finding.LocalRefusal})
	for _, tc := range []struct {
		stats *Stats
		want  string
	}{
		{NewStats(time.Second, 2), "sent=0 received=0"},
		{silent, "sent=2 received=0 loss=1 icmp_errors=1"},
		{refused, "sent=0 received=0 not_sent=1"},
		{statsOf(1500), "sent=1 received=1 loss=0 min_us=1.5 mean_us=1.5 p50_us=1.5 p90_us=1.5 p95_us=1.5 p99_us=1.5 max_us=1.5 clock=packet-ring"},
		{statsOf(1500, 1500), "sent=2 received=2 loss=0 min_us=1.5 mean_us=1.5 p50_us=1.5 p90_us=1.5 p95_us=1.5 p99_us=1.5 max_us=1.5 stddev_us=0 jitter_us=0 clock=packet-ring"},
	} {
		r := tc.stats.Summary(target)
		if err := r.Validate(); err != nil {
			t.Error(err)
		}
		if got, want := plain(r), "target=192.0.2.1 addr=192.0.2.1 port=443 "+tc.want; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if has := tc.stats.HDR() != "" && r.Get("histogram") != nil; has != (tc.stats.Received > 0) {
			t.Errorf("histograms of %d samples: %v", tc.stats.Received, has)
		}
	}
}

// plain is a record's fields, but for the histograms.
func plain(r finding.Record) string {
	text := ""
	for _, f := range r.Fields {
		if f.Name != "hdr" && f.Name != "histogram" {
			text += fmt.Sprintf(" %s=%v", f.Name, f.Value)
		}
	}
	return text[1:]
}

// TestHDRMerges: what the summaries of two runs carry adds up to what one run
// would have measured, by the library's own means.
func TestHDRMerges(t *testing.T) {
	for name, times := range draws(2000) {
		left, right, whole := decoded(t, statsOf(times[:777]...)), decoded(t, statsOf(times[777:]...)), statsOf(times...)
		if dropped := left.Merge(right); dropped != 0 {
			t.Errorf("%s: %d dropped", name, dropped)
		}
		if !left.Equals(whole.histogram) {
			t.Errorf("%s: the histograms differ", name)
		}
		// At these the ranks are whole, and both round them the same way.
		for _, percent := range []float64{50, 90, 95, 99} {
			got := min(max(time.Duration(left.ValueAtPercentile(percent)), whole.Min()), whole.Max())
			if want := whole.Quantile(percent / 100); got != want {
				t.Errorf("%s: p%g %v, want %v", name, percent, got, want)
			}
		}
	}
}

func decoded(t *testing.T, s *Stats) *hdrhistogram.Histogram {
	t.Helper()
	h, err := hdrhistogram.Decode([]byte(s.HDR()))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestStatsMemory: what a thousand targets take is modest.
func TestStatsMemory(t *testing.T) {
	for digits, most := range []int{1: 4 << 10, 22 << 10, 150 << 10, 1800 << 10} {
		if got := NewStats(2*time.Second, digits).histogram.ByteSize(); digits > 0 && got > most {
			t.Errorf("%d octets in %d digits, want at most %d", got, digits, most)
		}
	}
}

func TestAddAllocatesNothing(t *testing.T) {
	s := NewStats(2*time.Second, 2)
	replies := []Sample{
		{Reply: finding.SYNACK, RTT: 20 * time.Millisecond, Clock: finding.PacketRing},
		{Reply: finding.SYNACK, RTT: 30 * time.Millisecond, Clock: finding.UserClock},
		{Reply: finding.RST, RTT: 3 * time.Second, Clock: finding.SocketStamp},
		{Reply: finding.NoReply, Late: time.Second},
		{Reply: finding.AdminProhibited},
		{Reply: finding.LocalRefusal},
	}
	if n := testing.AllocsPerRun(100, func() {
		for i := range replies {
			s.Add(&replies[i])
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	times := draws(1 << 10)["narrow"]
	for digits := 2; digits <= 4; digits++ {
		b.Run(fmt.Sprintf("digits=%d", digits), func(b *testing.B) {
			s := NewStats(2*time.Second, digits)
			x := Sample{Reply: finding.SYNACK, Clock: finding.PacketRing}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				x.RTT = times[i%len(times)]
				s.Add(&x)
			}
		})
	}
}

func BenchmarkSummary(b *testing.B) {
	times := draws(10000)["narrow"]
	for digits := 2; digits <= 4; digits++ {
		b.Run(fmt.Sprintf("digits=%d", digits), func(b *testing.B) {
			s := NewStats(2*time.Second, digits)
			for _, d := range times {
				s.Add(&Sample{Reply: finding.SYNACK, RTT: d})
			}
			b.ReportAllocs()
			for b.Loop() {
				s.Summary(Target{})
			}
		})
	}
}
