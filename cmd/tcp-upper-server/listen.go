package main

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// listen returns a listener with the accept queue and SO_REUSEADDR of the
// settings, and without what package net adds: no keepalive segments of
// accepted connections, no multipath TCP.
func listen(ctx context.Context, s settings) (net.Listener, error) {
	config := net.ListenConfig{
		KeepAlive: -1,
		// It runs before bind, which is when SO_REUSEADDR matters, and after
		// package net has set that option itself.
		Control: func(_, _ string, raw syscall.RawConn) error {
			return control(raw, func(fd uintptr) error { return setReuseAddr(fd, s.reuseAddr) })
		},
	}
	config.SetMultipathTCP(false)
	listener, err := config.Listen(ctx, "tcp4", s.at.String())
	if err != nil {
		return nil, err
	}
	// Package net's backlog is the most that the system allows. To listen
	// again on a socket that listens changes nothing but its backlog.
	raw, err := listener.(*net.TCPListener).SyscallConn()
	if err == nil {
		err = control(raw, func(fd uintptr) error { return setBacklog(fd, s.backlog) })
	}
	if err != nil {
		listener.Close()
		return nil, &net.OpError{Op: "listen", Net: "tcp4", Addr: listener.Addr(), Err: err}
	}
	return listener, nil
}

// control calls f with a socket's descriptor and returns whichever error there
// is.
func control(raw syscall.RawConn, f func(fd uintptr) error) (err error) {
	return errors.Join(raw.Control(func(fd uintptr) { err = f(fd) }), err)
}
