package rtt

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/tcpscope/tcpscope/probe/finding"
)

// Stats are the samples of one target in figures. Their memory does not grow
// with the number of samples. NewStats makes them. They are for one goroutine
// at a time.
//
// Quantiles and bins come from an HDR histogram; minimum, maximum, mean,
// deviation and jitter are those of the samples themselves.
type Stats struct {
	// Sent counts probes that left and whose fate is known; Received those
	// answered in time, Resets those of them that were by RST, ICMP those that
	// an ICMP error answered; NotSent those that never left.
	Sent, Received, Resets, ICMP, NotSent uint64
	// Late and Duplicates count replies that are no samples.
	Late, Duplicates uint64

	// histogram holds nanoseconds, the times beyond its longest as longest.
	histogram *hdrhistogram.Histogram
	longest   int64
	min, max  time.Duration
	// mean, in nanoseconds, and squares, the sum of the squared distances
	// from it, go along with every sample (Welford's method): sums of squares
	// would lose the few microseconds that samples of 100 ms differ by.
	mean, squares float64
	// last is the latest sample; moved is the sum of the steps from each
	// sample to the next.
	last  time.Duration
	moved time.Duration
	steps uint64
	// clock is the least exact one of all samples.
	clock finding.Clock
}

const (
	// finest is what a histogram resolves at best, in nanoseconds. No stamp
	// is as exact as that, and 20 KB hold times up to 2 s at two digits.
	finest = 16
	// absurd is a time that only a clock that was set gives.
	absurd = 24 * time.Hour
)

// NewStats returns empty Stats for times up to longest, in so many significant
// decimal digits, 1 to 4. With longest at 2 s they take 3, 22, 150 or 1,800 KB.
func NewStats(longest time.Duration, digits int) *Stats {
	n := min(max(int64(longest), finest), int64(absurd))
	return &Stats{histogram: hdrhistogram.New(finest, n, digits), longest: n}
}

// Add takes in a sample. It allocates nothing.
//
// A time beyond the longest that the Stats were made for counts as that in
// quantiles and bins, but as itself in all else. Where the clock was set
// between two stamps, a time below zero counts as zero, and one beyond a day
// as a day.
func (s *Stats) Add(x *Sample) {
	if x.Reply == finding.LocalRefusal {
		s.NotSent++
		return
	}
	s.Sent++
	if x.Late > 0 {
		s.Late++
	}
	switch {
	case x.Reply == finding.RST:
		s.Resets++
	case strings.HasPrefix(string(x.Reply), "icmp-"):
		s.ICMP++
	}
	if x.Answered() {
		s.take(min(max(x.RTT, 0), absurd))
		s.clock = coarser(s.clock, x.Clock)
	}
}

// take counts a time.
func (s *Stats) take(rtt time.Duration) {
	s.Received++
	// Between zero and longest there is no error.
	_ = s.histogram.RecordValue(min(int64(rtt), s.longest))
	delta := float64(rtt) - s.mean
	s.mean += delta / float64(s.Received)
	s.squares += delta * (float64(rtt) - s.mean)
	if s.Received == 1 {
		s.min, s.max, s.last = rtt, rtt, rtt
		return
	}
	s.min, s.max = min(s.min, rtt), max(s.max, rtt)
	s.moved += (rtt - s.last).Abs()
	s.steps++
	s.last = rtt
}

// coarser returns the less exact of two clocks.
func coarser(a, b finding.Clock) finding.Clock {
	if a != b && exactness(b) > exactness(a) {
		return b
	}
	return a
}

// exactness is a clock's place among all, the most exact first; -1 for none.
func exactness(c finding.Clock) int {
	return slices.IndexFunc(finding.Clocks(), func(w finding.Word) bool { return w.Name == string(c) })
}

// Merge adds what another target, or another run, has measured. The step from
// the one's last sample to the other's first is none, so jitter does not
// count it. Stats of any precision and range merge; quantiles are then as
// exact as the coarser of the two.
func (s *Stats) Merge(other *Stats) {
	s.Sent += other.Sent
	s.Resets += other.Resets
	s.ICMP += other.ICMP
	s.NotSent += other.NotSent
	s.Late += other.Late
	s.Duplicates += other.Duplicates
	if other.Received == 0 {
		return
	}
	for _, b := range other.buckets() {
		// As in take, there is no error.
		_ = s.histogram.RecordValues(min(middle(b), s.longest), b.Count)
	}
	if s.Received == 0 {
		s.min, s.max, s.last = other.min, other.max, other.last
	}
	s.min, s.max = min(s.min, other.min), max(s.max, other.max)
	// Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm
	// for Computing Sample Variances", 1979.
	a, b := float64(s.Received), float64(other.Received)
	delta := other.mean - s.mean
	s.mean += delta * b / (a + b)
	s.squares += other.squares + delta*delta*a*b/(a+b)
	s.Received += other.Received
	s.moved += other.moved
	s.steps += other.steps
	s.clock = coarser(s.clock, other.clock)
}

