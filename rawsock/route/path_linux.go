package route

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Lookup asks the kernel for the way to dst, an IPv4 address.
//
// Its error satisfies errors.Is with syscall.ENETUNREACH or EHOSTUNREACH where
// there is none, be it that no route matches, that one says so (unreachable,
// prohibit, blackhole), that the device is down, or that dst is a broadcast
// or multicast address, to which TCP does not speak. It satisfies
// EADDRNOTAVAIL where Source is not an address of this host, and ENODEV where
// there is no such Interface.
func Lookup(dst netip.Addr, options Options) (Path, error) {
	var r Resolver
	defer r.Close()
	return r.Lookup(dst, options)
}

// Lookup asks the kernel for the way to dst, with the errors of the function of
// that name. For up to 100 ms a change of a device or setting may not show, and
// a Source that was taken away may be reported as the lack of a route.
func (r *Resolver) Lookup(dst netip.Addr, options Options) (Path, error) {
	p, err := r.lookup(dst, options)
	if err != nil {
		return Path{}, opError("route", dst, err)
	}
	return p, nil
}

func (r *Resolver) lookup(dst netip.Addr, options Options) (Path, error) {
	if !dst.Is4() {
		return Path{}, syscall.EAFNOSUPPORT
	}
	if err := r.open(); err != nil {
		return Path{}, err
	}
	query, err := r.query(options)
	if err != nil {
		return Path{}, err
	}
	routes, err := r.handle.RouteGetWithOptions(dst.AsSlice(), query)
	if err == nil && len(routes) == 0 {
		err = syscall.ENETUNREACH
	}
	if err != nil {
		return Path{}, refusal(err)
	}
	found := routes[0]
	switch found.Type {
	case unix.RTN_BROADCAST:
		return Path{}, fmt.Errorf("%w: %w", ErrBroadcast, syscall.EHOSTUNREACH)
	case unix.RTN_MULTICAST:
		return Path{}, fmt.Errorf("multicast address: %w", syscall.EHOSTUNREACH)
	}
	device, err := recall(r.known.devices, found.LinkIndex, r.device)
	if err != nil {
		return Path{}, err
	}
	if r.known.unread != nil {
		return Path{}, r.known.unread
	}
	p := path(found, device, r.known.buffers)
	if options.Source.IsValid() {
		p.Source = options.Source // the kernel does not repeat it
	}
	return p, nil
}

// query checks the options, which the kernel would answer with a bare EINVAL.
func (r *Resolver) query(options Options) (*netlink.RouteGetOptions, error) {
	query := &netlink.RouteGetOptions{}
	if options.Source.IsValid() {
		local, err := recall(r.known.local, options.Source, r.IsLocal)
		if err != nil {
			return nil, err
		}
		if !local {
			return nil, fmt.Errorf("source %v: %w", options.Source, syscall.EADDRNOTAVAIL)
		}
		query.SrcAddr = options.Source.AsSlice()
	}
	if options.Interface != "" {
		device, err := recall(r.known.named, options.Interface, r.lookupInterface)
		if err != nil {
			return nil, err
		}
		query.OifIndex = device.Index
	}
	return query, nil
}

func path(r netlink.Route, device Interface, b buffers) Path {
	p := Path{
		Interface: device.Name,
		Index:     device.Index,
		MTU:       device.MTU,
		Local:     r.Type == unix.RTN_LOCAL,
		Neighbors: device.Neighbors,
	}
	p.Source, _ = netip.AddrFromSlice(r.Src.To4())
	if gateway, ok := netip.AddrFromSlice(r.Gw.To4()); ok && device.Neighbors {
		p.Gateway = gateway
	}
	if r.MTU > 0 {
		p.MTU = min(p.MTU, r.MTU)
	}
	p.MSS = mss(p.MTU)
	p.Window, p.WindowScale = b.window(p.MSS), b.scale()
	return p
}

// refusal adds to the kernel's errno what kind of route it stands for.
func refusal(err error) error {
	switch {
	case errors.Is(err, syscall.EACCES):
		// Not wrapped: no privilege would help.
		return fmt.Errorf("prohibited by a route: %w", syscall.EHOSTUNREACH)
	case errors.Is(err, syscall.EINVAL):
		return fmt.Errorf("blackhole route: %w", syscall.EHOSTUNREACH)
	}
	return os.NewSyscallError("netlink", err)
}

// IsLocal reports whether addr is an address of this host.
func IsLocal(addr netip.Addr) (bool, error) {
	var r Resolver
	defer r.Close()
	return r.IsLocal(addr)
}

// IsLocal reports whether addr is an address of this host. It is asked for
// every time.
func (r *Resolver) IsLocal(addr netip.Addr) (bool, error) {
	if !addr.Is4() {
		return false, opError("route", addr, syscall.EAFNOSUPPORT)
	}
	if addr.IsUnspecified() {
		return false, nil // to the kernel it means "any of mine"
	}
	if err := r.open(); err != nil {
		return false, opError("route", addr, err)
	}
	routes, err := r.handle.RouteGet(addr.AsSlice())
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return false, nil // whatever it is, it is not local
	}
	if err != nil {
		return false, opError("route", addr, err)
	}
	return len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL, nil
}

// Neighbors returns what ARP knows of the IPv4 addresses on the device of that
// index; an address that is not there has NoEntry.
func Neighbors(index int) (map[netip.Addr]NeighborState, error) {
	list, err := netlink.NeighList(index, netlink.FAMILY_V4)
	if err != nil {
		return nil, &net.OpError{Op: "neighbors", Net: "ip4", Err: os.NewSyscallError("netlink", err)}
	}
	states := make(map[netip.Addr]NeighborState, len(list))
	for _, n := range list {
		if addr, ok := netip.AddrFromSlice(n.IP.To4()); ok {
			states[addr] = neighborState(n.State)
		}
	}
	return states, nil
}

// neighborState sums up the kernel's states (NUD_*).
func neighborState(nud int) NeighborState {
	switch {
	case nud&netlink.NUD_FAILED != 0:
		return Failed
	case nud&netlink.NUD_INCOMPLETE != 0:
		return Incomplete
	case nud == netlink.NUD_NONE:
		return NoEntry
	}
	return Found
}

func opError(op string, addr netip.Addr, err error) error {
	var already *net.OpError
	if errors.As(err, &already) {
		return err
	}
	return &net.OpError{Op: op, Net: "ip4", Addr: &net.IPAddr{IP: addr.AsSlice()}, Err: err}
}
