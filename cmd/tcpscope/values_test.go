package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/urfave/cli/v2"

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

func TestGetenv(t *testing.T) {
	p := &program{environment: []string{"A=1", "B=2", "A=3"}}
	if p.getenv("A") != "3" || p.getenv("B") != "2" || p.getenv("C") != "" {
		t.Errorf("%q %q %q", p.getenv("A"), p.getenv("B"), p.getenv("C"))
	}
}

// Colour is for terminals that have it, unless asked for.
func TestColor(t *testing.T) {
	master, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer terminal.Close()
	for _, test := range []struct {
		stdout            io.Writer
		environment, flag string
		want              bool
	}{
		{terminal, "", "auto", true},
		{terminal, "NO_COLOR=", "auto", true},
		{terminal, "NO_COLOR=0", "auto", false},
		{terminal, "TERM=dumb", "auto", false},
		{terminal, "", "never", false},
		{terminal, "NO_COLOR=1", "always", true},
		{io.Discard, "", "auto", false},
		{io.Discard, "TERM=dumb", "always", true},
	} {
		p := &program{stdout: test.stdout, environment: []string{test.environment}}
		set := flag.NewFlagSet("", flag.ContinueOnError)
		set.String("color", test.flag, "")
		if got, err := p.color(cli.NewContext(nil, set, nil)); got != test.want || err != nil {
			t.Errorf("%+v: %v, %v", test, got, err)
		}
	}
}

func TestColumns(t *testing.T) {
	master, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer terminal.Close()
	if n := columns(terminal); n != 80 {
		t.Errorf("a terminal that does not know its size has %d columns", n)
	}
	if err := pty.Setsize(terminal, &pty.Winsize{Cols: 50, Rows: 5}); err != nil {
		t.Fatal(err)
	}
	if a, b := columns(terminal), columns(io.Discard); a != 50 || b != 80 {
		t.Errorf("%d and %d columns", a, b)
	}
}

// Whatever an error says, it is one line that does nothing to a terminal.
func TestComplain(t *testing.T) {
	var stderr strings.Builder
	complain(&stderr, errors.Join(errors.New("first\x1b[2J"), hinted{errors.New("second"), "less"}))
	complain(&stderr, verdict(1))
	complain(&stderr, nil)
	if want := "tcpscope: error: first\\x1b[2J; second\ntcpscope: hint: less\n"; stderr.String() != want {
		t.Errorf("got %q, want %q", stderr.String(), want)
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
