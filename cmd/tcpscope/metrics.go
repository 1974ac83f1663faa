package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

// The bounds of the metrics' server. Whoever reaches it can have no more of us
// than this.
const (
	metricsClients     = 16
	metricsReadTimeout = 5 * time.Second
	// metricsWriteTimeout is for request and answer, of some megabytes where
	// the targets are thousands.
	metricsWriteTimeout = 15 * time.Second
	metricsHeaderOctets = 8 << 10
	metricsStopTimeout  = 2 * time.Second
)

// metricsAddress reads --prometheus: an address of ours and a port. Names are
// not looked up, because they can stand for several.
func metricsAddress(text string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddrPort(text)
	if err == nil && addr.Port() != 0 {
		return addr, nil
	}
	problem := fmt.Errorf("--prometheus %q: need ADDR:PORT, an address of this host and a port from 1 to 65535", text)
	hint := "for scrapers on this host: --prometheus 127.0.0.1:9777"
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = "", text
	}
	switch n, err := strconv.ParseUint(port, 10, 16); {
	case err != nil || n == 0:
	case host == "" || host == "localhost":
		hint = "did you mean --prometheus 127.0.0.1:" + port + "?"
	}
	return netip.AddrPort{}, usageError{problem, hint}
}

// serveMetrics serves h at an address until stop is called, which lets requests
// under way be answered, but waits for no more than two seconds. The error of
// stop is why nobody has been served for some time.
func serveMetrics(addr netip.AddrPort, h http.Handler) (stop func() error, err error) {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	switch {
	case err == nil:
		return serveOn(l, h), nil
	case errors.Is(err, syscall.EADDRINUSE):
		err = hinted{err, "another program, or another tcpscope, serves there: choose another port"}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		err = hinted{err, "it must be an address of this host, such as 127.0.0.1; 0.0.0.0 stands for all of them"}
	case errors.Is(err, os.ErrPermission):
		err = hinted{err, "ports below 1024 need CAP_NET_BIND_SERVICE: choose another port"}
	}
	return nil, err
}

// serveOn serves h on a listener, which stop closes.
func serveOn(l net.Listener, h http.Handler) (stop func() error) {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: metricsReadTimeout,
		ReadTimeout:       metricsReadTimeout,
		WriteTimeout:      metricsWriteTimeout,
		MaxHeaderBytes:    metricsHeaderOctets,
		// What clients do wrong is no concern of the user's.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	// One connection, one answer: nobody holds a place by doing nothing.
	s.SetKeepAlivesEnabled(false)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(netutil.LimitListener(l, metricsClients)) }()
	return sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), metricsStopTimeout)
		defer cancel()
		if s.Shutdown(ctx) != nil {
			_ = s.Close() // whoever is not done is cut off
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}
