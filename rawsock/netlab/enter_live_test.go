//go:build linux

package netlab_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// The test binary plays other programs when roleEnv names one; role "outer"
// runs innerEnv's inside namespaces of its own.
const (
	roleEnv  = "NETLAB_TEST_ROLE"
	innerEnv = "NETLAB_TEST_INNER"
	markEnv  = "NETLAB_TEST_MARK"
)

func TestMain(m *testing.M) {
	// Under the race detector every program sleeps for a second at its end,
	// unless told not to.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	if len(os.Args) > 2 && os.Args[1] == playArg {
		os.Exit(playCommand(os.Args[2], os.Args[3:]))
	}
	if len(os.Args) == 1 && os.Getenv("SHELL") == self {
		os.Exit(playShell())
	}
	if role := os.Getenv(roleEnv); role != "" {
		if status, isInit := netlab.Init(); isInit {
			os.Exit(status)
		}
		os.Exit(play(role))
	}
	netlab.TestMain(m)
}

func TestExitStatus(t *testing.T) {
	for inner, want := range map[string]int{"status": 42, "killed": 128 + 9, "orphanage": 0} {
		t.Run(inner, func(t *testing.T) {
			cmd := outer(inner)
			out, err := cmd.CombinedOutput()
			if got := cmd.ProcessState.ExitCode(); got != want {
				t.Errorf("exit status %d (%v), want %d\n%s", got, err, want, out)
			}
		})
	}
}

// The environment alone makes nobody the first process inside: it would mount
// a /proc over the machine's.
func TestInitByHand(t *testing.T) {
	cmd := role("status")
	cmd.Env = append(cmd.Env, "TCPSCOPE_NETLAB=init")
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != 42 {
		t.Errorf("exit status %d (%v), want 42\n%s", got, err, out)
	}
}

// Inside, everyone is root and a child of the init process; outside, an
// ordinary user will do.
func TestIdentity(t *testing.T) {
	const nobody = 65534
	users := []*syscall.Credential{nil}
	if mapped(nobody) {
		users = append(users, &syscall.Credential{Uid: nobody, Gid: nobody})
	}
	for _, user := range users {
		cmd := outer("identity")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
		out, err := cmd.Output()
		if want := "0 0 true 1\n"; err != nil || string(out) != want {
			t.Errorf("as %+v: %q, %v; want %q", user, out, err, want)
		}
	}
}

// mapped reports whether a user exists in this user namespace.
func mapped(uid int) bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	var first, outside, size int
	if _, scanErr := fmt.Sscan(string(text), &first, &outside, &size); err != nil || scanErr != nil {
		return false
	}
	return first <= uid && uid < first+size
}

func TestSignals(t *testing.T) {
	cmd := outer("signals")
	// Without a terminal, so that nobody else delivers SIGINT.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewScanner(pipe)
	expect := func(want string) {
		t.Helper()
		if !out.Scan() || out.Text() != want {
			t.Fatalf("got %q, want %q", out.Text(), want)
		}
	}
	expect("ready")
	for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGUSR1, unix.SIGTERM} {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		expect(sig.String())
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 7 {
		t.Errorf("exit status %d, want 7", got)
	}
}

// A terminal's Ctrl-C reaches the program inside once, though every process
// between gets it as well.
func TestTerminal(t *testing.T) {
	cmd := outer("signals")
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	out := bufio.NewScanner(terminal)
	var got []string
	for out.Scan() {
		line := strings.TrimPrefix(strings.TrimSpace(out.Text()), "^C")
		got = append(got, line)
		switch line {
		case "ready":
			_, err = terminal.Write([]byte{'C' & 0x1f})
		case unix.SIGINT.String():
			err = cmd.Process.Signal(unix.SIGUSR1)
		case unix.SIGUSR1.String():
			err = cmd.Process.Signal(unix.SIGTERM)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait()
	if want := []string{"ready", "interrupt", "user defined signal 1", "terminated"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := cmd.ProcessState.ExitCode(); got != 7 {
		t.Errorf("exit status %d, want 7", got)
	}
}

// After SIGKILL of the process outside nothing is left of what it started,
// not even what runs in a session of its own.
func TestKill(t *testing.T) {
	mark := markEnv + "=" + strconv.Itoa(os.Getpid())
	cmd := outer("lab")
	cmd.Env = append(cmd.Env, mark)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(pipe).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	// Outside, init, the laboratory and two programs in it.
	if got := marked(t, mark); len(got) != 5 {
		t.Errorf("%d processes before: %v", len(got), got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if !await(func() bool { return len(marked(t, mark)) == 0 }) {
		t.Errorf("left over: %v", marked(t, mark))
	}
}

// marked returns the running processes that have mark in their environment.
func marked(t *testing.T, mark string) (pids []string) {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		// A process that ends meanwhile, or is a zombie, has no environment.
		environ, _ := os.ReadFile(file)
		for variable := range bytes.SplitSeq(environ, []byte{0}) {
			if string(variable) == mark {
				pids = append(pids, filepath.Base(filepath.Dir(file)))
			}
		}
	}
	return pids
}

// A host that forbids namespaces makes live tests fail, and they say why.
func TestForbidden(t *testing.T) {
	cmd := outer("forbidden")
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != 1 {
		t.Errorf("exit status %d, want 1", got)
	}
	for _, want := range []string{"user.max_user_namespaces is 0", "hint: sudo sysctl user.max_user_namespaces=10000", "TCPSCOPE_LIVE=skip"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
}

// Live tests are skipped on demand only, and not silently.
func TestSkip(t *testing.T) {
	cmd := role("")
	cmd.Args = append(cmd.Args, "-test.run=^TestPair$", "-test.v")
	cmd.Env = append(cmd.Env, "TCPSCOPE_LIVE=skip")
	var out, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err, out.String(), stderr.String())
	}
	if !strings.Contains(out.String(), "SKIP: TestPair") || !strings.Contains(stderr.String(), "SKIPPED") {
		t.Errorf("output:\n%s%s", &out, &stderr)
	}
}
