//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
)

// programEnv makes the test binary be the server itself.
const programEnv = "TCP_UPPER_TEST_PROGRAM"

// patience is how long a test waits for a condition that must come true.
const patience = 10 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) != "" {
		main()
	}
	netlab.TestMain(m)
}

// program is one of the pair, at work in a host. What it prints, on both
// streams, comes out of screen.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	screen *bufio.Reader
}

// start starts a program in a host of a laboratory.
func start(t *testing.T, host *netlab.Node, cmd *exec.Cmd) *program {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd.Stdout, cmd.Stderr = w, w
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
		r.Close()
	})
	r.SetReadDeadline(time.Now().Add(patience))
	return &program{t, cmd, stdin, bufio.NewReader(r)}
}

// server starts the server in a host.
func server(t *testing.T, host *netlab.Node, args ...string) *program {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), programEnv+"=1")
	return start(t, host, cmd)
}

// buildClient builds the other program of the pair.
func buildClient(t *testing.T) (path string) {
	t.Helper()
	netlab.Live(t)
	path = filepath.Join(t.TempDir(), "tcp-upper-client")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, "../tcp-upper-client")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // also where this test is built otherwise, for the race detector
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// expect holds the next that the program prints against what it must be.
func (p *program) expect(want string) {
	p.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(p.screen, got); err != nil || string(got) != want {
		p.t.Fatalf("%q, %v; want %q", got[:n], err, want)
	}
}

// end waits for the program's end, and expects it to print nothing more.
func (p *program) end(status int) {
	p.t.Helper()
	rest, err := io.ReadAll(p.screen)
	if err != nil || len(rest) > 0 {
		p.t.Fatalf("at the end: %q, %v", rest, err)
	}
	p.cmd.Wait()
	if got := p.cmd.ProcessState.ExitCode(); got != status {
		p.t.Fatalf("exit status %d, want %d", got, status)
	}
}

func (p *program) write(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, text); err != nil {
		p.t.Fatal(err)
	}
}

// interrupt is Ctrl-C.
func (p *program) interrupt() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
}

// sockets are those of a host that are in a state.
func sockets(t *testing.T, host *netlab.Node, state sockdiag.State) (found []sockdiag.Socket) {
	t.Helper()
	err := host.Do(func() (err error) {
		found, err = sockdiag.Dump(state)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// await waits until a host has that many sockets in a state.
func await(t *testing.T, host *netlab.Node, state sockdiag.State, n int) []sockdiag.Socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		found := sockets(t, host, state)
		if len(found) == n {
			return found
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %d sockets in %v, want %d", host.Name(), len(found), state, n)
		}
	}
}

const listening = "listening at port: 0.0.0.0:9999, waiting for connections...\n"

// TestLiveSession: two clients come, type, and leave; what both programs print,
// and what the kernels show at each step.
func TestLiveSession(t *testing.T) {
	path := buildClient(t)
	lab := netlab.Start(t, netlab.Upper())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	s := server(t, apple)
	s.expect(listening)
	i := slices.IndexFunc(sockets(t, apple, sockdiag.Listen), func(s sockdiag.Socket) bool {
		return s.Local == netip.MustParseAddrPort("0.0.0.0:9999") && s.WQueue == 100
	})
	if i < 0 {
		t.Errorf("nothing listens on 0.0.0.0:9999 with a backlog of 100: %+v", sockets(t, apple, sockdiag.Listen))
	}

	visitor := func() (client *program, local string) {
		t.Helper()
		client = start(t, ant, exec.Command(path, "-i", "10.0.2.2"))
		client.expect("> ")
		line, err := s.screen.ReadString('\n')
		local, isConnected := strings.CutSuffix(line, " connected\n")
		if err != nil || !isConnected || !strings.HasPrefix(local, "10.0.1.2:") {
			t.Fatalf("%q, %v", line, err)
		}
		return client, local
	}
	first, firstAt := visitor()
	second, secondAt := visitor()
	for _, c := range await(t, ant, sockdiag.Established, 2) {
		if c.Remote != netip.MustParseAddrPort("10.0.2.2:9999") || c.Timer.Kind != sockdiag.NoTimer {
			t.Errorf("%+v", c)
		}
	}
	first.write("abc\n")
	first.expect("ABC\n> ")
	second.write("hello world!\n")
	second.expect("HELLO WORLD!\n> ")
	first.write("fasionchan.com\n")
	first.expect("FASIONCHAN.COM\n> ")

	// Who closes first ends in TIME-WAIT, and that is the client.
	first.stdin.Close()
	first.expect("\n")
	first.end(0)
	s.expect(firstAt + " disconnected\n")
	if left := await(t, ant, sockdiag.TimeWait, 1); left[0].Local.String() != firstAt {
		t.Errorf("%+v", left)
	}
	if left := sockets(t, apple, sockdiag.TimeWait); len(left) > 0 {
		t.Errorf("apple closed first: %+v", left)
	}

	// The server is interrupted while a client is there.
	s.interrupt()
	s.expect(secondAt + " disconnected\n")
	s.end(0)
	second.write("x\n")
	second.expect("tcp-upper-client: error: ")
	if rest, err := io.ReadAll(second.screen); err != nil || strings.Count(string(rest), "\n") != 1 {
		t.Errorf("%q, %v", rest, err)
	}
	second.end(3)
}

// TestLiveRestart: a connection that the server closed first, in TIME-WAIT,
// keeps it from starting again, unless both runs have SO_REUSEADDR.
func TestLiveRestart(t *testing.T) {
	path := buildClient(t)
	for _, test := range []struct{ before, after, ok bool }{
		{true, true, true},
		{true, false, false},
		{false, true, false},
		{false, false, false},
	} {
		t.Run(fmt.Sprintf("%t then %t", test.before, test.after), func(t *testing.T) {
			lab := netlab.Start(t, netlab.Upper())
			ant, apple := lab.Host("ant"), lab.Host("apple")
			s := server(t, apple, fmt.Sprintf("--reuse-addr=%t", test.before))
			s.expect(listening)
			client := start(t, ant, exec.Command(path, "-i", "10.0.2.2"))
			client.expect("> ")
			at := await(t, ant, sockdiag.Established, 1)[0].Local
			s.expect(at.String() + " connected\n")
			s.interrupt()
			s.expect(at.String() + " disconnected\n")
			s.end(0)
			await(t, ant, sockdiag.CloseWait, 1)
			client.stdin.Close()
			client.expect("\n")
			client.end(0)
			await(t, apple, sockdiag.TimeWait, 1)

			again := server(t, apple, fmt.Sprintf("--reuse-addr=%t", test.after))
			if test.ok {
				again.expect(listening)
				again.interrupt()
				again.end(0)
				return
			}
			again.expect("tcp-upper-server: error: listen tcp4 0.0.0.0:9999: bind: address already in use\n")
			again.expect("tcp-upper-server: hint: " + settings{reuseAddr: test.after}.whyInUse() + "\n")
			again.end(3)
		})
	}
}

// TestLiveTaken: a port on which another program listens, and the signal that
// service managers send.
func TestLiveTaken(t *testing.T) {
	lab := netlab.Start(t, netlab.Upper())
	apple := lab.Host("apple")
	first := server(t, apple)
	first.expect(listening)
	second := server(t, apple)
	second.expect("tcp-upper-server: error: listen tcp4 0.0.0.0:9999: bind: address already in use\n")
	second.expect("tcp-upper-server: hint: " + settings{reuseAddr: true}.whyInUse() + "\n")
	second.end(3)
	if err := first.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	first.end(0)
}
