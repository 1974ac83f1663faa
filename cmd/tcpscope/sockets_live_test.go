//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
)

// crowd is a host that has sockets of many kinds, all of the kernel's making.
type crowd struct {
	t    *testing.T
	node *netlab.Node
}

// within runs f in the host.
func (c crowd) within(f func() error) {
	c.t.Helper()
	if err := c.node.Do(f); err != nil {
		c.t.Fatal(err)
	}
}

// listen is a listener of a backlog.
func (c crowd) listen(host string, backlog int, option func(fd int) error) *net.TCPListener {
	c.t.Helper()
	var l net.Listener
	c.within(func() (err error) {
		var config net.ListenConfig
		config.SetMultipathTCP(false)
		if l, err = config.Listen(context.Background(), "tcp", net.JoinHostPort(host, "0")); err != nil {
			return err
		}
		raw, err := l.(*net.TCPListener).SyscallConn()
		if err != nil {
			return err
		}
		return errors.Join(raw.Control(func(fd uintptr) {
			if err = unix.Listen(int(fd), backlog); err == nil && option != nil {
				err = option(int(fd))
			}
		}), err)
	})
	c.t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// pair is a connection of the host with itself; the server's end is nil where
// it is not to be accepted.
func (c crowd) pair(l *net.TCPListener, accept bool) (client, server *net.TCPConn) {
	c.t.Helper()
	c.within(func() error {
		dialer := net.Dialer{KeepAlive: -1}
		conn, err := dialer.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port))
		if err != nil {
			return err
		}
		client = conn.(*net.TCPConn)
		c.t.Cleanup(func() { client.Close() })
		if !accept {
			return nil
		}
		if server, err = l.AcceptTCP(); err != nil {
			return err
		}
		c.t.Cleanup(func() { server.Close() })
		return server.SetKeepAlive(false)
	})
	return client, server
}

// newCrowd fills a host with sockets in lasting states: what the states of
// its sockets are, by their own ends and their peers'.
func newCrowd(t *testing.T) (c crowd, states map[string]string) {
	t.Helper()
	c = crowd{t, netlab.Start(t, netlab.Pair()).Host("ant")}
	states = map[string]string{}
	know := func(conn net.Conn, state string) {
		states[conn.LocalAddr().String()+" "+conn.RemoteAddr().String()] = state
	}
	know2 := func(client *net.TCPConn, clients, servers string) {
		know(client, clients)
		if servers != "" {
			states[client.RemoteAddr().String()+" "+client.LocalAddr().String()] = servers
		}
	}
	l := c.listen("127.0.0.1", 5, nil)
	states[l.Addr().String()+" "] = "listen"

	client, server := c.pair(l, true)
	know2(client, "established", "established")
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := server.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Hour}); err != nil {
		t.Fatal(err)
	}
	client, _ = c.pair(l, true)
	client.CloseWrite()
	know2(client, "fin-wait-2", "close-wait")

	client, server = c.pair(l, true)
	client.CloseWrite()
	if _, err := server.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	server.Close()
	know2(client, "time-wait", "")
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	client.Close()

	deferring := c.listen("127.0.0.1", 5, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 100)
	})
	states[deferring.Addr().String()+" "] = "listen"
	client, _ = c.pair(deferring, false)
	know2(client, "established", "syn-received")

	six := c.listen("::", 5, nil)
	states[six.Addr().String()+" "] = "listen"
	client, _ = c.pair(six, false)
	know2(client, "established", "established")
	c.settle(states)
	return c, states
}

// settle waits until the kernel has come to the states.
func (c crowd) settle(states map[string]string) {
	c.t.Helper()
	var got map[string]string
	for end := time.Now().Add(10 * time.Second); ; {
		got = map[string]string{}
		c.within(func() error {
			sockets, err := sockdiag.Dump()
			for _, s := range sockets {
				peer := ""
				if s.Remote.Port() != 0 {
					peer = s.Remote.String()
				}
				got[s.Local.String()+" "+peer] = s.State.String()
			}
			return err
		})
		if fmt.Sprint(got) == fmt.Sprint(states) {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("got %v\nwant %v", got, states)
		}
	}
}

// told are the objects of a kind in JSON lines, by both ends.
func told(t *testing.T, text, kind string) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for line := range strings.Lines(text) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if o["kind"] == kind {
			local, _ := o["local"].(string)
			peer, _ := o["peer"].(string)
			all[local+" "+peer] = o
		}
	}
	return all
}

