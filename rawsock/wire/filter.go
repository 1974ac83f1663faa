package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
)

// passLength is how much of a datagram a filter lets through: all of it.
const passLength = 0x40000

// maxInstructions is the kernel's limit for one program (BPF_MAXINSNS).
const maxInstructions = 4096

// The two ends of every program.
var reject, pass = bpf.RetConstant{Val: 0}, bpf.RetConstant{Val: passLength}

// Scratch cells in which the preludes leave what the endpoints are compared
// with.
const (
	cellAddr = iota
	cellPort
)

// ReplyFilter returns a classic BPF program that passes the IPv4 datagrams
// that may answer a segment sent from one of the local endpoints: TCP to it,
// and ICMP errors that quote TCP from it. The program expects the datagram at
// offset zero, as raw IPv4 sockets and cooked (SOCK_DGRAM) packet sockets
// give it. It passes no fragments but first ones, and nothing that is too
// short for its ports. Without endpoints it passes nothing.
//
// Consecutive ports of one address cost hardly more than a single one. The
// error names an endpoint that is not IPv4, or says that the program would
// exceed the kernel's 4,096 instructions (about 2,000 scattered ports).
// Linux differs: net.core.optmem_max bounds the size of a filter too.
func ReplyFilter(local ...netip.AddrPort) ([]bpf.RawInstruction, error) {
	return assemble(local, nil)
}

// ConversationFilter is ReplyFilter for packet sockets: it also passes the
// TCP segments that are sent from the local endpoints.
func ConversationFilter(local ...netip.AddrPort) ([]bpf.RawInstruction, error) {
	return assemble(local, tcpEndpoint(12, 0))
}

// HandshakeFilter is ConversationFilter without what is sent later than a SYN:
// it passes the SYNs from the local endpoints, and all replies.
func HandshakeFilter(local ...netip.AddrPort) ([]bpf.RawInstruction, error) {
	return assemble(local, append([]bpf.Instruction{
		bpf.LoadIndirect{Off: 13, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: uint32(SYN), SkipTrue: 1},
		reject,
	}, tcpEndpoint(12, 0)...))
}

// assemble makes a program. outgoing fills the cells from the source of a
// segment, where that is to be compared too; nil where it is not.
func assemble(local []netip.AddrPort, outgoing []bpf.Instruction) ([]bpf.RawInstruction, error) {
	groups, err := groupEndpoints(local)
	if err != nil {
		return nil, err
	}
	match := matchEndpoints(groups)
	program := filterProgram(match, outgoing)
	if len(program) > maxInstructions {
		return nil, fmt.Errorf("filter for %d endpoints: %d instructions exceed %d", len(local), len(program), maxInstructions)
	}
	return bpf.Assemble(program)
}

// filterProgram puts the preludes in front of the comparisons. Everything
// long is passed over by unconditional jumps, whose range has no limit worth
// mentioning; conditional ones reach 255 instructions.
//
//	IPv4, first fragment?
//	TCP:  cells = destination [compare; cells = source]
//	ICMP: cells = source of the quoted datagram
//	compare
func filterProgram(match, outgoing []bpf.Instruction) []bpf.Instruction {
	tcp, icmp := tcpEndpoint(16, 2), quotedEndpoint()
	if outgoing != nil {
		tcp = slices.Concat(tcp, match, outgoing)
	}
	tcp = append(tcp, bpf.Jump{Skip: uint32(len(icmp))})

	return slices.Concat([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 4 << 4, SkipTrue: 1},
		reject,
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: maxFragOffset, SkipTrue: 1},
		reject,
		bpf.LoadMemShift{Off: 0}, // X = length of the IP header
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ProtocolTCP, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ProtocolICMP, SkipTrue: 1},
		reject,
		bpf.Jump{Skip: uint32(len(tcp))},
	}, tcp, icmp, match, []bpf.Instruction{reject})
}

// tcpEndpoint fills the cells from the address at offset addr of the IP
// header and the port at offset port of the TCP header, which begins at X.
func tcpEndpoint(addr, port uint32) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: addr, Size: 4},
		bpf.StoreScratch{Src: bpf.RegA, N: cellAddr},
		bpf.LoadIndirect{Off: port, Size: 2},
		bpf.StoreScratch{Src: bpf.RegA, N: cellPort},
	}
}

// quotedEndpoint rejects all but ICMP errors, which begin at X, that quote
// the start of a TCP segment, and fills the cells from the source of that.
func quotedEndpoint() []bpf.Instruction {
	const quoted = icmpHeaderLen
	return []bpf.Instruction{
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ICMPUnreachable, SkipTrue: 5},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ICMPTimeExceeded, SkipTrue: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ICMPSourceQuench, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ICMPRedirect, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ICMPParameterProblem, SkipTrue: 1},
		reject,
		bpf.LoadIndirect{Off: quoted + 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: ProtocolTCP, SkipTrue: 1},
		reject,
		bpf.LoadIndirect{Off: quoted + 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: maxFragOffset, SkipTrue: 1},
		reject,
		bpf.LoadIndirect{Off: quoted + 12, Size: 4},
		bpf.StoreScratch{Src: bpf.RegA, N: cellAddr},
		// X += length of the quoted IP header.
		bpf.LoadIndirect{Off: quoted, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.TAX{},
		bpf.LoadIndirect{Off: quoted, Size: 2},
		bpf.StoreScratch{Src: bpf.RegA, N: cellPort},
	}
}

// portRange is a run of consecutive ports, both ends included.
type portRange struct{ first, last uint16 }

// endpointGroup is one local address with its ports, ascending and disjoint.
type endpointGroup struct {
	addr  uint32
	ports []portRange
}

func groupEndpoints(local []netip.AddrPort) ([]endpointGroup, error) {
	sorted := slices.Clone(local)
	slices.SortFunc(sorted, netip.AddrPort.Compare)
	var groups []endpointGroup
	for _, endpoint := range sorted {
		if !endpoint.Addr().Is4() {
			return nil, fmt.Errorf("filter endpoint %v is not IPv4", endpoint)
		}
		octets := endpoint.Addr().As4()
		addr := binary.BigEndian.Uint32(octets[:])
		if len(groups) == 0 || groups[len(groups)-1].addr != addr {
			groups = append(groups, endpointGroup{addr: addr})
		}
		groups[len(groups)-1].add(endpoint.Port())
	}
	return groups, nil
}

// add takes ports in ascending order.
func (e *endpointGroup) add(port uint16) {
	if n := len(e.ports); n > 0 && int(port) <= int(e.ports[n-1].last)+1 {
		e.ports[n-1].last = port
		return
	}
	e.ports = append(e.ports, portRange{port, port})
}

// matchEndpoints passes the datagram if the cells hold an endpoint of the
// groups, and otherwise ends at the instruction behind it.
func matchEndpoints(groups []endpointGroup) []bpf.Instruction {
	var program []bpf.Instruction
	for _, group := range groups {
		ports := matchPorts(group.ports)
		program = append(program,
			bpf.LoadScratch{Dst: bpf.RegA, N: cellAddr},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: group.addr, SkipTrue: 1},
			bpf.Jump{Skip: uint32(len(ports))},
		)
		program = append(program, ports...)
	}
	return program
}

func matchPorts(ports []portRange) []bpf.Instruction {
	program := []bpf.Instruction{bpf.LoadScratch{Dst: bpf.RegA, N: cellPort}}
	for _, r := range ports {
		if r.first == r.last {
			program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(r.first), SkipFalse: 1}, pass)
			continue
		}
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: uint32(r.first), SkipFalse: 2},
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(r.last), SkipTrue: 1},
			pass)
	}
	return program
}
