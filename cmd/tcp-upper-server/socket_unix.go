//go:build unix

package main

import (
	"os"
	"syscall"
)

// setReuseAddr sets or clears SO_REUSEADDR.
func setReuseAddr(fd uintptr, on bool) error {
	value := 0
	if on {
		value = 1
	}
	return os.NewSyscallError("setsockopt", syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, value))
}

// setBacklog sets the length of a listening socket's accept queue.
func setBacklog(fd uintptr, n int) error {
	return os.NewSyscallError("listen", syscall.Listen(int(fd), n))
}
