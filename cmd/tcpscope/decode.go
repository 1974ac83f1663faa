package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/wire"
	"github.com/tcpscope/tcpscope/report"
)

// decode is "tcpscope decode".
func (p *program) decode() *cli.Command {
	return &cli.Command{
		Name:      "decode",
		Usage:     "show pasted octets field by field, in pictures like the RFCs'",
		ArgsUsage: "[HEX...|-]",
		Description: `tcpscope decode 4500003ce6af40003d0640090a0001020a000202...
tcpdump -c 1 -Xn tcp | tcpscope decode
tcpscope decode                      # paste a dump, then press Ctrl-D
tcpscope decode --as tcp -           # the octets begin with a TCP header
xclip -o | tcpscope decode -q -      # no pictures, fields alone`,
		Flags: append(decodeFlags(), generalFlags()...),
		Action: func(c *cli.Context) error {
			s, err := p.reporting(c)
			if err != nil {
				return err
			}
			if s.resolve {
				return misuse("--resolve: decode shows what the octets hold")
			}
			as, err := startAs(c)
			if err != nil {
				return err
			}
			text, err := p.pasted(c)
			if err != nil {
				return err
			}
			dumps, err := readDumps(text)
			if err != nil {
				return err
			}
			return p.runDecode(c.Context, s, dumps, as)
		},
	}
}

func decodeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "as", Category: groupCommand, Value: "auto", Usage: "what the octets begin with: `WHAT`, " + alternatives(choices("decode", "as"))},
		outputFlag("decode"),
	}
}

// startWords are what --as takes: auto, and what octets may begin with.
func startWords() []string {
	words := []string{"auto"}
	for _, s := range capture.Starts() {
		words = append(words, s.String())
	}
	return words
}

// startAs reads --as; StartUnknown is "auto".
func startAs(c *cli.Context) (capture.Start, error) {
	at, err := choice(c, "as")
	if err != nil || at == 0 {
		return capture.StartUnknown, err
	}
	return capture.Starts()[at-1], nil
}

// maxPasted is how much text is read: more than anyone pastes.
const maxPasted = 16 << 20

// pasted is the text that the octets are in: the operands, or what standard
// input has to say.
func (p *program) pasted(c *cli.Context) (string, error) {
	words, rest := operands(c)
	words = append(words, rest...)
	if len(words) > 0 && !slices.Contains(words, "-") {
		return strings.Join(words, " "), nil
	}
	if len(words) > 1 {
		return "", misuse("- stands alone: octets come from standard input or as arguments")
	}
	if p.isTerminal(p.stdin) && !c.Bool("quiet") {
		fmt.Fprintln(p.stderr, "tcpscope: paste octets or a dump, then press Ctrl-D")
	}
	text, err := p.heard(c.Context)
	switch {
	case err != nil:
		return "", err
	case len(text) > maxPasted:
		return "", misuse("standard input: more than %d MiB of text", maxPasted>>20)
	case len(bytes.TrimSpace(text)) == 0:
		return "", usageError{errors.New("no octets: standard input is empty"), "tcpscope decode --help has examples"}
	}
	if format, _, _ := capture.Detect(bytes.NewReader(text)); format != capture.FormatUnknown {
		return "", usageError{errors.New("standard input is a capture file"), "tcpscope read FILE shows it"}
	}
	return string(text), nil
}

// heard reads standard input, unless the user interrupts.
func (p *program) heard(ctx context.Context) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(p.stdin, maxPasted+1))
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// readDumps reads the octets of a text. What cannot be read is a mistake of
// the user's, with advice for the common ones.
func readDumps(text string) ([][]byte, error) {
	dumps, err := capture.ReadHex(text)
	if err == nil {
		return dumps, nil
	}
	return nil, usageError{fmt.Errorf("not octets in hexadecimal digits: %w", err), pasteHint(text)}
}

// pasteHint is what may help with a text that holds no octets.
func pasteHint(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	offset, words, _ := strings.Cut(first, " ")
	word, _, _ := strings.Cut(strings.TrimSpace(words), " ")
	switch {
	case !strings.ContainsAny(first, " \t") && exists(first):
		return "that is a file: tcpscope decode - < FILE for a dump in it, tcpscope read FILE for a capture"
	case strings.ContainsRune(text, 0):
		return "octets as they are need digits first: xxd FILE | tcpscope decode"
	case strings.HasPrefix(first, "b'"), strings.HasPrefix(first, `b"`):
		return "Python writes bytes in digits with print(packet.hex())"
	case strings.HasPrefix(first, "x") && strings.Count(first, "x") > 2:
		return `the shell took the backslashes: put the octets in quotes, '\x45\x00'`
	case strings.Contains(text, " Flags ["):
		return "tcpdump's lines without a dump are for tcpscope read -; tcpdump -X adds the octets"
	case strings.Trim(offset, "0") == "" && len(offset) == 7 && len(word) == 4:
		return "hexdump and od show words in this machine's order unless asked for octets: hexdump -C, od -A x -t x1"
	case strings.Trim(offset, "0") == "" && len(offset) == 7:
		return "od counts in octal: od -A x -t x1"
	}
	return "what tcpdump -X, Wireshark, xxd and hexdump -C print will do, and digits alone; tcpscope decode --help has examples"
}

