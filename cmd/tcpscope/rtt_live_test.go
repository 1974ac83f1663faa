//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// latencies are the objects that rtt writes, by endpoint.
type latencies struct {
	status    int
	stderr    string
	samples   map[string][]latencyFields
	summaries map[string]latencyFields
	kinds     []string
}

type latencyFields struct {
	Kind, Addr, Reply, From, Clock, Detail string

	Port, N, Sent, Received, Resets int
	Late, TTL                       int
	NotSent                         int      `json:"not_sent"`
	ICMPErrors                      int      `json:"icmp_errors"`
	Loss                            *float64 `json:"loss"`
	RTT                             float64  `json:"rtt_us"`
	User                            float64  `json:"user_rtt_us"`
	Median                          float64  `json:"p50_us"`
	Error                           *float64 `json:"error_us"`
	Failed                          []string
}

// readLatencies reads lines of JSON.
func readLatencies(t *testing.T, text string) latencies {
	t.Helper()
	l := latencies{samples: map[string][]latencyFields{}, summaries: map[string]latencyFields{}}
	for line := range strings.Lines(text) {
		var o latencyFields
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		endpoint := fmt.Sprintf("%s:%d", o.Addr, o.Port)
		switch l.kinds = append(l.kinds, o.Kind); o.Kind {
		case "rtt":
			l.samples[endpoint] = append(l.samples[endpoint], o)
		case "rtt-summary":
			l.summaries[endpoint] = o
		}
	}
	return l
}

// latenciesFrom runs rtt on a host.
func latenciesFrom(t *testing.T, host *netlab.Node, flags string) latencies {
	t.Helper()
	status, stdout, stderr := on(t, host, "rtt -o jsonl "+flags)
	l := readLatencies(t, stdout)
	l.status, l.stderr = status, stderr
	return l
}

// TestLiveRTT: every kind of answer, as records.
func TestLiveRTT(t *testing.T) {
	lab := netlab.Start(t, netlab.Firewalled())
	t.Run("flags", func(t *testing.T) {
		for _, flags := range []string{"", "--connect", "--clock so-timestamping", "--clock user-clock", "--like windows"} {
			t.Run(flags, func(t *testing.T) {
				t.Parallel() // they wait for what never comes
				everyAnswer(t, lab.Host("ant"), flags)
			})
		}
	})
	if n := halfOpen(t, lab.Host("apple")); n > 0 {
		t.Errorf("%d half-open connections left", n)
	}
}

// everyAnswer measures what answers in each way, and what does not.
func everyAnswer(t *testing.T, ant *netlab.Node, flags string) {
	const n = 3
	l := latenciesFrom(t, ant, fmt.Sprintf("-c %d -i 10ms --timeout 2s -p 80,150,250,700 10.0.2.2 %s", n, flags))
	if l.status != 0 || l.kinds[0] != "run" || l.kinds[len(l.kinds)-1] != "summary" || len(l.kinds) != 4*n+4+2 {
		t.Errorf("exit status %d, objects %q, %s", l.status, l.kinds, l.stderr)
	}
	for port, reply := range map[int]string{80: "syn-ack", 150: "rst", 250: "no-reply", 700: "icmp-port-unreachable"} {
		if port == 700 && flags == "--connect" {
			continue // how much of an ICMP error is known then is package rtt's affair
		}
		endpoint := fmt.Sprintf("10.0.2.2:%d", port)
		answered := port < 200
		samples := l.samples[endpoint]
		// connect() calls that end at the same time do so in any order.
		slices.SortFunc(samples, func(a, b latencyFields) int { return a.N - b.N })
		for i, o := range samples {
			if o.N != i+1 || o.Reply != reply || (o.RTT > 0) != answered || (o.Clock != "") != answered || (o.From == "10.0.1.1") != (port == 700) {
				t.Errorf("%+v", o)
			}
		}
		s := l.summaries[endpoint]
		if s.Sent != n || (s.Received == n) != answered || s.Loss == nil || (*s.Loss == 0) != answered ||
			(s.Resets == n) != (port == 150) || (s.Median > 0) != answered || (s.ICMPErrors == n) != (port == 700) {
			t.Errorf("%+v", s)
		}
		if answered && s.Error == nil {
			t.Errorf("%s: no error bar; %s", endpoint, s.Detail)
		}
	}
}

