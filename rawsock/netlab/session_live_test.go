//go:build linux

package netlab_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// serveEnv and enterEnv make the helper tests of this binary do the work of
// a lab's inside and of a client in a process of its own.
const (
	serveEnv = "NETLAB_TEST_SERVE"
	enterEnv = "NETLAB_TEST_ENTER"
)

func sessionTopology() netlab.Topology {
	return netlab.Topology{
		Name:  "session",
		Hosts: []netlab.Host{{Name: "ant"}, {Name: "apple", Listen: []uint16{7}}},
		Links: []netlab.Link{{
			A: netlab.End{Host: "ant", Addr: netip.MustParsePrefix("10.0.0.1/24")},
			B: netlab.End{Host: "apple", Addr: netip.MustParsePrefix("10.0.0.2/24")},
		}},
	}
}

// TestServeHelper is the inside of the sessions below.
func TestServeHelper(t *testing.T) {
	topology := sessionTopology()
	switch os.Getenv(serveEnv) {
	case "":
		return
	case "broken":
		topology.Links[0].B.Host = "pear"
	}
	if err := netlab.Serve(topology); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// TestEnterHelper enters the lab that the environment names, with the
// arguments after "--".
func TestEnterHelper(t *testing.T) {
	name := os.Getenv(enterEnv)
	if name == "" {
		return
	}
	var args []string
	if i := slices.Index(os.Args, "--"); i >= 0 {
		args = os.Args[i+1:]
	}
	status, err := netlab.Enter(name, netlab.Process{
		Host: "apple", Args: args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	os.Exit(status)
}

// openSession starts a lab for the duration of a test.
func openSession(t *testing.T, kind string) (*netlab.Session, error) {
	t.Helper()
	netlab.Live(t)
	inside, err := netlab.Command(context.Background(), "-test.run=^TestServeHelper$")
	if err != nil {
		t.Fatal(err)
	}
	inside.Env = append(inside.Env, serveEnv+"="+kind)
	s, err := netlab.OpenSession(inside, "session")
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

func mustOpenSession(t *testing.T) *netlab.Session {
	t.Helper()
	s, err := openSession(t, "sound")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// enterCommand is a client in a process of its own.
func enterCommand(s *netlab.Session, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", append([]string{"-test.run=^TestEnterHelper$", "--"}, args...)...)
	cmd.Env = append(os.Environ(), enterEnv+"="+s.Name())
	return cmd
}

// output runs f with the two ends of a pipe and returns what was written.
func output(t *testing.T, f func(w *os.File)) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	read := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(r)
		read <- b
	}()
	f(w)
	w.Close()
	return string(<-read)
}

func TestSessionCommands(t *testing.T) {
	s := mustOpenSession(t)
	// The three ways in, which must agree on everything that the command can see.
	ways := map[string]func(netlab.Process) (int, error){
		"run":        s.Run,
		"enter":      s.Enter,
		"enter name": func(p netlab.Process) (int, error) { return netlab.Enter(s.Name(), p) },
	}
	tests := []struct {
		name, host, script string
		want               string
		status             int
	}{
		{"status", "ant", "exit 7", "", 7},
		{"signal", "ant", "kill -KILL $$", "", 128 + 9},
		{"output", "apple", "echo out; echo err >&2", "out\nerr\n", 0},
		{"host's namespace", "apple", `while read -r name rest; do case $name in ant:|apple:) echo $name;; esac; done </proc/thread-self/net/dev`, "ant:\n", 0},
		{"first host", "", `echo $TCPSCOPE_HOST in $TCPSCOPE_LAB`, "ant in " + s.Name() + "\n", 0},
		{"machine's name", "apple", "cat /proc/sys/kernel/hostname", "apple\n", 0},
		{"input", "ant", "cat", "typed\n", 0},
		{"directory", "ant", "pwd", mustGetwd(t) + "\n", 0},
	}
	for way, do := range ways {
		for _, tt := range tests {
			t.Run(way+"/"+tt.name, func(t *testing.T) {
				stdin, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer stdin.Close()
				fmt.Fprintln(w, "typed")
				w.Close()
				got := output(t, func(w *os.File) {
					status, err := do(netlab.Process{
						Host: tt.host, Args: []string{"sh", "-c", tt.script}, Stdin: stdin, Stdout: w, Stderr: w,
					})
					if err != nil || status != tt.status {
						t.Errorf("status %d, error %v, want status %d", status, err, tt.status)
					}
				})
				if got != tt.want {
					t.Errorf("output %q, want %q", got, tt.want)
				}
			})
		}
	}
}

func mustGetwd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSessionErrors(t *testing.T) {
	s := mustOpenSession(t)
	sh := []string{"sh", "-c", "exit 0"}
	tests := []struct {
		name string
		lab  string
		p    netlab.Process
		is   error
		want string
	}{
		{"unknown host", s.Name(), netlab.Process{Host: "pear", Args: sh}, nil,
			`lab session has no host "pear": its hosts are ant, apple`},
		{"unknown lab", "orchard", netlab.Process{Args: sh}, netlab.ErrNoLab,
			"orchard: no such lab is running (running: session)"},
		{"unknown command", s.Name(), netlab.Process{Args: []string{"no-such-command"}}, exec.ErrNotFound,
			`exec: "no-such-command": executable file not found in $PATH`},
		{"bad name", "a/b", netlab.Process{Args: sh}, nil,
			`lab name "a/b": letters, digits, '-', '_' and '.' only`},
		{"command too long", s.Name(), netlab.Process{Args: []string{"sh", strings.Repeat("x", 200_000)}}, nil,
			"at most 196608 fit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := netlab.Enter(tt.lab, tt.p)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v is not %v", err, tt.is)
			}
		})
	}
}

