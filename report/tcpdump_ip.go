package report

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// appendIPFields appends the fields of a datagram's header in the form of
// tcpdump -v, and begins the second line. It returns false if the captured
// octets end within the options, and all has been said.
func (p *printer) appendIPFields(b, d []byte, headerLen, total int) ([]byte, bool) {
	tos, ttl, protocol := d[1], d[8], d[9]
	b = strconv.AppendUint(append(b, "(tos 0x"...), uint64(tos), 16)
	b = append(b, [...]string{"", ",ECT(1)", ",ECT(0)", ",CE"}[tos&3]...)
	if ttl > 0 {
		b = appendInt(append(b, ", ttl "...), int(ttl))
	}
	fragment := binary.BigEndian.Uint16(d[6:])
	b = appendInt(append(b, ", id "...), int(binary.BigEndian.Uint16(d[4:])))
	b = appendInt(append(b, ", offset "...), int(fragment&0x1fff)*8)
	b = append(append(b, ", flags ["...), [...]string{
		"none", "+", "DF", "+, DF", "rsvd", "+, rsvd", "DF, rsvd", "+, DF, rsvd",
	}[fragment>>13]...)
	b = append(append(b, "], proto "...), protocolName(protocol)...)
	b = append(appendInt(append(b, " ("...), int(protocol)), "), length "...)
	stated := int(binary.BigEndian.Uint16(d[2:]))
	b = appendInt(b, total)
	if stated != total {
		b = append(appendInt(append(b, " [was "...), stated), ", presumed TSO]"...)
	}
	fault := noFault
	if headerLen > ipHeaderLen {
		b, fault = appendIPOptions(append(b, ", options ("...), d[ipHeaderLen:], headerLen-ipHeaderLen)
		if fault == cutOption {
			return appendCut(b, "ip"), false
		}
		b = append(b, ')')
	}
	if len(d) >= headerLen && !p.made {
		if got, want := wire.HeaderChecksum(d[:headerLen]); got != want {
			b = strconv.AppendUint(append(b, ", bad cksum "...), uint64(got), 16)
			b = append(strconv.AppendUint(append(b, " (->"...), uint64(want), 16), ")!"...)
		}
	}
	b = append(b, ")\n    "...)
	if fault != noFault {
		return appendCut(append(appendAddrs(b, d), ": "...), "ip"), false
	}
	return b, true
}

// protocolName returns tcpdump's name for a protocol number.
func protocolName(protocol byte) string {
	switch protocol {
	case 0:
		return "Options"
	case wire.ProtocolICMP:
		return "ICMP"
	case 2:
		return "IGMP"
	case 4:
		return "IPIP"
	case wire.ProtocolTCP:
		return "TCP"
	case 8:
		return "EGP"
	case 9:
		return "IGRP"
	case wire.ProtocolUDP:
		return "UDP"
	case 33:
		return "DCCP"
	case 41:
		return "IPv6"
	case 43:
		return "Routing"
	case 44:
		return "Fragment"
	case 46:
		return "RSVP"
	case 47:
		return "GRE"
	case 50:
		return "ESP"
	case 51:
		return "AH"
	case 55:
		return "Mobile IP"
	case 58:
		return "ICMPv6"
	case 62:
		return "Mobile IP (old)"
	case 88:
		return "EIGRP"
	case 89:
		return "OSPF"
	case 103:
		return "PIM"
	case 108:
		return "Compressed IP"
	case 112:
		return "VRRP"
	case 113:
		return "PGM"
	case 132:
		return "SCTP"
	case 135:
		return "Mobility"
	case 143:
		return "Ethernet"
	}
	return "unknown"
}

// appendTCPChecksum appends the checksum of a whole segment, and what it
// should be.
func appendTCPChecksum(b, d, g []byte) []byte {
	dst := netip.AddrFrom4([4]byte(d[16:]))
	if final, ok := finalDestination(d); ok {
		dst = final
	}
	got, want := wire.SegmentChecksum(netip.AddrFrom4([4]byte(d[12:])), dst, g)
	b = appendHex16(append(b, ", cksum 0x"...), got)
	if got == want {
		return append(b, " (correct)"...)
	}
	return append(appendHex16(append(b, " (incorrect -> 0x"...), want), ')')
}

// appendHex16 appends four digits.
func appendHex16(b []byte, n uint16) []byte {
	const digits = "0123456789abcdef"
	return append(b, digits[n>>12], digits[n>>8&0xf], digits[n>>4&0xf], digits[n&0xf])
}

// Kinds of IPv4 options (RFC 791, Section 3.1; RFC 2113).
const (
	ipOptEnd         = 0
	ipOptNOP         = 1
	ipOptRecordRoute = 7
	ipOptTimestamp   = 68
	ipOptTraceroute  = 82
	ipOptSecurity    = 130
	ipOptLooseRoute  = 131
	ipOptStrictRoute = 137
	ipOptRouterAlert = 148
)

// finalDestination returns the last address of a source route, which the
// checksum covers in place of the header's (RFC 1122, Section 4.1.3.2).
func finalDestination(d []byte) (netip.Addr, bool) {
	options := d[ipHeaderLen : int(d[0]&0xf)*4]
	for len(options) >= 2 && options[0] != ipOptEnd {
		if options[0] == ipOptNOP {
			options = options[1:]
			continue
		}
		n := int(options[1])
		if n < 2 || n > len(options) {
			break
		}
		if (options[0] == ipOptLooseRoute || options[0] == ipOptStrictRoute) && n >= 7 {
			return netip.AddrFrom4([4]byte(options[n-4:])), true
		}
		options = options[n:]
	}
	return netip.Addr{}, false
}

