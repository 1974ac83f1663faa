package netlab

import "net"

// addLink joins two hosts. Its number makes the hardware addresses.
func (lab *Lab) addLink(number int, l Link) error {
	a, b := lab.nodes[l.A.Host], lab.nodes[l.B.Host]
	a.addrs = append(a.addrs, l.A.Addr.Addr())
	b.addrs = append(b.addrs, l.B.Addr.Addr())
	err := addVeth(
		port{a.nsfd, b.name, hardwareAddr(number, 1)},
		port{b.nsfd, a.name, hardwareAddr(number, 2)})
	if err != nil {
		return err
	}
	if err := configure(a.nsfd, b.name, l.A.Addr); err != nil {
		return err
	}
	if err := configure(b.nsfd, a.name, l.B.Addr); err != nil {
		return err
	}
	if err := awaitUp(a.nsfd, b.name); err != nil {
		return err
	}
	return awaitUp(b.nsfd, a.name)
}

// hardwareAddr is a locally administered address (IEEE 802, Section 8.4), the
// same in every run.
func hardwareAddr(link, end int) net.HardwareAddr {
	return net.HardwareAddr{0x02, 0, 0, byte(link >> 8), byte(link), byte(end)}
}
