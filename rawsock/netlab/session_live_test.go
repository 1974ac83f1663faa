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
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// These make the helper tests of this binary do the work of a lab's inside,
// of its owner, of one who enters it, and of a client of its network.
const (
	serveEnv = "NETLAB_TEST_SERVE"
	runEnv   = "NETLAB_TEST_RUN"
	enterEnv = "NETLAB_TEST_ENTER"
	dialEnv  = "NETLAB_TEST_DIAL"
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
	status, err := netlab.Enter(name, netlab.Process{
		Host: "apple", Args: argsAfterDashes(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	os.Exit(status)
}

func argsAfterDashes() []string {
	i := slices.Index(os.Args, "--")
	return os.Args[i+1:]
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
	cmd := exec.Command(self, append([]string{"-test.run=^TestEnterHelper$", "--"}, args...)...)
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
		name, host string
		want       string
		status     int
	}{
		{"status", "ant", "", 7},
		{"killed", "ant", "", 128 + 9},
		{"output", "apple", "out\nerr\n", 0},
		{"devices", "apple", "ant\n", 0},
		{"environment", "", "ant in " + s.Name() + "\n", 0},
		{"hostname", "apple", "apple\n", 0},
		{"input", "ant", "typed\n", 0},
		{"directory", "ant", mustGetwd(t) + "\n", 0},
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
						Host: tt.host, Args: played(tt.name), Stdin: stdin, Stdout: w, Stderr: w,
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
	command := played("status")
	tests := []struct {
		name string
		lab  string
		p    netlab.Process
		is   error
		want string
	}{
		{"unknown host", s.Name(), netlab.Process{Host: "pear", Args: command}, nil,
			`lab session has no host "pear": its hosts are ant, apple`},
		{"unknown lab", "orchard", netlab.Process{Args: command}, netlab.ErrNoLab,
			"orchard: no such lab is running (running: session)"},
		{"unknown command", s.Name(), netlab.Process{Args: []string{"no-such-command"}}, exec.ErrNotFound,
			`exec: "no-such-command": executable file not found in $PATH`},
		{"bad name", "a/b", netlab.Process{Args: command}, nil,
			`lab name "a/b": letters, digits, '-', '_' and '.' only`},
		{"command too long", s.Name(), netlab.Process{Args: played("status", strings.Repeat("x", 200_000))}, nil,
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
	if _, err := first.Run(netlab.Process{Args: played("status")}); err == nil {
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

func TestSessionReachesHosts(t *testing.T) {
	s := mustOpenSession(t)
	// A client of a real connection, in another process, in the lab.
	got := output(t, func(w *os.File) {
		cmd := netlab.Process{Host: "ant", Args: []string{self, "-test.run=^TestDialHelper$"}, Stdout: w, Stderr: w}
		t.Setenv(dialEnv, "10.0.0.2:7")
		if status, err := s.Run(cmd); err != nil || status != 0 {
			t.Errorf("status %d, error %v", status, err)
		}
	})
	if got != "" {
		t.Error(got)
	}
}

// TestDialHelper connects to the address in the environment.
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
