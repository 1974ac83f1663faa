package capture

import (
	"fmt"
	"strconv"
	"strings"
)

// TextError says where in a text something cannot be read.
type TextError struct {
	// Line and Column count from 1, the column in octets; a Column of zero
	// stands for the whole line.
	Line, Column int
	Problem      string
}

// Error names the line, the column if there is one, and the problem.
func (e *TextError) Error() string {
	if e.Column == 0 {
		return fmt.Sprintf("line %d: %s", e.Line, e.Problem)
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Problem)
}

// dumpRowOctets is how many octets a row of a dump has at most, as tcpdump,
// Wireshark, xxd and hexdump write them.
const dumpRowOctets = 16

// margin is what may stand before a row: blanks, and what mail puts there.
const margin = " \t>"

// dumpOffset reads what a row of a dump begins with: "0x0010:" of tcpdump,
// "00000010:" of xxd, or "0010" of Wireshark and hexdump, which octets of two
// digits each must follow, or nothing. rest is where the octets begin.
func dumpOffset(row string) (offset, rest int, ok bool) {
	start := len(row) - len(strings.TrimLeft(row, margin))
	end := start
	digits := start
	if strings.HasPrefix(row[start:], "0x") {
		digits += 2
	}
	for end = digits; end < len(row) && isHex(row[end]); end++ {
	}
	if n := end - digits; n < 4 || n > 8 {
		return 0, 0, false
	}
	value, err := strconv.ParseUint(row[digits:end], 16, 32)
	if err != nil {
		return 0, 0, false
	}
	behind := row[end:]
	switch {
	case strings.HasPrefix(behind, ":"):
		end++
		ok = end == len(row) || isBlank(row[end])
	case digits == start && behind != "":
		first, _, _ := strings.Cut(strings.TrimLeft(behind, " \t"), " ")
		ok = isBlank(behind[0]) && len(first) == 2 && isHex(first[0]) && isHex(first[1])
	}
	return int(value), end, ok
}

// dumpOctets appends the octets of a row of a dump, which begin at from, and
// leaves the characters beside them. If there is neither a digit nor such a
// character where one should be, column says where, counted from zero;
// otherwise it is negative.
func dumpOctets(b []byte, row string, from int) (octets []byte, column int) {
	if bar := strings.Index(row[from:], " |"); bar >= 0 { // hexdump -C
		row = row[:from+bar]
	}
	start := len(b)
	for at := from; ; {
		word := len(row[at:]) - len(strings.TrimLeft(row[at:], " \t"))
		end := at + word
		for end < len(row) && !isBlank(row[end]) {
			end++
		}
		group := row[at+word : end]
		if group == "" || len(b) > start && isCharacters(row[at:], b[start:]) || len(b)-start >= dumpRowOctets {
			return b, -1
		}
		wrong := firstWrong(group)
		if wrong < len(group) || len(group)%2 != 0 {
			// Characters that are not the octets': a web page may have
			// changed them. They stand apart, or are as many.
			if len(b) > start && (word > 2 || word == 2 && len(b)-start != dumpRowOctets/2 || len(group) == len(b)-start) {
				return b, -1
			}
			return b, at + word + wrong
		}
		for i := 0; i < len(group); i += 2 {
			b = append(b, digit(group[i])<<4|digit(group[i+1]))
		}
		at = end
	}
}

// isCharacters reports whether text is what stands beside these octets: each
// as itself, or as a dot.
func isCharacters(text string, octets []byte) bool {
	spaced := make([]byte, 0, 3*dumpRowOctets)
	for _, c := range octets {
		if c < ' ' || c > '~' {
			c = '.'
		}
		spaced = append(spaced, c)
	}
	text = strings.TrimSpace(text)
	return text == strings.TrimSpace(string(spaced)) || text == strings.ReplaceAll(string(spaced), " ", ".")
}

// firstWrong returns the index of the first character that is no digit; the
// length of s if there is none.
func firstWrong(s string) int {
	for i := range len(s) {
		if !isHex(s[i]) {
			return i
		}
	}
	return len(s)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// digit returns the value of a hexadecimal digit.
func digit(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}
