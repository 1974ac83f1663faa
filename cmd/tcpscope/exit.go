package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/tcpscope/tcpscope/report"
)

// The exit statuses.
const (
	exitDone         = 0
	exitNegative     = 1
	exitUsage        = 2
	exitFailed       = 3
	exitInconclusive = 4
	exitInterrupted  = 130
)

// usageError is a mistake in what the user typed, found before any socket was
// opened.
type usageError struct {
	error
	hint string
}

func (e usageError) Unwrap() error { return e.error }

// Hint is advice for a line of its own; "" if there is none.
func (e usageError) Hint() string { return e.hint }

// misuse returns a usage error.
func misuse(format string, args ...any) error {
	return usageError{error: fmt.Errorf(format, args...)}
}

// hinted is an error of an operation, with advice.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

// Hint is advice for a line of its own.
func (e hinted) Hint() string { return e.hint }

// verdict ends a command that has reported all there is to say with a status
// of its own.
type verdict int

func (v verdict) Error() string { return fmt.Sprintf("exit status %d", int(v)) }

// exitStatus is the status that err leads to; 130 > 3 > 1 > 4 > 0.
func exitStatus(err error) int {
	var v verdict
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &v):
		return int(v)
	case errors.As(err, new(usageError)):
		return exitUsage
	}
	return exitFailed
}

// hint is the advice that goes with err; "" if there is none.
func hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// oneLine words an error, of which several may be joined, so that a terminal
// shows it as it is. What fails at every turn is said once.
func oneLine(err error) string {
	return report.Escape(strings.Join(slices.Compact(strings.Split(err.Error(), "\n")), "; "))
}

// complain writes what the user must know about err to stderr. A reader that
// has had enough knows.
func complain(stderr io.Writer, err error) {
	var v verdict
	if err == nil || errors.As(err, &v) || errors.Is(err, syscall.EPIPE) {
		return
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "tcpscope: interrupted")
		return
	}
	fmt.Fprintf(stderr, "tcpscope: error: %s\n", oneLine(err))
	if h := hint(err); h != "" {
		fmt.Fprintf(stderr, "tcpscope: hint: %s\n", h)
	}
}