func TestLiveSockets(t *testing.T) {
	c, states := newCrowd(t)
	status, stdout, stderr := on(t, c.node, "sockets -tanop --explain -o jsonl")
	if status != 0 || stderr != "" {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	sockets := told(t, stdout, "socket")
	mine := fmt.Sprintf(",pid=%d,fd=", os.Getpid())
	for ends, state := range states {
		s := sockets[ends]
		if s["state"] != state {
			t.Errorf("%s: %v, want %s", ends, s["state"], state)
		}
		if held := fmt.Sprint(s["processes"]); strings.Contains(held, mine) != (s["ino"] != nil) {
			t.Errorf("%s: inode %v, held by %s", ends, s["ino"], held)
		}
		explained := fmt.Sprint(s["explanation"])
		switch state {
		case "close-wait":
			if s["recv_q"] != 1.0 || !strings.Contains(explained, "Recv-Q 1 is the peer's FIN") {
				t.Errorf("%v", s)
			}
		case "time-wait", "syn-received":
			if s["timer"] == nil || s["timer_ms"] == nil || s["ino"] != nil || !strings.HasPrefix(explained, state) {
				t.Errorf("%v", s)
			}
		}
	}
	summary := told(t, stdout, "socket-summary")[" "]
	if len(sockets) != len(states) || summary["sockets"] != float64(len(states)) {
		t.Errorf("%d sockets, %v, want %d", len(sockets), summary, len(states))
	}
	counts, _ := summary["counts"].(map[string]any)
	for _, state := range states {
		n := 0
		for _, other := range states {
			if other == state {
				n++
			}
		}
		if counts[state] != float64(n) {
			t.Errorf("%v, want %d %s", counts, n, state)
		}
	}
}

func TestLiveSocketsFilter(t *testing.T) {
	c, states := newCrowd(t)
	var port string
	for ends, state := range states {
		if state == "close-wait" {
			_, port, _ = net.SplitHostPort(strings.Fields(ends)[0])
		}
	}
	for _, test := range []struct {
		line  string
		match func(local, peer, state string) bool
	}{
		{"-l", func(_, _, state string) bool { return state == "listen" }},
		{"-la", func(string, string, string) bool { return true }},
		{"state time-wait", func(_, _, state string) bool { return state == "time-wait" }},
		{"state syn-recv", func(_, _, state string) bool { return state == "syn-received" }},
		{"exclude listening", func(_, _, state string) bool { return state != "listen" }},
		{"sport = :" + port, func(local, _, _ string) bool { return strings.HasSuffix(local, ":"+port) }},
		{"dst 127.0.0.0/8:" + port, func(_, peer, _ string) bool { return strings.HasSuffix(peer, ":"+port) }},
		{"state fin-wait-2 or dport = " + port, nil},
		{"exclude listen not ( port " + port + " )", func(local, peer, state string) bool {
			return state != "listen" && !strings.HasSuffix(local, ":"+port) && !strings.HasSuffix(peer, ":"+port)
		}},
	} {
		status, stdout, stderr := on(t, c.node, "sockets -o jsonl "+test.line)
		if test.match == nil {
			if status != exitUsage {
				t.Errorf("%s: exit status %d", test.line, status)
			}
			continue
		}
		sockets := told(t, stdout, "socket")
		for ends, state := range states {
			local, peer, _ := strings.Cut(ends, " ")
			if _, found := sockets[ends]; found != test.match(local, peer, state) {
				t.Errorf("%s: %s %s: found %v (%d, %s)", test.line, ends, state, found, status, stderr)
			}
		}
	}
}

// Watching shows what changes, and ends as it should.
func TestLiveSocketsWatch(t *testing.T) {
	c, _ := newCrowd(t)
	cmd := command("sockets --watch --interval 100ms state close-wait -o jsonl")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.node.Start(cmd); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	await := func(words ...string) {
		t.Helper()
		for lines.Scan() {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(lines.Text(), w) }) {
				return
			}
		}
		t.Fatalf("no line with %q", words)
	}
	await(`"socket-summary"`, `"n":1,`, `"close-wait":1`)
	if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil { // asks how far it is, and ends nothing
		t.Fatal(err)
	}
	client, _ := c.pair(c.listen("127.0.0.1", 5, nil), true)
	client.CloseWrite()
	await(`"socket-summary"`, `"close-wait":2`)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	await(`"kind":"summary"`, `"exit":0`)
	if status := ended(t, cmd.Wait()); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