// appendIPOptions appends n octets of options. d is what has been captured of
// them and of all behind: where an option says that it is shorter than what
// it has to hold, tcpdump reads on. The fault is badOption where the capture
// ends within an option, cutOption where it does before one's length.
func appendIPOptions(b, d []byte, n int) ([]byte, optionFault) {
	for first := true; n > 0; first = false {
		if !first {
			b = append(b, ',')
		}
		if len(d) == 0 {
			return b, cutOption
		}
		kind, size := d[0], 1
		b = appendIPOptionName(b, kind)
		if kind != ipOptEnd && kind != ipOptNOP {
			if len(d) < 2 {
				return b, cutOption
			}
			if size = int(d[1]); size < 2 {
				return appendBad(b, " [bad length ", size), noFault
			}
		}
		whole := size <= len(d)
		switch {
		case size > n:
			return appendBad(b, " [bad length ", size), noFault
		case kind == ipOptEnd:
			return b, noFault
		case whole:
			b, whole = appendIPOptionValue(b, kind, d, size)
		}
		if !whole {
			return append(b, " [truncated-option]"...), badOption
		}
		d, n = d[size:], n-size
	}
	return b, noFault
}

// appendBad appends a number that cannot be.
func appendBad(b []byte, words string, n int) []byte {
	return append(appendInt(append(b, words...), n), ']')
}

func appendIPOptionName(b []byte, kind byte) []byte {
	switch kind {
	case ipOptEnd:
		return append(b, "EOL"...)
	case ipOptNOP:
		return append(b, "NOP"...)
	case ipOptRecordRoute:
		return append(b, "RR"...)
	case ipOptTimestamp:
		return append(b, "timestamp"...)
	case ipOptTraceroute:
		return append(b, "traceroute"...)
	case ipOptSecurity:
		return append(b, "security"...)
	case ipOptLooseRoute:
		return append(b, "LSRR"...)
	case ipOptStrictRoute:
		return append(b, "SSRR"...)
	case ipOptRouterAlert:
		return append(b, "RA"...)
	}
	return appendInt(append(b, "unknown "...), int(kind))
}

// appendIPOptionValue appends what stands behind the name of an option that d
// begins with, and has whole; false if the capture ends within an address or
// a stamp.
func appendIPOptionValue(b []byte, kind byte, d []byte, size int) ([]byte, bool) {
	switch kind {
	case ipOptRecordRoute, ipOptLooseRoute, ipOptStrictRoute:
		return appendRoute(b, d, size)
	case ipOptTimestamp:
		return appendIPTimestamps(b, d, size)
	case ipOptRouterAlert:
		if size < 4 {
			return appendBad(b, " [bad length ", size), true
		}
		if value := binary.BigEndian.Uint16(d[2:]); value != 0 {
			return appendInt(append(b, " value "...), int(value)), true
		}
	}
	return b, true
}

// appendRoute appends a recorded or a source route.
func appendRoute(b, d []byte, size int) ([]byte, bool) {
	if size < 3 {
		return appendBad(b, " [bad length ", size), true
	}
	if (size+1)&3 != 0 {
		b = appendBad(b, " [bad length ", size)
	}
	pointer := int(d[2]) - 1
	if pointer < 3 || (pointer+1)&3 != 0 || pointer > size+1 {
		b = appendBad(b, " [bad ptr ", int(d[2]))
	}
	for at := 3; at < size; at += 4 {
		if at+4 > len(d) {
			return b, false
		}
		b = appendAddr(append(b, ' '), d[at:at+4])
		if pointer < 0 || pointer > at { // tcpdump counts without sign
			b = append(b, ',')
		}
	}
	return b, true
}

// appendIPTimestamps appends the timestamps that routers have left.
func appendIPTimestamps(b, d []byte, size int) ([]byte, bool) {
	if size < 4 {
		return appendBad(b, "[bad length ", size), true
	}
	b = append(b, " TS{"...)
	form, hop := d[3]&0xf, 8
	if form == 0 {
		hop = 4
	}
	if (size-4)&(hop-1) != 0 {
		b = appendBad(b, "[bad length ", size)
	}
	pointer := int(d[2]) - 1
	if pointer < 4 || (pointer-4)&(hop-1) != 0 || pointer > size+1 {
		b = appendBad(b, "[bad ptr ", int(d[2]))
	}
	at := 4
	switch form {
	case 0:
		b = append(b, "TSONLY"...)
	case 1:
		b = append(b, "TS+ADDR"...)
	case 3:
		b = append(b, "PRESPEC"...)
	default:
		b, at = appendBad(b, "[bad ts type ", int(form)), 0
	}
	for before := " "; at > 0 && at < size; at += hop {
		if pointer == at {
			before = " ^ "
		}
		if at+hop > len(d) {
			return b, false
		}
		b = appendUint(append(b, before...), binary.BigEndian.Uint32(d[at+hop-4:]))
		b, before = append(b, '@'), " "
		if hop == 8 {
			b = appendAddr(b, d[at:at+4])
		}
	}
	if pointer == at {
		b = append(b, " ^ "...)
	}
	if over := int(d[3] >> 4); over > 0 {
		return append(appendInt(append(b, " ["...), over), " hops not recorded]} "...), true
	}
	return append(b, '}'), true
}
