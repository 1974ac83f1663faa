package report

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// appendIPFields appends the fields of a datagram's header in the form of
// tcpdump -v, and begins the second line.
func (p *printer) appendIPFields(b, d []byte, headerLen, total int) []byte {
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
	if headerLen > ipHeaderLen {
		b = append(b, ", options ("...)
		b = appendIPOptions(b, d[ipHeaderLen:min(headerLen, len(d))], headerLen-ipHeaderLen)
		b = append(b, ')')
	}
	if len(d) >= headerLen && !p.unsummed {
		if got, want := wire.HeaderChecksum(d[:headerLen]); got != want {
			b = strconv.AppendUint(append(b, ", bad cksum "...), uint64(got), 16)
			b = append(strconv.AppendUint(append(b, " (->"...), uint64(want), 16), ")!"...)
		}
	}
	return append(b, ")\n    "...)
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

// appendIPOptions appends n octets of options, of which there may be less.
func appendIPOptions(b, options []byte, n int) []byte {
	for first := true; n > 0; first = false {
		if !first {
			b = append(b, ',')
		}
		if len(options) == 0 {
			return appendCut(b, "ip")
		}
		kind, size := options[0], 1
		b = appendIPOptionName(b, kind)
		if kind != ipOptEnd && kind != ipOptNOP {
			if len(options) < 2 {
				return appendCut(b, "ip")
			}
			if size = int(options[1]); size < 2 {
				return appendBad(b, " [bad length ", size)
			}
		}
		switch {
		case size > n:
			return appendBad(b, " [bad length ", size)
		case size > len(options):
			return append(b, " [truncated-option]"...)
		case kind == ipOptEnd:
			return b
		}
		b = appendIPOptionValue(b, kind, options[:size])
		options, n = options[size:], n-size
	}
	return b
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

// appendIPOptionValue appends what stands behind the name of a whole option.
func appendIPOptionValue(b []byte, kind byte, o []byte) []byte {
	switch kind {
	case ipOptRecordRoute, ipOptLooseRoute, ipOptStrictRoute:
		return appendRoute(b, o)
	case ipOptTimestamp:
		return appendIPTimestamps(b, o)
	case ipOptRouterAlert:
		if len(o) < 4 {
			return appendBad(b, " [bad length ", len(o))
		}
		if value := binary.BigEndian.Uint16(o[2:]); value != 0 {
			return appendInt(append(b, " value "...), int(value))
		}
	}
	return b
}

// appendRoute appends a recorded or a source route. An address that may run
// over the option's end is cut by whoever wrote it: it is not shown.
func appendRoute(b, o []byte) []byte {
	if len(o) < 3 {
		return appendBad(b, " [bad length ", len(o))
	}
	if (len(o)+1)&3 != 0 {
		b = appendBad(b, " [bad length ", len(o))
	}
	pointer := int(o[2]) - 1
	if pointer < 3 || (pointer+1)&3 != 0 || pointer > len(o)+1 {
		b = appendBad(b, " [bad ptr ", int(o[2]))
	}
	for at := 3; at+4 <= len(o); at += 4 {
		b = appendAddr(append(b, ' '), o[at:at+4])
		if pointer > at {
			b = append(b, ',')
		}
	}
	return b
}

// appendIPTimestamps appends the timestamps that routers have left.
func appendIPTimestamps(b, o []byte) []byte {
	if len(o) < 4 {
		return appendBad(b, "[bad length ", len(o))
	}
	b = append(b, " TS{"...)
	form, hop := o[3]&0xf, 8
	if form == 0 {
		hop = 4
	}
	if (len(o)-4)&(hop-1) != 0 {
		b = appendBad(b, "[bad length ", len(o))
	}
	pointer := int(o[2]) - 1
	if pointer < 4 || (pointer-4)&(hop-1) != 0 || pointer > len(o)+1 {
		b = appendBad(b, "[bad ptr ", int(o[2]))
	}
	at := 0
	switch form {
	case 0:
		b, at = append(b, "TSONLY"...), 4
	case 1:
		b, at = append(b, "TS+ADDR"...), 4
	case 3:
		b, at = append(b, "PRESPEC"...), 4
	default:
		b = appendBad(b, "[bad ts type ", int(form))
	}
	for ; at > 0 && at+hop <= len(o); at += hop {
		if pointer == at {
			b = append(b, " ^"...)
		}
		b = appendUint(append(b, ' '), binary.BigEndian.Uint32(o[at+hop-4:]))
		b = append(b, '@')
		if hop == 8 {
			b = appendAddr(b, o[at:at+4])
		}
	}
	if pointer == at {
		b = append(b, " ^ "...)
	}
	if over := int(o[3] >> 4); over > 0 {
		return append(appendInt(append(b, " ["...), over), " hops not recorded]} "...)
	}
	return append(b, '}')
}
