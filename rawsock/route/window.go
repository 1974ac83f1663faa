package route

import "math/bits"

const (
	// tcpHeaders are the IPv4 and TCP headers without options, in octets.
	tcpHeaders = 40
	// minMSS is the least that Linux announces (net.ipv4.route.min_adv_mss).
	minMSS = 256
	// maxDatagram bounds the segments of devices with a larger MTU (loopback).
	maxDatagram = 1<<16 - 1
	// maxWindow is the largest unscaled window, maxScale the largest shift
	// (RFC 7323, Section 2.2).
	maxWindow = 1<<16 - 1
	maxScale  = 14
)

// buffers are the settings that a SYN's window follows from, in octets.
type buffers struct {
	initial, max int // net.ipv4.tcp_rmem, its second and third number
	coreMax      int // net.core.rmem_max
	scaling      bool
}

// mss returns what Linux announces as its maximum segment size
// (ipv4_default_advmss).
func mss(mtu int) uint16 {
	return uint16(min(max(mtu-tcpHeaders, minMSS), maxDatagram-tcpHeaders))
}

// window returns what Linux announces in a SYN (tcp_select_initial_window):
// half the receive buffer is for data, rounded down to whole segments.
func (b buffers) window(mss uint16) uint16 {
	space := b.initial / 2
	if space > int(mss) {
		space -= space % int(mss)
	}
	return uint16(min(space, maxWindow))
}

// scale returns the window scale in a SYN: room for the largest buffer that
// the socket may grow to.
func (b buffers) scale() uint8 {
	if !b.scaling {
		return 0
	}
	space := min(max(b.max, b.coreMax), maxWindow<<maxScale)
	return uint8(min(max(bits.Len(uint(space))-1-15, 0), maxScale))
}
