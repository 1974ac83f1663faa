package sockdiag

import (
	"encoding/binary"
	"net/netip"
)

// The instructions of a filter (INET_DIAG_BC_*).
const (
	opJump      = 1
	opLocalMin  = 2
	opLocalMax  = 3
	opRemoteMin = 4
	opRemoteMax = 5
	opLocal     = 7
	opRemote    = 8
)

// instruction is the length of one (struct inet_diag_bc_op): a code, how far
// to go where it holds (8 bits), and how far where it doesn't (16 bits).
const instruction = 4

// Filter chooses sockets by their endpoints. The kernel applies it, so that
// sockets that are not meant cost little. The zero value means all. A Filter
// is not changed by what is made of it.
type Filter struct {
	// program accepts by running off its end, and refuses by jumping one
	// instruction beyond that.
	program []byte
}

// LocalPort chooses sockets whose own port is from first to last.
func LocalPort(first, last uint16) Filter {
	return port(opLocalMin, first).And(port(opLocalMax, last))
}

// RemotePort chooses sockets whose peer's port is from first to last.
func RemotePort(first, last uint16) Filter {
	return port(opRemoteMin, first).And(port(opRemoteMax, last))
}

// LocalAddr chooses sockets whose own address is in a network. One of IPv4
// holds for IPv6 sockets too that speak IPv4.
func LocalAddr(network netip.Prefix) Filter { return host(opLocal, network) }

// RemoteAddr chooses sockets whose peer's address is in a network, as
// LocalAddr does.
func RemoteAddr(network netip.Prefix) Filter { return host(opRemote, network) }

// And chooses what both choose.
func (f Filter) And(g Filter) Filter {
	joined := append(append([]byte(nil), f.program...), g.program...)
	refusal := len(f.program) + instruction
	// What f refused by jumping behind its own end must jump behind g's.
	for at := 0; at < len(f.program); at += int(f.program[at+1]) {
		if no := joined[at+2 : at+4]; at+int(binary.NativeEndian.Uint16(no)) == refusal {
			binary.NativeEndian.PutUint16(no, uint16(refusal-at+len(g.program)))
		}
	}
	return Filter{joined}
}

// Or chooses what either chooses.
func (f Filter) Or(g Filter) Filter {
	if len(f.program) == 0 || len(g.program) == 0 {
		return Filter{}
	}
	// f's refusal lands on g, and its success on the jump over g.
	joined := append([]byte(nil), f.program...)
	joined = appendInstruction(joined, opJump, instruction, len(g.program)+instruction)
	return Filter{append(joined, g.program...)}
}

// Not chooses what f doesn't.
func (f Filter) Not() Filter {
	// f's refusal lands behind the jump, and its success on it.
	return Filter{appendInstruction(append([]byte(nil), f.program...), opJump, instruction, 2*instruction)}
}

// port is a bound for a port, which the kernel reads from the instruction
// behind the one that asks.
func port(code uint8, bound uint16) Filter {
	b := appendInstruction(nil, code, 2*instruction, 3*instruction)
	return Filter{appendInstruction(b, 0, 0, int(bound))}
}

// host is a network (struct inet_diag_hostcond), of any port.
func host(code uint8, network netip.Prefix) Filter {
	addr := network.Masked().Addr().AsSlice()
	family := uint8(familyIPv4)
	if network.Addr().Is6() {
		family = familyIPv6
	}
	length := instruction + 8 + len(addr)
	b := appendInstruction(nil, code, length, length+instruction)
	b = append(b, family, uint8(network.Bits()), 0, 0)
	b = binary.NativeEndian.AppendUint32(b, ^uint32(0))
	return Filter{append(b, addr...)}
}

func appendInstruction(b []byte, code uint8, yes, no int) []byte {
	return binary.NativeEndian.AppendUint16(append(b, code, uint8(yes)), uint16(no))
}
