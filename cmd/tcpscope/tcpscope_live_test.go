//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// programEnv makes the test binary be the program itself, so that tests can
// start it in hosts, signal it and take its privileges away.
const programEnv = "TCPSCOPE_TEST_PROGRAM"

// peakEnv names a file for the most memory, in KiB, that the program had
// resident.
const peakEnv = "TCPSCOPE_TEST_PEAK"

func TestMain(m *testing.M) {
	if file := os.Getenv(peakEnv); file != "" {
		os.Exit(measure(file))
	}
	if os.Getenv(programEnv) != "" {
		main()
	}
	// What runs in parallel waits for what never comes, most of its time: it
	// needs no processor each. The command line may say otherwise.
	if err := flag.Set("test.parallel", "20"); err != nil {
		panic(err)
	}
	netlab.TestMain(m)
}

// measure runs the program once more and writes down its peak. To the kernel a
// process begins with the peak of the one that started it (execve hands it on),
// so it cannot be the tests' own process, which may have been large.
func measure(file string) int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), peakEnv+"=")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	if err := os.WriteFile(file, strconv.AppendInt(nil, peak, 10), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	return cmd.ProcessState.ExitCode()
}

// command is the program with a command line.
func command(line string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", strings.Fields(line)...)
	cmd.Env = append(os.Environ(), programEnv+"=1")
	return cmd
}

// ended returns how a program ended.
func ended(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err == nil {
		return 0
	}
	if !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return exit.ExitCode()
}

// on runs a command line in a host.
func on(t *testing.T, host *netlab.Node, line string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := command(line)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	status = ended(t, host.Run(cmd))
	return status, out.String(), errs.String()
}

// objects reads a JSON document from a file.
func objects(t *testing.T, name string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var document struct{ Objects []map[string]any }
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	all := document.Objects
	if n := len(all); n < 2 || all[0]["kind"] != "run" || all[n-1]["kind"] != "summary" {
		t.Fatalf("does not begin with run and end with summary:\n%s", text)
	}
	return all
}

// One command, every format, a capture and a trace.
func TestLiveOutputs(t *testing.T) {
	lab := netlab.Start(t, netlab.Firewalled())
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	status, stdout, stderr := on(t, lab.Host("ant"), "syn -p 80,150,301 10.0.2.2 --packet-trace"+
		" -o json="+file("json")+" -o jsonl="+file("jsonl")+" -o csv="+file("csv")+" --pcap "+file("pcap"))
	if status != 0 || !strings.Contains(stdout, "3 ports: 1 open, 1 closed, 1 filtered") {
		t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
	}
	for _, want := range []string{" IP 10.0.1.2.", "Flags [S]", "Flags [S.]", "Flags [R.]", "Flags [R]", "ICMP 10.0.2.2 tcp port 301 unreachable"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in the trace:\n%s", want, stderr)
		}
	}
	all := objects(t, file("json"))
	lines, err := os.ReadFile(file("jsonl"))
	if n := bytes.Count(lines, []byte("\n")); err != nil || n != len(all) {
		t.Errorf("%d lines, %d objects, %v", n, len(all), err)
	}
	rows, err := os.ReadFile(file("csv"))
	if n := bytes.Count(rows, []byte("\n")); err != nil || n != len(all)+1 {
		t.Errorf("%d rows, %d objects, %v", n, len(all), err)
	}
	checkCapture(t, file("pcap"), "syn 10.0.2.2:", 7)
}

// checkCapture holds a capture to what the interface promises of it: so many
// packets, each with a comment that names its probe.
func checkCapture(t *testing.T, name, probe string, packets int) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := capture.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		p, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if n++; !strings.Contains(p.Comment, probe) {
			t.Fatalf("packet %d: comment %q", n, p.Comment)
		}
	}
	if n != packets {
		t.Errorf("%d packets captured, want %d", n, packets)
	}
}

func TestLiveExpectations(t *testing.T) {
	lab := netlab.Start(t, netlab.Firewalled())
	ant := lab.Host("ant")
	for _, test := range []struct {
		line   string
		status int
	}{
		{"syn -p 80 10.0.2.2", 0},
		{"syn -p 150 10.0.2.2", 0}, // closed is an answer
		{"syn --tries 1 -p 250 10.0.2.2", 1},
		{"syn -p 80 --expect open 10.0.2.2", 0},
		{"syn -p 80,150 --expect open 10.0.2.2", 1},
		{"syn -p 80,150 --expect open,closed 10.0.2.2", 0},
		{"syn --tries 1 -p 80,250 --expect open,filtered 10.0.2.2", 0},
		{"syn --tries 1 -p 250 --expect filtered 10.0.2.2", 4},
		{"syn --tries 1 -p 250 --expect open 10.0.2.2", 1},
		{"syn 203.0.113.1:80 --tries 1", 1},
		{"craft 10.0.2.2:80", 0},
		{"craft 10.0.2.2:250", 1},
		{"craft --badsum 10.0.2.2:80", 0}, // as it should be
	} {
		t.Run(test.line, func(t *testing.T) {
			t.Parallel() // they wait for what never comes
			if status, stdout, stderr := on(t, ant, test.line); status != test.status {
				t.Errorf("exit status %d, want %d\n%s%s", status, test.status, stdout, stderr)
			}
		})
	}
}

