package rtt

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// metric is something that a target can be judged by.
type metric struct {
	name string
	unit unit
	// samples is how many the value takes. A metric that takes none takes a
	// probe that was sent.
	samples uint64
	// value is in the metric's unit.
	value func(s *Stats) float64
}

// metrics are those with a name of their own; percentile makes the others.
var metrics = [...]metric{
	{"min", unitTime, 1, func(s *Stats) float64 { return float64(s.Min()) }},
	{"mean", unitTime, 1, func(s *Stats) float64 { return float64(s.Mean()) }},
	{"max", unitTime, 1, func(s *Stats) float64 { return float64(s.Max()) }},
	{"stddev", unitTime, 2, func(s *Stats) float64 { return float64(s.Deviation()) }},
	{"jitter", unitTime, 2, func(s *Stats) float64 { return float64(s.Jitter()) }},
	{"loss", unitShare, 0, (*Stats).Loss},
	{"late", unitCount, 0, func(s *Stats) float64 { return float64(s.Late) }},
	{"duplicates", unitCount, 0, func(s *Stats) float64 { return float64(s.Duplicates) }},
}

// percentile is the metric of a share of the samples.
func percentile(name string, q float64) metric {
	return metric{name, unitTime, 1, func(s *Stats) float64 { return float64(s.Quantile(q)) }}
}

// missing says what a target lacks for the metric to have a value; "" where
// it has one.
func (m metric) missing(s *Stats) string {
	switch {
	case m.samples == 0 && s.Sent == 0:
		return "nothing sent"
	case s.Received >= m.samples:
		return ""
	case s.Received == 0:
		return "no sample"
	}
	return "one sample"
}

func parseMetric(text string) (metric, error) {
	name := strings.ToLower(text)
	for _, m := range metrics {
		if m.name == name {
			return m, nil
		}
	}
	if digits, ok := strings.CutPrefix(name, "p"); ok && isNumber(digits) {
		q, err := strconv.ParseFloat(digits+"e-2", 64)
		if err != nil || q > 1 {
			return metric{}, fmt.Errorf("percentile %.80s is out of range: percentiles are p0 to p100", text)
		}
		return percentile(name, q), nil
	}
	if meant := meantMetric(name); meant != "" {
		return metric{}, fmt.Errorf("unknown metric %.80q: did you mean %q?", text, meant)
	}
	return metric{}, fmt.Errorf("unknown metric %.80q: give min, mean, max, stddev, jitter, loss, late, duplicates, or a percentile such as p95", text)
}

// meantMetric is what is most likely meant by a name that no metric has; ""
// if nothing is likely.
func meantMetric(name string) string {
	switch name {
	case "avg", "average":
		return "mean"
	case "median", "rtt", "latency", "time":
		return "p50"
	case "sd", "mdev", "deviation":
		return "stddev"
	}
	// "95", "95%", "95th" and "p95ms" are p95.
	digits := strings.TrimPrefix(name, "p")
	digits = digits[:len(digits)-len(strings.TrimLeft(digits, "0123456789."))]
	if q, err := strconv.ParseFloat(digits+"e-2", 64); err == nil && q <= 1 && len(digits) < 10 {
		return "p" + digits
	}
	// "dups", "std" and "maximum" begin as the metric does.
	const alike = 3
	for _, m := range metrics {
		if len(name) >= alike && strings.HasPrefix(m.name, name[:alike]) {
			return m.name
		}
	}
	return ""
}

// isNumber reports whether a text is digits with at most one decimal point:
// no sign, exponent or name such as NaN.
func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return (err == nil || errors.Is(err, strconv.ErrRange)) && strings.Trim(s, "0123456789.") == ""
}

// unit is what a metric is measured in.
type unit uint8

const (
	unitTime  unit = iota // in nanoseconds
	unitShare             // of 1
	unitCount             // of replies
)

// example is a bound.
func (u unit) example() string { return [...]string{"20ms", "1%", "3"}[u] }

// parse reads a bound. Its error says what is wrong with it, and the remedy.
func (u unit) parse(text string) (float64, error) {
	switch u {
	case unitTime:
		return parseTime(text)
	case unitShare:
		return parseShare(text)
	}
	n, err := strconv.ParseUint(text, 10, 53)
	if err != nil {
		return 0, fmt.Errorf("%.80q is not a number of replies: give a whole number, as in 3", text)
	}
	return float64(n), nil
}

func parseTime(text string) (float64, error) {
	if isNumber(text) {
		return 0, fmt.Errorf("%.80s needs a unit: us, ms or s, as in 20ms", text)
	}
	if number, ok := strings.CutSuffix(text, "%"); ok && isNumber(number) {
		return 0, fmt.Errorf("%.80s is no time: give one with its unit, as in 20ms", text)
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%.80q is not a time: give a number and its unit, us, ms or s, as in 20ms", text)
	case d < 0:
		return 0, fmt.Errorf("%.80s is negative, which no time is: give a bound such as 20ms", text)
	}
	return float64(d), nil
}

func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	if !isNumber(number) {
		return 0, fmt.Errorf("%.80q is not a share of the probes: give a percentage, as in 1%%", text)
	}
	exponent := ""
	if percent {
		// Not a division: 0.1 / 100 need not be the float64 nearest to 0.001,
		// which is what one probe in a thousand is.
		exponent = "e-2"
	}
	v, err := strconv.ParseFloat(number+exponent, 64)
	switch {
	case !percent && 1 <= v && v <= 100:
		return 0, fmt.Errorf("%.80s is not a share below 1: did you mean %.80s%%?", text, text)
	case err != nil || v > 1:
		return 0, fmt.Errorf("%.80s is out of range: loss is 0%% to 100%%", text)
	}
	return v, nil
}

// word writes v with its unit, so that it can be told from bound.
func (u unit) word(v, bound float64) string {
	switch {
	case u == unitCount:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case u == unitShare:
		return apart(100*v, 100*bound, 1, 9) + "%"
	case v < float64(time.Millisecond):
		return apart(v/1e3, bound/1e3, 1, 3) + " us"
	case v < float64(time.Second):
		return apart(v/1e6, bound/1e6, 3, 6) + " ms"
	}
	return apart(v/1e9, bound/1e9, 3, 9) + " s"
}

// apart writes v with least decimals, and with more, up to most, where it
// would look like bound and is not.
func apart(v, bound float64, least, most int) string {
	for decimals := least; ; decimals++ {
		s := strconv.FormatFloat(v, 'f', decimals, 64)
		if v == bound || decimals == most || s != strconv.FormatFloat(bound, 'f', decimals, 64) {
			return s
		}
	}
}
