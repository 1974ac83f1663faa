//go:build !unix

package main

import (
	"context"
	"os"
	"os/signal"
)

func interruptible(parent context.Context) (context.Context, func()) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

func statusRequests() (requests <-chan os.Signal, stop func()) { return nil, func() {} }
