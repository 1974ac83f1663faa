//go:build linux

package route_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/route"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

func TestMain(m *testing.M) { netlab.TestMain(m) }

// within runs f in a host and fails the test on error.
func within(t *testing.T, host *netlab.Node, f func() error) {
	t.Helper()
	if err := host.Do(f); err != nil {
		t.Fatal(err)
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// beyond is a pair whose ant knows ways beyond the network: through apple, and
// into the void.
func beyond(t *testing.T) *netlab.Node {
	t.Helper()
	topology := netlab.Pair()
	topology.Hosts[0].Routes = []netlab.Route{{To: netip.MustParsePrefix("198.51.100.0/24"), Via: addr("10.0.0.2")}}
	ant := netlab.Start(t, topology).Host("ant")
	within(t, ant, func() error {
		for prefix, kind := range map[string]int{
			"203.0.113.0/26":   unix.RTN_UNREACHABLE,
			"203.0.113.64/26":  unix.RTN_PROHIBIT,
			"203.0.113.128/26": unix.RTN_BLACKHOLE,
		} {
			_, to, err := net.ParseCIDR(prefix)
			if err != nil {
				return err
			}
			if err := netlink.RouteAdd(&netlink.Route{Dst: to, Type: kind}); err != nil {
				return err
			}
		}
		_, narrow, err := net.ParseCIDR("198.51.100.7/32")
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Dst: narrow, Gw: net.IPv4(10, 0, 0, 2), MTU: 1400})
	})
	return ant
}

func TestLookup(t *testing.T) {
	ant := beyond(t)
	var resolver route.Resolver
	defer resolver.Close()
	for _, c := range []struct {
		name    string
		dst     string
		options route.Options
		want    route.Path
		err     error
	}{
		{"neighbour", "10.0.0.2", route.Options{},
			route.Path{Source: addr("10.0.0.1"), Interface: "apple", MTU: 1500, MSS: 1460, Window: 64240, Neighbors: true}, nil},
		{"neighbour by device and source", "10.0.0.2", route.Options{Interface: "apple", Source: addr("10.0.0.1")},
			route.Path{Source: addr("10.0.0.1"), Interface: "apple", MTU: 1500, MSS: 1460, Window: 64240, Neighbors: true}, nil},
		{"through a router", "198.51.100.1", route.Options{},
			route.Path{Source: addr("10.0.0.1"), Interface: "apple", Gateway: addr("10.0.0.2"), MTU: 1500, MSS: 1460, Window: 64240, Neighbors: true}, nil},
		{"route with an MTU", "198.51.100.7", route.Options{},
			route.Path{Source: addr("10.0.0.1"), Interface: "apple", Gateway: addr("10.0.0.2"), MTU: 1400, MSS: 1360, Window: 65280, Neighbors: true}, nil},
		{"loopback", "127.0.0.1", route.Options{},
			route.Path{Source: addr("127.0.0.1"), Interface: "lo", MTU: 65536, MSS: 65495, Window: 65495, Local: true}, nil},
		{"own address", "10.0.0.1", route.Options{},
			route.Path{Source: addr("10.0.0.1"), Interface: "lo", MTU: 65536, MSS: 65495, Window: 65495, Local: true}, nil},
		{"no route", "192.0.2.1", route.Options{}, route.Path{}, syscall.ENETUNREACH},
		{"unreachable", "203.0.113.1", route.Options{}, route.Path{}, syscall.EHOSTUNREACH},
		{"prohibit", "203.0.113.65", route.Options{}, route.Path{}, syscall.EHOSTUNREACH},
		{"blackhole", "203.0.113.129", route.Options{}, route.Path{}, syscall.EHOSTUNREACH},
		{"broadcast", "10.0.0.255", route.Options{}, route.Path{}, syscall.EHOSTUNREACH},
		{"foreign source", "10.0.0.2", route.Options{Source: addr("10.0.0.3")}, route.Path{}, syscall.EADDRNOTAVAIL},
		{"no such device", "10.0.0.2", route.Options{Interface: "pear"}, route.Path{}, syscall.ENODEV},
		{"IPv6", "::1", route.Options{}, route.Path{}, syscall.EAFNOSUPPORT},
	} {
		within(t, ant, func() error {
			got, err := route.Lookup(addr(c.dst), c.options)
			if same, serr := resolver.Lookup(addr(c.dst), c.options); same != got || fmt.Sprint(serr) != fmt.Sprint(err) {
				t.Errorf("%s: a Resolver says\n%+v %v, not\n%+v %v", c.name, same, serr, got, err)
			}
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("%s: %v, want %v", c.name, err, c.err)
				return nil
			}
			if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
				t.Errorf("%s: %v looks like missing privilege", c.name, err)
			}
			if c.err == nil {
				c.want.Index, c.want.WindowScale = got.Index, got.WindowScale
				if got != c.want || got.Index == 0 {
					t.Errorf("%s:\n%+v, want\n%+v", c.name, got, c.want)
				}
			}
			return nil
		})
	}
}

// A device without neighbours has no next hops either.
func TestLookupLayer3(t *testing.T) {
	topology := netlab.Pair()
	topology.Links[0].Layer3 = true
	topology.Hosts[0].Routes = []netlab.Route{{To: netip.MustParsePrefix("198.51.100.0/24"), Via: addr("10.0.0.2")}}
	ant := netlab.Start(t, topology).Host("ant")
	within(t, ant, func() error {
		for _, dst := range []string{"10.0.0.2", "198.51.100.1"} {
			got, err := route.Lookup(addr(dst), route.Options{})
			if err != nil || got.Neighbors || got.Gateway.IsValid() || got.Interface != "apple" || got.MTU == 0 {
				t.Errorf("%s: %+v %v", dst, got, err)
			}
		}
		return nil
	})
}

