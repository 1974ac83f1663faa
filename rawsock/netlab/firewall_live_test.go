//go:build linux

package netlab_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// The addresses of line's hosts.
var (
	antAddr     = netip.MustParseAddr("10.0.1.2")
	routerInner = netip.MustParseAddr("10.0.1.1")
	routerOuter = netip.MustParseAddr("10.0.2.1")
	appleAddr   = netip.MustParseAddr("10.0.2.2")
)

// line is ant - router - apple, where apple listens on port 80.
func line(router, apple netlab.Firewall, nat netlab.NAT) netlab.Topology {
	end := func(host string, addr netip.Addr) netlab.End {
		return netlab.End{Host: host, Addr: netip.PrefixFrom(addr, 24)}
	}
	unlimited := map[string]string{"net.ipv4.icmp_ratelimit": "0"}
	everywhere := netip.MustParsePrefix("0.0.0.0/0")
	return netlab.Topology{
		Name: "line",
		Hosts: []netlab.Host{
			{Name: "ant", Routes: []netlab.Route{{To: everywhere, Via: routerInner}}},
			{Name: "router", Router: true, Firewall: router, NAT: nat, Sysctl: unlimited},
			{Name: "apple", Routes: []netlab.Route{{To: everywhere, Via: routerOuter}},
				Listen: []uint16{80}, Firewall: apple, Sysctl: unlimited},
		},
		Links: []netlab.Link{
			{A: end("ant", antAddr), B: end("router", routerInner)},
			{A: end("router", routerOuter), B: end("apple", appleAddr)},
		},
	}
}

// dialFrom connects from a host within a limit.
func dialFrom(n *netlab.Node, addr netip.Addr, port uint16, limit time.Duration) (net.Conn, error) {
	var conn net.Conn
	err := n.Do(func() error {
		var err error
		conn, err = net.DialTimeout("tcp4", netip.AddrPortFrom(addr, port).String(), limit)
		return err
	})
	return conn, err
}

// timedOut says whether an operation met its limit.
func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// TestActions makes a real connection meet every action, on the host and on
// the router in front of it.
func TestActions(t *testing.T) {
	const silent = syscall.Errno(0)
	actions := []struct {
		action netlab.Action
		err    syscall.Errno // what connect says; silent: nothing until the limit
		code   int           // ICMP code, -1: no ICMP
	}{
		{netlab.Accept, syscall.ECONNREFUSED, -1}, // nobody listens there
		{netlab.Drop, silent, -1},
		{netlab.RejectReset, syscall.ECONNREFUSED, -1},
		{netlab.RejectNetUnreachable, syscall.ENETUNREACH, 0},
		{netlab.RejectHostUnreachable, syscall.EHOSTUNREACH, 1},
		{netlab.RejectPortUnreachable, syscall.ECONNREFUSED, 3},
		{netlab.RejectNetProhibited, syscall.ENETUNREACH, 9},
		{netlab.RejectHostProhibited, syscall.EHOSTUNREACH, 10},
		{netlab.RejectAdminProhibited, syscall.EHOSTUNREACH, 13},
	}
	places := []struct {
		name string
		hook netlab.Hook
		ttl  byte
		from netip.Addr
	}{
		{"host", netlab.Input, 63, appleAddr},
		{"router", netlab.Forward, 64, routerInner},
	}
	for _, place := range places {
		var fw netlab.Firewall
		for _, a := range actions {
			port := 1000 + uint16(a.action)
			fw.Rules = append(fw.Rules, netlab.Rule{Hook: place.hook, From: port, Action: a.action})
		}
		topology := line(netlab.Firewall{}, fw, netlab.NAT{})
		if place.hook == netlab.Forward {
			topology = line(fw, netlab.Firewall{}, netlab.NAT{})
		}
		lab := netlab.Start(t, topology)
		ant := lab.Host("ant")
		for _, a := range actions {
			t.Run(place.name+"/"+a.action.String(), func(t *testing.T) {
				icmp, tcp := openEar(t, ant, unix.IPPROTO_ICMP), openEar(t, ant, unix.IPPROTO_TCP)
				port := 1000 + uint16(a.action)
				limit := 5 * time.Second
				if a.err == silent {
					limit = 100 * time.Millisecond
				}
				_, err := dialFrom(ant, appleAddr, port, limit)
				if a.err == silent {
					if !timedOut(err) {
						t.Errorf("connect: %v, want a timeout", err)
					}
					return
				}
				if !errors.Is(err, a.err) {
					t.Errorf("connect: %v, want %v", err, a.err)
				}
				if a.code >= 0 {
					got := icmp.next(t)
					if got.icmp != [2]byte{3, byte(a.code)} || got.from != place.from || got.quotedPort != port {
						t.Errorf("heard %+v, want ICMP 3/%d from %v about port %d", got, a.code, place.from, port)
					}
					return
				}
				ttl := place.ttl
				if a.action == netlab.Accept {
					ttl = 63
				}
				got := tcp.next(t)
				if got.port != port || got.flags != wire.RST|wire.ACK || got.ttl != ttl || got.from != appleAddr {
					t.Errorf("heard %+v, want a reset of port %d with TTL %d", got, port, ttl)
				}
			})
		}
	}
}

