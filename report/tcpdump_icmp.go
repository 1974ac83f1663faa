package report

import (
	"encoding/binary"
	"strconv"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// ICMP messages that quote nothing (RFC 792, RFC 950, RFC 1256).
const (
	icmpEchoReply       = 0
	icmpEchoRequest     = 8
	icmpRouterSolicit   = 10
	icmpTimestamp       = 13
	icmpTimestampReply  = 14
	icmpInformation     = 15
	icmpInformationBack = 16
	icmpMask            = 17
	icmpMaskReply       = 18
)

// appendICMP appends an ICMP message of the given length, of which there may
// be less. With -v the datagram that it quotes follows.
func (p *printer) appendICMP(b, message []byte, length int, fragment bool) []byte {
	start := len(b)
	b, ok := appendICMPText(append(b, "ICMP "...), message)
	if !ok {
		return appendCut(b[:start], "icmp")
	}
	b = appendInt(append(b, ", length "...), length)
	if !p.fields {
		return b
	}
	if !fragment && len(message) >= length {
		if got, want := wire.ICMPChecksum(message[:length]); got != want {
			b = strconv.AppendUint(append(b, " (wrong icmp cksum "...), uint64(got), 16)
			b = append(strconv.AppendUint(append(b, " (->"...), uint64(want), 16), ")!)"...)
		}
	}
	if !quotes(message[0]) {
		return b
	}
	b = append(b, "\n\t"...)
	if len(message) < 12 {
		return appendCut(b, "icmp")
	}
	quoted := message[8:]
	total := int(binary.BigEndian.Uint16(quoted[2:]))
	if total == 0 {
		return appendCut(b, "icmp")
	}
	return p.appendIP(b, quoted[:min(total, len(quoted))], total)
}

// quotes reports whether a type of message is about a datagram.
func quotes(typ byte) bool {
	switch typ {
	case wire.ICMPUnreachable, wire.ICMPSourceQuench, wire.ICMPRedirect, wire.ICMPTimeExceeded, wire.ICMPParameterProblem:
		return true
	}
	return false
}

// appendICMPText appends the message in tcpdump's words; ok is false if it is
// too short for them.
func appendICMPText(b, message []byte) (out []byte, ok bool) {
	if len(message) < 2 {
		return b, false
	}
	typ, code := message[0], int(message[1])
	if need := icmpNeeds(typ, code); len(message) < need {
		return b, false
	}
	be := binary.BigEndian
	switch typ {
	case wire.ICMPSourceQuench:
		return append(b, "source quench"...), true
	case wire.ICMPParameterProblem:
		if code != 0 {
			return appendInt(append(b, "parameter problem - code "...), code), true
		}
		return appendInt(append(b, "parameter problem - octet "...), int(message[4])), true
	case icmpEchoRequest, icmpEchoReply, icmpTimestamp, icmpTimestampReply:
		return appendICMPQuery(b, message), true
	case wire.ICMPUnreachable:
		return appendUnreachable(b, code, message)
	case wire.ICMPTimeExceeded:
		switch code {
		case 0:
			return append(b, "time exceeded in-transit"...), true
		case 1:
			return append(b, "ip reassembly time exceeded"...), true
		}
		return appendInt(append(b, "time exceeded-#"...), code), true
	case wire.ICMPRedirect:
		return appendRedirect(b, code, message[24:28], message[4:8]), true
	case icmpRouterSolicit:
		return append(b, "router solicitation"...), true
	case icmpInformation:
		return append(b, "information request"...), true
	case icmpInformationBack:
		return append(b, "information reply"...), true
	case icmpMask:
		return append(b, "address mask request"...), true
	case icmpMaskReply:
		b = append(b, "address mask is 0x"...)
		return appendHex16(appendHex16(b, be.Uint16(message[8:])), be.Uint16(message[10:])), true
	}
	return appendInt(append(b, "type-#"...), int(typ)), true
}

// icmpNeeds returns how many octets of a message its words are made of; those
// that name a port look further by themselves.
func icmpNeeds(typ byte, code int) int {
	switch typ {
	case icmpEchoRequest, icmpEchoReply, icmpTimestamp:
		return 8
	case icmpTimestampReply:
		return 20
	case icmpMaskReply:
		return 12
	case wire.ICMPParameterProblem:
		if code == 0 {
			return 5
		}
	case wire.ICMPUnreachable, wire.ICMPTimeExceeded, wire.ICMPRedirect:
		return 8 + ipHeaderLen
	}
	return 2
}

// appendICMPQuery appends an echo or a timestamp message.
func appendICMPQuery(b, message []byte) []byte {
	be := binary.BigEndian
	id, seq := int(be.Uint16(message[4:])), int(be.Uint16(message[6:]))
	switch message[0] {
	case icmpEchoRequest:
		b = appendInt(append(b, "echo request, id "...), id)
		return appendInt(append(b, ", seq "...), seq)
	case icmpEchoReply:
		b = appendInt(append(b, "echo reply, id "...), id)
		return appendInt(append(b, ", seq "...), seq)
	case icmpTimestamp:
		b = appendInt(append(b, "time stamp query id "...), id)
		return appendInt(append(b, " seq "...), seq)
	}
	b = appendInt(append(b, "time stamp reply id "...), id)
	b = appendInt(append(b, " seq "...), seq)
	b = appendMidnight(append(b, ": org "...), be.Uint32(message[8:]))
	b = appendMidnight(append(b, ", recv "...), be.Uint32(message[12:]))
	return appendMidnight(append(b, ", xmit "...), be.Uint32(message[16:]))
}

// appendMidnight appends milliseconds since midnight UTC. There may be more
// of them than a day has.
func appendMidnight(b []byte, ms uint32) []byte {
	if hours := ms / 3600000; hours < 100 {
		b = appendTwoDigits(b, int(hours))
	} else {
		b = appendUint(b, hours)
	}
	b = appendTwoDigits(append(b, ':'), int(ms/60000%60))
	b = appendTwoDigits(append(b, ':'), int(ms/1000%60))
	b = append(b, '.', byte('0'+ms/100%10))
	return appendTwoDigits(b, int(ms%100))
}

// unreachable returns what stands before and behind the address in the words
// for a code; "" and "" if there are none.
func unreachable(code int) (before, behind string) {
	switch code {
	case 0:
		return "net ", " unreachable"
	case 1:
		return "host ", " unreachable"
	case 5:
		return "", " unreachable - source route failed"
	case 6:
		return "net ", " unreachable - unknown"
	case 7:
		return "host ", " unreachable - unknown"
	case 8:
		return "", " unreachable - source host isolated"
	case 9:
		return "net ", " unreachable - admin prohibited"
	case 10:
		return "host ", " unreachable - admin prohibited"
	case 11:
		return "net ", " unreachable - tos prohibited"
	case 12:
		return "host ", " unreachable - tos prohibited"
	case 13:
		return "host ", " unreachable - admin prohibited filter"
	case 14:
		return "host ", " unreachable - host precedence violation"
	case 15:
		return "host ", " unreachable - precedence cutoff"
	}
	return "", ""
}

// appendUnreachable is for messages that have at least a whole header quoted.
func appendUnreachable(b []byte, code int, message []byte) ([]byte, bool) {
	quoted := message[8:]
	to := quoted[16:20]
	switch code {
	case 2:
		b = appendInt(append(appendAddr(b, to), " protocol "...), int(quoted[9]))
		return append(b, " unreachable"...), true
	case 3:
		return appendPortUnreachable(b, to, quoted)
	case 4:
		b = append(appendAddr(b, to), " unreachable - need to frag"...)
		if mtu := binary.BigEndian.Uint16(message[6:]); mtu != 0 {
			b = append(appendInt(append(b, " (mtu "...), int(mtu)), ')')
		}
		return b, true
	}
	if before, behind := unreachable(code); behind != "" {
		return append(appendAddr(append(b, before...), to), behind...), true
	}
	return appendInt(append(appendAddr(b, to), " unreachable - #"...), code), true
}

// appendPortUnreachable names the port that could not be reached.
func appendPortUnreachable(b, to, quoted []byte) ([]byte, bool) {
	n := int(quoted[0]&0xf) * 4
	if len(quoted) < n+4 {
		return b, false
	}
	b = appendAddr(b, to)
	switch protocol := quoted[9]; protocol {
	case wire.ProtocolTCP:
		b = append(b, " tcp port "...)
	case wire.ProtocolUDP:
		b = append(b, " udp port "...)
	default:
		b = append(appendInt(append(b, " protocol "...), int(protocol)), " port "...)
	}
	return append(appendInt(b, int(binary.BigEndian.Uint16(quoted[n+2:]))), " unreachable"...), true
}

func appendRedirect(b []byte, code int, to, gateway []byte) []byte {
	b = append(b, "redirect"...)
	behind := " to "
	switch code {
	case 0:
		behind = " to net "
	case 1:
		behind = " to host "
	case 2:
		b, behind = append(b, "-tos"...), " to net "
	case 3:
		b, behind = append(b, "-tos"...), " to host "
	default:
		b = appendInt(append(b, "-#"...), code)
	}
	b = appendAddr(append(b, ' '), to)
	return appendAddr(append(b, behind...), gateway)
}
