package main

import (
	"cmp"
	"os"

	"golang.org/x/term"
)

// isTerminal reports whether a stream is a terminal that moves its cursor and
// has colours.
func (p *program) isTerminal(stream any) bool {
	return p.getenv("TERM") != "dumb" && isTerminal(stream)
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// columns is the width of a terminal, as it is now; 80 where it does not say.
func columns(stream any) int {
	f, ok := stream.(*os.File)
	if !ok {
		return 80
	}
	width, _, _ := term.GetSize(int(f.Fd()))
	return cmp.Or(width, 80)
}
