package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// addRoutes adds a host's routes in the calling thread's namespace. What goes
// through a tunnel needs to be told the tunnel's other end.
func addRoutes(routes []Route, tunnels []tunnel) error {
	for _, r := range routes {
		route := &netlink.Route{Dst: ipNet(r.To.Masked()), Gw: r.Via.AsSlice()}
		for _, t := range tunnels {
			if t.addr.Masked().Contains(r.Via) {
				link, err := netlink.LinkByName(t.device)
				if err != nil {
					return fmt.Errorf("find %s: %w", t.device, err)
				}
				route.LinkIndex, route.Encap = link.Attrs().Index, &ipEncap{t.remote}
			}
		}
		if err := netlink.RouteAdd(route); err != nil {
			return os.NewSyscallError(fmt.Sprintf("add route to %v via %v", r.To, r.Via), err)
		}
	}
	return nil
}

// ipNet is a prefix as package netlink wants it, host bits kept.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}

// ipEncap makes a route hand its datagrams to a tunnel device together with
// the tunnel's remote address (ip-route(8), "encap ip").
type ipEncap struct{ remote netip.Addr }

// Type is netlink.Encap's.
func (e *ipEncap) Type() int { return nl.LWTUNNEL_ENCAP_IP }

// Encode is netlink.Encap's.
func (e *ipEncap) Encode() ([]byte, error) {
	const lwtunnelIPID, lwtunnelIPDst = 1, 2 // enum lwtunnel_ip_t
	id := nl.NewRtAttr(lwtunnelIPID, binary.BigEndian.AppendUint64(nil, tunnelID))
	dst := nl.NewRtAttr(lwtunnelIPDst, e.remote.AsSlice())
	return append(id.Serialize(), dst.Serialize()...), nil
}

// Decode is netlink.Encap's; this package reads no routes.
func (e *ipEncap) Decode([]byte) error { return errors.ErrUnsupported }

// String is netlink.Encap's.
func (e *ipEncap) String() string { return "ip dst " + e.remote.String() }

// Equal is netlink.Encap's.
func (e *ipEncap) Equal(x netlink.Encap) bool {
	other, ok := x.(*ipEncap)
	return ok && *other == *e
}

// addAddress gives a device an address, and for a tunnel the route to its
// network.
func (t tunnel) addAddress() error {
	link, err := netlink.LinkByName(t.device)
	if err != nil {
		return fmt.Errorf("find %s: %w", t.device, err)
	}
	addr := &netlink.Addr{IPNet: ipNet(t.addr), Flags: unix.IFA_F_NOPREFIXROUTE}
	if err := netlink.AddrAdd(link, addr); err != nil {
		return os.NewSyscallError("add address "+t.addr.String(), err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return os.NewSyscallError("set "+t.device+" up", err)
	}
	route := &netlink.Route{
		LinkIndex: link.Attrs().Index,
		Dst:       ipNet(t.addr.Masked()),
		Src:       t.addr.Addr().AsSlice(),
		Scope:     netlink.SCOPE_LINK,
		Encap:     &ipEncap{t.remote},
	}
	return os.NewSyscallError("add route to "+t.addr.Masked().String(), netlink.RouteAdd(route))
}
