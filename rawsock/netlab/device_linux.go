package netlab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
)

const (
	// plainMTU is Ethernet's.
	plainMTU = 1500
	// tunnelMTU leaves room for the headers around a tunnel's datagrams.
	tunnelMTU = plainMTU + gpeOverhead
)

// port is one end of a veth pair: a device's name in a namespace. A nil mac
// lets the kernel draw one.
type port struct {
	nsfd   int
	device string
	mac    net.HardwareAddr
}

// addVeth makes a veth pair with its ends where they belong. The ends are
// down and have no addresses.
func addVeth(a, b port, mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr, attrs.MTU = a.device, a.mac, mtu
	veth := netlink.NewVeth(attrs)
	veth.PeerMTU = uint32(mtu)
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
			if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(addr)}); err != nil {
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
