package rtt

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// bars writes bins as "FROM-TO:N", in microseconds.
func bars(bins []finding.Record) string {
	var b strings.Builder
	for i, r := range bins {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%v-%v:%v", r.Get("from_us"), r.Get("to_us"), r.Get("n"))
	}
	return b.String()
}

func repeat(n int, d time.Duration) []time.Duration {
	times := make([]time.Duration, n)
	for i := range times {
		times[i] = d
	}
	return times
}

func TestBins(t *testing.T) {
	const us, ms = time.Microsecond, time.Millisecond
	near := make([]time.Duration, 100) // 20.0 to 20.99 ms
	for i := range near {
		near[i] = 20*ms + time.Duration(i)*10*us
	}
	wide := make([]time.Duration, 100) // 1 to 93 ms, by a ratio
	for i, d := 0, 1000.0; i < len(wide); i, d = i+1, d*1.0468 {
		wide[i] = time.Duration(d) * us
	}
	for _, tc := range []struct {
		name  string
		times []time.Duration
		most  int
		want  string
	}{
		{"nothing", nil, 12, ""},
		{"no bars", near, 0, ""},
		{"one sample", near[:1], 12, "20000-20050:1"},
		{"all equal", repeat(9, 20123*us), 12, "20100-20150:9"},
		{"near", near, 12, "20000-20100:11 20100-20200:10 20200-20300:9 20300-20400:10 20400-20500:10 20500-20600:10 20600-20700:10 20700-20800:11 20800-20900:10 20900-21000:9"},
		{"near, in few bars", near, 3, "20000-20500:50 20500-21000:50"},
		{"in one bar", near, 1, "20000-21000:100"},
		{"a hole", []time.Duration{20 * ms, 20100 * us, 20500 * us}, 5, "20000-20200:2 20200-20400:0 20400-20600:1"},
		{"wide", wide, 12, "1000-2000:16 2000-5000:20 5000-10000:15 10000-20000:15 20000-50000:20 50000-100000:14"},
		{"far above", append(repeat(1, 1100*ms), near...), 12, "20000-20100:11 20100-20200:10 20200-20300:9 20300-20400:10 20400-20500:10 20500-20600:10 20600-20700:10 20700-20800:11 20800-20900:10 20900-21000:9 21000-1.2e+06:1"},
		{"far below", append(repeat(1, 1*ms), near...), 12, "1000-19800:1 19800-20000:1 20000-20200:20 20200-20400:19 20400-20600:20 20600-20800:21 20800-21000:19"},
		{"far on both sides", append([]time.Duration{1 * ms, 1999 * ms}, near...), 12, "1000-19800:1 19800-20000:1 20000-20200:20 20200-20400:19 20400-20600:20 20600-20800:21 20800-21000:19 21000-2e+06:1"},
		{"far, in two bars", append(repeat(1, 1100*ms), near...), 2, "0-1e+06:100 1e+06-2e+06:1"},
		{"equal but one", append(repeat(99, 20*ms), 61234*us), 12, "20000-20050:99 20050-62000:1"},
		{"beyond the histogram", []time.Duration{20 * ms, 3 * time.Second}, 12, "20000-50000:1 50000-100000:0 100000-200000:0 200000-500000:0 500000-1e+06:0 1e+06-2e+06:0 2e+06-5e+06:1"},
		{"below a microsecond", []time.Duration{0, 100, 50 * us}, 12, "0-1:2 1-2:0 2-5:0 5-10:0 10-20:0 20-50:0 50-100:1"},
	} {
		if got := bars(statsOf(tc.times...).Bins(tc.most)); got != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

// TestBinsHoldEverySample: whatever the times, precision and number of bars,
// every sample stands in a bar, bars do not overlap and leave no gap, and
// those at the ends are not empty.
func TestBinsHoldEverySample(t *testing.T) {
	for _, n := range []int{1, 2, 10, 1000} {
		for name, times := range draws(n) {
			for _, digits := range []int{1, 2, 4} {
				s := NewStats(500*time.Millisecond, digits)
				for _, d := range times {
					s.Add(&Sample{Reply: finding.SYNACK, RTT: d})
				}
				for _, most := range []int{1, 2, 3, mostBins, 40} {
					bins := s.Bins(most)
					if err := checkBins(s, bins, most); err != nil {
						t.Fatalf("%s, %d samples, %d digits, at most %d bars: %v\n%s", name, n, digits, most, err, bars(bins))
					}
				}
			}
		}
	}
}

func checkBins(s *Stats, bins []finding.Record, most int) error {
	if len(bins) == 0 || len(bins) > most {
		return fmt.Errorf("%d bars", len(bins))
	}
	var sum int64
	var end float64
	for i, b := range bins {
		if err := b.Validate(); err != nil {
			return err
		}
		from, _ := b.Number("from_us")
		to, _ := b.Number("to_us")
		n, _ := b.Int("n")
		if from < 0 || from >= to || n < 0 || i > 0 && from != end {
			return fmt.Errorf("bar %d is %v to %v", i, from, to)
		}
		if n == 0 && (i == 0 || i == len(bins)-1) {
			return fmt.Errorf("bar %d is empty", i)
		}
		end, sum = to, sum+n
	}
	if from, _ := bins[0].Number("from_us"); from > microseconds(s.Min()) || end <= microseconds(s.Max()) {
		return fmt.Errorf("%v to %v is not in %v to %v", s.Min(), s.Max(), from, end)
	}
	if sum != int64(s.Received) {
		return fmt.Errorf("%d samples of %d", sum, s.Received)
	}
	return nil
}

// TestBinsShowTheBulk: a few samples far away do not squash the others into
// one bar.
func TestBinsShowTheBulk(t *testing.T) {
	for name, times := range draws(1000) {
		s := NewStats(2*time.Second, 4)
		for _, d := range times {
			s.Add(&Sample{Reply: finding.SYNACK, RTT: d})
		}
		bins := s.Bins(mostBins)
		highest := int64(0)
		for _, b := range bins {
			n, _ := b.Int("n")
			highest = max(highest, n)
		}
		if name != "constant" && name != "tiny" && highest > 650 {
			t.Errorf("%s: one bar has %d of %d\n%s", name, highest, len(times), bars(bins))
		}
	}
}
