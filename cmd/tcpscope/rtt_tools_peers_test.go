//go:build linux && peers

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// tool is a program that times handshakes.
type tool struct {
	name string
	// probes is how often it does so: those that wait for each answer before
	// they go on do it less often.
	probes int
	// measure lets it do so from a host.
	measure func(t *testing.T, host *netlab.Node, to netip.AddrPort, probes int) []reading
}

// reading is what a tool says that its nth handshake took, counted from 0.
type reading struct {
	n   int
	rtt time.Duration
}

// tools are the programs of the table. The first is the one that must be best.
func tools() []tool {
	return []tool{
		{"tcpscope rtt", 1000, tcpscope("-i 1ms")},
		{"tcpscope rtt --clock so-timestamping", 500, tcpscope("-i 2ms --clock so-timestamping")},
		{"tcpscope rtt --clock user-clock", 500, tcpscope("-i 2ms --clock user-clock")},
		{"tcpscope rtt --connect", 500, tcpscope("-i 2ms --connect")},
		{"hping3 -S", 300, hping3},
		{"nping --tcp", 100, nping},
		{"mtr --tcp", 100, mtr},
		{"tcptraceroute", 100, tcptraceroute},
		{"traceroute -T", 150, traceroute},
		{"kernel TCP_INFO", 150, kernel},
		{"Go net.Dial", 150, goDial},
	}
}

// output is what a program writes to standard output.
func output(t *testing.T, host *netlab.Node, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := host.Run(cmd); err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String()
}

// milliseconds reads a number of them.
func milliseconds(t *testing.T, text string) time.Duration {
	t.Helper()
	ms, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(ms * float64(time.Millisecond))
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func tcpscope(flags string) func(*testing.T, *netlab.Node, netip.AddrPort, int) []reading {
	return func(t *testing.T, host *netlab.Node, to netip.AddrPort, probes int) (readings []reading) {
		text := output(t, host, command(fmt.Sprintf("rtt -o jsonl -c %d %s %s", probes, flags, to)))
		for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
			var o struct {
				Kind string
				N    int
				RTT  float64 `json:"rtt_us"`
			}
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				t.Fatal(err)
			}
			if o.Kind == "rtt" && o.RTT > 0 {
				readings = append(readings, reading{o.N - 1, time.Duration(o.RTT * float64(time.Microsecond))})
			}
		}
		return readings
	}
}

func hping3(t *testing.T, host *netlab.Node, to netip.AddrPort, probes int) (readings []reading) {
	text := output(t, host, exec.Command("hping3", "-S", "-p", fmt.Sprint(to.Port()), "-c", fmt.Sprint(probes), "-i", "u3000", to.Addr().String()))
	for _, m := range regexp.MustCompile(` flags=SA seq=(\d+) .* rtt=([\d.]+) ms`).FindAllStringSubmatch(text, -1) {
		readings = append(readings, reading{number(t, m[1]), milliseconds(t, m[2])})
	}
	return readings
}

// nping tells the time of a probe only where it is the only one.
func nping(t *testing.T, host *netlab.Node, to netip.AddrPort, probes int) (readings []reading) {
	average := regexp.MustCompile(` Avg rtt: ([\d.]+)ms\n`)
	for n := range probes {
		text := output(t, host, exec.Command("nping", "--tcp", "-p", fmt.Sprint(to.Port()), "-c", "1", "--delay", "25ms", to.Addr().String()))
		if m := average.FindStringSubmatch(text); m != nil {
			readings = append(readings, reading{n, milliseconds(t, m[1])})
		}
	}
	return readings
}

// mtr prints "x HOP ID" when it sends and "p HOP MICROSECONDS ID" when the
// answer is there.
func mtr(t *testing.T, host *netlab.Node, to netip.AddrPort, probes int) (readings []reading) {
	text := output(t, host, exec.Command("mtr", "--tcp", "-P", fmt.Sprint(to.Port()), "--raw", "-n", "-G", "0.5", "-i", "0.01",
		"-c", fmt.Sprint(probes), to.Addr().String()))
	order := make(map[string]int)
	for _, m := range regexp.MustCompile(`(?m)^x \d+ (\d+)$`).FindAllStringSubmatch(text, -1) {
		order[m[1]] = len(order)
	}
	for _, m := range regexp.MustCompile(`(?m)^p \d+ (\d+) (\d+)$`).FindAllStringSubmatch(text, -1) {
		readings = append(readings, reading{order[m[2]], time.Duration(number(t, m[1])) * time.Microsecond})
	}
	return readings
}

// hop reads a line with the times of one hop, where * stands for no answer.
func hop(t *testing.T, text string, first int) (readings []reading) {
	t.Helper()
	for i, m := range regexp.MustCompile(` (\*|([\d.]+) ms)`).FindAllStringSubmatch(text, -1) {
		if m[2] != "" {
			readings = append(readings, reading{first + i, milliseconds(t, m[2])})
		}
	}
	return readings
}

func tcptraceroute(t *testing.T, host *netlab.Node, to netip.AddrPort, probes int) []reading {
	return hop(t, output(t, host, exec.Command("tcptraceroute", "-n", "-f", "1", "-m", "1", "-w", "1", "-q", fmt.Sprint(probes),
		to.Addr().String(), fmt.Sprint(to.Port()))), 0)
}

// traceroute sends no more than ten probes to a hop.
func traceroute(t *testing.T, host *netlab.Node, to netip.AddrPort, probes int) (readings []reading) {
	const most = 10
	for first := 0; first < probes; first += most {
		text := output(t, host, exec.Command("traceroute", "-n", "-T", "-p", fmt.Sprint(to.Port()), "-N", "1", "-f", "1", "-m", "1",
			"-q", fmt.Sprint(most), to.Addr().String()))
		_, times, _ := strings.Cut(text, "\n")
		readings = append(readings, hop(t, times, first)...)
	}
	return readings
}

// pause keeps those that connect from doing so in a stream, as the other tools
// do.
const pause = 2 * time.Millisecond

// connect opens a connection as the kernel does it, closes it, and returns the
// kernel's own measurement.
func connect(to netip.AddrPort) (rtt time.Duration, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}); err != nil {
		return 0, err
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, err
	}
	return time.Duration(info.Rtt) * time.Microsecond, nil
}

// each measures handshakes in a host, one after the other.
func each(t *testing.T, host *netlab.Node, probes int, measure func() (time.Duration, error)) (readings []reading) {
	err := host.Do(func() error {
		for n := range probes {
			rtt, err := measure()
			if err != nil {
				return err
			}
			readings = append(readings, reading{n, rtt})
			time.Sleep(pause)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return readings
}

func kernel(t *testing.T, host *netlab.Node, to netip.AddrPort, probes int) []reading {
	return each(t, host, probes, func() (time.Duration, error) { return connect(to) })
}

func goDial(t *testing.T, host *netlab.Node, to netip.AddrPort, probes int) []reading {
	return each(t, host, probes, func() (time.Duration, error) {
		start := time.Now()
		conn, err := net.Dial("tcp4", to.String())
		if err != nil {
			return 0, err
		}
		rtt := time.Since(start)
		return rtt, conn.Close()
	})
}
