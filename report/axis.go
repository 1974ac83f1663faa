package report

import (
	"math"
	"time"
)

// axis maps times in microseconds to a share of a chart's length, 0 to 1.
type axis struct {
	low, high float64
	log       bool
	ticks     []float64
}

// axisFor returns an axis that holds the times from least to most. It begins
// at zero unless they lie close together, and is logarithmic where they lie
// far apart, so that one outlier does not press all others flat.
func axisFor(least, most float64) axis {
	switch {
	case least > 0 && most >= 10*least:
		return logAxis(least, most)
	case most-least > most/2:
		least = 0
	case most-least < most/1000:
		least, most = least-most/1000, most+most/1000
	}
	step := niceStep((most - least) / 4)
	a := axis{low: math.Floor(least/step) * step, high: math.Ceil(most/step) * step}
	if a.high <= a.low {
		a.high = a.low + step
	}
	for n := range int(math.Round((a.high-a.low)/step)) + 1 {
		a.ticks = append(a.ticks, a.low+float64(n)*step)
	}
	return a
}

// logAxis has its ticks at 1, 2 and 5 of every power of ten, or at the powers
// where those would crowd.
func logAxis(least, most float64) axis {
	a := axis{log: true}
	digits := []float64{1, 2, 5}
	if most >= 300*least {
		digits = digits[:1]
	}
	var below float64
	for power := math.Pow10(int(math.Floor(math.Log10(least)))); a.high < most; power *= 10 {
		for _, digit := range digits {
			tick := digit * power
			switch {
			case tick <= least:
				below = tick
			case a.high < most:
				a.ticks, a.high = append(a.ticks, tick), tick
			}
		}
	}
	a.ticks = append([]float64{below}, a.ticks...)
	a.low = below
	return a
}

// at returns where a time lies.
func (a axis) at(us float64) float64 {
	if a.log {
		return math.Log(us/a.low) / math.Log(a.high/a.low)
	}
	return (us - a.low) / (a.high - a.low)
}

// niceStep returns the least of 1, 2 and 5 of the powers of ten that is no
// less than x.
func niceStep(x float64) float64 {
	if !(x > 0) {
		return 1
	}
	power := math.Pow10(int(math.Floor(math.Log10(x))))
	for _, digit := range [...]float64{1, 2, 5} {
		if digit*power >= x*(1-1e-9) {
			return digit * power
		}
	}
	return 10 * power
}

// clockTick is a tick on the axis of the hours.
type clockTick struct {
	at    float64 // share of the axis
	label string
}

// clockTicks returns five ticks at most, at round times of the zone.
func clockTicks(start time.Time, length time.Duration, zone *time.Location) []clockTick {
	const day = 24 * time.Hour
	steps := [...]time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day,
	}
	const most = 4
	step := max(steps[0], time.Duration(niceStep(float64(length)/most/float64(day))*float64(day)))
	for _, s := range steps {
		if length <= most*s {
			step = s
			break
		}
	}
	format := "15:04:05"
	switch {
	case length < 2*time.Second:
		return elapsedTicks(length)
	case step >= day:
		format = "Jan 2"
	case step >= time.Minute:
		format = "15:04"
	}
	start = start.In(zone)
	_, east := start.Zone()
	offset := time.Duration(east) * time.Second
	var ticks []clockTick
	for t := start.Add(offset).Truncate(step).Add(-offset); !t.After(start.Add(length)); t = t.Add(step) {
		if !t.Before(start) {
			ticks = append(ticks, clockTick{float64(t.Sub(start)) / float64(length), t.Format(format)})
		}
	}
	return ticks
}

// elapsedTicks count from the start, for a line of less than two seconds.
func elapsedTicks(length time.Duration) []clockTick {
	us := float64(length) / float64(time.Microsecond)
	step := niceStep(us / 4)
	var ticks []clockTick
	for n := 0; float64(n)*step <= us; n++ {
		ticks = append(ticks, clockTick{float64(n) * step / us, plainNumber(float64(n)*step/1000) + " ms"})
	}
	return ticks
}
