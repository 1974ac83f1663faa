package netlab

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Init is what the first process inside does: it prepares the namespaces,
// starts the program proper, reaps orphans, and returns the program's exit
// status when it ends; the caller must exit with it at once, whereupon the
// kernel kills whatever is left inside. In every other process Init does
// nothing and returns false, whatever its environment says.
//
// The init process and the program are two because a process can either reap
// every child or wait for those that package os started, not both, and
// because the kernel shields a namespace's first process from signals.
func Init() (status int, isInit bool) {
	if os.Getenv(stageEnv) != stageInit || os.Getpid() != 1 || !ownUserNamespace() {
		return 0, false
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, append(relayed, viaInit(unix.SIGINT), viaInit(unix.SIGQUIT))...)
	unix.CloseOnExec(parentFD)
	unix.CloseOnExec(reportFD)
	go dieWithParent()
	report := os.NewFile(reportFD, "report")
	worker, err := startWorker()
	if err != nil {
		// If the parent is gone, nobody needs to know.
		_, _ = report.WriteString(formatReport(err))
		return 1, true
	}
	report.Close()
	go passOn(signals, worker)
	return reap(worker), true
}

// startWorker prepares the namespaces and starts this program again in them.
func startWorker() (pid int, err error) {
	if err := mountProc(); err != nil {
		return 0, err
	}
	if err := loopbackUp(); err != nil {
		return 0, err
	}
	if err := os.Setenv(stageEnv, stageInside); err != nil {
		return 0, err
	}
	pid, err = syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
	})
	return pid, os.NewSyscallError("execve", err)
}

// mountProc shows the new PID namespace in /proc.
func mountProc() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("mount private", err)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	err := unix.Mount("proc", "/proc", "proc", flags, "")
	// A container that hides parts of /proc forbids a fresh one
	// (mnt_already_visible in the kernel). The old one does as well, except
	// that it shows processes by their numbers outside.
	if err != nil && !errors.Is(err, os.ErrPermission) {
		return os.NewSyscallError("mount /proc", err)
	}
	return nil
}

// loopbackUp brings up lo in the calling thread's network namespace.
func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return os.NewSyscallError("find lo", err)
	}
	return os.NewSyscallError("set lo up", netlink.LinkSetUp(lo))
}

// dieWithParent ends the init process, and with it everything inside, when
// the process that made the namespaces is gone.
func dieWithParent() {
	fds := []unix.PollFd{{Fd: parentFD, Events: unix.POLLIN}}
	for {
		if n, err := unix.Poll(fds, -1); n > 0 || err != nil && err != unix.EINTR {
			os.Exit(128 + int(unix.SIGKILL))
		}
	}
}

// reap waits for children until the worker ends.
func reap(worker int) int {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		if err != nil && err != syscall.EINTR {
			return 1
		}
		if pid == worker && (ws.Exited() || ws.Signaled()) {
			return exitStatus(ws)
		}
	}
}
