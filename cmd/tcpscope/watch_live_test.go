//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// watcher is a tcpscope watch in a host.
type watcher struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	shown  strings.Builder // what the lines have been so far
	stderr bytes.Buffer
}

// watchIn starts a watch, and waits until it sees what passes.
func watchIn(t *testing.T, host *netlab.Node, flags string) *watcher {
	t.Helper()
	w := &watcher{t: t, cmd: command("watch " + flags)}
	stdout, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.lines = bufio.NewScanner(stdout)
	w.cmd.Stderr = &w.stderr
	before := rings(t, host)
	if err := host.Start(w.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.cmd.Process.Kill() })
	await(t, "an open ring", func() bool { return rings(t, host) > before || w.cmd.ProcessState != nil })
	return w
}

// rings counts the packet sockets of a host that receive.
func rings(t *testing.T, host *netlab.Node) (n int) {
	t.Helper()
	err := host.Do(func() error {
		table, err := os.ReadFile("/proc/thread-self/net/packet")
		for line := range strings.Lines(string(table)) {
			if columns := strings.Fields(line); len(columns) > 5 && columns[5] == "1" {
				n++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// await reads what is shown up to a line that matches.
func (w *watcher) await(pattern string) {
	w.t.Helper()
	for wanted := regexp.MustCompile(pattern); w.lines.Scan(); {
		fmt.Fprintln(&w.shown, w.lines.Text())
		if wanted.MatchString(w.lines.Text()) {
			return
		}
	}
	w.t.Fatalf("no %q in\n%s%s", pattern, w.shown.String(), w.stderr.String())
}

// end sends a signal, if it is one, and returns all that was shown.
func (w *watcher) end(signal syscall.Signal, status int) string {
	w.t.Helper()
	if signal != 0 {
		w.cmd.Process.Signal(signal)
	}
	for w.lines.Scan() {
		fmt.Fprintln(&w.shown, w.lines.Text())
	}
	if got := ended(w.t, w.cmd.Wait()); got != status {
		w.t.Errorf("exit status %d, want %d\n%s%s", got, status, w.shown.String(), w.stderr.String())
	}
	return w.shown.String()
}

// talk is a connection of two hosts' kernels.
type talk struct {
	t              *testing.T
	client, server *net.TCPConn
}

// converse makes a connection to a port of a host.
func converse(t *testing.T, from, to *netlab.Node, addr netip.Addr, port uint16) *talk {
	t.Helper()
	l, err := to.Listen(port)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := &talk{t: t}
	err = from.Do(func() error {
		conn, err := net.Dial("tcp4", netip.AddrPortFrom(addr, port).String())
		if err == nil {
			c.client = conn.(*net.TCPConn)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.client.Close() })
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.server = conn.(*net.TCPConn)
	t.Cleanup(func() { c.server.Close() })
	return c
}

// say sends words one way, and waits until they have arrived.
func (c *talk) say(from, to net.Conn, words string) {
	c.t.Helper()
	if _, err := io.WriteString(from, words); err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.ReadFull(to, make([]byte, len(words))); err != nil {
		c.t.Fatal(err)
	}
}

// hangUp closes one end, and waits until the other knows.
func (c *talk) hangUp(from, to *net.TCPConn) {
	c.t.Helper()
	err := from.CloseWrite()
	if _, end := to.Read(make([]byte, 1)); err != nil || end != io.EOF {
		c.t.Fatal(err, end)
	}
}

// converse9999 has a conversation with port 9999, from its beginning to its end.
func converse9999(t *testing.T, from, to *netlab.Node, addr netip.Addr) {
	t.Helper()
	c := converse(t, from, to, addr, 9999)
	c.say(c.client, c.server, "abc\n")
	c.say(c.server, c.client, "ABC\n")
	c.hangUp(c.client, c.server)
	c.hangUp(c.server, c.client)
}

// Lines, every format and a capture, which is read again as it was shown.
func TestLiveWatch(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	file := func(name string) string { return filepath.Join(t.TempDir(), name) }
	js, jsonl, csv, html, pcap := file("json"), file("jsonl"), file("csv"), file("html"), file("pcapng")
	w := watchIn(t, ant, "-S --states -i apple -w "+pcap+" -o text -o json="+js+" -o jsonl="+jsonl+" -o csv="+csv+" -o html="+html)
	converse9999(t, ant, apple, apple.Addr())
	w.await("close-4/4")
	text := w.end(syscall.SIGINT, 0)
	inOrder(t, text, `IP 10\.0\.0\.1\.\d+ > 10\.0\.0\.2\.9999: Flags \[S\], seq \d+, win \d+, options \[mss 1460,sackOK,TS val \d+ ecr 0,nop,wscale \d+\], length 0  # handshake-1/3; client syn-sent, server unknown\n`,
		`# handshake-2/3; client established, server syn-received\n`,
		`# handshake-3/3; client established, server established; rtt `,
		`length 4  # data; `, `length 4  # data; `,
		`# close-1/4; client fin-wait-1, server close-wait\n`,
		`# close-4/4; client time-wait, server closed; the client closed first and holds TIME-WAIT\n`,
		`\n\d+ segments of 1 connection, in .*; 0 dropped by the kernel\n`)
	if w.stderr.Len() > 0 {
		t.Errorf("%s", w.stderr.String())
	}
	lines := strings.Count(text, " IP 10.0.0.")
	all := objects(t, js)
	kinds := map[any]int{}
	for _, o := range all {
		kinds[o["kind"]]++
	}
	summary := all[len(all)-1]
	if kinds["segment"] != lines || kinds["connection"] != 1 || summary["kernel_drops"] != 0.0 || summary["segments"] != float64(lines) || summary["exit"] != 0.0 {
		t.Errorf("%d lines, %v, %v", lines, kinds, summary)
	}
	for name, want := range map[string]int{jsonl: len(all), csv: len(all) + 1} {
		b, err := os.ReadFile(name)
		if n := bytes.Count(b, []byte("\n")); err != nil || n != want {
			t.Errorf("%s: %d lines, %v", name, n, err)
		}
	}
	if b, err := os.ReadFile(html); err != nil || !bytes.HasSuffix(bytes.TrimSpace(b), []byte("</html>")) {
		t.Errorf("%v in %s", err, b)
	}
	checkCapture(t, pcap, "", lines)
	_, again, _ := call(t, "read -S --states "+pcap, "")
	if want, _, _ := strings.Cut(text, "\n\n"); !strings.HasPrefix(again, want+"\n") {
		t.Errorf("read: %s", difference(want, again))
	}
}

// inOrder holds a text to patterns that follow each other.
func inOrder(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for rest := text; len(patterns) > 0; patterns = patterns[1:] {
		at := regexp.MustCompile(patterns[0]).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("no %q where it should be in\n%s", patterns[0], text)
		}
		rest = rest[at[1]:]
	}
}

// The other views show as it happens, and end well with SIGTERM.
func TestLiveWatchViews(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	for _, test := range []struct {
		flags, last string
		want        []string
	}{
		{"--ladder", "close 4/4", []string{"SYN-SENT", "handshake 3/3", "ESTABLISHED", "TIME-WAIT", "\n\n\\d+ segments of 1 connection"}},
		{"--follow", `^<.*end`, []string{"> abc\n", "< ABC\n"}},
		{"-A", "close-4/4", []string{"# data\n(.*\n)*?.*abc"}},
		{"-X", "close-4/4", []string{"# data\n\t0x0000:  4500 "}},
	} {
		w := watchIn(t, ant, test.flags+" -i apple port 9999")
		converse9999(t, ant, apple, apple.Addr())
		w.await(test.last)
		inOrder(t, w.end(syscall.SIGTERM, 0), test.want...)
	}
}

// The states are what the kernels say of their sockets.
func TestLiveWatchStates(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	for _, test := range []struct {
		last string
		do   func(c *talk)
	}{
		{"handshake-3/3", func(*talk) {}},
		{"close-2/4", func(c *talk) { c.hangUp(c.client, c.server) }},
		{"close-4/4", func(c *talk) { c.hangUp(c.client, c.server); c.hangUp(c.server, c.client) }},
		{"close-4/4", func(c *talk) { c.hangUp(c.server, c.client); c.hangUp(c.client, c.server) }},
		{"# reset", func(c *talk) { c.client.SetLinger(0); c.client.Close() }},
	} {
		file := filepath.Join(t.TempDir(), "json")
		w := watchIn(t, ant, "-i apple -o text -o json="+file)
		c := converse(t, ant, apple, apple.Addr(), 9999)
		local, remote := c.client.LocalAddr().(*net.TCPAddr).AddrPort(), c.server.LocalAddr().(*net.TCPAddr).AddrPort()
		test.do(c)
		w.await(test.last)
		client, server := stateOf(t, ant, local, remote), stateOf(t, apple, remote, local)
		w.end(syscall.SIGINT, 0)
		all := objects(t, file)
		connection := all[len(all)-2]
		if connection["client"] != local.String() || connection["client_state"] != client || connection["server_state"] != server {
			t.Errorf("%s: the kernels say %s and %s, of %v", test.last, client, server, connection)
		}
		c.client.Close()
		c.server.Close()
	}
}

// stateOf is what a host's kernel says of a connection's state.
func stateOf(t *testing.T, host *netlab.Node, local, remote netip.AddrPort) (state string) {
	t.Helper()
	err := host.Do(func() error {
		socket, found, err := sockdiag.Lookup(local, remote)
		state = socket.State.String()
		if !found {
			state = sockdiag.Closed.String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// routed is ant and apple with a router between.
func routed() netlab.Topology {
	net := netip.MustParsePrefix
	return netlab.Topology{
		Name: "routed",
		Hosts: []netlab.Host{
			{Name: "ant", Routes: []netlab.Route{{To: net("0.0.0.0/0"), Via: netip.MustParseAddr("10.0.1.1")}}},
			{Name: "router", Router: true},
			{Name: "apple", Routes: []netlab.Route{{To: net("0.0.0.0/0"), Via: netip.MustParseAddr("10.0.2.1")}}},
		},
		Links: []netlab.Link{
			{A: netlab.End{Host: "ant", Addr: net("10.0.1.2/24")}, B: netlab.End{Host: "router", Addr: net("10.0.1.1/24")}},
			{A: netlab.End{Host: "router", Addr: net("10.0.2.1/24")}, B: netlab.End{Host: "apple", Addr: net("10.0.2.2/24")}},
		},
	}
}

// On all devices of a router, and on lo, every segment is seen twice: the
// second time it is a copy, here and when the capture is read.
func TestLiveWatchCopies(t *testing.T) {
	lab := netlab.Start(t, routed())
	ant, router, apple := lab.Host("ant"), lab.Host("router"), lab.Host("apple")
	for name, test := range map[string]struct {
		from, at, to *netlab.Node
		addr         netip.Addr
		flags        string
		prefix       string
	}{
		"router": {ant, router, apple, apple.Addr(), "-Xni any port 9999", `ant   In  IP 10\.0\.1\.2\.\d+ > `},
		"lo":     {ant, ant, ant, netip.MustParseAddr("127.0.0.1"), "-i lo port 9999", `IP 127\.0\.0\.1\.\d+ > `},
	} {
		pcap := filepath.Join(t.TempDir(), "pcapng")
		w := watchIn(t, test.at, "--states -w "+pcap+" "+test.flags)
		converse9999(t, test.from, test.to, test.addr)
		w.await(`close-4/4`)
		w.await(`# copy; client time-wait, server closed`)
		text := w.end(syscall.SIGINT, 0)
		_, again, _ := call(t, "read --states "+pcap, "")
		for what, text := range map[string]string{"watch": text, "read": again} {
			copies, segments := strings.Count(text, "# copy; "), strings.Count(text, ": Flags [")
			if segments != 2*copies || copies == 0 || strings.Count(text, "# handshake-1/3") != 1 || strings.Contains(text, "retransmission") ||
				!strings.Contains(text, fmt.Sprintf("\n%d segments of 1 connection, %d seen twice", segments, copies)) {
				t.Errorf("%s, %s: %d segments, %d copies\n%s", name, what, segments, copies, text)
			}
		}
		inOrder(t, text, test.prefix, "handshake-1/3", "# copy; client syn-sent, server unknown")
	}
}

// pass sends datagrams past a host, to a link-layer address that is nobody's,
// so that no one answers them.
func pass(t *testing.T, host *netlab.Node, device string, packets ...dated) {
	t.Helper()
	if err := tryPass(host, device, packets...); err != nil {
		t.Fatal(err)
	}
}

// tryPass is pass where it may fail.
func tryPass(host *netlab.Node, device string, packets ...dated) error {
	return host.Do(func() error {
		conn, err := rawsock.OpenPacket(rawsock.PacketConfig{Interface: device, Destination: net.HardwareAddr{2, 0, 0, 0, 0, 99}, Snap: 64})
		if err != nil {
			return err
		}
		defer conn.Close()
		batch := make([]wire.Departure, len(packets))
		for i, p := range packets {
			batch[i].Datagram = p.datagram
		}
		err = conn.Send(batch)
		for _, d := range batch {
			err = errors.Join(err, d.Err)
		}
		return err
	})
}

// What the filter leaves out is neither shown nor counted; a count or a
// duration ends the run.
func TestLiveWatchEnds(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	all := slices.Concat(dialogue(t, 40001, begins()), dialogue(t, 40000, begins()))
	for _, test := range []struct{ flags, want string }{
		{"-i ant -c 11 port 40000", `^(.* 10\.0\.0\.[12]\.(40000|80) > .*\n){11}\n11 segments of 1 connection, in \S+ \S+; 0 dropped by the kernel\n$`},
		{"-c 4 'tcp[tcpflags]&tcp-syn!=0'", `^(ant|.*) (.* Flags \[S\.?\].*\n){4}\n4 segments of 2 connections, in `},
		{"-i ant --summary -c 22", `\n22 segments of 2 connections, in `},
		{"-i ant -q -c 1 src host 10.0.0.2 and port 40000", `^\S+ IP 10\.0\.0\.2\.80 > 10\.0\.0\.1\.40000: Flags \[S\.\], .*, length 0\n$`},
	} {
		w := watchIn(t, apple, strings.ReplaceAll(test.flags, "'", ""))
		pass(t, ant, "apple", all...)
		if text := w.end(0, 0); !regexp.MustCompile(test.want).MatchString(text) {
			t.Errorf("%s:\n%s", test.flags, text)
		}
	}
	status, stdout, stderr := on(t, apple, "watch --duration 20ms")
	if status != 0 || !regexp.MustCompile(`^0 segments of 0 connections, in \S+ m?s; 0 dropped by the kernel\n$`).MatchString(strings.TrimLeft(stdout, "\n")) || stderr != "" {
		t.Errorf("%d %q %q", status, stdout, stderr)
	}
}

// A stopped watch shows that the filter is the kernel's: what it leaves out
// takes no room.
func TestLiveWatchFilterIsTheKernels(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	w := watchIn(t, apple, "-X -i ant -c 11 port 40000")
	if err := w.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// More than the ring has room for, in large datagrams.
	large, err := wire.AppendDatagram(nil, wire.Header{TTL: 64, Src: ant.Addr(), Dst: apple.Addr()}, wire.Segment{SrcPort: 1, DstPort: 2, Flags: wire.ACK, Payload: make([]byte, 1400)})
	if err != nil {
		t.Fatal(err)
	}
	flood := slices.Repeat([]dated{{datagram: large}}, 1000)
	for sent := 0; sent < 3*watchRing/2; sent += len(flood) * len(large) {
		pass(t, ant, "apple", flood...)
	}
	pass(t, ant, "apple", dialogue(t, 40000, begins())...)
	w.cmd.Process.Signal(syscall.SIGCONT)
	if text := w.end(0, 0); !strings.Contains(text, "\n11 segments of 1 connection, ") || !strings.HasSuffix(text, "; 0 dropped by the kernel\n") {
		t.Errorf("%s", text)
	}
}

// A device that is down is waited for; one that is deleted ends the run, and
// what was seen before is shown.
func TestLiveWatchDeviceGone(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	device := func(change func(netlink.Link) error) {
		err := apple.Do(func() error {
			device, err := netlink.LinkByName("ant")
			if err == nil {
				err = change(device)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "json")
	w := watchIn(t, apple, "-i ant -o text -o json="+file)
	pass(t, ant, "apple", dialogue(t, 40000, begins())...)
	w.await("close-4/4")
	device(netlink.LinkSetDown)
	device(netlink.LinkSetUp)
	// What is sent before the carrier is back is lost, so it is sent again.
	seen, sent, again := make(chan struct{}), make(chan struct{}), dialogue(t, 40001, begins())
	go func() {
		defer close(sent)
		for ticker := time.NewTicker(20 * time.Millisecond); ; {
			_ = tryPass(ant, "apple", again...)
			select {
			case <-seen:
				return
			case <-ticker.C:
			}
		}
	}()
	w.await(`\.40001 > `)
	close(seen)
	<-sent
	device(netlink.LinkDel)
	w.end(0, exitFailed)
	all := objects(t, file)
	if n := len(all); all[n-2]["kind"] != "error" || all[n-3]["kind"] != "connection" || all[n-1]["exit"] != float64(exitFailed) {
		t.Errorf("ends with %v", all[n-3:])
	}
	const down = "tcpscope: ant is down; waiting for it\n"
	if got := w.stderr.String(); !strings.HasPrefix(got, down) || strings.ReplaceAll(got, down, "") != "tcpscope: error: ant is gone: network is down\n" {
		t.Errorf("%q", got)
	}
}

func TestLiveWatchNowhere(t *testing.T) {
	netlab.Live(t)
	status, stdout, stderr := call(t, "watch -i nonesuch0", "")
	if status != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "tcpscope: error: --interface \"nonesuch0\": no such device\ntcpscope: hint: there ") {
		t.Errorf("%d %q %q", status, stdout, stderr)
	}
	file := filepath.Join(t.TempDir(), "json")
	status, _, stderr = unprivileged(t, "watch -o json="+file)
	for _, want := range []string{
		"tcpscope: error: raw sockets need CAP_NET_RAW, which this process does not have: ",
		"tcpscope: hint: run it with sudo; or once: sudo setcap cap_net_raw+ep /",
	} {
		if status != exitFailed || !strings.Contains(stderr, want) {
			t.Errorf("exit status %d, no %q in:\n%s", status, want, stderr)
		}
	}
	all := objects(t, file)
	if last := all[len(all)-2]; last["kind"] != "error" || last["exit"] != float64(exitFailed) || last["hint"] == nil {
		t.Errorf("%v", last)
	}
}

// Once the ring is open, no capability is left, and SIGUSR1 tells how far the
// run has come.
func TestLiveWatchStatusAndPrivileges(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	w := watchIn(t, apple, "-i ant")
	pass(t, ant, "apple", dialogue(t, 40000, begins())...)
	w.await("close-4/4")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.cmd.Process.Pid))
	if err != nil || !withCgo() && !strings.Contains(string(status), "\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n") {
		t.Errorf("%v\n%s", err, status)
	}
	w.cmd.Process.Signal(syscall.SIGUSR1)
	// It has been told before it is shown: the line is there when the next
	// datagram's is.
	pass(t, ant, "apple", dialogue(t, 40001, begins())[0])
	w.await("40001")
	w.end(syscall.SIGINT, 0)
	if got := w.stderr.String(); !regexp.MustCompile(`^tcpscope: 1[12] segments of [12] connections?, 0 dropped by the kernel\n$`).MatchString(got) {
		t.Errorf("%q", got)
	}
}

// withCgo reports whether the program is built with cgo, as for the race
// detector, and so cannot give up capabilities.
func withCgo() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "CGO_ENABLED", Value: "1"})
}

// A dry run shows the program, and needs no privilege.
func TestWatchDryRun(t *testing.T) {
	status, stdout, stderr := call(t, "watch --dry-run -Xni any port 9999", "")
	if status != 0 || stderr != "" || !strings.HasPrefix(stdout, "filter: port 9999\n(000) ") || !strings.HasSuffix(stdout, "ret #0\nNothing was watched. Offsets count from the IPv4 header.\n") {
		t.Errorf("%d %q\n%s", status, stderr, stdout)
	}
	if _, stdout, _ := call(t, "watch --dry-run", ""); !strings.HasPrefix(stdout, "filter: tcp or icmp") {
		t.Errorf("%s", stdout)
	}
}

// What nobody reads any more ends the run, and the files are whole.
func TestLiveWatchNoReader(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	file := filepath.Join(t.TempDir(), "jsonl")
	cmd := command("watch -i ant -o text -o jsonl=" + file)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	before := rings(t, apple)
	if err := apple.Start(cmd); err != nil {
		t.Fatal(err)
	}
	await(t, "an open ring", func() bool { return rings(t, apple) > before })
	stdout.Close()
	pass(t, ant, "apple", dialogue(t, 40000, begins())...)
	// It goes on for the file's sake.
	await(t, "the close", func() bool {
		b, _ := os.ReadFile(file)
		return bytes.Contains(b, []byte(`"step":"close-4/4"`))
	})
	cmd.Process.Signal(os.Interrupt)
	if status := ended(t, cmd.Wait()); status != 0 && status != exitFailed {
		t.Errorf("exit status %d", status)
	}
	b, err := os.ReadFile(file)
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	var last map[string]any
	if err != nil || json.Unmarshal(lines[len(lines)-1], &last) != nil || last["kind"] != "summary" {
		t.Errorf("%v: %s", err, b)
	}
}

// The capture of a run that is killed can be read.
func TestLiveWatchKilled(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	file := filepath.Join(t.TempDir(), "pcapng")
	w := watchIn(t, apple, "-i ant -w "+file)
	pass(t, ant, "apple", dialogue(t, 40000, begins())...)
	await(t, "the capture", func() bool {
		f, err := os.Open(file)
		if err != nil {
			return false
		}
		defer f.Close()
		r, err := capture.NewReader(f)
		n := 0
		for ; err == nil; n++ {
			_, err = r.Next()
		}
		return n > 11
	})
	w.cmd.Process.Kill()
	w.cmd.Wait()
	if status, stdout, stderr := call(t, "read "+file, ""); status != 0 || !strings.HasSuffix(stdout, "\n11 segments of 1 connection\n") {
		t.Errorf("%d %s%s", status, stdout, stderr)
	}
}
