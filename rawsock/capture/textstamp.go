package capture

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// StampKind is what stands before a packet's line.
type StampKind uint8

// The kinds of stamps, by the option that makes tcpdump write them.
const (
	StampNone      StampKind = iota // -t
	StampTimeOfDay                  // the default: no date
	StampDate                       // -tttt
	StampEpoch                      // -tt: seconds since 1970
	StampDelta                      // -ttt and -ttttt
)

// stamp finds a stamp at the beginning of a line, behind at most a number
// (tcpdump -#, or a web page's) and marks of quotations.
var stamp = regexp.MustCompile(`^[\s>|*#-]*(?:\d{1,9}[|.:)]?\s+)?[\s>|*#-]*(?:(?:(\d{4}-\d\d-\d\d)[ T])?(\d\d:\d\d:\d\d)|(\d{9,11}))\.(\d{3,9})\s`)

// textStamp is a stamp as printed.
type textStamp struct {
	kind     StampKind
	date     string
	time     string
	seconds  int64
	fraction time.Duration
}

// cutStamp returns the stamp that a packet's line begins with, and what is
// behind it.
func cutStamp(text string) (s textStamp, rest string, ok bool) {
	if !strings.Contains(text[:min(len(text), 64)], ".") { // as most lines of prose
		return s, text, false
	}
	m := stamp.FindStringSubmatchIndex(text)
	if m == nil {
		return s, text, false
	}
	part := func(i int) string {
		if m[2*i] < 0 {
			return ""
		}
		return text[m[2*i]:m[2*i+1]]
	}
	digits := part(4)
	n, _ := strconv.ParseInt(digits, 10, 64) // at most nine digits
	s.fraction = time.Duration(n) * time.Duration(pow10(uint8(nanoseconds-len(digits))))
	switch s.date, s.time = part(1), part(2); {
	case s.time == "":
		s.kind = StampEpoch
		s.seconds, _ = strconv.ParseInt(part(3), 10, 64) // at most eleven
	case s.date != "":
		s.kind = StampDate
	default:
		s.kind = StampTimeOfDay
	}
	return s, text[m[1]:], true
}

// textClock turns printed stamps into times.
type textClock struct {
	day    time.Time // of the last stamp without a date, at midnight
	last   time.Time
	since  bool // stamps count from the first line
	begun  bool
	deltas bool
}

func newTextClock(cfg TextConfig) textClock {
	y, m, d := cfg.Day.Date()
	return textClock{day: time.Date(y, m, d, 0, 0, 0, 0, cfg.Day.Location()), since: cfg.SinceFirst}
}

// halfDay back is over midnight rather than out of order.
const halfDay = 12 * time.Hour

// time returns what a stamp means after those before it; false if it is no
// time.
func (c *textClock) time(s textStamp) (time.Time, StampKind, bool) {
	zone := c.day.Location()
	switch s.kind {
	case StampNone:
		return time.Time{}, StampNone, true
	case StampEpoch:
		return time.Unix(s.seconds, int64(s.fraction)).In(zone), StampEpoch, true
	case StampDate:
		at, err := time.ParseInLocation(time.DateTime, s.date+" "+s.time, zone)
		return at.Add(s.fraction), StampDate, err == nil
	}
	clock, err := time.ParseInLocation(time.TimeOnly, s.time, time.UTC)
	if err != nil {
		return time.Time{}, StampNone, false
	}
	h, m, sec := clock.Clock()
	of := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec)*time.Second + s.fraction
	if !c.begun {
		c.begun, c.deltas, c.last = true, of == 0 || c.since, c.day
	}
	if c.deltas {
		from := c.last
		if c.since {
			from = c.day
		}
		c.last = from.Add(of)
		return c.last, StampDelta, true
	}
	at := c.ofDay(h, m, sec, s.fraction)
	if c.last.Sub(at) > halfDay {
		c.day = c.day.AddDate(0, 0, 1)
		at = c.ofDay(h, m, sec, s.fraction)
	}
	c.last = at
	return at, StampTimeOfDay, true
}

// ofDay returns a time of the current day by the clock on the wall.
func (c *textClock) ofDay(h, m, s int, fraction time.Duration) time.Time {
	year, month, day := c.day.Date()
	return time.Date(year, month, day, h, m, s, int(fraction), c.day.Location())
}
