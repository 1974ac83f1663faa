// Command tcp-upper-server listens on a TCP port and sends back in upper case
// what its clients send. With tcp-upper-client it makes a pair of programs
// small enough to read in one go, on whose wire there is nothing but what a
// lesson about TCP needs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// After the first signal the default behaviour is back, so a second one
	// ends the program even if something hangs.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// The exit statuses.
const (
	exitDone   = 0
	exitUsage  = 2
	exitFailed = 3
)

// run is the program. It returns its exit status, once ctx has ended or when
// something has failed.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args)
	switch {
	case errors.Is(err, errHelp):
		fmt.Fprint(stdout, usage)
		return exitDone
	case err != nil:
		fmt.Fprintln(stderr, "tcp-upper-server: error:", err)
		return exitUsage
	}
	if err := serve(ctx, s, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "tcp-upper-server: error:", err)
		if errors.Is(err, syscall.EADDRINUSE) {
			fmt.Fprintln(stderr, "tcp-upper-server: hint:", s.whyInUse())
		}
		return exitFailed
	}
	return exitDone
}
