//go:build linux

package netlab_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

func TestSessionSignalsForwarded(t *testing.T) {
	s := mustOpenSession(t)
	pr, cmd := startPiped(t, enterCommand(s, played("note")...))
	waitLine(t, pr, "ready")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitLine(t, pr, "got terminated")
	wantStatus(t, cmd, 3)
}

func TestSessionClientGone(t *testing.T) {
	s := mustOpenSession(t)
	pr, cmd := startPiped(t, enterCommand(s, played("note")...))
	waitLine(t, pr, "ready")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// The pipe ends when the command has: nothing of it is left.
	rest, err := io.ReadAll(pr)
	if err != nil || string(rest) != "got hangup\n" {
		t.Errorf("the command said %q, error %v, want got hangup", rest, err)
	}
}

// waitLine reads octets up to the end of a line.
func waitLine(t *testing.T, r io.Reader, want string) {
	t.Helper()
	var line []byte
	for b := make([]byte, 1); ; line = append(line, b[0]) {
		if _, err := r.Read(b); err != nil {
			t.Fatalf("read %q, then %v", line, err)
		}
		if b[0] == '\n' {
			break
		}
	}
	if string(line) != want {
		t.Fatalf("read %q, want %q", line, want)
	}
}

// TestRunHelper is the owner of a lab, which runs the arguments after "--".
func TestRunHelper(t *testing.T) {
	if os.Getenv(runEnv) == "" {
		return
	}
	os.Unsetenv(runEnv)
	s, err := openSession(t, "sound")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	status, err := s.Run(netlab.Process{
		Host: "ant", Args: argsAfterDashes(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	os.Exit(status)
}

// runCommand is a lab's owner in a process of its own.
func runCommand(args ...string) *exec.Cmd {
	cmd := exec.Command(self, append([]string{"-test.run=^TestRunHelper$", "--"}, args...)...)
	cmd.Env = append(os.Environ(), runEnv+"=1")
	return cmd
}

// TestSessionCtrlC presses Ctrl-C on the terminal of a lab's owner: the command
// is in its process group and gets one SIGINT, not the owner's too.
func TestSessionCtrlC(t *testing.T) {
	netlab.Live(t)
	cmd := runCommand(played("count")...)
	screen := startTerminal(t, cmd)
	screen.expect("ready")
	for i := range 3 {
		screen.typed("\x03")
		screen.expect(fmt.Sprintf("interrupt %d", i+1))
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	screen.expect("total 3")
	wantStatus(t, cmd, 6)
}

// TestSessionInterrupted sends SIGINT to a lab's owner alone.
func TestSessionInterrupted(t *testing.T) {
	netlab.Live(t)
	pr, cmd := startPiped(t, runCommand(played("count")...))
	waitLine(t, pr, "ready")
	for _, step := range []struct {
		sig  syscall.Signal
		want string
	}{{syscall.SIGINT, "interrupt 1"}, {syscall.SIGINT, "interrupt 2"}, {syscall.SIGTERM, "total 2"}} {
		if err := cmd.Process.Signal(step.sig); err != nil {
			t.Fatal(err)
		}
		waitLine(t, pr, step.want)
	}
	wantStatus(t, cmd, 6)
}

// TestSessionOwnerKilled kills a lab's owner: nothing is left of the lab.
func TestSessionOwnerKilled(t *testing.T) {
	netlab.Live(t)
	pr, cmd := startPiped(t, runCommand(played("stubborn")...))
	waitLine(t, pr, "ready")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// The pipe ends with the last process that has it.
	if rest, err := io.ReadAll(pr); err != nil || len(rest) > 0 {
		t.Errorf("read %q, %v", rest, err)
	}
	if names, err := netlab.Running(); err != nil || len(names) > 0 {
		t.Errorf("running: %q, %v", names, err)
	}
}

// startPiped starts a program whose output is read from a pipe.
func startPiped(t *testing.T, cmd *exec.Cmd) (*os.File, *exec.Cmd) {
	t.Helper()
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pr.Close() })
	cmd.Stdout, cmd.Stderr = pw, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pw.Close()
	watchdog := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() { watchdog.Stop() })
	return pr, cmd
}