// TestLiveRTTStatuses: how runs end.
func TestLiveRTTStatuses(t *testing.T) {
	topology := netlab.Firewalled()
	topology.Hosts[0].Firewall = netlab.Firewall{Rules: []netlab.Rule{{Hook: netlab.Output, From: 99, Action: netlab.Drop}}}
	lab := netlab.Start(t, topology)
	for _, test := range []struct {
		line   string
		status int
		failed string // the first clause that does not hold
	}{
		{"10.0.2.2:80", 0, ""},
		{"10.0.2.2:150", 0, ""}, // closed is as far away as open
		{"10.0.2.2:250", 1, ""},
		{"10.0.2.2:700", 1, ""},
		{"10.0.2.2:80 10.0.2.2:250", 0, ""},
		{"--expect p95<=1s,loss=0 10.0.2.2:80", 0, ""},
		{"--expect loss=0,p95<=1us 10.0.2.2:80", 1, "p95<=1us ("},
		{"--expect loss<=1% 10.0.2.2:80 10.0.2.2:250", 1, "loss<=1% (100"},
		{"--expect p50<=1s 10.0.2.2:250", 1, "p50<=1s (no sample)"},
		{"--expect loss>=50% 10.0.2.2:250", 1, ""}, // nothing replied
		{"10.0.2.2:99", 1, ""},
		{"10.0.2.2:99 10.0.2.2:80", 0, ""},
		{"--expect loss=0 10.0.2.2:99 10.0.2.2:80", 4, "loss=0 ("},
		{"--expect loss=0 10.0.2.2:99 10.0.2.2:250 10.0.2.2:80", 1, "loss=0 ("},
		{"--source-port 20000 10.0.2.2:80", 0, ""},
		{"--source 10.0.1.2 -I router 10.0.2.2:80", 0, ""},
		{"--connect --source 10.0.1.2 -I router 10.0.2.2:80", 0, ""},
		{"--resolve 10.0.2.2:80", 0, ""},
	} {
		t.Run(test.line, func(t *testing.T) {
			t.Parallel() // they wait for what never comes
			l := latenciesFrom(t, lab.Host("ant"), "-c 2 -i 20ms --timeout 2s "+test.line)
			if l.status != test.status {
				t.Errorf("exit status %d, want %d: %s", l.status, test.status, l.stderr)
			}
			var failed string
			for _, endpoint := range slices.Sorted(maps.Keys(l.summaries)) {
				if s := l.summaries[endpoint]; len(s.Failed) > 0 && (failed == "" || !strings.HasPrefix(failed, test.failed)) {
					failed = s.Failed[0]
				}
			}
			if !strings.HasPrefix(failed, test.failed) || (failed == "") != (test.failed == "") {
				t.Errorf("failed %q, want %q", failed, test.failed)
			}
		})
	}
}

// TestLiveRTTNoRoute: what cannot be reached is an error, and does not keep
// others from being measured.
func TestLiveRTTNoRoute(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	for _, flags := range []string{"", "--connect "} {
		l := latenciesFrom(t, lab.Host("ant"), "-c 2 -i 5ms 192.0.2.7:80 10.0.0.2:80 "+flags)
		const want = "tcpscope: error: 2 probes not sent: "
		if l.status != exitFailed || !strings.HasPrefix(l.stderr, want) || !strings.Contains(l.stderr, "network is unreachable") || strings.Count(l.stderr, "\n") != 1 {
			t.Errorf("%sexit status %d: %s", flags, l.status, l.stderr)
		}
		if there, not := l.summaries["10.0.0.2:80"], l.summaries["192.0.2.7:80"]; there.Received != 2 || not.NotSent != 2 || not.Sent != 0 {
			t.Errorf("%s%+v\n%+v", flags, there, not)
		}
	}
	l := latenciesFrom(t, lab.Host("ant"), "-c 2 -i 5ms 192.0.2.7:80")
	if l.status != exitFailed || !strings.Contains(l.stderr, "network is unreachable") || strings.Count(l.stderr, "\n") != 1 {
		t.Errorf("exit status %d: %s", l.status, l.stderr)
	}
}

