//go:build linux

package rawsock_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// connecting is a Pair whose link takes some time there and back, and whose
// apple rejects in every way.
func connecting(way time.Duration) netlab.Topology {
	top := netlab.Pair()
	top.Links[0].AtoB.Delay, top.Links[0].BtoA.Delay = way, way
	unlimited := map[string]string{"net.ipv4.icmp_ratemask": "0"}
	for i := range top.Hosts {
		top.Hosts[i].Sysctl = unlimited
	}
	var rules []netlab.Rule
	for i, action := range []netlab.Action{
		netlab.Drop, netlab.RejectReset, netlab.RejectPortUnreachable, netlab.RejectHostUnreachable, netlab.RejectNetUnreachable,
		netlab.RejectAdminProhibited, netlab.RejectHostProhibited, netlab.RejectNetProhibited,
	} {
		rules = append(rules, netlab.Rule{Hook: netlab.Input, From: uint16(1000 + i), Action: action})
	}
	top.Hosts[1].Firewall.Rules = rules
	return top
}

// connect connects from ant as c says, with patience.
func connect(ctx context.Context, ant *netlab.Node, c rawsock.ConnectConfig) (r rawsock.Connected, err error) {
	if c.Timeout == 0 {
		c.Timeout = patience
	}
	_ = ant.Do(func() error {
		r, err = rawsock.Connect(ctx, c)
		return nil
	})
	return r, err
}

