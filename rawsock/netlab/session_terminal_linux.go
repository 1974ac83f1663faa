package netlab

import (
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// runTerminal runs p on a new pseudo-terminal that p's own terminal shows.
//
// The pair is made here and only the command's side is passed on: it vanishes
// with this process, which hangs up the command, and the window size is set
// without the server's help.
func runTerminal(conn *net.UnixConn, name string, p Process) (status int, err error) {
	start, err := p.start()
	if err != nil {
		return 0, err
	}
	start.Terminal = true
	master, slave, err := openTerminal()
	if err != nil {
		return 0, err
	}
	defer master.Close()
	defer slave.Close()
	// Best effort: without a size programs assume 80 by 24.
	_ = copyWindowSize(master, p.Stdin)

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGWINCH, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP)
	defer signal.Stop(signals)
	files := []*os.File{slave, slave, slave}
	if p.Stderr != nil && !isTerminal(p.Stderr) {
		files[2] = p.Stderr
	}
	if err := send(conn, message{Start: start}, files...); err != nil {
		return 0, err
	}
	// Our copy would keep the terminal open after the command's end.
	slave.Close()

	old, err := term.MakeRaw(int(p.Stdin.Fd()))
	if err != nil {
		return 0, err
	}
	defer term.Restore(int(p.Stdin.Fd()), old)
	stop, err := relayTerminal(p.Stdin, p.Stdout, master)
	if err != nil {
		return 0, err
	}
	defer stop()

	type result struct {
		status int
		err    error
	}
	exited := make(chan result, 1)
	go func() {
		status, err := awaitExit(conn, name)
		exited <- result{status, err}
	}()
	for {
		select {
		case r := <-exited:
			return r.status, r.err
		case sig := <-signals:
			if sig != unix.SIGWINCH {
				// In raw mode no key does this: somebody wants us gone.
				_ = master.SetReadDeadline(time.Now())
				return 128 + int(sig.(syscall.Signal)), nil
			}
			_ = copyWindowSize(master, p.Stdin)
		}
	}
}

// openTerminal makes a pseudo-terminal whose master obeys deadlines.
func openTerminal() (master, slave *os.File, err error) {
	blocking, slave, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	// Package pty leaves it blocking, and a read of it could not be called off.
	defer blocking.Close()
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		slave.Close()
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), blocking.Name()), slave, nil
}

// copyWindowSize gives a terminal the size of another.
func copyWindowSize(to, from *os.File) error {
	size, err := unix.IoctlGetWinsize(int(from.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return os.NewSyscallError("ioctl TIOCGWINSZ", err)
	}
	raw, err := to.SyscallConn()
	if err != nil {
		return err
	}
	var setErr error
	// Not to.Fd(), which would make it blocking again.
	if err := raw.Control(func(fd uintptr) { setErr = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size) }); err != nil {
		return err
	}
	return os.NewSyscallError("ioctl TIOCSWINSZ", setErr)
}

// relayTerminal copies between the user's terminal and a pseudo-terminal's
// master until stop, which takes no more input and shows the rest of the
// command's output.
func relayTerminal(in, out, master *os.File) (stop func(), err error) {
	wake, waker, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	typed, shown := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(typed)
		copyInput(master, in, wake)
	}()
	go func() {
		defer close(shown)
		// Ends with EIO: when a session's first process ends, the kernel takes
		// the terminal away from all others that have it open.
		_, _ = io.Copy(out, master)
	}()
	return func() {
		waker.Close()
		// The kernel holds a limited amount of what nobody reads, and a write
		// of more waits for ever, even when the command is gone.
		_ = master.SetWriteDeadline(time.Now())
		<-typed
		wake.Close()
		<-shown
	}, nil
}

// copyInput copies what is typed until the other end of wake is closed. A
// plain read would take one more key from whoever reads the terminal next.
func copyInput(to, from, wake *os.File) {
	fds := []unix.PollFd{
		{Fd: int32(from.Fd()), Events: unix.POLLIN},
		{Fd: int32(wake.Fd()), Events: unix.POLLIN},
	}
	buf := make([]byte, 4096)
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
		if fds[1].Revents != 0 {
			return
		}
		if fds[0].Revents == 0 {
			continue
		}
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