// TestLiveRTTEnds: signals are the end of a run that has no other, and
// interrupt one that has. Either way all is written, whole.
func TestLiveRTTEnds(t *testing.T) {
	lab := netlab.Start(t, netlab.Firewalled())
	for _, test := range []struct {
		line   string
		signal os.Signal
		lines  int // after so many
		status int
	}{
		{"10.0.2.2:80", os.Interrupt, 6, exitDone},
		{"10.0.2.2:80", syscall.SIGTERM, 6, exitDone},
		{"10.0.2.2:80 --expect max<=1us", os.Interrupt, 6, exitNegative},
		{"10.0.2.2:80 --connect", os.Interrupt, 6, exitDone},
		{"10.0.2.2:80 -c 1000", os.Interrupt, 6, exitInterrupted},
		{"10.0.2.2:80 --duration 1h", syscall.SIGTERM, 6, exitInterrupted},
		{"10.0.2.2:80 --connect -c 1000", os.Interrupt, 6, exitInterrupted},
		{"10.0.2.2:250 --timeout 20ms", os.Interrupt, 6, exitNegative},
		{"10.0.2.2:80", os.Interrupt, 1, exitNegative}, // before anything was sent, perhaps
	} {
		dir := t.TempDir()
		cmd := command("rtt -i 10ms -o jsonl -o json=" + filepath.Join(dir, "json") + " -o html=" + filepath.Join(dir, "html") + " " + test.line)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := lab.Host("ant").Start(cmd); err != nil {
			t.Fatal(err)
		}
		lines, text := bufio.NewScanner(stdout), ""
		for i := 0; lines.Scan(); i++ {
			if text += lines.Text() + "\n"; i+1 == test.lines {
				cmd.Process.Signal(test.signal)
			}
		}
		status := ended(t, cmd.Wait())
		if status != test.status && (test.lines > 1 || status != exitDone) {
			t.Errorf("%s: exit status %d, want %d: %s", test.line, status, test.status, stderr.String())
		}
		l := readLatencies(t, text)
		if last := l.kinds[len(l.kinds)-1]; last != "summary" || test.lines > 1 && len(l.summaries) != 1 {
			t.Errorf("%s: ends with %q, %d summaries", test.line, last, len(l.summaries))
		}
		if n := len(objects(t, filepath.Join(dir, "json"))); n != len(l.kinds) {
			t.Errorf("%s: %d objects in one file, %d in the other", test.line, n, len(l.kinds))
		}
		if page, err := os.ReadFile(filepath.Join(dir, "html")); err != nil || !bytes.Contains(page, []byte("</html>")) {
			t.Errorf("%s: %d octets of HTML, %v", test.line, len(page), err)
		}
	}
	await(t, "an end of half-open connections on apple", func() bool { return halfOpen(t, lab.Host("apple")) == 0 })
}

// TestLiveRTTStatusLine: SIGUSR1 and SIGQUIT print a line, with the median
// where there is one target.
func TestLiveRTTStatusLine(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	for _, test := range []struct {
		line, want string
		signal     os.Signal
	}{
		{"10.0.0.2:80", "[0-9]+ probes sent, [0-9]+ answered, 0 lost, p50 [0-9.]+ (us|ms), [0-9]+/s", syscall.SIGUSR1},
		{"-c 5000 10.0.0.2:80 10.0.0.2:7", "[0-9]+ of 10,000 probes sent, [0-9]+ answered, 0 lost, [0-9]+/s, .* left", syscall.SIGQUIT},
	} {
		cmd := command("rtt -i 10ms -o jsonl " + test.line)
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
		for range 5 {
			lines.Scan()
		}
		cmd.Process.Signal(test.signal)
		status, err := bufio.NewReader(stderr).ReadString('\n')
		if err != nil || !regexp.MustCompile("^tcpscope: "+test.want+"\n$").MatchString(status) {
			t.Errorf("%s: %q, %v", test.line, status, err)
		}
		cmd.Process.Signal(os.Interrupt)
		for lines.Scan() {
			continue
		}
		ended(t, cmd.Wait())
	}
}