// buckets are the histogram's buckets that are not empty.
func (s *Stats) buckets() []hdrhistogram.Bar {
	return slices.DeleteFunc(s.histogram.Distribution(), func(b hdrhistogram.Bar) bool { return b.Count == 0 })
}

// middle is the time in the middle of a bucket, in nanoseconds.
func middle(b hdrhistogram.Bar) int64 { return b.From + (b.To-b.From)/2 }

// Loss is the share of the probes sent that were not answered in time; zero
// if none was sent.
func (s *Stats) Loss() float64 {
	if s.Sent == 0 {
		return 0
	}
	return float64(s.Sent-s.Received) / float64(s.Sent)
}

// Quantile is the time that a share q of the samples stayed within, by
// nearest rank; zero without samples. Rounding is upwards, by no more than
// the histogram's precision, and never beyond the longest sample. The first
// rank is the shortest sample and the last the longest, both exactly.
func (s *Stats) Quantile(q float64) time.Duration {
	n := float64(s.Received)
	// The product may come out a little above the whole number that it is:
	// 0.07 x 100 is 7.000000000000001.
	switch rank := math.Ceil(q * n * (1 - 1e-12)); {
	case !(rank > 1):
		return s.min
	case rank >= n:
		return s.max
	default:
		// The histogram rounds a rank to the nearest, where nearest rank
		// rounds it up.
		v := time.Duration(s.histogram.ValueAtPercentile(100 * rank / n))
		return min(max(v, s.min), s.max)
	}
}

// Min is the shortest sample; zero without samples.
func (s *Stats) Min() time.Duration { return s.min }

// Max is the longest sample; zero without samples.
func (s *Stats) Max() time.Duration { return s.max }

// Mean is the arithmetic mean; zero without samples.
func (s *Stats) Mean() time.Duration { return time.Duration(math.Round(s.mean)) }

// Deviation is the standard deviation of what the samples are drawn from, as
// far as they tell: its divisor is one less than their number. It is zero
// below two samples.
func (s *Stats) Deviation() time.Duration {
	if s.Received < 2 {
		return 0
	}
	return time.Duration(math.Round(math.Sqrt(s.squares / float64(s.Received-1))))
}

// Jitter is the mean difference, without sign, between one sample and the
// next, in the order in which they were added: that of the answers, which
// over a path that reorders is not that of the probes. Lost probes between
// two samples make no difference. It is zero below two samples.
func (s *Stats) Jitter() time.Duration {
	if s.steps == 0 {
		return 0
	}
	return time.Duration(math.Round(float64(s.moved) / float64(s.steps)))
}

// mostBins is how many bars a summary's histogram has at most: as many as
// leave room for other lines on a terminal.
const mostBins = 40

// Summary is the target's rtt-summary object, but for what Stats do not know:
// error_us, failed, detail. A figure that no sample speaks for is absent, as
// are deviation and jitter below two samples, and late, duplicates, resets,
// icmp_errors and not_sent where there are none.
func (s *Stats) Summary(t Target) finding.Record {
	r := finding.New("rtt-summary").
		Set("target", t.name()).
		Set("addr", t.Addr.Addr()).
		Set("port", t.Addr.Port()).
		Set("sent", s.Sent).
		Set("received", s.Received)
	if s.Sent > 0 {
		r = r.Set("loss", s.Loss())
	}
	for _, c := range []struct {
		name string
		n    uint64
	}{
		{"resets", s.Resets}, {"late", s.Late}, {"duplicates", s.Duplicates},
		{"icmp_errors", s.ICMP}, {"not_sent", s.NotSent},
	} {
		if c.n > 0 {
			r = r.Set(c.name, c.n)
		}
	}
	if s.Received == 0 {
		return r
	}
	return s.times(r)
}

// times sets the fields that take a sample.
func (s *Stats) times(r finding.Record) finding.Record {
	r = r.Set("min_us", microseconds(s.Min())).
		Set("mean_us", microseconds(s.Mean())).
		Set("p50_us", microseconds(s.Quantile(0.50))).
		Set("p90_us", microseconds(s.Quantile(0.90))).
		Set("p95_us", microseconds(s.Quantile(0.95))).
		Set("p99_us", microseconds(s.Quantile(0.99))).
		Set("max_us", microseconds(s.Max())).
		Set("clock", string(s.clock)).
		Set("histogram", s.Bins(mostBins))
	if s.Received > 1 {
		r = r.Set("stddev_us", microseconds(s.Deviation()))
	}
	if s.steps > 0 {
		r = r.Set("jitter_us", microseconds(s.Jitter()))
	}
	return r
}

// HDR is the histogram as HDR histograms are exchanged (V2, compressed,
// base64): the hdr field, which Summary leaves out because only programs read
// it, and it costs more than all the rest. It is "" without samples.
func (s *Stats) HDR() string {
	if s.Received == 0 {
		return ""
	}
	// The encoder writes to memory: it has no errors of its own.
	hdr, err := s.histogram.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return ""
	}
	return string(hdr)
}

// microseconds is a time as records have it, with the nanoseconds as
// decimals.
func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
