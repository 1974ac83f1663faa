//go:build linux

package rawsock_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

func TestCurrentPrivileges(t *testing.T) {
	ant := netlab.Start(t, netlab.Pair()).Host("ant")
	all := rawsock.Privileges{Raw: true, Admin: true, BindService: true}
	for _, c := range []struct {
		without []int
		want    rawsock.Privileges
	}{
		{nil, all},
		{[]int{unix.CAP_NET_ADMIN}, rawsock.Privileges{Raw: true, BindService: true}},
		{[]int{unix.CAP_NET_RAW}, rawsock.Privileges{Admin: true, BindService: true}},
		{[]int{unix.CAP_NET_BIND_SERVICE}, rawsock.Privileges{Raw: true, Admin: true}},
	} {
		err := unprivileged(ant, func() error {
			got, err := rawsock.CurrentPrivileges()
			if got != c.want {
				t.Errorf("without %v: %+v", c.without, got)
			}
			return err
		}, c.without...)
		if err != nil {
			t.Error(err)
		}
	}
}

// droppedEnv makes TestDropPrivileges the child, which drops its own.
const droppedEnv = "TCPSCOPE_TEST_DROPPED"

// Dropping cannot be undone, so a child process does it.
func TestDropPrivileges(t *testing.T) {
	if local := os.Getenv(droppedEnv); local != "" {
		dropped(t, netip.MustParseAddr(local))
		return
	}
	ant := netlab.Start(t, netlab.Pair()).Host("ant")
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestDropPrivileges$", "-test.v")
	cmd.Env = append(os.Environ(), droppedEnv+"="+ant.Addr().String())
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := ant.Run(cmd); err != nil || !strings.Contains(out.String(), "--- PASS: TestDropPrivileges") {
		t.Errorf("%v\n%s", err, &out)
	}
}

func dropped(t *testing.T, local netip.Addr) {
	port := netip.AddrPortFrom(local, 4000)
	c, err := rawsock.Open(rawsock.Config{Local: []netip.AddrPort{port}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := rawsock.DropPrivileges(); err != nil {
		if errors.Is(err, errors.ErrUnsupported) {
			return // built with cgo, as for the race detector
		}
		t.Fatal(err)
	}
	// On as many threads at once, most of them younger than the drop.
	const threads = 32
	results, ready := make(chan error), make(chan struct{})
	for range threads {
		go func() {
			runtime.LockOSThread()
			<-ready
			_, err := rawsock.Open(rawsock.Config{})
			results <- err
		}()
	}
	close(ready)
	for range threads {
		if err := <-results; !errors.Is(err, os.ErrPermission) {
			t.Errorf("Open: %v", err)
		}
	}
	if p, err := rawsock.CurrentPrivileges(); err != nil || p != (rawsock.Privileges{}) {
		t.Errorf("%+v %v", p, err)
	}
	// What is open keeps working, and quiet ports can still be had.
	q, err := rawsock.ReserveQuietPort(local, port.Port())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	send(t, c, syn(t, port, netip.AddrPortFrom(local, 81), 1))
	if got := receive(t, c, count(1))[0]; got.segment.Flags != wire.RST|wire.ACK {
		t.Errorf("%v", got)
	}
}

func TestConntrack(t *testing.T) {
	topology := netlab.Pair()
	topology.Hosts[1].Firewall.AcceptEstablished = true
	lab := netlab.Start(t, topology)
	ant, apple := lab.Host("ant"), lab.Host("apple")
	within(t, ant, func() error {
		c, err := net.Dial("tcp4", endpoint(apple, 80).String())
		if err != nil {
			return err
		}
		return c.Close()
	})
	within(t, apple, func() error {
		used, limit, err := rawsock.Conntrack()
		if used != 1 || limit < used || err != nil {
			t.Errorf("apple: %d of %d, %v", used, limit, err)
		}
		return nil
	})
	within(t, ant, func() error {
		if used, _, err := rawsock.Conntrack(); used != 0 || err != nil {
			t.Errorf("ant: %d, %v", used, err)
		}
		return nil
	})
}
