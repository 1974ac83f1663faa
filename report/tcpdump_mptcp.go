package report

import (
	"encoding/binary"
	base16 "encoding/hex"
	"net/netip"
	"strconv"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Subtypes of the Multipath TCP option (RFC 8684, Section 8).
const (
	mptcpCapable = iota
	mptcpJoin
	mptcpDSS
	mptcpAddAddr
	mptcpRemoveAddr
	mptcpPriority
	mptcpFail
	mptcpFastClose
	mptcpUnknown
)

// appendMPTCP appends the data of a Multipath TCP option as print-mptcp.c
// does, which follows RFC 8684. Offsets are those of the data: two less than
// in the option.
func appendMPTCP(b, d []byte, flags wire.Flags) ([]byte, optionFault) {
	if len(d) < 1 {
		return b, badOption
	}
	subtype := min(int(d[0]>>4), mptcpUnknown)
	b = appendInt(append(b, ' '), len(d)+2)
	b = append(append(b, ' '), [...]string{
		mptcpCapable: "capable", mptcpJoin: "join", mptcpDSS: "dss", mptcpAddAddr: "add-addr", mptcpRemoveAddr: "rem-addr",
		mptcpPriority: "prio", mptcpFail: "fail", mptcpFastClose: "fast-close", mptcpUnknown: "unknown",
	}[subtype]...)
	ok := true
	switch subtype {
	case mptcpCapable:
		b, ok = appendMPCapable(b, d, flags)
	case mptcpJoin:
		b, ok = appendMPJoin(b, d, flags)
	case mptcpDSS:
		b, ok = appendMPDSS(b, d, flags)
	case mptcpAddAddr:
		b, ok = appendMPAddAddr(b, d)
	case mptcpRemoveAddr:
		ok = len(d) >= 2
		if ok {
			b = append(b, " id"...)
		}
		for _, id := range d[1:] {
			b = appendInt(append(b, ' '), int(id))
		}
	case mptcpPriority:
		b, ok = appendMPPriority(b, d)
	case mptcpFail:
		if ok = len(d) == 10; ok {
			b = strconv.AppendUint(append(b, " seq "...), binary.BigEndian.Uint64(d[2:]), 10)
		}
	case mptcpFastClose:
		if ok = len(d) == 10; ok {
			b = appendHex64(append(b, " key 0x"...), d[2:])
		}
	}
	if !ok {
		return b, badOption
	}
	return b, noFault
}

// appendHex64 appends a number of eight octets without leading zeros.
func appendHex64(b, d []byte) []byte {
	return strconv.AppendUint(b, binary.BigEndian.Uint64(d), 16)
}

func appendHex32(b, d []byte) []byte {
	return strconv.AppendUint(b, uint64(binary.BigEndian.Uint32(d)), 16)
}

func appendMPCapable(b, d []byte, flags wire.Flags) ([]byte, bool) {
	opening := (len(d) == 10 || len(d) == 2) && flags&wire.SYN != 0
	closing := (len(d) == 18 || len(d) == 20) && flags&(wire.SYN|wire.ACK) == wire.ACK
	if !opening && !closing {
		return b, false
	}
	version := int(d[0] & 0xf)
	if version > 1 {
		return append(appendInt(append(b, " Unknown Version ("...), version), ')'), true
	}
	b = appendInt(append(b, " v"...), version)
	if d[1]&0x80 != 0 {
		b = append(b, " csum"...)
	}
	if len(d) == 2 {
		return b, true
	}
	b = appendHex64(append(b, " {0x"...), d[2:])
	if closing {
		b = appendHex64(append(b, ",0x"...), d[10:])
	}
	return append(b, '}'), true
}

func appendMPJoin(b, d []byte, flags wire.Flags) ([]byte, bool) {
	asks := len(d) == 10 && flags&wire.SYN != 0
	agrees := len(d) == 14 && flags&(wire.SYN|wire.ACK) == wire.SYN|wire.ACK
	ends := len(d) == 22 && flags&wire.ACK != 0
	switch {
	case ends:
		return base16.AppendEncode(append(b, " hmac 0x"...), d[2:22]), true
	case !asks && !agrees:
		return b, false
	}
	if d[0]&1 != 0 {
		b = append(b, " backup"...)
	}
	b = appendInt(append(b, " id "...), int(d[1]))
	if asks {
		b = appendHex32(append(b, " token 0x"...), d[2:])
		return appendHex32(append(b, " nonce 0x"...), d[6:]), true
	}
	b = appendHex64(append(b, " hmac 0x"...), d[2:])
	return appendHex32(append(b, " nonce 0x"...), d[10:]), true
}

// appendMPDSS appends a data sequence signal. What stands before the fault in
// one that is too short or too long is shown.
func appendMPDSS(b, d []byte, flags wire.Flags) ([]byte, bool) {
	if len(d) < 2 || flags&wire.SYN != 0 {
		return b, false
	}
	const fin, longSeq, hasSeq, longAck, hasAck = 0x10, 8, 4, 2, 1
	what, d := d[1], d[2:]
	if what&fin != 0 {
		b = append(b, " fin"...)
	}
	ok := true
	if what&hasAck != 0 {
		if b, d, ok = appendMPNumber(append(b, " ack "...), d, what&longAck != 0); !ok {
			return b, false
		}
	}
	if what&hasSeq != 0 {
		if b, d, ok = appendMPNumber(append(b, " seq "...), d, what&longSeq != 0); !ok || len(d) < 4 {
			return b, false
		}
		b = appendUint(append(b, " subseq "...), binary.BigEndian.Uint32(d))
		if d = d[4:]; len(d) < 2 {
			return b, false
		}
		b = appendInt(append(b, " len "...), int(binary.BigEndian.Uint16(d)))
		if d = d[2:]; len(d) >= 2 {
			b = strconv.AppendUint(append(b, " csum 0x"...), uint64(binary.BigEndian.Uint16(d)), 16)
			d = d[2:]
		}
	}
	return b, len(d) == 0
}

// appendMPNumber appends a number of eight octets, or of four.
func appendMPNumber(b, d []byte, long bool) (out, rest []byte, ok bool) {
	switch {
	case long && len(d) >= 8:
		return strconv.AppendUint(b, binary.BigEndian.Uint64(d), 10), d[8:], true
	case !long && len(d) >= 4:
		return appendUint(b, binary.BigEndian.Uint32(d)), d[4:], true
	}
	return b, d, false
}

func appendMPAddAddr(b, d []byte) ([]byte, bool) {
	addrLen, rest := 4, len(d)-6
	if rest > 10 {
		addrLen, rest = 16, len(d)-18
	}
	if rest != 0 && rest != 2 && rest != 8 && rest != 10 {
		return b, false
	}
	switch d[0] & 0xf {
	case 0:
		b = append(b, " v1"...)
	case 1:
		b = append(b, " v1-echo"...)
	case 4:
		b = append(b, " v0-ip4"...)
	case 6:
		b = append(b, " v0-ip6"...)
	default:
		b = append(b, " [bad version/echo]"...)
	}
	b = append(appendInt(append(b, " id "...), int(d[1])), ' ')
	addr, _ := netip.AddrFromSlice(d[2 : 2+addrLen]) // of 4 or 16 octets
	b, d = addr.AppendTo(b), d[2+addrLen:]
	if rest == 2 || rest == 10 {
		b, d = appendInt(append(b, ':'), int(binary.BigEndian.Uint16(d))), d[2:]
	}
	if rest >= 8 {
		b = appendHex64(append(b, " hmac 0x"...), d)
	}
	return b, true
}

func appendMPPriority(b, d []byte) ([]byte, bool) {
	if len(d) != 1 && len(d) != 2 {
		return b, false
	}
	if d[0]&1 != 0 {
		b = append(b, " backup"...)
	} else {
		b = append(b, " non-backup"...)
	}
	if len(d) == 2 {
		b = appendInt(append(b, " id "...), int(d[1]))
	}
	return b, true
}
