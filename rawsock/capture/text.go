package capture

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// TextConfig is what a Text has to be told. The zero value reads numbers and
// no option.
type TextConfig struct {
	// Options reads one TCP option in tcpdump's words, as
	// probe.ParseOptions does. Options that it does not read, or all if it
	// is nil, are left to Line.Unread.
	Options func(words string) ([]wire.Option, error)
	// Port returns the port of a service's name, as probe.ServicePort does.
	Port func(service string) (port uint16, ok bool)
	// Day is the day of the first stamp without a date, and says which zone
	// all stamps but those of tcpdump -tt are in. The zero Time stands for
	// 1 January 1970, UTC.
	Day time.Time
	// SinceFirst says that tcpdump was called with -ttttt. Otherwise, if the
	// first stamp is zero, all of them count from the line before (-ttt).
	SinceFirst bool
}

// Origin says how a line's sequence or acknowledgement number is known.
type Origin uint8

// The origins of numbers.
const (
	// OriginNone is the zero value: the line does not show the number, and
	// nothing before tells it. The number is zero.
	OriginNone Origin = iota
	// OriginAbsolute: as printed, or from the octets of a hex dump.
	OriginAbsolute
	// OriginRestored: printed relative to an initial sequence number that
	// the text has shown, and made absolute.
	OriginRestored
	// OriginRelative: printed relative to a number that the text does not
	// show, and left so.
	OriginRelative
	// OriginInferred: not shown, as tcpdump does not for segments of no
	// length; it is the number that follows on the segments before, which is
	// wrong for keepalives.
	OriginInferred
)

// Line is a TCP segment over IPv4 as tcpdump has printed it.
type Line struct {
	// Number counts the segments from 1; Row is the line of the text at
	// which it begins, from 1.
	Number, Row int
	// At is the zero Time if there is no stamp (tcpdump -t).
	At        time.Time
	Stamp     StampKind
	Device    string
	Direction Direction
	// SrcName and DstName are hosts' names that stand in place of addresses,
	// "" where addresses do. The Header then has one of 0.0.0.0/8, the same
	// wherever the name occurs.
	SrcName, DstName string
	// Header has the addresses, protocol and lengths; the rest only if
	// Verbose or Datagram says so.
	Header wire.Header
	// Segment's Options alias memory of the Text, valid until its next read.
	// Payload is nil unless there is a Datagram.
	Segment wire.Segment
	// Length is the payload's, in octets.
	Length               int
	SeqOrigin, AckOrigin Origin
	// Verbose says that the line is of tcpdump -v: the Header has TOS, TTL,
	// ID and the fragment fields.
	Verbose bool
	// Unread are the options, in tcpdump's words, that are not in
	// Segment.Options.
	Unread []string
	// Datagram is what a hex dump beneath the line shows, from the IPv4
	// header on; nil if there is none. Header, Segment and both numbers are
	// then from it. It is valid until the next read.
	Datagram []byte

	seqShown  bool
	seqRange  bool // FIRST:NEXT, which seqLength are apart
	seqLength int
}

// AppendDatagram appends the segment as a datagram: what the hex dump shows;
// without one, a datagram whose payload is zeros and whose unknown fields are
// zero or computed. An error names a field that does not fit.
func (l *Line) AppendDatagram(b []byte) ([]byte, error) {
	if l.Datagram != nil {
		return append(b, l.Datagram...), nil
	}
	g := l.Segment
	g.Payload = make([]byte, l.Length)
	return wire.AppendDatagram(b, l.Header, g)
}

// Tally counts what a text consists of.
type Tally struct {
	// Segments are the lines that Next returned; Other are packet lines of
	// other protocols, IPv6 among them.
	Segments, Other int
	// Unreadable are lines that look like segments, but cannot be read.
	Unreadable int
	// Dumps are hex dumps that do not belong to the line above them, or are
	// damaged; the line itself is read.
	Dumps int
	// Text are the lines of anything else that are not blank.
	Text int
}

// Text reads tcpdump's own text, as people paste it: with or without stamps of
// any kind, relative or absolute numbers, the two-line form of -v, hex dumps
// beneath, names for addresses, link headers (-e), wrapped lines, remains of
// HTML, and anything else in between. It takes memory for a few lines, and for
// the numbers of the last 65,536 connections. A Text may be used by one
// goroutine at a time.
type Text struct {
	cfg   TextConfig
	in    *bufio.Reader
	rows  []row // read ahead
	read  int   // rows taken from in
	err   error // that ended in
	tally Tally
	first *TextError

	clock   textClock
	names   map[string]uint32
	numbers numbers
	options []wire.Option // of the line
	dumped  []wire.Option // of its hex dump
	dump    []byte
}

// row is a line of the text, cleaned.
type row struct {
	text   string
	number int
}

// NewText returns a Text. Compressed text is for Detect to unpack.
func NewText(r io.Reader, cfg TextConfig) *Text {
	if cfg.Day.IsZero() {
		cfg.Day = time.Unix(0, 0).UTC()
	}
	return &Text{
		cfg: cfg, in: bufio.NewReaderSize(r, bufferedOctets),
		clock: newTextClock(cfg), names: map[string]uint32{}, numbers: newNumbers(),
	}
}

