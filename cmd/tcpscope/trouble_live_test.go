//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// TestLiveDeadNeighbours: most addresses of a network are nobody's, and those
// that are somebody's are probed as if they were alone.
func TestLiveDeadNeighbours(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	const alive = 40
	err := lab.Host("apple").Do(func() error {
		device, err := netlink.LinkByName("ant")
		for i := 0; i < alive && err == nil; i++ {
			var addr *netlink.Addr
			if addr, err = netlink.ParseAddr(fmt.Sprintf("10.0.0.%d/24", 100+i)); err == nil {
				err = netlink.AddrAdd(device, addr)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := scanFrom(t, lab.Host("ant"), "syn", "-p", "71-90", "--rate", "max", "10.0.0.0/24")
	hosts, ports := map[string]int{}, 0
	for _, o := range s.Objects {
		switch o.Kind {
		case "host-status":
			hosts[o.Status]++
		case "port":
			ports++
			ours := o.Addr == "10.0.0.1"
			want := "closed"
			if o.Port == 80 && !ours {
				want = "open"
			}
			if o.State != want {
				t.Errorf("%s:%d is %s %s (%d tries), want %s", o.Addr, o.Port, o.State, o.Reason, o.Tries, want)
			}
		}
	}
	// Ant, apple with its second name and the others; the network's first
	// address is nobody's, its last one the broadcast address.
	if want := (alive + 2) * 20; ports != want {
		t.Errorf("%d ports, want %d", ports, want)
	}
	if hosts["no-arp"] != 254-alive-2+1 || hosts["unreachable"] != 1 || len(hosts) != 2 {
		t.Errorf("hosts %v", hosts)
	}
	if s.status != 0 {
		t.Errorf("exit status %d", s.status)
	}
}

// TestLivePaused: a process that is kept from running for a while does not
// take its own absence for silence.
func TestLivePaused(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	undisturbed(t, func() bool { return paused(t, lab.Host("ant")) })
}

// paused runs a scan and stops it time and again. It reports whether there was
// time for that.
func paused(t *testing.T, ant *netlab.Node) bool {
	t.Helper()
	cmd := command("syn -p 1-5000 --rate 5000 --tries 1 --order given -o jsonl 10.0.0.2")
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	if err := ant.Start(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for pauses := 0; ; pauses++ {
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("%v after %d pauses", err, pauses)
			}
			for _, line := range bytes.Split(stdout.Bytes(), []byte("\n")) {
				var o fields
				if json.Unmarshal(line, &o) == nil && o.Kind == "port" && (o.State != "closed") != (o.Port == 80) {
					t.Errorf("port %d is %s", o.Port, o.State)
				}
			}
			return pauses > 0
		case <-time.After(100 * time.Millisecond): // to let it get on
			_ = cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(400 * time.Millisecond) // longer than any try's deadline
			_ = cmd.Process.Signal(syscall.SIGCONT)
		}
	}
}

// TestLiveLinkLost: what could not be sent because the device went down is
// not called filtered.
func TestLiveLinkLost(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	file := filepath.Join(t.TempDir(), "jsonl")
	found := func() [][]byte {
		b, _ := os.ReadFile(file)
		return bytes.Split(b, []byte("\n"))
	}
	// Long enough for us to be held up, and the run not yet over.
	cmd := command("syn -p 1-4000 --rate 1000 --tries 1 --order given -o jsonl=" + file + " 10.0.0.2")
	ant := lab.Host("ant")
	if err := ant.Start(cmd); err != nil {
		t.Fatal(err)
	}
	await(t, "some findings", func() bool { return len(found()) > 100 })
	err := ant.Do(func() error {
		device, err := netlink.LinkByName("apple")
		if err != nil {
			return err
		}
		return netlink.LinkSetDown(device)
	})
	if err != nil {
		t.Fatal(err)
	}
	if status := ended(t, cmd.Wait()); status != exitFailed {
		t.Errorf("exit status %d, want %d", status, exitFailed)
	}
	states := map[string]int{}
	for _, line := range found() {
		var o fields
		if json.Unmarshal(line, &o) != nil || o.Kind != "port" {
			continue
		}
		states[o.State]++
		if o.State == "filtered" && o.Tries == 0 {
			t.Errorf("port %d was never sent, and is called filtered", o.Port)
		}
	}
	if states["not-sent"] < 500 || states["closed"] < 90 {
		t.Errorf("states %v", states)
	}
}

// TestLiveLikeLinuxEverywhere: our SYN is the kernel's own on loopback and on
// small devices too.
func TestLiveLikeLinuxEverywhere(t *testing.T) {
	for _, mtu := range []int{576, 1400, 9000} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			lab := netlab.Start(t, netlab.Pair())
			for host, device := range map[string]string{"ant": "apple", "apple": "ant"} {
				err := lab.Host(host).Do(func() error {
					link, err := netlink.LinkByName(device)
					if err != nil {
						return err
					}
					return netlink.LinkSetMTU(link, mtu)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			likeKernel(t, lab.Host("ant"), netip.MustParseAddrPort("10.0.0.2:80"))
		})
	}
	t.Run("loopback", func(t *testing.T) {
		topology := netlab.Pair()
		topology.Hosts[0].Listen = []uint16{80}
		lab := netlab.Start(t, topology)
		likeKernel(t, lab.Host("ant"), netip.MustParseAddrPort("127.0.0.1:80"))
	})
}
