package netlab

import (
	"errors"
	"os"
	"strings"
	"syscall"
)

// ForbiddenError reports that the host does not let this process make the
// namespaces that a laboratory needs.
type ForbiddenError struct {
	// Reason says what forbids it, as far as can be told.
	Reason string
	// Err is the operation that failed.
	Err error

	hint string
}

// Error names the operation and the reason.
func (e *ForbiddenError) Error() string {
	return "making namespaces: " + e.Reason + ": " + e.Err.Error()
}

// Unwrap returns the operation's error.
func (e *ForbiddenError) Unwrap() error { return e.Err }

// Hint returns what to do about it, in one line.
func (e *ForbiddenError) Hint() string { return e.hint }

// forbidden explains err by what this host says about namespaces.
func forbidden(err error) error {
	return explain(err, os.Geteuid() == 0, func(path string) string {
		text, _ := os.ReadFile(path)
		return string(text)
	})
}

// explain finds the reason why namespaces are forbidden. read returns a
// file's content, or "" if it cannot be read.
func explain(err error, root bool, read func(path string) string) error {
	var errno syscall.Errno
	errors.As(err, &errno)
	setting := func(name, value string) bool {
		return strings.TrimSpace(read("/proc/sys/"+strings.ReplaceAll(name, ".", "/"))) == value
	}
	for _, name := range []string{"user", "net", "pid", "mnt"} {
		name = "user.max_" + name + "_namespaces"
		if setting(name, "0") {
			return &ForbiddenError{name + " is 0", err, "sudo sysctl " + name + "=10000"}
		}
	}
	switch {
	case errno == syscall.ENOSPC || errno == syscall.EUSERS:
		return &ForbiddenError{"too many namespaces exist already, or are nested too deeply", err,
			"raise the limits user.max_*_namespaces, or close other laboratories"}
	case errno == syscall.EINVAL:
		return &ForbiddenError{"the kernel was built without namespaces", err,
			"use a kernel with CONFIG_USER_NS, CONFIG_NET_NS and CONFIG_PID_NS"}
	case errno != syscall.EPERM && errno != syscall.EACCES && errno != syscall.ENOSYS:
		return err
	case !root && setting("kernel.unprivileged_userns_clone", "0"):
		return &ForbiddenError{"kernel.unprivileged_userns_clone is 0", err,
			"sudo sysctl kernel.unprivileged_userns_clone=1, or run as root"}
	case !root && setting("kernel.apparmor_restrict_unprivileged_userns", "1"):
		return &ForbiddenError{"AppArmor forbids it (kernel.apparmor_restrict_unprivileged_userns is 1)", err,
			"sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or give this program an AppArmor profile with \"userns,\", or run as root"}
	case strings.Contains(read("/proc/self/status"), "Seccomp:\t2"):
		return &ForbiddenError{"a seccomp filter forbids it, as in most containers", err,
			"start the container with --security-opt seccomp=unconfined (and --security-opt apparmor=unconfined), or run outside of it"}
	}
	return &ForbiddenError{"the kernel or a security module forbids it", err,
		"a chroot, an LSM policy or a sandbox may be the cause; run as root outside of it"}
}
