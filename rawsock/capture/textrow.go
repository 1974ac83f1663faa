package capture

import (
	"bufio"
	"errors"
	"html"
	"io"
	"regexp"
	"strings"
)

// rowKind is what a line of text looks like.
type rowKind uint8

const (
	rowText    rowKind = iota
	rowBlank           // nothing
	rowDump            // a row of tcpdump -x
	rowPacket          // the beginning of a packet's line
	rowSegment         // one that shows TCP flags
)

var (
	// errOtherProtocol is for packets' lines that are no TCP over IPv4.
	errOtherProtocol = errors.New("not TCP over IPv4")
	// errQuiet is for those of tcpdump -q.
	errQuiet = errors.New("tcpdump -q does not show what a segment is")
)

// flagsMark stands behind the addresses of every segment.
const flagsMark = ": Flags ["

// classify tells what a cleaned line looks like.
func classify(text string) rowKind {
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		return rowBlank
	case strings.HasPrefix(strings.TrimLeft(trimmed, margin), "0x"):
		if _, _, ok := dumpOffset(trimmed); ok {
			return rowDump
		}
	case strings.Contains(text, flagsMark) && strings.Contains(text, " > "):
		return rowSegment
	case beginsPacket(trimmed):
		return rowPacket
	}
	return rowText
}

// beginsPacket reports whether tcpdump begins a packet's line so.
func beginsPacket(text string) bool {
	if strings.HasPrefix(text, "IP ") || strings.HasPrefix(text, "IP6 ") {
		return true // without a stamp
	}
	_, rest, ok := cutStamp(text)
	if !ok {
		return false
	}
	for range 5 { // device and direction stand before, and the link's addresses
		word, after, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
		switch strings.TrimRight(word, ",") {
		case "IP", "IP6", "ARP", "ip:", "ip6:", "ethertype", ">":
			return true
		}
		rest = after
	}
	return false
}

// continues reports whether next may be the rest of a wrapped line.
func continues(text, next string) bool {
	switch classify(next) {
	case rowText:
		return true
	case rowSegment: // the second line of -v
		return !strings.Contains(text, flagsMark) && !beginsPacket(strings.TrimSpace(next))
	}
	return false
}

// peek returns the line i lines ahead.
func (t *Text) peek(i int) (row, error) {
	for i >= len(t.rows) {
		if t.err != nil {
			return row{}, t.err
		}
		t.fill()
	}
	return t.rows[i], nil
}

// drop goes past n lines that were peeked at.
func (t *Text) drop(n int) { t.rows = t.rows[n:] }

// fill reads a line. Of one that is longer than any packet's could be, only
// the beginning is kept.
func (t *Text) fill() {
	raw, err := t.in.ReadSlice('\n')
	text := string(raw)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = t.in.ReadSlice('\n')
	}
	t.err = err
	if text == "" && err != nil {
		return
	}
	t.read++
	for text := range strings.SplitSeq(breaks(text), "\n") {
		t.rows = append(t.rows, row{clean(text), t.read})
	}
	if err != nil && !errors.Is(err, io.EOF) {
		t.rows = t.rows[:len(t.rows)-1] // who knows how it went on
	}
}

var (
	lineBreak = regexp.MustCompile(`(?i)<br[^<>]*>`)
	tag       = regexp.MustCompile(`</?[A-Za-z!][^<>]*>`)
	escape    = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")
	blanks    = strings.NewReplacer("\u00a0", " ", "\u200b", "", "\ufeff", "", "\r", "", "\t", " ")
)

// breaks turns HTML's line breaks into ours, and takes the last one off.
func breaks(text string) string {
	text = strings.TrimSuffix(text, "\n")
	if strings.IndexByte(text, '<') >= 0 {
		text = lineBreak.ReplaceAllString(text, "\n")
	}
	return text
}

// clean takes off what web pages and terminals leave in a line.
func clean(text string) string {
	if strings.IndexByte(text, '<') >= 0 {
		text = tag.ReplaceAllString(text, "")
	}
	if strings.IndexByte(text, '&') >= 0 {
		text = html.UnescapeString(text)
	}
	if strings.IndexByte(text, '\x1b') >= 0 {
		text = escape.ReplaceAllString(text, "")
	}
	return blanks.Replace(text)
}