// TestFirstRuleDecides puts a range behind an exception to it.
func TestFirstRuleDecides(t *testing.T) {
	lab := netlab.Start(t, line(netlab.Firewall{}, netlab.Firewall{Rules: []netlab.Rule{
		{Hook: netlab.Input, From: 80, Action: netlab.Accept},
		{Hook: netlab.Input, From: 22, To: 90, Action: netlab.RejectAdminProhibited},
		{Hook: netlab.Input, Action: netlab.RejectHostProhibited},
	}}, netlab.NAT{}))
	ant := lab.Host("ant")
	icmp := openEar(t, ant, unix.IPPROTO_ICMP)
	for port, code := range map[uint16]byte{21: 10, 22: 13, 79: 13, 90: 13, 91: 10, 65535: 10} {
		if _, err := dialFrom(ant, appleAddr, port, 5*time.Second); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("port %d: connect: %v", port, err)
		}
		if got := icmp.next(t); got.icmp != [2]byte{3, code} || got.quotedPort != port {
			t.Errorf("port %d: heard %+v, want code %d", port, got, code)
		}
	}
	conn, err := dialFrom(ant, appleAddr, 80, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// TestOutputRefuses sends a segment into the host's own firewall.
func TestOutputRefuses(t *testing.T) {
	topology := line(netlab.Firewall{}, netlab.Firewall{}, netlab.NAT{})
	topology.Hosts[0].Firewall.Rules = []netlab.Rule{{Hook: netlab.Output, From: 99, Action: netlab.Drop}}
	ant := netlab.Start(t, topology).Host("ant")
	tcp := openEar(t, ant, unix.IPPROTO_TCP)
	if err := tcp.say(t, antAddr, appleAddr, 99, 1, wire.SYN); !errors.Is(err, os.ErrPermission) {
		t.Errorf("refused port: %v, want EPERM", err)
	}
	if err := tcp.say(t, antAddr, appleAddr, 98, 1, wire.SYN); err != nil {
		t.Errorf("other port: %v", err)
	}
}

// TestDropInvalid sends a FIN out of nowhere and then a SYN to a closed port:
// only where nothing is dropped does the FIN draw an answer.
func TestDropInvalid(t *testing.T) {
	for _, drop := range []bool{false, true} {
		t.Run(fmt.Sprint(drop), func(t *testing.T) {
			lab := netlab.Start(t, line(netlab.Firewall{DropInvalid: drop}, netlab.Firewall{}, netlab.NAT{}))
			tcp := openEar(t, lab.Host("ant"), unix.IPPROTO_TCP)
			const finSeq, synSeq = 1000, 2000
			if err := errors.Join(
				tcp.say(t, antAddr, appleAddr, 81, finSeq, wire.FIN),
				tcp.say(t, antAddr, appleAddr, 81, synSeq, wire.SYN),
			); err != nil {
				t.Fatal(err)
			}
			want := uint32(finSeq + 1)
			if drop {
				want = synSeq + 1
			}
			if got := tcp.next(t); got.flags != wire.RST|wire.ACK || got.ack != want {
				t.Errorf("heard %+v first, want a reset with ack %d", got, want)
			}
		})
	}
}

// TestStateful lets connections out, and in to one port.
func TestStateful(t *testing.T) {
	lab := netlab.Start(t, line(netlab.Firewall{}, netlab.Firewall{
		AcceptEstablished: true,
		DropOthers:        true,
		Rules:             []netlab.Rule{{Hook: netlab.Input, From: 80, Action: netlab.Accept}},
	}, netlab.NAT{}))
	ant, apple := lab.Host("ant"), lab.Host("apple")
	l, err := ant.Listen(8080)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tests := []struct {
		name     string
		from     *netlab.Node
		to       netip.Addr
		port     uint16
		connects bool
	}{
		{"out", apple, antAddr, 8080, true},
		{"in, accepted", ant, appleAddr, 80, true},
		{"in, any other", ant, appleAddr, 81, false},
		{"loopback", apple, netip.MustParseAddr("127.0.0.1"), 80, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			limit := 5 * time.Second
			if !tt.connects {
				limit = 100 * time.Millisecond
			}
			conn, err := dialFrom(tt.from, tt.to, tt.port, limit)
			if err == nil {
				conn.Close()
			}
			if tt.connects != (err == nil) || !tt.connects && !timedOut(err) {
				t.Errorf("connect: %v", err)
			}
		})
	}
}

