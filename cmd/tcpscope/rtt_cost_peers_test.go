//go:build linux && peers

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// The work: so many hosts, each probed so often for so many seconds.
const (
	hosts       = 1000
	interval    = 100 * time.Millisecond
	seconds     = 10
	totalProbes = hosts * seconds * int(time.Second/interval)
)

// cost is what a run of a program took.
type cost struct {
	// user and system are the processor time of the process, machine is what
	// all processors spent on anything meanwhile.
	user, system, machine time.Duration
	// early and late are KiB resident after 3 s, and shortly before the end.
	early, late int
}

func (k cost) own() float64 { return (k.user + k.system).Seconds() }

// contender is a program that does the work. wanted finds in its output what
// shows that it did.
type contender struct {
	name    string
	command func() *exec.Cmd
	wanted  string
	times   int
	// ours says that it is held against the others.
	ours bool
}

// TestRTTCost holds the processor time of a thousand targets against that of
// a C program, the first contender, that sends and receives the same segments.
// What else the machine does weighs on all of them in turn: the median of three
// rounds counts, and of up to five where those do not yet satisfy.
func TestRTTCost(t *testing.T) {
	const enough, most = 3, 5
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	network := netip.MustParsePrefix("10.9.0.0/22")
	lead(t, ant, apple, network)
	all := contenders(t, ant.Addr(), network.Addr().Next())
	costs := make([][]cost, len(all)) // by contender, in rounds
	for round := 1; ; round++ {
		err := addRound(t, ant, all, costs)
		if rounds := len(costs[0]); rounds < enough {
			err = errors.Join(err, fmt.Errorf("%d of %d rounds count", rounds, round))
		} else {
			err = judgeCosts(all, costs)
		}
		switch {
		case err == nil:
			return
		case round == most:
			t.Fatal(err)
		}
		t.Logf("round %d: %v", round, err)
	}
}

// addRound lets all do the work once. The round counts if all of them did all
// of it: a machine that stands still for a second makes answers late.
func addRound(t *testing.T, host *netlab.Node, all []contender, costs [][]cost) error {
	t.Helper()
	var round []cost
	for _, c := range all {
		k, err := c.run(t, host)
		if err != nil {
			return err
		}
		round = append(round, k)
		t.Logf("%-15s %.2f s user, %.2f s system, %.2f times C's; %.2f s in all; %d KiB after 3 s, %d KiB at the end", c.name,
			k.user.Seconds(), k.system.Seconds(), k.own()/round[0].own(), k.machine.Seconds(), k.early, k.late)
	}
	for i, k := range round {
		costs[i] = append(costs[i], k)
	}
	return nil
}

