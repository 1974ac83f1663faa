package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// The charts are as wide as there is room, and their letters keep their size:
// what is across is in percent, what is upright in pixels. Only the bars and
// dots, in a picture of their own, are stretched.
const (
	chartHeight = 214
	plotTop     = 24  // room for marks above the plot
	plotHeight  = 160 // the rest is for the labels below it
	plotLeft    = 15.0
	plotWidth   = 80.0 // both in percent
	plotUnits   = 1000 // the stretched picture's own width
)

// svg builds one chart.
type svg struct{ b strings.Builder }

func (s *svg) printf(format string, args ...any) { fmt.Fprintf(&s.b, format, args...) }

// newSVG begins a chart. Title and description are read out to those who do
// not see it.
func newSVG(class, title, description string) *svg {
	s := &svg{}
	s.printf(`<svg class="chart %s" role="img" width="100%%" height="%d">`, class, chartHeight)
	s.printf("<title>%s</title><desc>%s</desc>\n", html.EscapeString(title), html.EscapeString(description))
	return s
}

func (s *svg) end() template.HTML {
	s.b.WriteString("</svg>")
	return template.HTML(s.b.String())
}

// across is the place of a share of the plot's width.
func across(share float64) string { return plainNumber(plotLeft+share*plotWidth) + "%" }

// upright is the place of a share of the plot's height, from below.
func upright(share float64) float64 { return plotTop + (1-share)*plotHeight }

// plainNumber writes x with two decimals at most.
func plainNumber(x float64) string {
	return strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64)
}

// rung draws a line across the plot with its label before it.
func (s *svg) rung(share float64, label string) {
	y := plainNumber(upright(share))
	s.printf(`<line x1="%s" x2="%s" y1="%s" y2="%s"/>`, across(0), across(1), y, y)
	s.printf(`<text x="%s" y="%s" dy=".35em" text-anchor="end">%s</text>`+"\n", across(-.01), y, label)
}

// label writes text below or above the plot.
func (s *svg) label(share float64, y int, text string) {
	s.printf(`<text x="%s" y="%d" text-anchor="middle">%s</text>`+"\n", across(share), y, text)
}

const (
	labelsAbove = plotTop - 11
	labelsBelow = plotTop + plotHeight + 20
)

// plot begins the stretched picture.
func (s *svg) plot() {
	s.printf(`<svg x="%s" y="%d" width="%s%%" height="%d" viewBox="0 0 %d %d" preserveAspectRatio="none">`+"\n",
		across(0), plotTop, plainNumber(plotWidth), plotHeight, plotUnits, plotHeight)
}

// quantile is a time that a histogram points out.
type quantile struct {
	name string
	us   float64
}

// histogramSVG draws a bar for every bin, all of one width. What is there at
// all can be seen.
func histogramSVG(bins []bin, scale scale, quantiles []quantile) template.HTML {
	var most, samples int64
	for _, b := range bins {
		most = max(most, b.n)
		samples += b.n
	}
	if most == 0 {
		return ""
	}
	bounds := binScale(bins, scale)
	from, to := bounds.format(bins[0].from), bounds.format(bins[len(bins)-1].to)
	s := newSVG("histogram", "Histogram of the round-trip times",
		fmt.Sprintf("%s between %s and %s %s; the highest bar has %s", Plural(samples, "sample"), from, to, scale.unit, Grouped(most)))
	s.b.WriteString(`<g class="grid">`)
	step := max(int64(niceStep(float64(most)/4)), 1)
	top := (most + step - 1) / step * step
	for n := int64(0); n <= top; n += step {
		s.rung(float64(n)/float64(top), Grouped(n))
	}
	s.binLabels(bins, scale)
	s.b.WriteString("</g>\n")
	s.plot()
	width := float64(plotUnits) / float64(len(bins))
	for i, b := range bins {
		if b.n == 0 {
			continue
		}
		height := max(float64(b.n)/float64(top)*plotHeight, 2)
		s.printf(`<rect x="%s" y="%s" width="%s" height="%s"><title>%s to %s %s: %s</title></rect>`+"\n",
			plainNumber((float64(i)+.04)*width), plainNumber(plotHeight-height), plainNumber(.92*width), plainNumber(height),
			bounds.format(b.from), bounds.format(b.to), scale.unit, Grouped(b.n))
	}
	s.b.WriteString("</svg>\n")
	s.quantiles(bins, quantiles)
	return s.end()
}

