package report

import (
	"math"
	"strconv"
	"strings"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// bin is one bar of a histogram: n samples from a lower bound, included, to an
// upper one, excluded, in microseconds.
type bin struct {
	from, to float64
	n        int64
}

// binsOf returns the histogram of an rtt-summary.
func binsOf(r finding.Record) []bin {
	records, _ := r.Get("histogram").([]finding.Record)
	bins := make([]bin, len(records))
	for i, r := range records {
		bins[i].from, _ = r.Number("from_us")
		bins[i].to, _ = r.Number("to_us")
		bins[i].n, _ = r.Int("n")
	}
	return bins
}

// coarser joins neighbours until there are no more than most.
func coarser(bins []bin, most int) []bin {
	if len(bins) <= most {
		return bins
	}
	together := (len(bins) + most - 1) / most
	var joined []bin
	for i, b := range bins {
		if i%together == 0 {
			joined = append(joined, b)
			continue
		}
		last := &joined[len(joined)-1]
		last.to = b.to
		last.n += b.n
	}
	return joined
}

// scale is how the times of one table or chart are written.
type scale struct {
	unit     string
	us       float64 // in one unit
	decimals int
}

// scaleOf returns the scale in which the times of these targets say something:
// that of the least median.
func scaleOf(targets ...finding.Record) scale {
	least, most := math.Inf(1), 0.0
	for _, r := range targets {
		if median, ok := r.Number("p50_us"); ok {
			least = min(least, median)
		}
		if longest, ok := r.Number("max_us"); ok {
			most = max(most, longest)
		}
	}
	switch {
	case least < 1e3 && most < 1e5:
		return scale{"us", 1, 1}
	case least < 1e6 && most >= 1e7:
		return scale{"ms", 1e3, 1} // or a row would not fit
	case least < 1e6 || most == 0:
		return scale{"ms", 1e3, 3}
	}
	return scale{"s", 1e6, 3}
}

func (s scale) format(us float64) string { return strconv.FormatFloat(us/s.us, 'f', s.decimals, 64) }

// field writes a time of a record; "" if it is absent.
func (s scale) field(r finding.Record, name string) string {
	us, ok := r.Number(name)
	return unless(!ok, s.format(us))
}

// fine returns the scale with as many decimals as tell times apart that
// differ by as little as that.
func (s scale) fine(us float64) scale {
	s.decimals = 0
	for width := us / s.us; width > 0 && width < 9.95 && s.decimals < 3; width *= 10 {
		s.decimals++
	}
	return s
}

// binScale is the scale for the bounds of bins.
func binScale(bins []bin, s scale) scale {
	least := math.Inf(1)
	for _, b := range bins {
		least = min(least, b.to-b.from)
	}
	return s.fine(least)
}

// maxBars is how many rows the histogram on a terminal has at most.
const maxBars = 12

// fewSamples are so few that their histogram would be mostly holes.
const fewSamples = 10

// drawHistogram draws bins for a terminal. What is there at all has a mark.
func drawHistogram(bins []bin, s scale) string {
	bins = coarser(bins, maxBars)
	s = binScale(bins, s)
	var all, most int64
	var label, count int
	for _, b := range bins {
		all += b.n
		most = max(most, b.n)
		label = max(label, len(s.format(b.to)))
		count = max(count, len(Grouped(b.n)))
	}
	if all < fewSamples {
		return ""
	}
	room := pageWidth - len("  ") - 2*label - len(" to ") - len(" "+s.unit) - len("  ") - count - len("  ")
	var b strings.Builder
	for _, bin := range bins {
		mark := int(math.Round(float64(bin.n) / float64(max(most, 1)) * float64(room)))
		if bin.n > 0 {
			mark = max(mark, 1)
		}
		line := "  " + right(s.format(bin.from), label) + " to " + right(s.format(bin.to), label) + " " + s.unit +
			"  " + right(Grouped(bin.n), count) + "  " + strings.Repeat("#", mark)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// right pads text on the left.
func right(text string, columns int) string {
	return strings.Repeat(" ", max(columns-len(text), 0)) + text
}