// judgeCosts returns what in ours takes too much.
func judgeCosts(all []contender, costs [][]cost) error {
	const mostTime, mostGrowth = 1.5, 1.1
	median := func(of func(round int) float64) float64 {
		var values []float64
		for round := range costs[0] {
			values = append(values, of(round))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	var errs []error
	for i, c := range all {
		if !c.ours {
			continue
		}
		if ratio := median(func(round int) float64 { return costs[i][round].own() / costs[0][round].own() }); ratio > mostTime {
			errs = append(errs, fmt.Errorf("%s takes %.2f times the processor time of C, want %v at most", c.name, ratio, mostTime))
		}
		if growth := median(func(round int) float64 { return float64(costs[i][round].late) / float64(costs[i][round].early) }); growth > mostGrowth {
			errs = append(errs, fmt.Errorf("%s: memory grows to %.2f times what it was after 3 s, want %v at most", c.name, growth, mostGrowth))
		}
	}
	return errors.Join(errs...)
}

// contenders are the C program, with every SYN at its own time and, for
// comparison, in rounds like ours; and ours, with a line for every probe and
// with the summary alone.
func contenders(t *testing.T, source, first netip.Addr) []contender {
	t.Helper()
	dir := t.TempDir()
	loop, targets := filepath.Join(dir, "rttloop"), filepath.Join(dir, "targets")
	if out, err := exec.Command("gcc", "-O2", "-o", loop, "testdata/rttloop.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var list strings.Builder
	for addr, n := first, 0; n < hosts; addr, n = addr.Next(), n+1 {
		fmt.Fprintln(&list, addr)
	}
	if err := os.WriteFile(targets, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	// As many source ports as ours takes, where an answer may need two seconds,
	// and SYNs in rounds of a millisecond, as ours sends them (rtt.Plan).
	const port, firstPort, ports, round = 80, 20000, 24, time.Millisecond
	inC := func(round time.Duration) func() *exec.Cmd {
		c := []any{source, port, first, hosts, interval.Microseconds(), seconds, firstPort, ports, round.Microseconds()}
		args := strings.Fields(strings.Trim(fmt.Sprint(c), "[]"))
		return func() *exec.Cmd { return exec.Command(loop, args...) }
	}
	// It sends all. Where it is kept from running its socket has no room for some
	// of the answers, which makes it cheaper, and ours none the better.
	answered := fmt.Sprintf(`^%d (%[1]d|9\d{%d})\n`, totalProbes, len(strconv.Itoa(totalProbes))-2)
	ours := fmt.Sprintf("rtt -p %d -i %v -c %d --targets %s", port, interval, totalProbes/hosts, targets)
	return []contender{
		{"C", inC(0), answered, 1, false},
		{"C in rounds", inC(round), answered, 1, false},
		{"tcpscope rtt", func() *exec.Cmd { return command(ours) }, ` syn-ack n=`, totalProbes, true},
		{"tcpscope rtt -q", func() *exec.Cmd { return command(ours + " -q") }, fmt.Sprintf(` %d +0\.0%%`, totalProbes/hosts), hosts, true},
	}
}

// run does the work once. The error says that it was not all done.
func (c contender) run(t *testing.T, host *netlab.Node) (k cost, err error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var stderr bytes.Buffer
	cmd := c.command()
	cmd.Stdout, cmd.Stderr = out, &stderr
	began, idle := time.Now(), idleTime(t)
	if err := host.Start(cmd); err != nil {
		t.Fatal(err)
	}
	early := time.AfterFunc(3*time.Second, func() { k.early = resident(cmd.Process.Pid) })
	late := time.AfterFunc((seconds-1)*time.Second, func() { k.late = resident(cmd.Process.Pid) })
	err = cmd.Wait()
	if early.Stop() || late.Stop() || err != nil {
		t.Fatalf("%s: %v\n%s", c.name, err, stderr.Bytes())
	}
	k.machine = time.Duration(runtime.NumCPU())*time.Since(began) - (idleTime(t) - idle)
	k.user, k.system = cmd.ProcessState.UserTime(), cmd.ProcessState.SystemTime()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(regexp.MustCompile(c.wanted).FindAll(text, -1)); n != c.times {
		err = fmt.Errorf("%s: %q %d times in its output, want %d", c.name, c.wanted, n, c.times)
	}
	return k, err
}

// idleTime is how long the processors have had nothing to do since they
// started, one after the other. It is exact, while what /proc/stat says of the
// rest is guessed from what happens to run when a clock ticks.
func idleTime(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	const tick = 10 * time.Millisecond // USER_HZ
	words := strings.Fields(string(text[:bytes.IndexByte(text, '\n')]))
	return time.Duration(number(t, words[4])+number(t, words[5])) * tick
}

// resident is a process's memory in KiB, or 0 if it is not there.
func resident(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		return 0
	}
	kib, _ := strconv.Atoi(string(m[1]))
	return kib
}

// lead makes the addresses of a network all those of one host, and tells
// another the way.
func lead(t *testing.T, from, to *netlab.Node, network netip.Prefix) {
	t.Helper()
	dst := &net.IPNet{IP: network.Addr().AsSlice(), Mask: net.CIDRMask(network.Bits(), 32)}
	for host, r := range map[*netlab.Node]struct {
		device string
		netlink.Route
	}{
		from: {to.Name(), netlink.Route{Gw: to.Addr().AsSlice()}},
		to:   {"lo", netlink.Route{Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST}},
	} {
		err := host.Do(func() error {
			link, err := netlink.LinkByName(r.device)
			if err != nil {
				return err
			}
			r.Dst, r.LinkIndex = dst, link.Attrs().Index
			return netlink.RouteAdd(&r.Route)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
