package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// port is one end of a veth pair: a device's name in a namespace.
type port struct {
	nsfd   int
	device string
	mac    net.HardwareAddr
}

// addVeth makes a veth pair with its ends where they belong. The ends are
// down and have no addresses.
func addVeth(a, b port) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = a.device, a.mac
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerHardwareAddr = b.device, b.mac
	veth.PeerNamespace = netlink.NsFd(b.nsfd)
	return inNamespace(a.nsfd, func() error {
		return os.NewSyscallError("add veth "+a.device, netlink.LinkAdd(veth))
	})
}

// configure gives a device its address and brings it up.
func configure(nsfd int, device string, addr netip.Prefix) error {
	return inNamespace(nsfd, func() error {
		link, err := netlink.LinkByName(device)
		if err != nil {
			return fmt.Errorf("find %s: %w", device, err)
		}
		if addr.IsValid() {
			ip := net.IPNet{IP: addr.Addr().AsSlice(), Mask: net.CIDRMask(addr.Bits(), 32)}
			if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: &ip}); err != nil {
				return os.NewSyscallError("add address "+addr.String(), err)
			}
		}
		return os.NewSyscallError("set "+device+" up", netlink.LinkSetUp(link))
	})
}

// awaitUp waits until a device transmits. Its peer's coming up reaches it
// through a kernel work queue (linkwatch), and before that it drops
// everything.
func awaitUp(nsfd int, device string) error {
	const patience, interval = 5 * time.Second, 100 * time.Microsecond
	return inNamespace(nsfd, func() error {
		for start := time.Now(); time.Since(start) < patience; time.Sleep(interval) {
			link, err := netlink.LinkByName(device)
			if err != nil {
				return fmt.Errorf("find %s: %w", device, err)
			}
			if link.Attrs().OperState == netlink.OperUp {
				return nil
			}
		}
		return fmt.Errorf("%s does not come up", device)
	})
}

// addRoutes adds routes in the calling thread's namespace.
func addRoutes(routes []Route) error {
	for _, r := range routes {
		to := net.IPNet{IP: r.To.Masked().Addr().AsSlice(), Mask: net.CIDRMask(r.To.Bits(), 32)}
		err := netlink.RouteAdd(&netlink.Route{Dst: &to, Gw: r.Via.AsSlice()})
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return os.NewSyscallError(fmt.Sprintf("add route to %v via %v", r.To, r.Via), err)
		}
	}
	return nil
}
