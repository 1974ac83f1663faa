//go:build unix

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// oneInterrupt is how long signals count as one. timeout(1), for one, signals
// the process and then its whole group.
const oneInterrupt = 300 * time.Millisecond

// interruptible returns a context that SIGINT, SIGTERM or the end of the
// terminal (SIGHUP, unless nohup has it ignored) ends. A second signal, a while
// later, finds the default behaviour again and ends the process at once.
//
// From then on a pipe that nobody reads is an error like others, and a request
// for the status does no harm where there is none to show. Both signals are
// caught, not ignored, because programs that we start would inherit that.
func interruptible(parent context.Context) (context.Context, func()) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGQUIT)
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(parent, ends...)
	context.AfterFunc(ctx, func() { time.AfterFunc(oneInterrupt, stop) })
	return ctx, stop
}

// statusRequests delivers every SIGUSR1, and every SIGQUIT (Ctrl-\, as in
// ping), until stop is called.
func statusRequests() (requests <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1, syscall.SIGQUIT)
	return c, func() { signal.Stop(c) }
}
