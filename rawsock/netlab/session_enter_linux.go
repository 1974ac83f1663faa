package netlab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Process is a command to run in a host of a lab.
type Process struct {
	// Host is the host's name; "" means the topology's first.
	Host string
	// Args is the command and its arguments. The command is looked up in the
	// caller's PATH. None means an interactive shell: $SHELL, or /bin/sh.
	Args []string
	// Stdin, Stdout and Stderr are the command's streams; nil means the null
	// device.
	Stdin, Stdout, Stderr *os.File
}

// start is the message that asks for the process, with the caller's directory
// and environment.
func (p Process) start() (*startMessage, error) {
	args := p.Args
	if len(args) == 0 {
		shell := os.Getenv("SHELL")
		if shell == "" {
			shell = "/bin/sh"
		}
		args = []string{shell}
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return &startMessage{
		Host: p.Host, Path: path, Args: args, Dir: dir, Env: os.Environ(),
		Shell: len(p.Args) == 0,
	}, nil
}

// streams are the process's descriptors in order, with the null device for
// those that are missing. The caller closes null when they are sent.
func (p Process) streams() (files []*os.File, null *os.File, err error) {
	if null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	for _, f := range []*os.File{p.Stdin, p.Stdout, p.Stderr} {
		if f == nil {
			f = null
		}
		files = append(files, f)
	}
	return files, null, nil
}

// Enter runs a command in a host of the running lab of that name and returns
// its exit status, 128+n if signal n ended it. If p's standard input and
// output are a terminal, the command gets a terminal of its own, which this
// one then shows, with job control and window size; else it gets the streams
// as they are, and signals that the caller gets are passed on.
//
// If the caller goes away the command is hung up (SIGHUP, then SIGKILL). The
// error wraps ErrNoLab where no such lab runs, os.ErrPermission where it is
// another user's, exec.ErrNotFound where there is no such command.
func Enter(name string, p Process) (int, error) {
	conn, err := dialLab(name)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return enter(conn, name, p)
}

// enter runs p over a connection to a lab.
func enter(conn *net.UnixConn, name string, p Process) (int, error) {
	if isTerminal(p.Stdin) && isTerminal(p.Stdout) {
		return runTerminal(conn, name, p)
	}
	return runStreams(conn, name, p, false)
}

func isTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// runStreams runs p with its streams as they are. sameGroup says that the
// command will be in this process's group.
func runStreams(conn *net.UnixConn, name string, p Process, sameGroup bool) (int, error) {
	start, err := p.start()
	if err != nil {
		return 0, err
	}
	files, null, err := p.streams()
	if err != nil {
		return 0, err
	}
	defer null.Close()
	// Before the command starts: a signal must not end us in between.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, relayed...)
	defer signal.Stop(signals)
	if err := send(conn, message{Start: start}, files...); err != nil {
		return 0, err
	}
	done := make(chan struct{})
	defer close(done)
	go forwardSignals(conn, signals, sameGroup, done)
	return awaitExit(conn, name)
}

// forwardSignals passes signals on to the command until done, except those
// that a terminal has sent to it as well.
func forwardSignals(conn *net.UnixConn, signals <-chan os.Signal, sameGroup bool, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case sig := <-signals:
			if (sig == unix.SIGINT || sig == unix.SIGQUIT) && sameGroup && inForeground() {
				continue
			}
			// If the lab is gone, awaitExit says so.
			_ = send(conn, message{Signal: int(sig.(syscall.Signal))})
		}
	}
}

// awaitExit waits for the command's end.
func awaitExit(conn *net.UnixConn, name string) (int, error) {
	m, _, err := receive(conn, 0)
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
		return 0, fmt.Errorf("lab %s has ended", name)
	case err != nil:
		return 0, err
	case m.Error != "":
		return 0, errors.New(m.Error)
	case m.Exit == nil:
		return 0, fmt.Errorf("lab %s: unexpected message", name)
	}
	return *m.Exit, nil
}