// exists reports whether there is a file of that name.
func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// runDecode shows dumps, one after another.
func (p *program) runDecode(ctx context.Context, s settings, dumps [][]byte, as capture.Start) error {
	var all []*report.Octets
	understood := 0
	for i, octets := range dumps {
		o := recognise(octets, as)
		if len(dumps) > 1 {
			o.Title = fmt.Sprintf("Dump %d of %d", i+1, len(dumps))
		}
		if o.Layer != "" {
			understood++
		}
		all = append(all, o)
	}
	if understood == 0 {
		return nothingUnderstood(all)
	}
	job, err := p.begin(ctx, s, brief{
		kinds: []string{"run", "segment", "error", "summary"},
		views: &report.Views{View: report.ViewPicture},
	})
	if err != nil {
		return err
	}
	segments := 0
	for i, o := range all {
		if o.Layer != "" {
			segments++
		}
		if err = errors.Join(ctx.Err(), job.show(o, i+1)); err != nil {
			break
		}
	}
	return job.end(ctx, err, finding.New("summary").
		Set("segments", segments).
		Set("other", unlessZero(uint64(len(all)-segments))))
}

// show reports one dump.
func (j *job) show(o *report.Octets, n int) error {
	if err := j.report.Picture(o); err != nil || o.Layer == "" {
		return err
	}
	b := o.All[o.Offset:]
	record := probe.SegmentRecord(b)
	switch o.Layer {
	case wire.LayerTCP:
		record = probe.BareSegmentRecord(b)
	case wire.LayerICMP:
		record = finding.New("segment")
		if m, err := wire.ParseICMPError(b); err == nil {
			record = record.Set("icmp", finding.ICMP(m.Type, m.Code))
		}
	}
	said := o.Faults()
	if o.Note != "" {
		said = append(said, o.Note)
	}
	return j.report.Write(record.Set("n", n).Set("explanation", strings.Join(said, "; ")))
}

// nothingUnderstood is the complaint about dumps of which none can be shown.
func nothingUnderstood(all []*report.Octets) error {
	o := all[0]
	if o.Other == "" {
		return usageError{
			fmt.Errorf("%s: neither a frame nor a datagram nor a TCP header that can be recognised", report.Plural(int64(len(o.All)), "octet")),
			"--as says what they begin with: " + alternatives(choices("decode", "as")[1:]),
		}
	}
	if o.Other == "IPv6" {
		return usageError{error: errors.New("this is IPv6, which is not yet supported; decode reads TCP over IPv4")}
	}
	return usageError{error: fmt.Errorf("no IPv4, and so no TCP over it: %s", o.Other)}
}

// recognise finds out what octets are.
func recognise(octets []byte, as capture.Start) *report.Octets {
	start := as
	if start == capture.StartUnknown {
		start = capture.Guess(octets)
	}
	o := &report.Octets{All: octets}
	if start == capture.StartUnknown {
		return o
	}
	u := start.Unwrap(octets)
	o.Offset = len(octets) - len(u.Payload)
	for _, f := range u.Fields {
		o.Link = linkName(start)
		o.Fields = append(o.Fields, report.OctetField{Offset: f.Offset, Length: f.Length, Name: f.Name, Value: f.Value})
	}
	switch {
	case start == capture.StartTCP:
		o.Layer = wire.LayerTCP
	case start == capture.StartICMP:
		o.Layer = wire.LayerICMP
	case start == capture.StartIPv4, u.Content == capture.ContentIPv4:
		o.Layer = wire.LayerIPv4
	default:
		o.Other = u.Reason
	}
	if as == capture.StartUnknown {
		o.Note = guessed(start)
	}
	return o
}

// guessed says so of what is recognised by nothing but its plausibility.
func guessed(start capture.Start) string {
	switch start {
	case capture.StartTCP:
		return "Nothing stands before it: taken for a bare TCP header because every field would be in order. --as says what it is, if that is wrong."
	case capture.StartICMP:
		return "Nothing stands before it: taken for an ICMP message because of its checksum or what it quotes. --as says what it is, if that is wrong."
	}
	return ""
}

// linkName is what a kind of link header is called.
func linkName(start capture.Start) string {
	switch start {
	case capture.StartSLL:
		return "Linux cooked"
	case capture.StartSLL2:
		return "Linux cooked v2"
	case capture.StartNull:
		return "BSD loopback"
	case capture.StartPPP:
		return "PPP"
	}
	return "Ethernet"
}
