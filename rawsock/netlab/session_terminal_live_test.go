//go:build linux

package netlab_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
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
	cmd.Env = append(cmd.Env, "SHELL="+self)
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
	// A program around the client tells what has become of the terminal.
	client := enterCommand(s)
	around := played("around", client.Args...)
	cmd := exec.Command(around[0], around[1:]...)
	cmd.Env = client.Env
	screen := startTerminal(t, cmd)
	screen.expect("apple# ")
	screen.typed("size\n")
	screen.expect("33 111")
	// Job control: the shell survives what interrupts its foreground job.
	screen.typed("job\n")
	screen.expect("started")
	screen.typed("\x03")
	screen.expect("by interrupt")
	screen.expect("apple# ")
	screen.resize(44, 122)
	screen.typed("resized\n")
	screen.expect("now 44 122")
	screen.typed("exit\n")
	// As it was, line by line.
	screen.expect("restored")
	wantStatus(t, cmd, 5)
}

func TestSessionTerminalTerminated(t *testing.T) {
	s := mustOpenSession(t)
	cmd := enterCommand(s, played("stubborn")...)
	screen := startTerminal(t, cmd)
	screen.expect("ready")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, cmd, 128+15)
}

// What is typed and never read does not keep the client when its command ends.
func TestSessionTerminalUnread(t *testing.T) {
	s := mustOpenSession(t)
	end := filepath.Join(t.TempDir(), "end")
	cmd := enterCommand(s, played("unread", end)...)
	screen := startTerminal(t, cmd)
	screen.expect("ready")
	var octets atomic.Int64
	go func() { // until nothing fits any more, and the terminal is gone
		for {
			n, err := screen.master.WriteString("x")
			if err != nil {
				return
			}
			octets.Add(int64(n))
		}
	}()
	// The two terminals on the way hold some 70 KB each.
	full, before := 0, int64(0)
	if !await(func() bool {
		now := octets.Load()
		if full++; now != before {
			full = 0
		}
		before = now
		return full == 100
	}) {
		t.Fatalf("%d octets typed, and no end", before)
	}
	if err := os.WriteFile(end, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, cmd, 4)
}

// wantStatus waits for a program's end.
func wantStatus(t *testing.T, cmd *exec.Cmd, want int) {
	t.Helper()
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != want {
		t.Errorf("status %d, want %d", status, want)
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
