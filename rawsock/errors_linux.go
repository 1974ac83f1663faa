package rawsock

import (
	"net"
	"os"
	"syscall"
)

// opError wraps a system call's error as package net does, so that
// errors.Is(err, os.ErrPermission) and the like work. A nil err stays nil.
func opError(op, network string, addr net.Addr, call string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(call, err)
	}
	return &net.OpError{Op: op, Net: network, Addr: addr, Err: err}
}
