package main

import (
	"slices"
	"strings"
	"testing"
)

func TestCandidates(t *testing.T) {
	for _, test := range []struct {
		words []string
		want  string // some of the candidates; "!" before those that must not be there
	}{
		{[]string{""}, "syn craft lab demo completion !serve"},
		{[]string{"sy"}, "syn !craft"},
		{[]string{"-q", "sy"}, "syn"},
		{[]string{"-p", "80", "sy"}, "syn"},
		{[]string{"syn", "--ra"}, "--rate !--rate= !--badsum"},
		{[]string{"syn", "-"}, "--rate -n --help !-p !--badsum"},
		{[]string{"craft", "--ba"}, "--badsum"},
		{[]string{"syn", "--color", ""}, "auto always never"},
		{[]string{"syn", "--color", "al"}, "always !never"},
		{[]string{"syn", "--color=al"}, "--color=always"},
		{[]string{"syn", "--color", "=", "al"}, "always"}, // as bash splits it
		{[]string{"syn", "--color", "="}, "auto always never"},
		{[]string{"syn", "--color=always", "--or"}, "--order"},
		{[]string{"syn", "--color", "=", "always", "--or"}, "--order"},
		{[]string{"syn", "-qo", "js"}, "json jsonl"},
		{[]string{"syn", "--show", "open,cl"}, "open,closed"},
		{[]string{"craft", "--flags", "SYN,A"}, "SYN,ACK"},
		{[]string{"syn", "--expect", ""}, "open !p95"},
		{[]string{"rtt", "--expect", "p95<=20ms,lo"}, "p95<=20ms,loss !p95<=20ms,open"},
		{[]string{"rtt", "--clock", ""}, "auto packet-ring so-timestamping user-clock"},
		{[]string{"rtt", "--co"}, "--count --connect"},
		{[]string{"rtt", "-o", ""}, "text html"},
		{[]string{"rtt", "--output=h"}, "--output=html"},
		{[]string{"syn", "-o", ""}, "text !html"},
		{[]string{"lab", ""}, "list run shell enter !serve"},
		{[]string{"help", ""}, "syn lab"},
		{[]string{"help", "lab", ""}, "run"},
		{[]string{"completion", ""}, "bash zsh fish"},
		{[]string{"sockets", "-tanop", ""}, "state sport !text"},
		{[]string{"sockets", "-tano", ""}, "state !text"},
		{[]string{"sockets", "-p", "s"}, "state sport src !dport"},
		{[]string{"sockets", "-o", ""}, "text csv !state"},
		{[]string{"sockets", "state", "clos"}, "close-wait closing !listen"},
		{[]string{"sockets", "--w"}, "--watch"},
	} {
		var got []string
		for _, c := range candidates((&program{}).app(), test.words) {
			got = append(got, c.word)
		}
		for want := range strings.FieldsSeq(test.want) {
			name, not := strings.CutPrefix(want, "!")
			if slices.Contains(got, name) == not {
				t.Errorf("%q: %q, want %s", test.words, got, want)
			}
		}
	}
}

// Where file names may stand, the shell completes them.
func TestNoCandidates(t *testing.T) {
	for _, words := range [][]string{
		nil, {"syn", "10."}, {"syn", "--targets", ""}, {"syn", "--pcap=x"}, {"lab", "run", "pair", "--", "l"},
		{"syn", "--nonesuch="}, {"completion", "bash", ""},
	} {
		if got := candidates((&program{}).app(), words); len(got) != 0 {
			t.Errorf("%q: %v", words, got)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range shells() {
		status, stdout, stderr := call(t, "completion "+shell, "")
		if status != 0 || stderr != "" || !strings.Contains(stdout, completeCommand) {
			t.Errorf("%s: %d %q %q", shell, status, stdout, stderr)
		}
	}
	status, stdout, _ := call(t, completeCommand+" syn --li", "")
	if status != 0 || !strings.HasPrefix(stdout, "--like\t") {
		t.Errorf("%d %q", status, stdout)
	}
}
