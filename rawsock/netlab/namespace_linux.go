package netlab

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// newNamespace makes a network namespace that exists as long as its
// descriptor, or a process in it, does. Its loopback is up.
func newNamespace() (fd int, err error) {
	type result struct {
		fd  int
		err error
	}
	made := make(chan result)
	go func() {
		// Never unlocked: the thread belongs to the new namespace and ends
		// with this goroutine.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- result{-1, forbidden(os.NewSyscallError("unshare", err))}
			return
		}
		fd, err := currentNamespace()
		if err == nil {
			err = loopbackUp()
		}
		made <- result{fd, err}
	}()
	r := <-made
	if r.err != nil && r.fd >= 0 {
		unix.Close(r.fd)
	}
	return r.fd, r.err
}

// currentNamespace opens the calling thread's network namespace. /proc/self
// would be the main thread's.
func currentNamespace() (fd int, err error) {
	fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return fd, os.NewSyscallError("open /proc/thread-self/ns/net", err)
}

// inNamespace runs f on the calling goroutine with its thread inside the
// network namespace nsfd, and takes the thread back afterwards.
func inNamespace(nsfd int, f func() error) error {
	runtime.LockOSThread()
	home, err := currentNamespace()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer unix.Close(home)
	if err := unix.Setns(nsfd, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return os.NewSyscallError("setns", err)
	}
	// Deferred, so that a panic and testing's FailNow find their way home too.
	defer func() {
		// A thread that cannot return stays locked, and so dies with its
		// goroutine instead of serving others.
		if unix.Setns(home, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return f()
}

// setSysctls writes files below /proc/sys, in the order of their names, as
// the namespace nsfd sees them.
func setSysctls(nsfd int, settings map[string]string) error {
	return inNamespace(nsfd, func() error {
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			if err := os.WriteFile(sysctlPath(name), []byte(settings[name]), 0); err != nil {
				return fmt.Errorf("sysctl %s=%s: %w", name, settings[name], err)
			}
		}
		return nil
	})
}

// sysctlPath is the file of a setting. As with sysctl(8), a slash in a name
// stands for a dot in the file's.
func sysctlPath(name string) string {
	return "/proc/sys/" + strings.NewReplacer(".", "/", "/", ".").Replace(name)
}
