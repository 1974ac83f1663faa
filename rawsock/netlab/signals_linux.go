package netlab

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// relayed are the signals that are passed on to the program inside.
var relayed = []os.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2}

// viaInit is the real-time signal that asks the init process to pass on sig.
// SIGINT and SIGQUIT need one because a terminal sends these to every process
// of its foreground group, the program inside included: what the init
// process gets directly must not be passed on, what it is asked to must.
func viaInit(sig syscall.Signal) syscall.Signal { return 40 + sig }

// relay passes signals on to the init process until the channel is closed.
func relay(signals <-chan os.Signal, init *os.Process) {
	for sig := range signals {
		if sig == unix.SIGINT || sig == unix.SIGQUIT {
			if inForeground() {
				continue
			}
			sig = viaInit(sig.(syscall.Signal))
		}
		// The process may be gone; Run sees that by itself.
		_ = init.Signal(sig)
	}
}

// passOn is the init process's side of relay.
func passOn(signals <-chan os.Signal, worker int) {
	for sig := range signals {
		switch sig {
		case unix.SIGINT, unix.SIGQUIT:
			continue
		case viaInit(unix.SIGINT):
			sig = unix.SIGINT
		case viaInit(unix.SIGQUIT):
			sig = unix.SIGQUIT
		}
		_ = unix.Kill(worker, sig.(syscall.Signal))
	}
}

// inForeground reports whether a terminal sends its signals to this process's
// group, so that those inside have theirs already.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