// TestSynProxy meets a proxy on the host and on the router, with a server
// behind it and without. DropInvalid is on to see that it leaves the handshake
// alone.
func TestSynProxy(t *testing.T) {
	for _, place := range []struct {
		name string
		hook netlab.Hook
		ttl  byte
	}{{"host", netlab.Input, 63}, {"router", netlab.Forward, 64}} {
		t.Run(place.name, func(t *testing.T) {
			fw := netlab.Firewall{DropInvalid: true, Rules: []netlab.Rule{
				{Hook: place.hook, From: 80, To: 81, Action: netlab.SynProxy},
			}}
			topology := line(netlab.Firewall{}, fw, netlab.NAT{})
			if place.hook == netlab.Forward {
				topology = line(fw, netlab.Firewall{}, netlab.NAT{})
			}
			lab := netlab.Start(t, topology)
			ant := lab.Host("ant")
			tcp := openEar(t, ant, unix.IPPROTO_TCP)
			for _, port := range []uint16{80, 81} {
				conn, err := dialFrom(ant, appleAddr, port, 5*time.Second)
				if port == 80 && err != nil {
					t.Fatal(err)
				}
				// The reset of the closed port behind the proxy comes at any time
				// after the handshake, with which the kernel's connect is done.
				if port == 81 && err == nil {
					conn.SetReadDeadline(time.Now().Add(5 * time.Second))
					_, err = conn.Read(make([]byte, 1))
				}
				if port == 81 && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("closed port: %v, want a reset", err)
				}
				if conn != nil {
					conn.Close()
				}
				got := tcp.next(t)
				for got.port != port {
					got = tcp.next(t)
				}
				if got.flags != wire.SYN|wire.ACK || got.window != 0 || got.ttl != place.ttl {
					t.Errorf("port %d: heard %+v, want a SYN-ACK with window 0 and TTL %d", port, got, place.ttl)
				}
			}
		})
	}
}

// TestManyRules has more rules than one netlink batch may hold.
func TestManyRules(t *testing.T) {
	var fw netlab.Firewall
	for port := range uint16(1000) {
		fw.Rules = append(fw.Rules, netlab.Rule{Hook: netlab.Input, From: 1000 + port, Action: netlab.RejectReset})
	}
	fw.Rules = append(fw.Rules, netlab.Rule{Hook: netlab.Input, Action: netlab.RejectHostUnreachable})
	ant := netlab.Start(t, line(netlab.Firewall{}, fw, netlab.NAT{})).Host("ant")
	for port, want := range map[uint16]syscall.Errno{
		999: syscall.EHOSTUNREACH, 1000: syscall.ECONNREFUSED, 1999: syscall.ECONNREFUSED, 2000: syscall.EHOSTUNREACH,
	} {
		if _, err := dialFrom(ant, appleAddr, port, 5*time.Second); !errors.Is(err, want) {
			t.Errorf("port %d: %v, want %v", port, err, want)
		}
	}
}

func TestFirewallErrors(t *testing.T) {
	netlab.Live(t)
	for want, rule := range map[string]netlab.Rule{
		"lab line: host apple: firewall: rule 1: ports 9-8: the first is above the last":             {From: 9, To: 8},
		"lab line: host apple: firewall: rule 1: synproxy stands at input or forward, not at output": {Hook: netlab.Output, Action: netlab.SynProxy},
		"lab line: host apple: firewall: rule 1: unknown hook 9":                                     {Hook: 9},
		"lab line: host apple: firewall: rule 1: unknown action 99":                                  {Action: 99},
	} {
		_, err := netlab.Build(line(netlab.Firewall{}, netlab.Firewall{Rules: []netlab.Rule{rule}}, netlab.NAT{}))
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestNAT looks at a router's masquerade from outside.
func TestNAT(t *testing.T) {
	for _, choice := range []netlab.PortChoice{netlab.Plain, netlab.Random, netlab.FullyRandom} {
		t.Run(choice.String(), func(t *testing.T) {
			lab := netlab.Start(t, line(netlab.Firewall{}, netlab.Firewall{}, netlab.NAT{Toward: "apple", Ports: choice}))
			l, err := lab.Host("apple").Listen(8080)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			kept := 0
			const tries = 8
			for range tries {
				inside, err := dialFrom(lab.Host("ant"), appleAddr, 8080, 5*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				defer inside.Close()
				outside, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer outside.Close()
				seen := outside.RemoteAddr().(*net.TCPAddr).AddrPort()
				if seen.Addr() != routerOuter {
					t.Errorf("apple sees %v, want %v", seen, routerOuter)
				}
				if int(seen.Port()) == inside.LocalAddr().(*net.TCPAddr).Port {
					kept++
				}
			}
			// All eight by chance: once in 10^38 runs.
			if keeps := kept == tries; keeps != (choice == netlab.Plain) {
				t.Errorf("%d of %d connections kept their port", kept, tries)
			}
		})
	}
}
