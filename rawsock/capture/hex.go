package capture

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// ReadHex returns the octets that a text shows in hexadecimal digits, one
// slice for each dump in it. It takes
//
//   - dumps with offsets, as tcpdump -x and -X, Wireshark, xxd and hexdump -C
//     write them; lines without an offset are left out, but for one of a star
//     alone, which repeats a row, and a new dump begins where the offset is
//     zero again;
//   - C arrays, one dump for each pair of braces;
//   - else digits alone: bare, in groups, with 0x or \x, and with spaces,
//     colons, commas, dashes, quotation marks or brackets between them.
//
// Its error is a *TextError, and comes with the octets before.
func ReadHex(text string) ([][]byte, error) {
	// Line ends of Windows, and lines that C and shells continue.
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r", ""), "\\\n", " \n")
	rows := strings.Split(text, "\n")
	for _, row := range rows {
		if offset, _, ok := dumpOffset(row); ok && offset == 0 {
			return readDumps(rows)
		}
	}
	for i, row := range rows {
		if offset, _, ok := dumpOffset(row); ok && strings.HasPrefix(strings.TrimLeft(row, margin), "0x") {
			return nil, &TextError{Line: i + 1, Column: 1, Problem: fmt.Sprintf("offset 0x%04x: the rows before it are missing", offset)}
		}
	}
	if strings.Contains(text, "{") {
		return readArrays(text)
	}
	octets, err := readDigits(nil, text, 1, 1)
	if err == nil && len(octets) == 0 {
		err = errNoDigits()
	}
	return wrap(octets), asError(err)
}

// wrap returns the dumps of a text that has one, or none.
func wrap(octets []byte) [][]byte {
	if len(octets) == 0 {
		return nil
	}
	return [][]byte{octets}
}

// asError keeps a nil *TextError from being an error.
func asError(err *TextError) error {
	if err == nil {
		return nil
	}
	return err
}

// maxSqueezed is how many octets a text may leave out: as many as several
// packets have.
const maxSqueezed = 1 << 20

func readDumps(rows []string) ([][]byte, error) {
	var dumps [][]byte
	var octets []byte
	squeezed := false // by hexdump, od and xxd -a, which write "*" for rows that repeat
	room := maxSqueezed
	for i, row := range rows {
		offset, from, ok := dumpOffset(row)
		if !ok && squeezed { // hexdump's last row is the length alone
			offset, from, ok = dumpOffset(row + ": ")
			from = min(from, len(row))
		}
		if !ok {
			squeezed = squeezed || strings.TrimSpace(row) == "*"
			continue
		}
		if n := offset - len(octets); squeezed && len(octets) >= dumpRowOctets && n > 0 && n <= room {
			last := octets[len(octets)-dumpRowOctets:]
			octets = append(octets, bytes.Repeat(last, n/dumpRowOctets)...)
			room -= n
		}
		squeezed = false
		if offset == 0 && len(octets) > 0 {
			dumps, octets = append(dumps, octets), nil
		}
		if offset != len(octets) {
			problem := fmt.Sprintf("offset 0x%04x where 0x%04x should follow", offset, len(octets))
			return append(dumps, wrap(octets)...), &TextError{Line: i + 1, Column: 1, Problem: problem}
		}
		var wrong int
		if octets, wrong = dumpOctets(octets, row, from); wrong >= 0 {
			return append(dumps, wrap(octets)...), &TextError{Line: i + 1, Column: wrong + 1, Problem: problemAt(row, wrong)}
		}
	}
	if dumps = append(dumps, wrap(octets)...); len(dumps) == 0 {
		return nil, errNoDigits()
	}
	return dumps, nil
}

func errNoDigits() *TextError { return &TextError{Line: 1, Problem: "no hexadecimal digits"} }

// problemAt describes what stands where a hexadecimal digit should.
func problemAt(text string, at int) string {
	if at >= len(text) || text[at] == ' ' || text[at] == '\n' {
		return "an odd number of hexadecimal digits"
	}
	for _, r := range text[at:] {
		return fmt.Sprintf("%q is not a hexadecimal digit", r)
	}
	return ""
}

// comment is C's, of either kind.
var comment = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`)

// readArrays reads what stands between braces.
func readArrays(text string) ([][]byte, error) {
	text = comment.ReplaceAllStringFunc(text, func(words string) string {
		return strings.Map(func(r rune) rune {
			if r == '\n' {
				return r
			}
			return ' '
		}, words)
	})
	var dumps [][]byte
	line, column := 1, 1
	for {
		before, after, found := strings.Cut(text, "{")
		if !found {
			break
		}
		line, column = advance(line, column, before+"{")
		inside, rest, closed := strings.Cut(after, "}")
		octets, err := readDigits(nil, inside, line, column)
		dumps = append(dumps, wrap(octets)...)
		if err != nil {
			return dumps, err
		}
		if !closed {
			break
		}
		line, column = advance(line, column, inside+"}")
		text = rest
	}
	if len(dumps) == 0 {
		return nil, errNoDigits()
	}
	return dumps, nil
}

// advance returns the place behind text, which begins at line and column.
func advance(line, column int, text string) (int, int) {
	if last := strings.LastIndexByte(text, '\n'); last >= 0 {
		return line + strings.Count(text, "\n"), len(text) - last
	}
	return line, column + len(text)
}

// digitSeparators may stand between groups of digits, and around them.
const digitSeparators = " \t\n:,;-\"'[]"

// readDigits appends the octets in text, which begins at the given place. Two
// digits are an octet; one is too, if 0x or \x stands before it alone.
func readDigits(b []byte, text string, line, column int) ([]byte, *TextError) {
	fail := func(at int) *TextError {
		l, c := advance(line, column, text[:at])
		return &TextError{Line: l, Column: c, Problem: problemAt(text, at)}
	}
	for at := 0; at < len(text); {
		if strings.IndexByte(digitSeparators, text[at]) >= 0 {
			at++
			continue
		}
		marked := strings.HasPrefix(text[at:], "0x") || strings.HasPrefix(text[at:], "0X") || strings.HasPrefix(text[at:], `\x`)
		if marked {
			at += 2
		}
		end := at + firstWrong(text[at:])
		switch n := end - at; {
		case n == 0:
			return b, fail(at)
		case n == 1 && marked:
			b = append(b, digit(text[at]))
			at = end
		case n%2 != 0:
			if end < len(text) && strings.IndexByte(digitSeparators, text[end]) < 0 {
				return b, fail(end)
			}
			l, c := advance(line, column, text[:end-1])
			return b, &TextError{Line: l, Column: c, Problem: "an odd number of hexadecimal digits"}
		}
		for ; at < end; at += 2 {
			b = append(b, digit(text[at])<<4|digit(text[at+1]))
		}
	}
	return b, nil
}