// TestLiveRTTDeviceLost: a device that goes away in mid-run is an error, named
// once, and what was measured before is reported.
func TestLiveRTTDeviceLost(t *testing.T) {
	for name, lose := range map[string]func(netlink.Link) error{"down": netlink.LinkSetDown, "gone": netlink.LinkDel} {
		for _, flags := range []string{"", "--clock so-timestamping", "-I apple", "--connect"} {
			t.Run(name+flags, func(t *testing.T) {
				t.Parallel()
				lab := netlab.Start(t, netlab.Pair())
				ant := lab.Host("ant")
				// Long enough for us to be held up, and the run not yet over.
				const probes = 600
				cmd := command(fmt.Sprintf("rtt -c %d -i 5ms -o jsonl 10.0.0.2:80 %s", probes, flags))
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				stdout, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := ant.Start(cmd); err != nil {
					t.Fatal(err)
				}
				lines, text := bufio.NewScanner(stdout), ""
				for i := 0; lines.Scan(); i++ {
					if text += lines.Text() + "\n"; i == 10 {
						err := ant.Do(func() error {
							device, err := netlink.LinkByName("apple")
							if err != nil {
								return err
							}
							return lose(device)
						})
						if err != nil {
							t.Fatal(err)
						}
					}
				}
				status := ended(t, cmd.Wait())
				if status != exitFailed || strings.Count(stderr.String(), "tcpscope: error: ") != 1 || strings.Count(stderr.String(), "\n") != 1 {
					t.Errorf("exit status %d: %s", status, stderr.String())
				}
				l := readLatencies(t, text)
				s := l.summaries["10.0.0.2:80"]
				// Without its device there is no hope, and no sense in going on.
				all := s.NotSent >= 50 && s.Sent+s.NotSent == probes
				if name == "gone" {
					all = s.NotSent > 0 && strings.Contains(stderr.String(), "apple is gone: ")
				}
				if s.Received < 10 || !all || l.kinds[len(l.kinds)-1] != "summary" {
					t.Errorf("%+v, ends with %q", s, l.kinds[len(l.kinds)-1])
				}
			})
		}
	}
}

// TestLiveRTTMetrics: they grow while the run lasts, and a port that is taken
// is an error.
func TestLiveRTTMetrics(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant := lab.Host("ant")
	cmd := command("rtt -q -i 5ms --prometheus 127.0.0.1:9777 10.0.0.2:80")
	if err := ant.Start(cmd); err != nil {
		t.Fatal(err)
	}
	scrape := func() (page string) {
		err := ant.Do(func() error {
			conn, err := net.Dial("tcp4", "127.0.0.1:9777")
			if err != nil {
				return nil // not yet
			}
			defer conn.Close()
			fmt.Fprint(conn, "GET /metrics HTTP/1.0\r\n\r\n")
			text, err := io.ReadAll(conn)
			page = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	many := regexp.MustCompile(`tcpscope_rtt_probes_total{addr="10.0.0.2",port="80",reply="syn-ack",target="10.0.0.2"} [0-9]{2,}`)
	await(t, "ten probes in the metrics", func() bool { return many.MatchString(scrape()) })
	l := latenciesFrom(t, ant, "-c 1 --prometheus 127.0.0.1:9777 10.0.0.2:80")
	if l.status != exitFailed || !strings.Contains(l.stderr, "address already in use") || !strings.Contains(l.stderr, "\ntcpscope: hint: another program") {
		t.Errorf("exit status %d: %s", l.status, l.stderr)
	}
	cmd.Process.Signal(os.Interrupt)
	if status := ended(t, cmd.Wait()); status != exitDone {
		t.Errorf("exit status %d", status)
	}
	l = latenciesFrom(t, ant, "-c 1 --prometheus 127.0.0.1:9777 10.0.0.2:80")
	if l.status != exitDone {
		t.Errorf("exit status %d: %s", l.status, l.stderr)
	}
}

// TestLiveRTTUnprivileged: without CAP_NET_RAW there is --connect, and rtt
// says so.
func TestLiveRTTUnprivileged(t *testing.T) {
	netlab.Live(t)
	status, _, stderr := unprivileged(t, "rtt -c 1 127.0.0.1:7")
	if status != exitFailed || !strings.Contains(stderr, "need CAP_NET_RAW") || !strings.Contains(stderr, "tcpscope: hint: rtt --connect needs no privilege; else run it with sudo; ") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	status, stdout, stderr := unprivileged(t, "rtt -c 2 -i 5ms --connect -o jsonl 127.0.0.1:7")
	l := readLatencies(t, stdout)
	if s := l.summaries["127.0.0.1:7"]; status != 0 || s.Resets != 2 || s.Clock != "user-clock" {
		t.Errorf("exit status %d: %s\n%+v", status, stderr, s)
	}
}

// TestLiveRTTCapture: every segment is recorded once, with the name of its
// probe.
func TestLiveRTTCapture(t *testing.T) {
	lab := netlab.Start(t, netlab.Firewalled())
	file := filepath.Join(t.TempDir(), "pcap")
	status, _, stderr := on(t, lab.Host("ant"), "rtt -q -c 3 -i 5ms 10.0.2.2:80 --packet-trace --pcap "+file)
	if lines := strings.Count(stderr, "\n"); status != 0 || lines != 9 || strings.Count(stderr, "Flags [S.]") != 3 {
		t.Errorf("exit status %d, %d lines:\n%s", status, lines, stderr)
	}
	checkCapture(t, file, "rtt 10.0.2.2:80", 9)
}