func TestSessionNames(t *testing.T) {
	first, second := mustOpenSession(t), mustOpenSession(t)
	if first.Name() != "session" || second.Name() != "session-2" {
		t.Errorf("names %q and %q, want session and session-2", first.Name(), second.Name())
	}
	wantRunning := func(want ...string) {
		t.Helper()
		got, err := netlab.Running()
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("running: %q, error %v, want %q", got, err, want)
		}
	}
	wantRunning("session", "session-2")
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	wantRunning("session-2")
	if _, err := first.Run(netlab.Process{Args: []string{"true"}}); err == nil {
		t.Error("a closed session runs commands")
	}
}

func TestSessionBuildFails(t *testing.T) {
	_, err := openSession(t, "broken")
	if want := `link ant-pear: no host "pear"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
	if names, err := netlab.Running(); err != nil || len(names) != 0 {
		t.Errorf("running afterwards: %q, error %v", names, err)
	}
}

// A command that notes the signals it gets.
const noteSignals = `trap 'echo got TERM; exit 3' TERM; trap 'echo got HUP; exit 4' HUP; echo ready; while :; do sleep 0.05; done`

func TestSessionSignalsForwarded(t *testing.T) {
	s := mustOpenSession(t)
	cmd := enterCommand(s, "sh", "-c", noteSignals)
	got := output(t, func(w *os.File) {
		pr, pw, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer pr.Close()
		cmd.Stdout = pw
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pw.Close()
		waitLine(t, pr, "ready")
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		io.Copy(w, pr)
	})
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 3 || got != "got TERM\n" {
		t.Errorf("status %d, output %q, want 3 and got TERM", status, got)
	}
}

func TestSessionClientGone(t *testing.T) {
	s := mustOpenSession(t)
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pr.Close()
	cmd := enterCommand(s, "sh", "-c", noteSignals)
	cmd.Stdout = pw
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pw.Close()
	waitLine(t, pr, "ready")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// The pipe ends when the command has: nothing of it is left.
	rest, err := io.ReadAll(pr)
	if err != nil || string(rest) != "got HUP\n" {
		t.Errorf("the command said %q, error %v, want got HUP", rest, err)
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

func TestSessionReachesHosts(t *testing.T) {
	s := mustOpenSession(t)
	// A client of a real connection, in another process, in the lab.
	got := output(t, func(w *os.File) {
		cmd := netlab.Process{Host: "ant", Args: []string{"/proc/self/exe", "-test.run=^TestDialHelper$"}, Stdout: w, Stderr: w}
		t.Setenv(dialEnv, "10.0.0.2:7")
		if status, err := s.Run(cmd); err != nil || status != 0 {
			t.Errorf("status %d, error %v", status, err)
		}
	})
	if got != "" {
		t.Error(got)
	}
}

// dialEnv makes TestDialHelper connect to an address.
const dialEnv = "NETLAB_TEST_DIAL"

func TestDialHelper(t *testing.T) {
	addr := os.Getenv(dialEnv)
	if addr == "" {
		return
	}
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	conn.Close()
	os.Exit(0)
}
