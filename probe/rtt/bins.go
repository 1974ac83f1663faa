package rtt

import (
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/tcpscope/tcpscope/probe/finding"
)

// Bins is the histogram for people: at most most bars, each beginning where
// the one before ends, that hold every sample. It is nil without samples.
//
// Bounds are round. The bars are of equal width where all samples are near
// each other, else of equal ratio. Where a few samples lie so far from the
// others that these would share a bar or two, the far ones share the first or
// the last bar, and the others have the rest for themselves.
//
// Empty bars stand between others only. A sample near a bound may be counted
// on its other side, as it is known to the histogram's precision only.
func (s *Stats) Bins(most int) []finding.Record {
	if s.Received == 0 || most < 1 {
		return nil
	}
	buckets := s.buckets()
	bounds := s.bounds(most, buckets)
	counts := make([]int64, len(bounds)-1)
	put := func(at, n int64) {
		i, found := slices.BinarySearch(bounds, at)
		if !found {
			i--
		}
		counts[i] += n
	}
	// Shortest and longest are known exactly. The others are where their
	// bucket is.
	shortest, longest := int64(s.min), int64(s.max)
	put(shortest, 1)
	buckets[0].Count--
	if s.Received > 1 {
		put(longest, 1)
		buckets[len(buckets)-1].Count--
	}
	for _, b := range buckets {
		put(min(max(middle(b), shortest), longest), b.Count)
	}
	records := make([]finding.Record, len(counts))
	for i, n := range counts {
		records[i] = finding.New("bin").
			Set("from_us", microseconds(time.Duration(bounds[i]))).
			Set("to_us", microseconds(time.Duration(bounds[i+1]))).
			Set("n", n)
	}
	return records
}

// wide is how many times the shortest the longest time is where bars of equal
// width no longer tell short times apart.
const wide = 4

// scale is a way to lay out bars.
type scale struct {
	// at is where a time in nanoseconds stands, and time the inverse.
	at   func(x int64) float64
	time func(at float64) int64
	// bounds returns the bounds of at most most bars that hold lo and hi; nil
	// where there are none.
	bounds func(lo, hi int64, most int) []int64
}

// bounds are where bars begin and end, in nanoseconds: the first at or before
// the shortest sample, the last behind the longest.
func (s *Stats) bounds(most int, buckets []hdrhistogram.Bar) []int64 {
	even := scale{
		at:   func(x int64) float64 { return float64(x) },
		time: func(at float64) int64 { return int64(at) },
		bounds: func(lo, hi int64, most int) []int64 {
			// Narrower bars would have two buckets here and one there, which
			// looks like a comb.
			return evenBounds(lo, hi, most, 3*width(buckets, hi))
		},
	}
	ratio := scale{
		at:     func(x int64) float64 { return math.Log(float64(max(x, shortestRatio))) },
		time:   func(at float64) int64 { return int64(min(math.Exp(at), float64(absurd))) },
		bounds: ratioBounds,
	}
	lo, hi := int64(s.min), int64(s.max)
	if hi <= wide*lo && !s.crowded(even) {
		return even.bounds(lo, hi, most)
	}
	if b := ratio.bounds(lo, hi, most); b != nil && !s.crowded(ratio) {
		return b
	}
	const outer = 2 // a bar for the far ones on either side
	if most <= outer {
		return even.bounds(lo, hi, most)
	}
	near, far := s.core(even)
	near, far = occupied(buckets, near, far)
	core := even.bounds(near, far, most-outer)
	if far > wide*near {
		if b := ratio.bounds(near, far, most-outer); b != nil {
			core = b
		}
	}
	return beyond(core, lo, hi)
}

// occupied narrows a range with samples in it to where these are, as exactly
// as the histogram knows.
func occupied(buckets []hdrhistogram.Bar, lo, hi int64) (first, last int64) {
	first, last = hi, lo
	for _, b := range buckets {
		if lo <= b.To && b.From <= hi {
			first, last = min(first, max(middle(b), lo)), max(last, min(middle(b), hi))
		}
	}
	return first, last
}

// width is that of the histogram's buckets about a time.
func width(buckets []hdrhistogram.Bar, at int64) int64 {
	w := int64(1)
	for _, b := range buckets {
		if b.From > at {
			break
		}
		w = b.To - b.From + 1
	}
	return w
}

// core is where the samples are that are not far from the others, on a scale:
// the middle 80 % of them, and as much again to either side.
func (s *Stats) core(c scale) (lo, hi int64) {
	from, to := c.at(int64(s.Quantile(0.1))), c.at(int64(s.Quantile(0.9)))
	return max(c.time(from-(to-from)), int64(s.min)), min(c.time(to+(to-from)), int64(s.max))
}

// crowded reports whether these samples would have less than half of the bars
// on a scale.
func (s *Stats) crowded(c scale) bool {
	lo, hi := s.core(c)
	return 2*(c.at(hi)-c.at(lo)) < c.at(int64(s.max))-c.at(int64(s.min))
}

// beyond adds a bar before and behind others, where lo and hi are not among
// them.
func beyond(bounds []int64, lo, hi int64) []int64 {
	if lo < bounds[0] {
		bounds = slices.Insert(bounds, 0, lo-lo%round(lo))
	}
	if hi >= bounds[len(bounds)-1] {
		bounds = append(bounds, hi-hi%round(hi)+round(hi))
	}
	return bounds
}

// evenBounds returns the bounds of at most most bars of equal width, 1, 2 or 5
// times a power of ten and no less than least, that hold lo and hi.
func evenBounds(lo, hi int64, most int, least int64) []int64 {
	for unit := int64(1); ; unit *= 10 {
		for _, digit := range [...]int64{1, 2, 5} {
			width := digit * unit
			first, last := lo/width, hi/width
			if width < least || last-first >= int64(most) {
				continue
			}
			var bounds []int64
			for i := first; i <= last+1; i++ {
				bounds = append(bounds, i*width)
			}
			return bounds
		}
	}
}

// shortestRatio is where bars of equal ratio begin. Shorter times, which only
// a clock's error can give, share a bar that begins at zero.
const shortestRatio = int64(time.Microsecond)

// ratioBounds returns the bounds of at most most bars of equal ratio, as far
// as round numbers allow, that hold lo and hi; nil where that takes more. They
// are preferred numbers: ISO 3's series R20 and R10, the steps of coins, and half
// and whole decades.
func ratioBounds(lo, hi int64, most int) []int64 {
	for _, series := range [...][]int64{
		{100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900},
		{100, 125, 160, 200, 250, 315, 400, 500, 630, 800},
		{100, 200, 500},
		{100, 300},
		{100},
	} {
		if b := seriesBounds(lo, hi, series); len(b)-1 <= most {
			return b
		}
	}
	return nil
}

// seriesBounds returns the numbers of a series, from the last that is not
// above lo to the first above hi. The series is given for one decade, in
// hundredths.
func seriesBounds(lo, hi int64, series []int64) []int64 {
	bounds := []int64{0}
	for unit := shortestRatio / series[0]; ; unit *= 10 {
		for _, n := range series {
			bound := n * unit
			switch {
			case bound <= lo:
				bounds[0] = bound
			case bound <= hi:
				bounds = append(bounds, bound)
			default:
				return append(bounds, bound)
			}
		}
	}
}

// round is the unit of a time's second digit.
func round(x int64) int64 {
	unit := int64(1)
	for x >= 100 {
		x /= 10
		unit *= 10
	}
	return unit
}
