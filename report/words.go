package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Grouped writes n with a comma between thousands.
func Grouped[N int | int64 | uint64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Plural writes "1 host", "2,000 hosts".
func Plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return Grouped(n) + " " + thing + "s"
}

// span writes a duration with as much precision as one cares for.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// milliseconds writes a round-trip time for a column.
func milliseconds(us float64) string { return strconv.FormatFloat(us/1000, 'f', 3, 64) + " ms" }

// duration writes a measured time in the unit that fits it: "23.4 us",
// "20.123 ms", "1.234 s".
func duration(us float64) string { return string(appendDuration(nil, us)) }

// Duration writes a measured time in the unit that fits it: "23.4 us",
// "20.123 ms", "1.234 s".
func Duration(d time.Duration) string { return duration(float64(d) / float64(time.Microsecond)) }

func appendDuration(b []byte, us float64) []byte {
	unit, decimals := " us", 1
	switch {
	case us >= 999.9995e3:
		us, unit, decimals = us/1e6, " s", 3
	case us >= 999.95:
		us, unit, decimals = us/1e3, " ms", 3
	}
	return append(strconv.AppendFloat(b, us, 'f', decimals, 64), unit...)
}

// percent writes a share of one. It rounds neither to nothing nor to all what
// is not.
func percent(share float64) string {
	text := strconv.FormatFloat(100*share, 'f', 1, 64)
	for decimals := 2; decimals < 8 && (share > 0 && text[0] == '0' && strings.Trim(text, "0.") == "" || share < 1 && text[:3] == "100"); decimals++ {
		text = strconv.FormatFloat(100*share, 'f', decimals, 64)
	}
	return text + "%"
}

// width is how many columns s takes on a terminal. It has been escaped, so
// that what begins with ESC can only be a style.
func width(s string) int {
	n := utf8.RuneCountInString(s)
	for {
		_, rest, found := strings.Cut(s, "\x1b")
		if !found {
			return n
		}
		n -= 2 + strings.IndexByte(rest, 'm')
		s = rest
	}
}

// hardSpace stands where Wrap must not break; it comes out as a space.
const hardSpace = "\u00a0"

// Wrap breaks text at spaces into lines of at most columns, each behind
// indent and with a line feed. A word that is longer stands alone.
func Wrap(text, indent string, columns int) string {
	var b strings.Builder
	line := 0
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ' ' }) {
		switch n := width(word); {
		case line == 0:
			b.WriteString(indent + word)
			line = width(indent) + n
		case line+1+n > columns:
			b.WriteString("\n" + indent + word)
			line = width(indent) + n
		default:
			b.WriteString(" " + word)
			line += 1 + n
		}
	}
	if line > 0 {
		b.WriteByte('\n')
	}
	return strings.ReplaceAll(b.String(), hardSpace, " ")
}