// SIGUSR1 prints a line of status.
func TestLiveStatusLine(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	for _, test := range []struct {
		line    string
		objects int // after so many the run follows its signals
		want    string
	}{
		{"syn --rate 100 -p 1-900 10.0.0.2", 2, "tcpscope: [0-9]+ of 900 ports, [01] open, .*\n"},
		{"craft -c 1000 -i 1h 10.0.0.2:9", 3, "tcpscope: 1 sent, 1 received\n"},
	} {
		cmd := command(test.line + " -o jsonl")
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := lab.Host("ant").Start(cmd); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		for range test.objects {
			lines.Scan()
		}
		cmd.Process.Signal(syscall.SIGUSR1)
		status, err := bufio.NewReader(stderr).ReadString('\n')
		if err != nil || !regexp.MustCompile("^"+test.want+"$").MatchString(status) {
			t.Errorf("%s: %q, %v", test.line, status, err)
		}
		cmd.Process.Signal(os.Interrupt)
		for lines.Scan() {
			continue
		}
		if status := ended(t, cmd.Wait()); status != exitInterrupted {
			t.Errorf("%s: exit status %d", test.line, status)
		}
	}
}

// A pipe for the capture is opened once: its reader takes a close for the end.
func TestCapturePipeIsNotTried(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	// To open it would wait for a reader, of which there is none.
	if err := writable(pipe); err != nil {
		t.Error(err)
	}
}

// SIGKILL leaves nothing half.
func TestLiveKilled(t *testing.T) {
	lab := netlab.Start(t, netlab.Firewalled())
	dir := t.TempDir()
	cmd := command("syn -p 1-1000 --rate 100 10.0.2.2 -o jsonl -o json=" + filepath.Join(dir, "json"))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Host("ant").Start(cmd); err != nil {
		t.Fatal(err)
	}
	bufio.NewReader(stdout).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// unprivileged runs a command line without CAP_NET_RAW.
func unprivileged(t *testing.T, line string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := command(line)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	done := make(chan error)
	go func() {
		// A thread without the capability in its bounding set, and with it
		// every program that it starts. It ends with the goroutine.
		runtime.LockOSThread()
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_NET_RAW, 0, 0, 0); err != nil {
			done <- err
			return
		}
		done <- cmd.Run()
	}()
	status = ended(t, <-done)
	return status, out.String(), errs.String()
}

// Without CAP_NET_RAW the program says what is missing and how to get it.
func TestLiveNoPrivilege(t *testing.T) {
	netlab.Live(t)
	file := filepath.Join(t.TempDir(), "json")
	status, _, stderr := unprivileged(t, "syn 127.0.0.1:80 -o json="+file)
	for _, want := range []string{
		"tcpscope: error: raw sockets need CAP_NET_RAW, which this process does not have: ",
		"tcpscope: hint: run it with sudo; or once: sudo setcap cap_net_raw+ep /",
		"sudo chown root:netdiag /",
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

func TestLiveNoRoute(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	status, _, stderr := on(t, lab.Host("ant"), "syn 192.0.2.7:80")
	if status != exitFailed || !strings.Contains(stderr, "network is unreachable") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
}

func TestLiveInterfaceDown(t *testing.T) {
	netlab.Live(t)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "down0"}, PeerName: "down1"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(veth); err != nil {
			t.Error(err)
		}
	})
	status, stdout, stderr := call(t, "syn -I down0 127.0.0.1", "")
	const want = "tcpscope: error: --interface \"down0\": the device is down\ntcpscope: hint: ip link set down0 up\n"
	if status != exitUsage || stdout != "" || stderr != want {
		t.Errorf("%d %q %q", status, stdout, stderr)
	}
}

