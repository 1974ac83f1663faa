package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/vishvananda/netlink"
)

// addLink joins two hosts. Its number makes the hardware addresses.
func (lab *Lab) addLink(number int, l Link) error {
	a, b := lab.nodes[l.A.Host], lab.nodes[l.B.Host]
	for node, end := range map[*Node]End{a: l.A, b: l.B} {
		if !node.addr.IsValid() {
			node.addr = end.Addr.Addr()
		}
	}
	if l.Layer3 {
		return lab.addLayer3(number, l)
	}
	return lab.join(l, ethernet,
		port{a.nsfd, b.name, hardwareAddr(number, 1)}, l.A.Addr,
		port{b.nsfd, a.name, hardwareAddr(number, 2)}, l.B.Addr)
}

// join lays the cable between two ports, with a forwarder in the middle where
// the link is shaped, and brings it up.
func (lab *Lab) join(l Link, e encapsulation, a port, addrA netip.Prefix, b port, addrB netip.Prefix) error {
	mtu := plainMTU
	if e == vxlanGPE {
		mtu = tunnelMTU
	}
	ends := []port{a, b}
	if l.shaped() {
		inner, err := lab.layShaped(l, e, a, b, mtu)
		if err != nil {
			return err
		}
		ends = append(ends, inner...)
	} else if err := addVeth(a, b, mtu); err != nil {
		return err
	}
	if err := configure(a.nsfd, a.device, addrA); err != nil {
		return err
	}
	if err := configure(b.nsfd, b.device, addrB); err != nil {
		return err
	}
	for _, end := range ends {
		if err := awaitUp(end.nsfd, end.device); err != nil {
			return err
		}
	}
	return nil
}

// layShaped makes two veth pairs whose inner ends are backstage, and starts
// the forwarder between these.
func (lab *Lab) layShaped(l Link, e encapsulation, a, b port, mtu int) (inner []port, err error) {
	middle, err := lab.addBackstage()
	if err != nil {
		return nil, err
	}
	var taps []*tap
	closeTaps := func() error {
		var errs []error
		for _, t := range taps {
			errs = append(errs, t.close())
		}
		return errors.Join(errs...)
	}
	for i, outer := range []port{a, b} {
		end := port{nsfd: middle, device: "end" + strconv.Itoa(i)}
		t, err := lay(outer, end, mtu)
		if err != nil {
			return nil, errors.Join(err, closeTaps())
		}
		inner, taps = append(inner, end), append(taps, t)
	}
	wire, err := startForwarder(l, e, taps[0], taps[1])
	if err != nil {
		return nil, errors.Join(err, closeTaps())
	}
	lab.wires[[2]string{l.A.Host, l.B.Host}] = wire
	return inner, nil
}

// lay makes the veth pair between a host and the forwarder, and taps the
// inner end. The outer end's offloads go off: the forwarder is to see what a
// real wire would carry.
func lay(outer, inner port, mtu int) (*tap, error) {
	if err := addVeth(outer, inner, mtu); err != nil {
		return nil, err
	}
	if err := inNamespace(outer.nsfd, func() error { return offloadsOff(outer.device) }); err != nil {
		return nil, err
	}
	if err := configure(inner.nsfd, inner.device, netip.Prefix{}); err != nil {
		return nil, err
	}
	var t *tap
	err := inNamespace(inner.nsfd, func() error {
		link, err := netlink.LinkByName(inner.device)
		if err != nil {
			return fmt.Errorf("find %s: %w", inner.device, err)
		}
		t, err = openTap(link.Attrs().Index)
		return err
	})
	return t, err
}

// hardwareAddr is a locally administered address (IEEE 802, Section 8.4), the
// same in every run.
func hardwareAddr(link, end int) net.HardwareAddr {
	return net.HardwareAddr{0x02, 0, 0, byte(link >> 8), byte(link), byte(end)}
}
