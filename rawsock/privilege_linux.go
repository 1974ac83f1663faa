package rawsock

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CurrentPrivileges reads the effective capabilities of the calling thread.
// They count in the user namespace that the thread lives in, which need not
// be the one that owns its network.
func CurrentPrivileges() (Privileges, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // version 3 has 64 bits
	if err := unix.Capget(&header, &data[0]); err != nil {
		return Privileges{}, os.NewSyscallError("capget", err)
	}
	has := func(capability uint) bool { return data[capability/32].Effective&(1<<(capability%32)) != 0 }
	return Privileges{
		Raw:         has(unix.CAP_NET_RAW),
		Admin:       has(unix.CAP_NET_ADMIN),
		BindService: has(unix.CAP_NET_BIND_SERVICE),
	}, nil
}

// DropPrivileges gives up every capability of every thread there is or will
// be, for good. Open sockets keep working; opening more of them fails. It does
// not change the user: as root the process still owns root's files, and what
// it executes has the capabilities again.
//
// In a program built with cgo it does nothing, and its error wraps
// errors.ErrUnsupported.
func DropPrivileges() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET,
		uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0)
	if errno == syscall.ENOTSUP {
		return fmt.Errorf("dropping capabilities in a cgo program: %w", errors.ErrUnsupported)
	}
	if errno != 0 {
		return os.NewSyscallError("capset", errno)
	}
	return nil
}