// A segment that could end a connection of this host is not sent.
func TestLiveCraftSparesConnections(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	var conn net.Conn
	err := ant.Do(func() (err error) {
		conn, err = net.Dial("tcp4", apple.Addr().String()+":80")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, port, _ := strings.Cut(conn.LocalAddr().String(), ":")
	status, stdout, stderr := on(t, ant, "craft --flags RST --source-port "+port+" 10.0.0.2:80")
	if status != exitFailed || strings.Contains(stdout, "Flags") || !strings.Contains(stderr, "a socket of this host owns 10.0.0.1:"+port+" > 10.0.0.2:80") {
		t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
	}
}

// The tour ends well, in time, and shows what it promises.
func TestLiveDemo(t *testing.T) {
	netlab.Live(t)
	start := time.Now()
	cmd := command("demo --color always")
	out, err := cmd.CombinedOutput()
	if status := ended(t, err); status != 0 {
		t.Fatalf("exit status %d\n%s", status, out)
	}
	if d := time.Since(start); d > 15*time.Second {
		t.Errorf("it took %v", d)
	}
	for _, want := range []string{"closed", "no-reply", "icmp-port-unreachable", "icmp-admin-prohibited", "icmp-host-prohibited", "10.0.1.1", "\x1b[1;32mopen"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestLiveLabRun(t *testing.T) {
	netlab.Live(t)
	out, err := command("lab run pair --host apple -- tcpscope syn -q -p 9 --expect closed 10.0.0.1").CombinedOutput()
	if status := ended(t, err); status != 0 || !bytes.Contains(out, []byte("closed")) {
		t.Errorf("exit status %d\n%s", status, out)
	}
	out, err = command("lab run pair -- tcpscope syn -q -p 80,81 --expect open 10.0.0.2").CombinedOutput()
	if status := ended(t, err); status != exitNegative {
		t.Errorf("exit status %d\n%s", status, out)
	}
	out, err = command("lab run pair -- nonesuch").CombinedOutput()
	if status := ended(t, err); status != exitFailed || !bytes.Contains(out, []byte("nonesuch")) {
		t.Errorf("exit status %d\n%s", status, out)
	}
}

func TestLabUsage(t *testing.T) {
	for line, want := range map[string]string{
		"lab run":                       "lab run takes one topology; 0 given\ntcpscope: hint: tcpscope lab list shows them; a command stands behind --",
		"lab run pair":                  "lab run: no command given\ntcpscope: hint: put it behind --, as in tcpscope lab run pair -- tcpscope syn 10.0.0.2",
		"lab run pari -- true":          `unknown topology "pari"; did you mean pair?`,
		"lab run pair --host x -- true": `topology pair has no host "x": it has ant and apple`,
		"lab shell pair -- true":        "lab shell takes no command; lab run does",
		"lab enter":                     "lab enter takes one name of a lab; 0 given",
		"lab list all":                  "lab list takes no argument",
		"demo fast":                     "demo takes no argument",
	} {
		status, stdout, stderr := call(t, line, "")
		if status != exitUsage || stdout != "" || stderr != "tcpscope: error: "+want+"\n" {
			t.Errorf("%s: %d %q %q", line, status, stdout, stderr)
		}
	}
	if status, stdout, _ := call(t, "lab list", ""); status != 0 || !strings.Contains(stdout, "\nfirewall ") {
		t.Errorf("lab list: %d %q", status, stdout)
	}
}

// A reader that has had enough ends the run, and the files are whole.
func TestLiveNoReader(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	file := filepath.Join(t.TempDir(), "json")
	cmd := command("syn -p 1-1000 --rate 500 10.0.0.2 -o jsonl -o json=" + file)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := lab.Host("ant").Start(cmd); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	stdout.Close()
	status := ended(t, cmd.Wait())
	if n := len(objects(t, file)); n == 0 || status != 0 && status != exitFailed || stderr.Len() > 0 {
		t.Errorf("exit status %d, %d objects, stderr %q", status, n, stderr.String())
	}
}

// A second interrupt ends the run at once, but not one that belongs to the
// first: timeout(1) sends two.
func TestLiveSecondInterrupt(t *testing.T) {
	topology := netlab.Firewalled()
	slow := netlab.Shape{Delay: 200 * time.Millisecond}
	topology.Links[0].AtoB, topology.Links[0].BtoA = slow, slow
	lab := netlab.Start(t, topology)
	for _, test := range []struct {
		name  string
		wait  time.Duration
		whole bool
	}{{"at once", 0, true}, {"later", 2 * oneInterrupt, false}} {
		file := filepath.Join(t.TempDir(), "json")
		cmd := command("syn -p 80,201-300 --order given --rate 50 --timeout 1m 10.0.2.2 -o jsonl -o json=" + file)
		findings, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := lab.Host("ant").Start(cmd); err != nil {
			t.Fatal(err)
		}
		// Once it knows that answers take so long, an interrupted run listens
		// on for a second.
		lines := bufio.NewScanner(findings)
		for lines.Scan() && !strings.Contains(lines.Text(), `"state":"open"`) {
			continue
		}
		cmd.Process.Signal(os.Interrupt)
		time.AfterFunc(test.wait, func() { cmd.Process.Signal(os.Interrupt) })
		for lines.Scan() {
			continue
		}
		status := ended(t, cmd.Wait())
		_, err = os.Stat(file)
		if whole := err == nil; whole != test.whole || whole && status != exitInterrupted || !whole && status != -1 {
			t.Errorf("%s: exit status %d, %v", test.name, status, err)
		}
	}
}

func TestLiveUnknownName(t *testing.T) {
	netlab.Live(t) // no name server is asked in here
	status, stdout, stderr := call(t, "syn nonesuch.invalid:80", "")
	const want = "tcpscope: error: cannot resolve \"nonesuch.invalid\": "
	if status != exitUsage || stdout != "" || !strings.HasPrefix(stderr, want) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("%d %q %q", status, stdout, stderr)
	}
}
