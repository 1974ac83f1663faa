//go:build linux && peers

package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Bash itself runs the script, and takes what it offers as one word each.
func TestBashCompletes(t *testing.T) {
	script, err := completionScripts.ReadFile("completion/tcpscope.bash")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		words []string
		want  []string
	}{
		{[]string{"sy"}, []string{"syn"}},
		{[]string{"syn", "--show", "op"}, []string{"open", `open\|filtered`}},
		{[]string{"syn", "--color", "=", "al"}, []string{"always"}},
		{[]string{"syn", "--pcap", ""}, nil}, // bash completes file names
	} {
		const call = "\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _tcpscope; printf '%s\\n' \"${COMPREPLY[@]}\""
		cmd := exec.Command("bash", append([]string{"-c", string(script) + call, "bash", self}, test.words...)...)
		cmd.Env = append(os.Environ(), programEnv+"=1")
		out, err := cmd.CombinedOutput()
		if got := strings.Fields(string(out)); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, %v, want %q", test.words, out, err, test.want)
		}
	}
}
