package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"sync"
	"syscall"
	"time"
)

// serve listens, and talks to every client that comes, until ctx ends. When it
// returns, all connections are closed.
func serve(ctx context.Context, s settings, stdout, stderr io.Writer) error {
	listener, err := listen(ctx, s)
	if err != nil {
		return err
	}
	// Loggers, because goroutines print concurrently.
	says := log.New(stdout, "", 0)
	complains := log.New(stderr, "tcp-upper-server: ", 0)

	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(ctx, func() { listener.Close() })
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel() // before the wait: the clients end by it

	says.Printf("listening at port: %s, waiting for connections...", listener.Addr())
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE):
			// No descriptor is left. Those who wait stay in the accept queue.
			complains.Print(err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		case err != nil:
			return err
		}
		clients.Go(func() {
			says.Printf("%s connected", conn.RemoteAddr())
			if err := answer(ctx, conn); err != nil {
				complains.Print(err)
			}
			says.Printf("%s disconnected", conn.RemoteAddr())
		})
	}
}

// answer sends back in upper case what comes from a client, and closes the
// connection after the client has, or when ctx ends.
func answer(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			upper(buf[:n])
			if _, err := conn.Write(buf[:n]); err != nil {
				return unless(ctx, err)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return unless(ctx, err)
		}
	}
}

// unless returns err, unless ctx has ended: then that is the reason for it.
func unless(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// upper changes the letters a to z to upper case. Other alphabets stay as they
// are: their letters are of several octets, and TCP, which delivers a stream,
// may cut between any two.
func upper(b []byte) {
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
}
