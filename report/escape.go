package report

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape returns s with everything replaced that could move a terminal's
// cursor, change its colours, or make text read as what it is not: control
// characters and octets that are no UTF-8 become \xNN; invisible characters,
// those that change the direction of text, and unassigned ones \u{NNNN}. What
// is left is printable and in one line.
func Escape(s string) string {
	clean := true
	for _, r := range s {
		if !harmless(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + hex(rune(s[i])))
		case harmless(r):
			b.WriteRune(r)
		case r < 0x80:
			b.WriteString(`\x` + hex(r))
		default:
			b.WriteString(`\u{` + hex(r) + `}`)
		}
		i += size
	}
	return b.String()
}

// hex writes r in two digits at least.
func hex(r rune) string {
	digits := strconv.FormatInt(int64(r), 16)
	if len(digits) < 2 {
		return "0" + digits
	}
	return digits
}

// harmless reports whether a terminal shows r as one glyph in its place.
// U+FFFD is not, for it may stand for an octet that is no UTF-8.
func harmless(r rune) bool {
	if r < 0x80 {
		return r >= ' ' && r != 0x7f
	}
	return r != utf8.RuneError && unicode.IsPrint(r) && !unicode.Is(unicode.Mn, r) && !unicode.Is(unicode.Me, r)
}
