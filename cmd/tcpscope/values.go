package main

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// integer reads the flag as a number from low to high, decimal or, behind 0x,
// hexadecimal; 010 is ten. A flag that is not set and has no default is zero.
func integer(c *cli.Context, flag string, low, high int64) (int64, error) {
	text := c.String(flag)
	if text == "" && !c.IsSet(flag) {
		return 0, nil
	}
	digits, base := text, 10
	if hexadecimal, ok := strings.CutPrefix(text, "0x"); ok {
		digits, base = hexadecimal, 16
	}
	n, err := strconv.ParseInt(digits, base, 64)
	if err != nil || n < low || n > high {
		return 0, misuse("--%s %q: need a number from %d to %d", flag, text, low, high)
	}
	return n, nil
}

// period reads the flag as a duration: "1.5s", "200ms", or a number of seconds.
func period(c *cli.Context, flag string, low, high time.Duration) (time.Duration, error) {
	text := c.String(flag)
	d, err := time.ParseDuration(text)
	if err != nil {
		d, err = time.ParseDuration(text + "s")
	}
	if err != nil || d < low || d > high {
		return 0, misuse("--%s %q: need a duration from %s to %s, such as 500ms or 2s", flag, text, terse(low), terse(high))
	}
	return d, nil
}

// terse writes a duration as a user would: "1h", not "1h0m0s".
func terse(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// The bounds of --rate, in probes a second: one in about three hours, and
// more than any engine of ours can do.
const (
	slowestRate = 0.0001
	fastestRate = 10e6
)

// rate reads --rate; zero is "max".
func rate(c *cli.Context) (float64, error) {
	text := c.String("rate")
	if text == "max" {
		return 0, nil
	}
	r, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(r) || r < slowestRate || r > fastestRate {
		return 0, misuse("--rate %q: need probes a second, from %g to %d, or max", text, slowestRate, int(fastestRate))
	}
	return r, nil
}

// choice reads a flag whose value is one of choices, and returns its place
// there.
func choice(c *cli.Context, flag string) (int, error) {
	text, words := c.String(flag), choices(c.Command.Name, flag)
	for i, w := range words {
		if text == w {
			return i, nil
		}
	}
	return 0, misuse("--%s %q: need %s%s", flag, text, alternatives(words), didYouMean("", text, words))
}

// states reads a list of states; it is nil if the flag is not set.
func states(c *cli.Context, flag string) ([]finding.State, error) {
	if !c.IsSet(flag) {
		return nil, nil
	}
	known := stateWords()
	var list []finding.State
	for word := range strings.SplitSeq(c.String(flag), ",") {
		if !slices.Contains(known, word) {
			return nil, misuse("--%s %q: unknown state; need %s%s", flag, word, alternatives(choices(c.Command.Name, flag)), didYouMean("", word, known))
		}
		list = append(list, finding.State(word))
	}
	return list, nil
}

func stateWords() []string {
	var words []string
	for _, w := range finding.States() {
		words = append(words, w.Name)
	}
	return words
}

// alternatives writes words as "a, b or c".
func alternatives(words []string) string { return join(words, " or ") }

// join puts commas between words, and last before the last.
func join(words []string, last string) string {
	n := len(words) - 1
	if n < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:n], ", ") + last + words[n]
}

// shown reads --show. Nil leaves the choice to each format.
func shown(c *cli.Context) ([]finding.State, error) {
	if c.String("show") != "all" {
		return states(c, "show")
	}
	var all []finding.State
	for _, word := range stateWords() {
		all = append(all, finding.State(word))
	}
	return all, nil
}

// enumerate writes words as "a, b and c".
func enumerate(words []string) string { return join(words, " and ") }
