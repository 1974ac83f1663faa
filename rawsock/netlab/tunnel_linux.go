package netlab

import (
	"encoding/binary"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	tunnelID   = 1
	tunnelPort = 4790 // VXLAN-GPE's (IANA)
)

// The addresses of a tunnel's ends below, the same for every tunnel, since
// each has namespaces of its own.
var (
	underlayA = netip.MustParsePrefix("169.254.0.1/30")
	underlayB = netip.MustParsePrefix("169.254.0.2/30")
)

// tunnel is one end of a layer-3 link.
type tunnel struct {
	device string
	addr   netip.Prefix
	// remote is the other end's address below.
	remote netip.Addr
}

// addLayer3 joins two hosts by devices without link layer: VXLAN-GPE, the one
// such device that an unprivileged user may make on every kernel. Each end's
// Ethernet stays in a namespace of its own, out of the host's sight.
func (lab *Lab) addLayer3(number int, l Link) error {
	a, b := lab.nodes[l.A.Host], lab.nodes[l.B.Host]
	belowA, err := lab.addBackstage()
	if err != nil {
		return err
	}
	belowB, err := lab.addBackstage()
	if err != nil {
		return err
	}
	err = lab.join(l, vxlanGPE,
		port{belowA, b.name, hardwareAddr(number, 1)}, underlayA,
		port{belowB, a.name, hardwareAddr(number, 2)}, underlayB)
	if err != nil {
		return err
	}
	if err := a.addTunnel(belowA, tunnel{b.name, l.A.Addr, underlayB.Addr()}); err != nil {
		return err
	}
	return b.addTunnel(belowB, tunnel{a.name, l.B.Addr, underlayA.Addr()})
}

// addBackstage makes a namespace that belongs to no host.
func (lab *Lab) addBackstage() (nsfd int, err error) {
	nsfd, err = newNamespace()
	if err != nil {
		return -1, err
	}
	lab.backstage = append(lab.backstage, nsfd)
	return nsfd, setSysctls(nsfd, hostSysctls(false))
}

// addTunnel makes a tunnel's device in the host, with its socket in the
// namespace below.
func (n *Node) addTunnel(below int, t tunnel) error {
	err := inNamespace(below, func() error { return addGPE(t.device, n.nsfd) })
	if err != nil {
		return err
	}
	n.tunnels = append(n.tunnels, t)
	return n.Do(func() error {
		if err := offloadsOff(t.device); err != nil {
			return err
		}
		return t.addAddress()
	})
}

// addGPE makes a VXLAN-GPE device in the namespace nsfd whose socket is in
// the calling thread's. Package netlink's Vxlan cannot be told GPE.
func addGPE(name string, nsfd int) error {
	request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	request.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	request.AddData(nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(nsfd))))
	request.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(plainMTU)))
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("vxlan"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	data.AddRtAttr(unix.IFLA_VXLAN_PORT, binary.BigEndian.AppendUint16(nil, tunnelPort))
	data.AddRtAttr(unix.IFLA_VXLAN_LEARNING, nl.Uint8Attr(0))
	// The kernel makes GPE devices of this kind only (vxlan_config_validate):
	// routes say where a datagram goes.
	data.AddRtAttr(unix.IFLA_VXLAN_COLLECT_METADATA, nl.Uint8Attr(1))
	data.AddRtAttr(unix.IFLA_VXLAN_GPE, nil)
	request.AddData(info)
	_, err := request.Execute(unix.NETLINK_ROUTE, 0)
	return os.NewSyscallError("add vxlan "+name, err)
}
