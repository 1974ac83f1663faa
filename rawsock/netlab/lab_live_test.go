//go:build linux

package netlab_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

func TestPair(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	err := ant.Do(func() error {
		conn, err := net.Dial("tcp4", apple.Addr().String()+":80")
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A program started in a host sees that host's network.
func TestStart(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	cmd := exec.Command(self, playArg, "devices")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := lab.Host("ant").Run(cmd); err != nil {
		t.Fatal(err)
	}
	if out.String() != "apple\n" {
		t.Errorf("ant's devices: %q", &out)
	}
}

// Do runs on the caller's goroutine and takes it back wherever it was, even if
// the function ends the goroutine or panics.
func TestDo(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	home := device(t)
	failure := errors.New("failure")
	err := ant.Do(func() error {
		if got := device(t); got != "apple" {
			t.Errorf("ant's device is %q", got)
		}
		err := apple.Do(func() error {
			if got := device(t); got != "ant" {
				t.Errorf("apple's device is %q", got)
			}
			return failure
		})
		if got := device(t); got != "apple" {
			t.Errorf("after a nested Do ant's device is %q", got)
		}
		return err
	})
	if err != failure {
		t.Errorf("error %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = ant.Do(func() error { panic("in a host") })
	}()
	if got := device(t); got != home {
		t.Errorf("after a panic the device is %q", got)
	}
	done := make(chan string)
	go func() {
		defer func() { done <- device(t) }()
		_ = ant.Do(func() error { runtime.Goexit(); return nil })
	}()
	if got := <-done; got != home {
		t.Errorf("after Goexit the device is %q", got)
	}
}

// device names the link in the calling goroutine's network; every network has
// lo, and some kernels add fallback tunnels.
func device(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/dev")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), ":"); name == "ant" || name == "apple" {
			return name
		}
	}
	return ""
}

// What the topology sets is set, in its host only, devices' settings included;
// and nothing is inherited from the machine.
func TestSysctl(t *testing.T) {
	topology := netlab.Pair()
	topology.Hosts[0].Router = true
	topology.Hosts[0].Sysctl = map[string]string{
		"net.ipv4.tcp_syncookies":          "2",
		"net.ipv4.conf.apple.log_martians": "1",
	}
	lab := netlab.Start(t, topology)
	for _, test := range []struct{ host, path, want string }{
		{"ant", "net/ipv4/tcp_syncookies", "2"},
		{"ant", "net/ipv4/conf/apple/log_martians", "1"},
		{"ant", "net/ipv4/ip_forward", "1"},
		{"apple", "net/ipv4/tcp_syncookies", "1"},
		{"apple", "net/ipv4/ip_forward", "0"},
		{"apple", "net/ipv4/conf/ant/rp_filter", "0"},
	} {
		err := lab.Host(test.host).Do(func() error {
			got, err := os.ReadFile("/proc/sys/" + test.path)
			if strings.TrimSpace(string(got)) != test.want {
				t.Errorf("%s: %s is %q, want %s", test.host, test.path, got, test.want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// A laboratory that cannot be built says why and leaves nothing behind.
func TestBuildFails(t *testing.T) {
	before := descriptors(t)
	for _, test := range []struct {
		name, want string
		change     func(*netlab.Topology)
	}{
		{"invalid", "lab pair: link ant-pear", func(l *netlab.Topology) { l.Links[0].B.Host = "pear" }},
		{"unknown setting", "sysctl net.ipv4.tcp_tw_recycle=1", func(l *netlab.Topology) {
			l.Hosts[1].Sysctl = map[string]string{"net.ipv4.tcp_tw_recycle": "1"}
		}},
		{"unreachable gateway", "add route to 0.0.0.0/0 via 10.9.9.9", func(l *netlab.Topology) {
			l.Links[0].AtoB.Delay = 1
			l.Hosts[0].Routes = []netlab.Route{{To: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr("10.9.9.9")}}
		}},
		{"port twice", "address already in use", func(l *netlab.Topology) { l.Hosts[1].Listen = []uint16{80, 80} }},
	} {
		topology := netlab.Pair()
		test.change(&topology)
		lab, err := netlab.Build(topology)
		if lab != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q in it", test.name, err, test.want)
		}
	}
	if !await(func() bool { return descriptors(t) <= before }) {
		t.Errorf("%d descriptors before, %d after", before, descriptors(t))
	}
}

// descriptors counts the open files of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Build refuses to touch the namespaces that the process was born in.
func TestBuildOutside(t *testing.T) {
	t.Setenv("TCPSCOPE_NETLAB", "")
	if _, err := netlab.Build(netlab.Pair()); !errors.Is(err, netlab.ErrOutside) {
		t.Errorf("got %v, want %v", err, netlab.ErrOutside)
	}
}

// A layer-3 link can be the way to a network behind a router.
func TestRouteOverLayer3(t *testing.T) {
	topology := netlab.Upper()
	for i := range topology.Links {
		topology.Links[i].Layer3 = i%2 == 0
	}
	lab := netlab.Start(t, topology)
	if _, err := dial(lab.Host("ant"), netip.MustParseAddrPort("10.0.2.2:80"), 5*time.Second); err != nil {
		t.Error(err)
	}
	if got := arrivingTTL(t, lab.Host("ant"), lab.Host("apple")); got != 61 {
		t.Errorf("TTL %d, want 61", got)
	}
}

// A closed laboratory holds no descriptors, though a connection that one of
// its listeners accepted is still open at the other end.
func TestCloseHangsUp(t *testing.T) {
	_ = netlab.Start(t, netlab.Pair()) // Go's poller has descriptors of its own from now on
	before := descriptors(t)
	lab, err := netlab.Build(netlab.Pair())
	if err != nil {
		t.Fatal(err)
	}
	var conn net.Conn
	err = lab.Host("ant").Do(func() error {
		conn, err = net.Dial("tcp4", "10.0.0.2:80")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 2 {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	}
	if !await(func() bool { return descriptors(t) <= before+1 }) {
		t.Errorf("%d descriptors before, %d after with one connection", before, descriptors(t))
	}
}
