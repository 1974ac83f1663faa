package route

import (
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Resolver asks for many ways, at a fraction of what one costs: it keeps its
// netlink socket and the files of the settings open, and remembers for up to
// 100 ms what rarely changes: devices, settings, and whether Options.Source is
// an address of this host. The kernel's routes it asks for every time.
//
// It asks in the network namespace of the thread that used it first. The zero
// value is ready for use, by one goroutine at a time.
type Resolver struct {
	handle   *netlink.Handle // nil until the first question
	settings settings
	known    memory
}

// memorySpan is how long a Resolver remembers.
const memorySpan = 100 * time.Millisecond

// memory is what is not asked again for a while, and then forgotten as a whole.
type memory struct {
	since   time.Time
	devices map[int]Interface // by index
	named   map[string]Interface
	local   map[netip.Addr]bool
	buffers buffers
	unread  error // why buffers are not known; nil if they are
}

// recall returns what is known of key, or else asks and remembers the answer.
func recall[K comparable, V any](known map[K]V, key K, ask func(K) (V, error)) (V, error) {
	v, ok := known[key]
	if ok {
		return v, nil
	}
	v, err := ask(key)
	if err == nil {
		known[key] = v
	}
	return v, err
}

// open gets ready for a question. All that belongs to a namespace is opened at
// once: the next question may come from a thread in another.
func (r *Resolver) open() error {
	if r.handle == nil {
		handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return os.NewSyscallError("netlink", err)
		}
		r.handle = handle
		if err := handle.SetSocketTimeout(netlink.GetSocketTimeout()); err != nil {
			return err
		}
	}
	if now := time.Now(); now.Sub(r.known.since) >= memorySpan {
		r.known = memory{
			since:   now,
			devices: make(map[int]Interface),
			named:   make(map[string]Interface),
			local:   make(map[netip.Addr]bool),
		}
		r.known.buffers, r.known.unread = r.settings.read()
	}
	return nil
}

// Close closes what r keeps open. Whoever uses r again opens it anew.
func (r *Resolver) Close() {
	if r.handle != nil {
		r.handle.Close()
	}
	r.settings.close()
	*r = Resolver{}
}