// binLabels writes five bounds below the bars at most, for a phone has no room
// for more, and the first and the last always.
func (s *svg) binLabels(bins []bin, scale scale) {
	parts := 3
	if len(bins)%4 == 0 || len(bins) < parts {
		parts = min(len(bins), 4)
	}
	for part := range parts + 1 {
		i := int(math.Round(float64(part) * float64(len(bins)) / float64(parts)))
		left, right := bins[max(i-1, 0)], bins[min(i, len(bins)-1)]
		bound := right.from
		if i == len(bins) {
			bound = left.to
		}
		near := scale.fine(min(left.to-left.from, right.to-right.from))
		s.label(float64(i)/float64(len(bins)), labelsBelow, near.format(bound))
	}
}

// quantiles points to times among the bins, and names those that have room.
func (s *svg) quantiles(bins []bin, quantiles []quantile) {
	s.b.WriteString(`<g class="quantile">`)
	named := math.Inf(-1)
	for _, q := range quantiles {
		share := placeAmong(bins, q.us)
		s.printf(`<line x1="%s" x2="%s" y1="%d" y2="%d"/>`, across(share), across(share), plotTop-4, plotTop+plotHeight)
		if share > named+.13 {
			s.label(share, labelsAbove, q.name)
			named = share
		}
	}
	s.b.WriteString("</g>\n")
}

// placeAmong returns the share of the histogram's width at which a time lies.
func placeAmong(bins []bin, us float64) float64 {
	for i, b := range bins {
		if us < b.to && b.to > b.from {
			return (float64(i) + max(us-b.from, 0)/(b.to-b.from)) / float64(len(bins))
		}
	}
	return 1
}

// timelineSVG draws the times in the order of their probes: a dot for each, or
// for the mean of those that share a place, with a line from the least to the
// greatest. Above them are marks for those that have no time; the document
// defines their shapes.
func timelineSVG(l *timeline, scale scale, zone *time.Location) template.HTML {
	start, length := l.span()
	if length == 0 {
		return ""
	}
	least, most, timed := l.extremes()
	var lost, late, unsent uint64
	for _, m := range l.moments {
		lost, late, unsent = lost+uint64(m.lost), late+uint64(m.late), unsent+uint64(m.unsent)
	}
	description := "No probe was answered"
	if timed {
		description = fmt.Sprintf("From %s to %s %s", scale.format(least), scale.format(most), scale.unit)
	}
	s := newSVG("timeline", "Round-trip times in the course of the run",
		fmt.Sprintf("%s; %d lost, %d late, %d not sent", description, lost, late, unsent))
	s.b.WriteString(`<g class="grid">`)
	y := axisFor(least, most)
	if timed {
		s.timeRungs(y, scale)
	} else {
		s.rung(0, "")
	}
	for _, tick := range clockTicks(start, length, zone) {
		s.label(tick.at, labelsBelow, tick.label)
	}
	s.b.WriteString("</g>\n")
	place := func(m moment) float64 {
		middle := time.Duration(m.place)*l.step + l.step/2
		return float64(middle-start.Sub(l.origin)) / float64(length)
	}
	s.plot()
	var ranges, dots strings.Builder
	for _, m := range l.moments {
		if m.answered == 0 {
			continue
		}
		x, height := plainNumber(place(m)*plotUnits), func(us float64) float64 { return (1 - y.at(us)) * plotHeight }
		if m.min < m.max {
			fmt.Fprintf(&ranges, "M%s %sV%s", x, plainNumber(height(float64(m.min))), plainNumber(height(float64(m.max))))
		}
		// Not every browser gives a line of no length its round ends.
		fmt.Fprintf(&dots, "M%s %sv.01", x, plainNumber(height(m.mean())))
	}
	if ranges.Len() > 0 {
		s.printf(`<path class="range" d="%s"/>`+"\n", &ranges)
	}
	s.printf(`<path d="%s"/>`+"\n</svg>\n", &dots)
	s.marks(l.moments, place)
	return s.end()
}

// timeRungs are the rungs of an axis of times.
func (s *svg) timeRungs(y axis, scale scale) {
	for _, tick := range y.ticks {
		label := plainNumber(tick / scale.us)
		if !y.log {
			label = scale.fine(y.ticks[1] - y.ticks[0]).format(tick)
		} else if tick/scale.us < .01 {
			label = strconv.FormatFloat(tick/scale.us, 'g', 1, 64)
		}
		s.rung(y.at(tick), label)
	}
}

// marks draws one mark above every moment in which a probe went without a
// time, the gravest.
func (s *svg) marks(moments []moment, place func(moment) float64) {
	for _, m := range moments {
		var shape string
		switch {
		case m.lost > 0:
			shape = "lost"
		case m.late > 0:
			shape = "late"
		case m.unsent > 0:
			shape = "unsent"
		default:
			continue
		}
		s.printf(`<use href="#%s" class="%s" x="%s" y="%d"/>`+"\n", shape, shape, across(place(m)), plotTop-12)
	}
}