// What Lookup says of a SYN's window is what the kernel's own SYN says.
func TestWindowIsTheKernels(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	const rmem = "/proc/sys/net/ipv4/tcp_rmem"
	for _, settings := range []string{"4096 131072 6291456", "4096 32768 262144", "4096 2000000 2000000000"} {
		within(t, ant, func() error { return os.WriteFile(rmem, []byte(settings), 0) })
		var tap *rawsock.PacketConn
		within(t, ant, func() (err error) {
			tap, err = rawsock.OpenPacket(rawsock.PacketConfig{Interface: "apple", Immediate: true})
			return err
		})
		var path route.Path
		within(t, ant, func() (err error) {
			if path, err = route.Lookup(apple.Addr(), route.Options{}); err != nil {
				return err
			}
			c, err := net.Dial("tcp4", netip.AddrPortFrom(apple.Addr(), 80).String())
			if err != nil {
				return err
			}
			return c.Close()
		})
		g := firstSYN(t, tap)
		scale, _ := g.Option(wire.OptWindowScale)
		shift, ok := scale.WindowScale()
		if g.Window != path.Window || shift != path.WindowScale || !ok {
			t.Errorf("%q: kernel says window %d scale %d (%v), Lookup %d %d", settings, g.Window, shift, ok, path.Window, path.WindowScale)
		}
		tap.Close()
	}
}

func firstSYN(t *testing.T, tap *rawsock.PacketConn) wire.Segment {
	t.Helper()
	batch := make([]wire.Arrival, 8)
	for {
		n, err := tap.Receive(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range batch[:n] {
			if h, payload, err := wire.ParseHeader(a.Datagram); err == nil && h.Protocol == wire.ProtocolTCP {
				if g, err := wire.ParseSegment(payload); err == nil && g.Flags == wire.SYN {
					return g
				}
			}
		}
	}
}

func TestIsLocal(t *testing.T) {
	ant := beyond(t)
	var resolver route.Resolver
	defer resolver.Close()
	for s, want := range map[string]bool{
		"10.0.0.1": true, "127.0.0.1": true, "127.9.9.9": true,
		"10.0.0.2": false, "10.0.0.255": false, "192.0.2.1": false, "203.0.113.65": false, "0.0.0.0": false,
	} {
		within(t, ant, func() error {
			if got, err := route.IsLocal(addr(s)); err != nil || got != want {
				t.Errorf("%s: %v %v", s, got, err)
			}
			if got, err := resolver.IsLocal(addr(s)); err != nil || got != want {
				t.Errorf("%s by a Resolver: %v %v", s, got, err)
			}
			return nil
		})
	}
}

func TestLookupInterface(t *testing.T) {
	ant := beyond(t)
	within(t, ant, func() error {
		got, err := route.LookupInterface("apple")
		if err != nil {
			return err
		}
		want := route.Interface{Name: "apple", Index: got.Index, MTU: 1500, Up: true, Running: true, Neighbors: true}
		if got != want || got.Index == 0 {
			t.Errorf("%+v", got)
		}
		device, err := netlink.LinkByName("apple")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetDown(device); err != nil {
			return err
		}
		if got, err := route.LookupInterface("apple"); err != nil || got.Up || got.Running {
			t.Errorf("down: %+v %v", got, err)
		}
		if _, err := route.Lookup(addr("10.0.0.2"), route.Options{Interface: "apple"}); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("through a device that is down: %v", err)
		}
		if _, err := route.LookupInterface("pear"); !errors.Is(err, syscall.ENODEV) {
			t.Errorf("pear: %v", err)
		}
		return nil
	})
}

func TestNeighbors(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	nobody := addr("10.0.0.9")
	within(t, ant, func() error {
		path, err := route.Lookup(nobody, route.Options{})
		if err != nil {
			return err
		}
		state := func(of netip.Addr, index int) route.NeighborState {
			states, err := route.Neighbors(index)
			if err != nil {
				t.Fatal(err)
			}
			return states[of]
		}
		if got := state(nobody, path.Index); got != route.NoEntry {
			t.Errorf("before anything was sent: %v", got)
		}
		for _, to := range []netip.Addr{nobody, apple.Addr()} {
			c, err := net.Dial("udp4", netip.AddrPortFrom(to, 9).String())
			if err != nil {
				return err
			}
			defer c.Close()
			if _, err := c.Write([]byte{0}); err != nil {
				return err
			}
		}
		if got := state(nobody, path.Index); got != route.Incomplete {
			t.Errorf("10.0.0.9: %v", got)
		}
		if got := state(nobody, 1); got != route.NoEntry {
			t.Errorf("on another device: %v", got)
		}
		for of, want := range map[netip.Addr]route.NeighborState{apple.Addr(): route.Found, nobody: route.Failed} {
			end := time.Now().Add(10 * time.Second)
			for ; state(of, path.Index) != want; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%v is not in state %v", of, want)
				}
			}
		}
		return nil
	})
}

func BenchmarkLookup(b *testing.B) {
	lab := netlab.Start(b, netlab.Pair())
	err := lab.Host("ant").Do(func() error {
		for b.Loop() {
			if _, err := route.Lookup(addr("10.0.0.2"), route.Options{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