// mustConnect is connect where the host's socket is in order.
func mustConnect(t *testing.T, ant *netlab.Node, remote netip.AddrPort) rawsock.Connected {
	t.Helper()
	r, err := connect(t.Context(), ant, rawsock.ConnectConfig{Remote: remote})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestConnect(t *testing.T) {
	// Without a delay all happens while connect runs, in which the kernel
	// takes ICMP errors differently.
	for _, way := range []time.Duration{0, 10 * time.Millisecond} {
		lab := netlab.Start(t, connecting(way))
		ant, apple := lab.Host("ant"), lab.Host("apple")
		for _, c := range []struct {
			name       string
			port       uint16
			want       error
			icmp, code uint8
		}{
			{name: "open", port: 80},
			{name: "closed", port: 81, want: syscall.ECONNREFUSED},
			{name: "reset by a firewall", port: 1001, want: syscall.ECONNREFUSED},
			{"port unreachable", 1002, syscall.EHOSTUNREACH, 3, 3},
			{"host unreachable", 1003, syscall.EHOSTUNREACH, 3, 1},
			{"net unreachable", 1004, syscall.ENETUNREACH, 3, 0},
			{"administratively prohibited", 1005, syscall.EHOSTUNREACH, 3, 13},
			{"host prohibited", 1006, syscall.EHOSTUNREACH, 3, 10},
			{"net prohibited", 1007, syscall.ENETUNREACH, 3, 9},
		} {
			before := time.Now()
			r := mustConnect(t, ant, endpoint(apple, c.port))
			// After a second without an answer the kernel sends again, also
			// where it is the link's end in this process that stood still.
			for again := 0; r.Retransmits != 0 && r.Elapsed > time.Second && again < 5; again++ {
				before = time.Now()
				r = mustConnect(t, ant, endpoint(apple, c.port))
			}
			if !errors.Is(r.Err, c.want) || r.Retransmits != 0 {
				t.Errorf("%s, %v: %v, %d retransmits", c.name, way, r.Err, r.Retransmits)
			}
			if spent := time.Since(before); r.At.Before(before) || r.Elapsed < 2*way || r.Elapsed > spent {
				t.Errorf("%s, %v: took %v of %v", c.name, way, r.Elapsed, spent)
			}
			if r.Local.Addr() != ant.Addr() || r.Local.Port() == 0 {
				t.Errorf("%s, %v: from %v", c.name, way, r.Local)
			}
			if open := c.want == nil; open != (r.RTT > 0) || open && r.RTT < 2*way || r.RTT > r.Elapsed {
				t.Errorf("%s, %v: RTT %v of %v", c.name, way, r.RTT, r.Elapsed)
			}
			var icmp interface {
				ICMP() (typ, code uint8, from netip.Addr)
			}
			switch is := errors.As(r.Err, &icmp); {
			case is != (c.icmp != 0):
				t.Errorf("%s, %v: %v", c.name, way, r.Err)
			case is:
				if typ, code, from := icmp.ICMP(); typ != c.icmp || code != c.code || from != apple.Addr() {
					t.Errorf("%s, %v: %v", c.name, way, r.Err)
				}
			}
		}
	}
}

func TestConnectSilence(t *testing.T) {
	lab := netlab.Start(t, connecting(time.Microsecond))
	ant, apple := lab.Host("ant"), lab.Host("apple")
	const timeout = 30 * time.Millisecond
	r, err := connect(t.Context(), ant, rawsock.ConnectConfig{Remote: endpoint(apple, 1000), Timeout: timeout})
	if err != nil || r.Err != syscall.ETIMEDOUT || r.Elapsed < timeout || r.RTT != 0 || r.Retransmits != 0 && r.Elapsed < time.Second {
		t.Errorf("%+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		// The first call has sent one SYN, and this one its own.
		for lab.Counters("ant", "apple").Received < 2 {
			runtime.Gosched()
		}
		cancel()
	}()
	for range 2 { // the second time it is over before it begins
		r, err = connect(ctx, ant, rawsock.ConnectConfig{Remote: endpoint(apple, 1000), Timeout: time.Hour})
		if err != context.Canceled || r != (rawsock.Connected{}) {
			t.Errorf("cancelled: %+v, %v", r, err)
		}
	}
}

// The SYN that was lost is told, whether the other was accepted or refused.
func TestConnectRetransmits(t *testing.T) {
	top := connecting(time.Microsecond)
	top.Links[0].Log = 100
	for _, port := range []uint16{80, 81} {
		top.Links[0].AtoB.Drop = append(top.Links[0].AtoB.Drop, netlab.DropRule{
			K: 1, Match: func(_ wire.Header, g wire.Segment) bool { return g.DstPort == port },
		})
	}
	lab := netlab.Start(t, top)
	ant, apple := lab.Host("ant"), lab.Host("apple")
	// Where the machine stands still the kernel may send more than twice.
	syns := func(from, to uint16) (n int) {
		for _, p := range lab.Passages("ant", "apple") {
			_, payload, err := wire.ParseHeader(p.Datagram)
			if err != nil {
				t.Error(err)
			}
			if g, err := wire.ParseSegment(payload); err == nil && g.Flags == wire.SYN && g.SrcPort == from && g.DstPort == to {
				n++
			}
		}
		return n
	}
	var both sync.WaitGroup
	for port, want := range map[uint16]error{80: nil, 81: syscall.ECONNREFUSED} {
		both.Go(func() {
			r, err := connect(t.Context(), ant, rawsock.ConnectConfig{Remote: endpoint(apple, port)})
			if err != nil || r.Err != want || r.Retransmits < 1 {
				t.Errorf("port %d: %+v, %v", port, r, err)
				return
			}
			// The last may be under way to the link.
			for deadline := time.Now().Add(patience); syns(r.Local.Port(), port) < 1+r.Retransmits; runtime.Gosched() {
				if time.Now().After(deadline) {
					t.Errorf("port %d: %+v, %d SYNs", port, r, syns(r.Local.Port(), port))
					return
				}
			}
		})
	}
	both.Wait()
}

// Nothing is left over: no socket at either end, no descriptor.
func TestConnectLeavesNothing(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := descriptors()
	var own *sockdiag.Socket
	for i := range 50 {
		r := mustConnect(t, ant, endpoint(apple, 80+uint16(i%2)))
		for _, host := range []*netlab.Node{ant, apple} {
			within(t, host, func() error {
				sockets, err := sockdiag.Dump()
				for _, s := range sockets {
					if s.Local == r.Local || s.State == sockdiag.TimeWait {
						own = &s
					}
				}
				return err
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := connect(ctx, ant, rawsock.ConnectConfig{Remote: endpoint(apple, 80)}); err != context.Canceled {
			t.Fatal(err)
		}
	}
	if own != nil {
		t.Errorf("left: %+v", *own)
	}
	if after := descriptors(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestConnectFrom(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	remote := endpoint(apple, 80)
	for _, c := range []struct {
		name   string
		config rawsock.ConnectConfig
		want   error
		text   string
	}{
		{"source", rawsock.ConnectConfig{Source: ant.Addr(), Remote: remote}, nil, ""},
		{"device", rawsock.ConnectConfig{Interface: "apple", Remote: remote}, nil, ""},
		{"both", rawsock.ConnectConfig{Source: ant.Addr(), Interface: "apple", Remote: remote}, nil, ""},
		{"not our source", rawsock.ConnectConfig{Source: apple.Addr(), Remote: remote}, syscall.EADDRNOTAVAIL,
			"connect tcp4 10.0.0.2:80: bind: cannot assign requested address"},
		{"no such device", rawsock.ConnectConfig{Interface: "eth9", Remote: remote}, syscall.ENODEV,
			"connect tcp4 10.0.0.2:80: setsockopt SO_BINDTODEVICE: no such device"},
		{"IPv6 source", rawsock.ConnectConfig{Source: netip.IPv6Loopback(), Remote: remote}, syscall.EAFNOSUPPORT,
			"connect tcp4 10.0.0.2:80: bind: address family not supported by protocol"},
		{"IPv6 remote", rawsock.ConnectConfig{Remote: netip.MustParseAddrPort("[::1]:80")}, syscall.EAFNOSUPPORT,
			"connect tcp4 [::1]:80: connect: address family not supported by protocol"},
	} {
		c.config.Timeout = patience
		var capabilities []int
		for n := range unix.CAP_LAST_CAP + 1 {
			capabilities = append(capabilities, n)
		}
		err := unprivileged(ant, func() error {
			r, err := rawsock.Connect(t.Context(), c.config)
			if err == nil && (r.Err != nil || r.Local.Addr() != ant.Addr()) {
				t.Errorf("%s: %+v", c.name, r)
			}
			return err
		}, capabilities...)
		if !errors.Is(err, c.want) || err != nil && err.Error() != c.text {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// What the routes say is a result; what the socket lacks is an error.
func TestConnectLocalTrouble(t *testing.T) {
	top := netlab.Pair()
	top.Hosts[0].Sysctl = map[string]string{"net.ipv4.ip_local_port_range": "40000 40000"}
	top.Hosts[0].Firewall.Rules = []netlab.Rule{
		{Hook: netlab.Output, From: 1000, Action: netlab.Drop},
		{Hook: netlab.Output, From: 1001, Action: netlab.RejectReset},
		{Hook: netlab.Output, From: 1002, Action: netlab.RejectAdminProhibited},
	}
	lab := netlab.Start(t, top)
	ant, apple := lab.Host("ant"), lab.Host("apple")
	if r := mustConnect(t, ant, netip.MustParseAddrPort("192.0.2.1:80")); r.Err != syscall.ENETUNREACH {
		t.Errorf("no route: %v", r.Err)
	}
	within(t, ant, func() error {
		const arp = "/proc/sys/net/ipv4/neigh/apple/" // gives up at once
		return errors.Join(os.WriteFile(arp+"mcast_solicit", []byte("1"), 0), os.WriteFile(arp+"retrans_time_ms", []byte("10"), 0))
	})
	r := mustConnect(t, ant, netip.MustParseAddrPort("10.0.0.77:80"))
	var nobody *rawsock.ConnectICMPError
	if !errors.As(r.Err, &nobody) || nobody.From != ant.Addr() || r.Err.Error() != "ICMP type 3 code 1 from 10.0.0.1: no route to host" {
		t.Errorf("no ARP: %v", r.Err)
	}
	for port, want := range map[uint16]string{
		1000: "connection timed out", 1001: "connection refused", 1002: "ICMP type 3 code 13 from 10.0.0.1: no route to host",
	} {
		r, err := connect(t.Context(), ant, rawsock.ConnectConfig{Remote: endpoint(apple, port), Timeout: 10 * time.Millisecond})
		if err != nil || r.Err == nil || r.Err.Error() != want {
			t.Errorf("our own firewall, port %d: %v, %v", port, r.Err, err)
		}
	}
	// The one port that there is to connect from.
	if r := mustConnect(t, ant, netip.MustParseAddrPort("127.0.0.1:40000")); r.Err != syscall.ECONNREFUSED || r.RTT != 0 {
		t.Errorf("connected to itself: %+v", r)
	}
	within(t, ant, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: apple.Addr().As4(), Port: 80}); err != nil {
			return err
		}
		_, err = rawsock.Connect(t.Context(), rawsock.ConnectConfig{Remote: endpoint(apple, 80), Timeout: patience})
		if !errors.Is(err, syscall.EADDRNOTAVAIL) || err.Error() != "connect tcp4 10.0.0.2:80: connect: cannot assign requested address" {
			t.Errorf("no port left: %v", err)
		}
		return nil
	})
	within(t, ant, func() error {
		var limit unix.Rlimit
		if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
			return err
		}
		if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Max: limit.Max}, nil); err != nil {
			return err
		}
		_, err := rawsock.Connect(t.Context(), rawsock.ConnectConfig{Remote: endpoint(apple, 80), Timeout: patience})
		if !errors.Is(err, syscall.EMFILE) || err.Error() != "connect tcp4 10.0.0.2:80: socket: too many open files" {
			t.Errorf("no descriptor left: %v", err)
		}
		return unix.Prlimit(0, unix.RLIMIT_NOFILE, &limit, nil)
	})
}

// A reset right behind the SYN-ACK does not undo the handshake.
func TestConnectThenReset(t *testing.T) {
	top := netlab.Pair()
	top.Links[0].Tamper = netlab.Answer(func(h wire.Header, g wire.Segment) ([][]byte, bool) {
		if g.Flags != wire.SYN {
			return nil, true
		}
		synAck, err1 := netlab.Reply(h, g, wire.Segment{Flags: wire.SYN | wire.ACK, Seq: 7, Ack: g.Seq.Add(1), Window: 1024})
		reset, err2 := netlab.Reply(h, g, wire.Segment{Flags: wire.RST, Seq: 8})
		if err := errors.Join(err1, err2); err != nil {
			t.Error(err)
		}
		return [][]byte{synAck, reset}, true
	})
	lab := netlab.Start(t, top)
	for range 20 {
		if r := mustConnect(t, lab.Host("ant"), endpoint(lab.Host("apple"), 80)); r.Err != nil || r.RTT == 0 {
			t.Fatalf("%+v", r)
		}
	}
}
