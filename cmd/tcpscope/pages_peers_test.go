//go:build peers

package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mandoc finds nothing wrong with the pages. That other programs' pages may
// not be installed here is not the pages' fault.
func TestMandoc(t *testing.T) {
	files, err := filepath.Glob(root + "/man/*.1")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "style"}, files...)...).Output()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "referenced manual not found") {
			t.Error(strings.TrimSpace(line))
		}
	}
}

// The shells accept the completion scripts.
func TestCompletionSyntax(t *testing.T) {
	for _, shell := range shells() {
		if out, err := exec.Command(shell, "-n", "completion/tcpscope."+shell).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
}
