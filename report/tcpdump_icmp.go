package report

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// ICMP messages that quote nothing.
const (
	icmpEchoReply   = 0
	icmpEchoRequest = 8
)

// appendICMP appends an ICMP message of the given length, of which there may
// be less.
func appendICMP(b, message []byte, length int) []byte {
	text, ok := icmpText(message)
	if !ok {
		return append(b, " [|icmp]"...)
	}
	return fmt.Appendf(b, "ICMP %s, length %d", text, length)
}

// icmpText returns the message in tcpdump's words; false if it is too short
// for them.
func icmpText(message []byte) (string, bool) {
	if len(message) < 2 {
		return "", false
	}
	typ, code := message[0], message[1]
	switch typ {
	case wire.ICMPSourceQuench:
		return "source quench", true
	case wire.ICMPParameterProblem:
		if code != 0 {
			return fmt.Sprintf("parameter problem - code %d", code), true
		}
		if len(message) < 5 {
			return "", false
		}
		return fmt.Sprintf("parameter problem - octet %d", message[4]), true
	case icmpEchoRequest, icmpEchoReply:
		if len(message) < 8 {
			return "", false
		}
		kind := "request"
		if typ == icmpEchoReply {
			kind = "reply"
		}
		return fmt.Sprintf("echo %s, id %d, seq %d", kind, binary.BigEndian.Uint16(message[4:]), binary.BigEndian.Uint16(message[6:])), true
	case wire.ICMPUnreachable, wire.ICMPTimeExceeded, wire.ICMPRedirect:
		if len(message) < 28 {
			return "", false
		}
		return quotingText(message)
	}
	return fmt.Sprintf("type-#%d", typ), true
}

// quotingText is for messages that have at least a whole header quoted.
func quotingText(message []byte) (string, bool) {
	code, quoted := message[1], message[8:]
	to := netip.AddrFrom4([4]byte(quoted[16:]))
	switch message[0] {
	case wire.ICMPRedirect:
		return redirectText(code, to, netip.AddrFrom4([4]byte(message[4:]))), true
	case wire.ICMPTimeExceeded:
		switch code {
		case 0:
			return "time exceeded in-transit", true
		case 1:
			return "ip reassembly time exceeded", true
		}
		return fmt.Sprintf("time exceeded-#%d", code), true
	}
	switch code {
	case 2:
		return fmt.Sprintf("%v protocol %d unreachable", to, quoted[9]), true
	case 3:
		return portText(to, quoted)
	case 4:
		if mtu := binary.BigEndian.Uint16(message[6:]); mtu != 0 {
			return fmt.Sprintf("%v unreachable - need to frag (mtu %d)", to, mtu), true
		}
		return fmt.Sprintf("%v unreachable - need to frag", to), true
	}
	return unreachableText(code, to), true
}

// portText names the port that could not be reached.
func portText(to netip.Addr, quoted []byte) (string, bool) {
	n := int(quoted[0]&0xf) * 4
	if len(quoted) < n+4 {
		return "", false
	}
	port, protocol := binary.BigEndian.Uint16(quoted[n+2:]), quoted[9]
	switch protocol {
	case wire.ProtocolTCP:
		return fmt.Sprintf("%v tcp port %d unreachable", to, port), true
	case wire.ProtocolUDP:
		return fmt.Sprintf("%v udp port %d unreachable", to, port), true
	}
	return fmt.Sprintf("%v protocol %d port %d unreachable", to, protocol, port), true
}

func unreachableText(code uint8, to netip.Addr) string {
	switch code {
	case 0:
		return fmt.Sprintf("net %v unreachable", to)
	case 1:
		return fmt.Sprintf("host %v unreachable", to)
	case 5:
		return fmt.Sprintf("%v unreachable - source route failed", to)
	case 6:
		return fmt.Sprintf("net %v unreachable - unknown", to)
	case 7:
		return fmt.Sprintf("host %v unreachable - unknown", to)
	case 8:
		return fmt.Sprintf("%v unreachable - source host isolated", to)
	case 9:
		return fmt.Sprintf("net %v unreachable - admin prohibited", to)
	case 10:
		return fmt.Sprintf("host %v unreachable - admin prohibited", to)
	case 11:
		return fmt.Sprintf("net %v unreachable - tos prohibited", to)
	case 12:
		return fmt.Sprintf("host %v unreachable - tos prohibited", to)
	case 13:
		return fmt.Sprintf("host %v unreachable - admin prohibited filter", to)
	case 14:
		return fmt.Sprintf("host %v unreachable - host precedence violation", to)
	case 15:
		return fmt.Sprintf("host %v unreachable - precedence cutoff", to)
	}
	return fmt.Sprintf("%v unreachable - #%d", to, code)
}

func redirectText(code uint8, to, gateway netip.Addr) string {
	switch code {
	case 0:
		return fmt.Sprintf("redirect %v to net %v", to, gateway)
	case 1:
		return fmt.Sprintf("redirect %v to host %v", to, gateway)
	case 2:
		return fmt.Sprintf("redirect-tos %v to net %v", to, gateway)
	case 3:
		return fmt.Sprintf("redirect-tos %v to host %v", to, gateway)
	}
	return fmt.Sprintf("redirect-#%d %v to %v", code, to, gateway)
}
