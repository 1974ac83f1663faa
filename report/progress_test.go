package report

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var terminal strings.Builder
		p := NewProgress(&terminal, 80)
		if got := p.Line(); got != "" {
			t.Error(got)
		}
		time.Sleep(10 * time.Second)
		p.Update(16384, 65535, "16,384 of 65,535 ports")
		p.Update(16385, 65535, "") // too soon to draw
		fmt.Fprintln(p.Writer(&terminal), "finding")
		fmt.Fprintln(p.Writer(&terminal), "finding")
		time.Sleep(10 * time.Second)
		p.Update(65535, 65535, "all ports")
		p.Finish()
		p.Update(65535, 65535, "all ports")
		want := clearLine + "[===         ]  25% 16,384 of 65,535 ports, 1,638/s, 30.0 s left" +
			clearLine + "finding\nfinding\n" +
			clearLine + "[============] 100% all ports, 3,277/s" + clearLine
		if got := terminal.String(); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if got := p.Line(); got != "all ports, 3,277/s" {
			t.Error(got)
		}
	})
}

func TestProgressWithoutTerminal(t *testing.T) {
	p := NewProgress(nil, 0)
	p.Update(1, 2, "1 of 2")
	var out strings.Builder
	fmt.Fprint(p.Writer(&out), "x")
	p.Finish()
	if out.String() != "x" || !strings.HasPrefix(p.Line(), "1 of 2") {
		t.Errorf("%q, %q", out.String(), p.Line())
	}
	NewProgress(failing{fmt.Errorf("gone")}, 80).Update(1, 2, "1 of 2")
}

// A bar that wrapped could not be taken away.
func TestProgressKeepsToOneLine(t *testing.T) {
	for _, columns := range []int{0, 1, 20, 40} {
		var terminal strings.Builder
		NewProgress(&terminal, columns).Update(1, 2, "1 of 2")
		bar, drawn := strings.CutPrefix(terminal.String(), clearLine)
		if !drawn || len(bar) > max(columns-1, 0) {
			t.Errorf("%d columns: %q", columns, terminal.String())
		}
	}
}

// Where no end is in sight there is no bar, and a rate below one says nothing.
func TestProgressWithoutTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var terminal strings.Builder
		p := NewProgress(&terminal, 80)
		time.Sleep(10 * time.Second)
		p.Update(4, 0, "4 probes, 1 lost")
		time.Sleep(10 * time.Second)
		p.Update(400, 0, "400 probes, 1 lost")
		if got, want := terminal.String(), clearLine+"4 probes, 1 lost"+clearLine+"400 probes, 1 lost, 20/s"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
