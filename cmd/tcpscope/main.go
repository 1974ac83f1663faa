// Command tcpscope is a raw-socket TCP diagnostics toolkit for Linux: it
// crafts segments, listens to the answers and says what they mean.
package main

import (
	"context"
	"os"
)

func main() {
	if status, is := innerProcess(); is {
		os.Exit(status)
	}
	ctx, stop := interruptible(context.Background())
	status := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr, os.Environ()...)
	stop()
	os.Exit(status)
}
