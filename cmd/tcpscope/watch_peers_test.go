//go:build linux && peers

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
	"github.com/tcpscope/tcpscope/report"
)

// TestWatchRate: a hundred thousand segments a second, none of which is
// missed, in little memory. A machine that stands still for longer than the
// ring lasts proves nothing, so what is missed is tried again, a few times.
func TestWatchRate(t *testing.T) {
	const rate, mostKiB, attempts = 100_000, 128 << 10, 5
	lab := netlab.Start(t, netlab.Pair())
	for _, test := range []struct {
		flags   string
		seconds int
	}{{"-S", 5}, {"--states", 3}, {"--summary", 3}} {
		var problem string
		for range attempts {
			var peak int
			if peak, problem = watchRate(t, lab, test.flags, rate, test.seconds); peak > mostKiB {
				t.Errorf("watch %s: %d MiB, more than %d", test.flags, peak>>10, mostKiB>>10)
			}
			if problem == "" {
				break
			}
			t.Log(problem)
		}
		if problem != "" {
			t.Errorf("watch %s misses segments in each of %d runs", test.flags, attempts)
		}
	}
}

// watchRate watches traffic of a rate for some seconds. It returns the most
// memory that was resident, in KiB, and what went wrong, or "".
func watchRate(t *testing.T, lab *netlab.Lab, flags string, rate, seconds int) (peak int, problem string) {
	t.Helper()
	ant, apple := lab.Host("ant"), lab.Host("apple")
	segments := rate * seconds
	connections := segments / trafficSegments
	cmd := command("watch -i ant " + flags)
	stdout, stderr := &tail{}, &tail{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	before := rings(t, apple)
	if err := apple.Start(cmd); err != nil {
		t.Fatal(err)
	}
	await(t, "an open ring", func() bool { return rings(t, apple) > before })
	began := time.Now()
	if err := ant.Do(func() error { return send("apple", connections, rate) }); err != nil {
		t.Fatal(err)
	}
	elapsed := time.Since(began)
	seen := regexp.MustCompile(`tcpscope: ([\d,]+) segments of .* ([\d,]+) dropped by the kernel\n$`)
	await(t, "all segments", func() bool {
		cmd.Process.Signal(syscall.SIGUSR1)
		counts := seen.FindStringSubmatch(stderr.String())
		return counts != nil && (counts[1] == report.Grouped(int64(segments)) || counts[2] != "0")
	})
	peak = mostResident(t, cmd.Process.Pid)
	cmd.Process.Signal(os.Interrupt)
	if status := ended(t, cmd.Wait()); status != 0 {
		t.Errorf("watch %s: exit status %d", flags, status)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	last := lines[len(lines)-1]
	t.Logf("watch %s: %.0f segments/s, %.1f MiB resident: %s", flags, float64(segments)/elapsed.Seconds(), float64(peak)/1024, last)
	want := report.Plural(int64(segments), "segment") + " of " + report.Plural(int64(connections), "connection") + ", in "
	switch {
	case !strings.HasPrefix(last, want), !strings.HasSuffix(last, "; 0 dropped by the kernel"):
		return peak, "it shows " + last
	case elapsed > time.Duration(seconds+1)*time.Second:
		return peak, fmt.Sprintf("sending took %v", elapsed)
	}
	return peak, ""
}

// send sends the traffic past the calling thread's host, at a rate.
func send(device string, connections, rate int) error {
	conn, err := rawsock.OpenPacket(rawsock.PacketConfig{Interface: device, Destination: net.HardwareAddr{2, 0, 0, 0, 0, 99}, Snap: 64, RingSize: 1})
	if err != nil {
		return err
	}
	defer conn.Close()
	batch := make([]wire.Departure, 0, rate/1000)
	begin, sent := time.Now(), 0
	for datagram := range traffic(connections) {
		n := len(batch)
		batch = batch[:n+1]
		batch[n].Datagram = append(batch[n].Datagram[:0], datagram...)
		if len(batch) < cap(batch) {
			continue
		}
		time.Sleep(time.Until(begin.Add(time.Duration(sent) * time.Second / time.Duration(rate))))
		err := conn.Send(batch)
		for _, d := range batch {
			err = errors.Join(err, d.Err)
		}
		if err != nil {
			return err
		}
		sent += len(batch)
		batch = batch[:0]
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct {
	lock sync.Mutex
	text []byte
}

func (w *tail) Write(b []byte) (int, error) {
	const most = 1 << 12
	w.lock.Lock()
	defer w.lock.Unlock()
	w.text = append(w.text, b[max(len(b)-most, 0):]...)
	w.text = append(w.text[:0], w.text[max(len(w.text)-most, 0):]...)
	return len(b), nil
}

func (w *tail) String() string {
	w.lock.Lock()
	defer w.lock.Unlock()
	return string(w.text)
}

// mostResident is the most memory that a process has had resident, in KiB.
func mostResident(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("no peak in\n%s", status)
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib
}
