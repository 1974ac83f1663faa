//go:build linux

package route_test

import (
	"errors"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/route"
)

// memory is how long a Resolver remembers at most.
const memory = 100 * time.Millisecond

// receiveBuffers sets what a host's windows follow from.
func receiveBuffers(t *testing.T, host *netlab.Node, settings string) {
	t.Helper()
	within(t, host, func() error { return os.WriteFile("/proc/sys/net/ipv4/tcp_rmem", []byte(settings), 0) })
}

// What changes while a Resolver is in use, it tells within 100 ms.
func TestResolverForgets(t *testing.T) {
	ant := beyond(t)
	synctest.Test(t, func(t *testing.T) { // where time passes in Sleep only
		var r route.Resolver
		defer r.Close()
		lookup := func() (p route.Path) {
			within(t, ant, func() (err error) {
				p, err = r.Lookup(addr("10.0.0.2"), route.Options{})
				return err
			})
			return p
		}
		first := lookup()
		receiveBuffers(t, ant, "4096 32768 262144")
		within(t, ant, func() error {
			device, err := netlink.LinkByIndex(first.Index)
			if err != nil {
				return err
			}
			return netlink.LinkSetMTU(device, 1400)
		})
		time.Sleep(memory - time.Nanosecond)
		if got := lookup(); got != first {
			t.Errorf("not remembered:\n%+v, then\n%+v", first, got)
		}
		time.Sleep(time.Nanosecond)
		var want route.Path
		within(t, ant, func() (err error) {
			want, err = route.Lookup(addr("10.0.0.2"), route.Options{})
			return err
		})
		if got := lookup(); got != want || got == first || got.MTU != 1400 || got.Window == first.Window {
			t.Errorf("not forgotten:\n%+v, want\n%+v", got, want)
		}
	})
}

// A way that is gone is gone at once, whatever is remembered of it.
func TestResolverWithoutDevice(t *testing.T) {
	ant := beyond(t)
	synctest.Test(t, func(t *testing.T) {
		var r route.Resolver
		defer r.Close()
		ways := []struct {
			options    route.Options
			now, later error
		}{
			{route.Options{}, syscall.ENETUNREACH, syscall.ENETUNREACH},
			{route.Options{Interface: "pear"}, syscall.ENODEV, syscall.ENODEV},
			{route.Options{Source: addr("192.0.2.1")}, syscall.ENETUNREACH, syscall.EADDRNOTAVAIL},
		}
		within(t, ant, func() error {
			pear := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "pear"}, PeerName: "plum"}
			ours, err := netlink.ParseAddr("192.0.2.1/24")
			if err := errors.Join(err, netlink.LinkAdd(pear), netlink.AddrAdd(pear, ours), netlink.LinkSetUp(pear)); err != nil {
				return err
			}
			for _, way := range ways {
				if _, err := r.Lookup(addr("192.0.2.2"), way.options); err != nil {
					t.Errorf("%+v: %v", way.options, err)
				}
			}
			if err := netlink.LinkDel(pear); err != nil {
				return err
			}
			for _, way := range ways {
				if _, err := r.Lookup(addr("192.0.2.2"), way.options); !errors.Is(err, way.now) {
					t.Errorf("%+v, just taken away: %v, want %v", way.options, err, way.now)
				}
			}
			time.Sleep(memory)
			for _, way := range ways {
				if _, err := r.Lookup(addr("192.0.2.2"), way.options); !errors.Is(err, way.later) {
					t.Errorf("%+v, taken away: %v, want %v", way.options, err, way.later)
				}
			}
			return nil
		})
	})
}

// A Resolver stays in the namespace of the thread that used it first: for
// routes, devices and settings.
func TestResolverNamespace(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	receiveBuffers(t, ant, "4096 32768 262144")
	synctest.Test(t, func(t *testing.T) {
		var r route.Resolver
		defer r.Close()
		var want route.Path
		within(t, ant, func() (err error) {
			want, err = r.Lookup(apple.Addr(), route.Options{})
			return err
		})
		time.Sleep(memory)
		within(t, apple, func() error {
			got, err := r.Lookup(apple.Addr(), route.Options{})
			if got != want || got.Local {
				t.Errorf("%+v, want\n%+v", got, want)
			}
			return err
		})
		r.Close()
		within(t, apple, func() error {
			got, err := r.Lookup(apple.Addr(), route.Options{})
			if !got.Local {
				t.Errorf("after Close: %+v", got)
			}
			return err
		})
	})
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

// However much it is asked, a Resolver has four files open, and none when it
// is closed.
func TestResolverDescriptors(t *testing.T) {
	ant := beyond(t)
	within(t, ant, func() error {
		before := descriptors(t)
		var r route.Resolver
		for dst, i := addr("198.51.100.0"), 0; i < 1000; i++ {
			if _, err := r.Lookup(dst, route.Options{Source: ant.Addr(), Interface: "apple"}); err != nil {
				return err
			}
			if dst = dst.Next(); !netip.MustParsePrefix("198.51.100.0/24").Contains(dst) {
				dst = addr("198.51.100.0")
			}
		}
		if got := descriptors(t) - before; got != 4 {
			t.Errorf("%d descriptors more", got)
		}
		for range 2 { // once is enough
			r.Close()
			if got := descriptors(t) - before; got != 0 {
				t.Errorf("%d descriptors more when it is closed", got)
			}
		}
		return nil
	})
}

// scarce calls f where this process may open only so many files more.
func scarce(room int, f func() error) error {
	var limit unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		return err
	}
	next, err := unix.Dup(0) // the least that is free
	if err != nil {
		return err
	}
	unix.Close(next)
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(next + room), Max: limit.Max}, nil); err != nil {
		return err
	}
	return errors.Join(f(), unix.Prlimit(0, unix.RLIMIT_NOFILE, &limit, nil))
}

// A Resolver that finds no descriptor left says so, loses none, and is as good
// as new when there are some again.
func TestResolverOutOfDescriptors(t *testing.T) {
	ant := beyond(t)
	within(t, ant, func() error {
		before := descriptors(t)
		synctest.Test(t, func(t *testing.T) {
			for room := range 4 {
				var r route.Resolver
				lookup := func() error {
					_, err := r.Lookup(addr("10.0.0.2"), route.Options{})
					return err
				}
				within(t, ant, func() error {
					if err := scarce(room, lookup); !errors.Is(err, syscall.EMFILE) {
						t.Errorf("room for %d: %v", room, err)
					}
					return nil
				})
				time.Sleep(memory)
				within(t, ant, lookup)
				r.Close()
			}
		})
		if got := descriptors(t) - before; got != 0 {
			t.Errorf("%d descriptors more", got)
		}
		return nil
	})
}

// What a Resolver saves, in a run that asks for many ways.
func BenchmarkResolver(b *testing.B) {
	lab := netlab.Start(b, netlab.Pair())
	err := lab.Host("ant").Do(func() error {
		var r route.Resolver
		defer r.Close()
		for b.Loop() {
			if _, err := r.Lookup(addr("10.0.0.2"), route.Options{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
