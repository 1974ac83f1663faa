//go:build linux

package netlab_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// startTerminal starts a program on a new terminal of 33 by 111.
func startTerminal(t *testing.T, cmd *exec.Cmd) screen {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	defer slave.Close()
	s := screen{t: t, master: master}
	s.resize(33, 111)
	cmd.Env = append(cmd.Env, "SHELL=/bin/sh", "ENV=")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// A program that never says what is expected must not stop the test.
	watchdog := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() { watchdog.Stop() })
	return s
}

func TestSessionTerminal(t *testing.T) {
	s := mustOpenSession(t)
	// A shell around the client tells what has become of the terminal.
	client := enterCommand(s)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", `"$@"; status=$?; stty -a | tr ' ' '\n' | grep -qx icanon && echo restored; exit $status`, "sh", exe}, client.Args[1:]...)...)
	cmd.Env = client.Env
	screen := startTerminal(t, cmd)
	screen.expect("apple# ")
	screen.typed("stty size\n")
	screen.expect("33 111")
	// Job control: the shell survives what interrupts its foreground job. The
	// quotes keep the echo of what is typed from being taken for the output.
	screen.typed("sh -c 'echo star\"\"ted; exec sleep 1000'\n")
	screen.expect("started")
	screen.typed("\x03")
	screen.expect("apple# ")
	screen.typed("echo status=$?\n")
	screen.expect("status=130")
	screen.resize(44, 122)
	screen.typed("while [ \"$(stty size)\" != '44 122' ]; do :; done; echo resi''zed\n")
	screen.expect("resized")
	screen.typed("exit 5\n")
	// As it was, line by line.
	screen.expect("restored")
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 5 {
		t.Errorf("status %d, want 5", status)
	}
}

func TestSessionTerminalTerminated(t *testing.T) {
	s := mustOpenSession(t)
	cmd := enterCommand(s, "sh", "-c", "trap '' HUP TERM; echo ready; while :; do sleep 1; done")
	screen := startTerminal(t, cmd)
	screen.expect("ready")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 128+15 {
		t.Errorf("status %d, want %d", status, 128+15)
	}
}

// screen is what a terminal shows, and its keyboard.
type screen struct {
	t      *testing.T
	master *os.File
	shown  string
}

func (s *screen) resize(rows, cols uint16) {
	s.t.Helper()
	if err := pty.Setsize(s.master, &pty.Winsize{Rows: rows, Cols: cols}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *screen) typed(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits until text is shown, and forgets what is up to its end.
func (s *screen) expect(text string) {
	s.t.Helper()
	for b := make([]byte, 1024); ; {
		if _, rest, found := strings.Cut(s.shown, text); found {
			s.shown = rest
			return
		}
		n, err := s.master.Read(b)
		s.shown += string(b[:n])
		if err != nil {
			s.t.Fatalf("%q did not appear: %v; on screen: %q", text, err, s.shown)
		}
	}
}