// Tally returns what the text has consisted of so far.
func (t *Text) Tally() Tally { return t.tally }

// Problem returns the first line or dump that could not be read; nil if all
// could.
func (t *Text) Problem() error { return asError(t.first) }

// Next returns the next segment. At the end of the text it returns io.EOF; any
// other error is the underlying reader's.
func (t *Text) Next() (Line, error) {
	for {
		r, err := t.peek(0)
		if err != nil {
			return Line{}, err
		}
		kind := classify(r.text)
		if kind == rowSegment || kind == rowPacket {
			if line, ok := t.segment(r, kind); ok {
				return line, nil
			}
			continue
		}
		if kind != rowBlank {
			t.tally.Text++
		}
		t.drop(1)
	}
}

// segment reads the segment that begins at r, or counts that there is none.
func (t *Text) segment(r row, kind rowKind) (Line, bool) {
	line, used, err := t.assemble(r)
	if err != nil {
		if errors.Is(err, errQuiet) || kind == rowSegment && !errors.Is(err, errOtherProtocol) {
			t.tally.Unreadable++
			t.report(r.number, 0, err.Error())
		} else {
			t.tally.Other++
		}
		t.drop(used)
		return Line{}, false
	}
	t.drop(used)
	t.tally.Segments++
	line.Number, line.Row = t.tally.Segments, r.number
	printedSeq, printedAck := line.Segment.Seq, line.Segment.Ack
	flow := t.numbers.restore(&line)
	if t.takeDump(&line) {
		flow.teach(&line, printedSeq, printedAck)
	}
	flow.follow(&line)
	return line, true
}

// maxProblem bounds, in octets, what a problem repeats of its line, which may
// be of any length.
const maxProblem = 200

// report keeps the first problem.
func (t *Text) report(line, column int, problem string) {
	if t.first == nil {
		if len(problem) > maxProblem {
			problem = strings.ToValidUTF8(problem[:maxProblem], "") + "..."
		}
		t.first = &TextError{Line: line, Column: column, Problem: problem}
	}
}

// maxWraps is over how many more lines a packet's may be wrapped.
const maxWraps = 3

// assemble reads a packet's line together with those that it was wrapped
// over. It tells how many there are.
func (t *Text) assemble(r row) (line Line, used int, err error) {
	line, err = t.parse(r.text)
	if err == nil || errors.Is(err, errOtherProtocol) {
		return line, 1, err
	}
	candidates := []string{r.text}
	for used = 1; used <= maxWraps; used++ {
		next, peekErr := t.peek(used)
		if peekErr != nil || !continues(candidates[0], next.text) {
			break
		}
		// Terminals wrap within words, editors between them. Where both make
		// a line, the one with fewer options that nobody knows is right.
		longer, best, clock := make([]string, 0, 2*len(candidates)), "", t.clock
		for _, c := range candidates {
			for _, glue := range [...]string{"", " "} {
				whole := strings.TrimRight(c, " \t") + glue + strings.TrimLeft(next.text, " \t")
				other, err := t.parse(whole)
				t.clock = clock
				if errors.Is(err, errOtherProtocol) {
					return Line{}, used + 1, err
				}
				if err == nil && (best == "" || len(other.Unread) < len(line.Unread)) {
					line, best = other, whole
				}
				longer = append(longer, whole)
			}
		}
		if best != "" {
			line, err = t.parse(best) // again, for what it leaves in the Text
			return line, used + 1, err
		}
		candidates = longer
	}
	return Line{}, 1, err
}

// takeDump looks for a hex dump beneath the line, and reports whether it has
// one that is its own.
func (t *Text) takeDump(line *Line) bool {
	t.dump = t.dump[:0]
	t.findDump()
	rows, damaged := 0, false
	for {
		r, err := t.peek(0)
		if err != nil || classify(r.text) != rowDump {
			break
		}
		offset, from, _ := dumpOffset(r.text)
		if rows > 0 && offset == 0 {
			break
		}
		t.drop(1)
		rows++
		if damaged {
			continue
		}
		var wrong int
		if offset != len(t.dump) {
			wrong, damaged = 0, true
		} else if t.dump, wrong = dumpOctets(t.dump, r.text, from); wrong >= 0 {
			damaged = true
		}
		if damaged {
			t.report(r.number, wrong+1, "the hex dump is damaged here")
		}
	}
	if rows == 0 {
		return false
	}
	if damaged || !line.setOctets(t.dump, &t.dumped) {
		t.tally.Dumps++
		if !damaged {
			t.report(line.Row, 0, "the hex dump beneath is of another segment")
		}
		return false
	}
	return true
}

// maxBetween is how many lines may stand between a packet's line and its dump:
// tcpdump -v shows the headers of HTTP there.
const maxBetween = 64

// findDump goes past what stands between a packet's line and its dump, if
// there is one.
func (t *Text) findDump() {
	words := 0
	for i := range maxBetween {
		r, err := t.peek(i)
		if err != nil {
			return
		}
		switch classify(r.text) {
		case rowText:
			words++
		case rowBlank:
		case rowDump:
			t.tally.Text += words
			t.drop(i)
			return
		default:
			return
		}
	}
}
