package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// The words of what is seen in passing stand in the page of the program.
func TestPagesAndWordsOfFlow(t *testing.T) {
	output := section(pages(t)["tcpscope"], "OUTPUT")
	names := func(words []finding.Word) (names []string) {
		for _, w := range words {
			names = append(names, w.Name)
		}
		return names
	}
	for heading, words := range map[string][]finding.Word{
		"Steps": finding.Steps(), "Closes": finding.Closes(), "Shapes": finding.Shapes(),
	} {
		_, part, _ := strings.Cut(output, "\n.Ss "+heading+"\n")
		part, _, _ = strings.Cut(part, "\n.Ss ")
		same(t, heading, matches(`(?m)^\.It Cm (\S+)$`, part), names(words))
	}
	// Ends' states are listed where the first field has them.
	_, item, _ := strings.Cut(output, "\n.It Va client_state\n")
	item, _, _ = strings.Cut(item, "\n.It ")
	for _, state := range names(finding.KnownStates()) {
		if !slices.Contains(strings.Fields(item), state) {
			t.Errorf("the page does not name the state %s", state)
		}
	}
}
