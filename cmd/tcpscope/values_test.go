package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"testing"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
)

// 130 goes before 3, 3 before 1, and 1 before 4.
func TestExitStatus(t *testing.T) {
	failure := errors.New("no route")
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{verdict(1), 1},
		{verdict(4), 4},
		{misuse("no"), 2},
		{fmt.Errorf("wrapped: %w", misuse("no")), 2},
		{failure, 3},
		{hinted{failure, "hint"}, 3},
		{context.Canceled, 130},
		{errors.Join(context.Canceled, failure), 130},
		{errors.Join(context.Canceled, verdict(1)), 130},
	} {
		if got := exitStatus(test.err); got != test.want {
			t.Errorf("%v: %d, want %d", test.err, got, test.want)
		}
	}
}

func TestJudge(t *testing.T) {
	expected := []finding.State{finding.Open}
	for _, test := range []struct {
		name   string
		tally  probe.Tally
		expect []finding.State
		want   int
	}{
		{"something answered", probe.Tally{Answered: 1}, nil, 0},
		{"nothing answered", probe.Tally{}, nil, 1},
		{"as expected", probe.Tally{Answered: 1}, expected, 0},
		{"missed", probe.Tally{Answered: 1, Missed: 1}, expected, 1},
		{"untold", probe.Tally{Untold: 1}, expected, 4},
		{"missed and untold", probe.Tally{Missed: 1, Untold: 1}, expected, 1},
		{"no route", probe.Tally{Answered: 1, Missed: 1, NoRoute: io.EOF}, expected, 3},
	} {
		if got := exitStatus(judge(test.tally, test.expect)); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestNames(t *testing.T) {
	addr := netip.MustParseAddr("192.0.2.7")
	known := names{addr: "apple.example"}
	record := func(target string) finding.Record {
		return finding.New("port").Set("target", target).Set("addr", addr)
	}
	for target, want := range map[string]string{"192.0.2.7": "apple.example", "pear.example": "pear.example"} {
		if got := known.put(record(target)).Text("target"); got != want {
			t.Errorf("%s: %s", target, got)
		}
	}
	if got := names(nil).put(record("192.0.2.7")).Text("target"); got != "192.0.2.7" {
		t.Error(got)
	}
}

func TestAlternatives(t *testing.T) {
	for _, test := range []struct {
		words []string
		want  string
	}{{nil, ""}, {[]string{"a"}, "a"}, {[]string{"a", "b"}, "a or b"}, {[]string{"a", "b", "c"}, "a, b or c"}} {
		if got := alternatives(test.words); got != test.want {
			t.Errorf("%q: %s", test.words, got)
		}
	}
}

// Colour is for terminals, unless asked for.
func TestColor(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if isTerminal(null) || isTerminal(io.Discard) {
		t.Error("what is no terminal passes for one")
	}
	p := &program{environment: []string{"A=1", "B=2", "A=3"}}
	if p.getenv("A") != "3" || p.getenv("B") != "2" || p.getenv("C") != "" {
		t.Errorf("%q %q %q", p.getenv("A"), p.getenv("B"), p.getenv("C"))
	}
}

func TestPrivate(t *testing.T) {
	for text, want := range map[string]bool{
		"10.0.0.0/24": true, "172.16.0.0/12": true, "192.168.1.1/32": true, "127.0.0.0/8": true, "169.254.1.1/32": true,
		"172.16.0.0/11": false, "8.8.8.8/32": false, "9.255.255.0/23": false,
	} {
		target, err := probe.ParseTarget(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := private(target.First, target.Last); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
