package filter

import (
	"fmt"
	"strconv"

	"golang.org/x/net/bpf"
)

// value is a number that may depend on the packet.
type value interface {
	fmt.Stringer
	// load appends the instructions that leave the value in A.
	load(c *code)
	// needs appends the protocols whose headers the value is found in.
	needs(names []string) []string
}

// The values.
type (
	// number is a constant.
	number uint32
	// length is the packet's, in octets.
	length struct{}
	// field is 1, 2 or 4 octets of a header, counted from its beginning.
	field struct {
		protocol string
		at       value
		size     int
	}
	// operation joins two values.
	operation struct {
		operator    string
		left, right value
	}
)

func isNumber(v value) bool {
	_, ok := v.(number)
	return ok
}

// arithmetic is what an operator of sums does. Higher precedences bind first.
type arithmetic struct {
	precedence int
	alu        bpf.ALUOp
	fold       func(a, b uint32) uint32
	// solitary operators are those that libpcap's grammar gives no precedence.
	solitary bool
}

var operators = map[string]arithmetic{
	"|":  {precedence: 1, alu: bpf.ALUOpOr, fold: func(a, b uint32) uint32 { return a | b }},
	"&":  {precedence: 2, alu: bpf.ALUOpAnd, fold: func(a, b uint32) uint32 { return a & b }},
	"<<": {precedence: 3, alu: bpf.ALUOpShiftLeft, fold: func(a, b uint32) uint32 { return a << b }},
	">>": {precedence: 3, alu: bpf.ALUOpShiftRight, fold: func(a, b uint32) uint32 { return a >> b }},
	"+":  {precedence: 4, alu: bpf.ALUOpAdd, fold: func(a, b uint32) uint32 { return a + b }},
	"-":  {precedence: 4, alu: bpf.ALUOpSub, fold: func(a, b uint32) uint32 { return a - b }},
	"*":  {precedence: 5, alu: bpf.ALUOpMul, fold: func(a, b uint32) uint32 { return a * b }},
	"/":  {precedence: 5, alu: bpf.ALUOpDiv, fold: func(a, b uint32) uint32 { return a / b }},
	"%":  {precedence: 5, alu: bpf.ALUOpMod, fold: func(a, b uint32) uint32 { return a % b }, solitary: true},
	"^":  {precedence: 5, alu: bpf.ALUOpXor, fold: func(a, b uint32) uint32 { return a ^ b }, solitary: true},
}

// comparison is a relation by what the machine has.
type comparison struct {
	test     bpf.JumpTest
	negated  bool
	mirrored string // the relation with its sides exchanged
	fold     func(a, b uint32) bool
}

var comparisons = map[string]comparison{
	"=":  {bpf.JumpEqual, false, "=", func(a, b uint32) bool { return a == b }},
	"!=": {bpf.JumpEqual, true, "!=", func(a, b uint32) bool { return a != b }},
	">":  {bpf.JumpGreaterThan, false, "<", func(a, b uint32) bool { return a > b }},
	"<=": {bpf.JumpGreaterThan, true, ">=", func(a, b uint32) bool { return a <= b }},
	">=": {bpf.JumpGreaterOrEqual, false, "<=", func(a, b uint32) bool { return a >= b }},
	"<":  {bpf.JumpGreaterOrEqual, true, ">", func(a, b uint32) bool { return a < b }},
}

func (v number) String() string { return strconv.FormatUint(uint64(v), 10) }

func (length) String() string { return "len" }

func (v field) String() string {
	if v.size == 1 {
		return fmt.Sprintf("%s[%v]", v.protocol, v.at)
	}
	return fmt.Sprintf("%s[%v:%d]", v.protocol, v.at, v.size)
}

// String puts operations within operations in parentheses, so that nothing hangs
// on precedence.
func (v operation) String() string {
	left, right := v.left.String(), v.right.String()
	if l, ok := v.left.(operation); ok && !v.continues(l) {
		left = "(" + left + ")"
	}
	if _, ok := v.right.(operation); ok {
		right = "(" + right + ")"
	}
	return left + " " + v.operator + " " + right
}

// continues reports whether left and v read from left to right like one sum.
func (v operation) continues(left operation) bool {
	a, b := operators[left.operator], operators[v.operator]
	return a.precedence == b.precedence && !a.solitary && !b.solitary
}

func (number) needs(names []string) []string { return names }
func (length) needs(names []string) []string { return names }

func (v field) needs(names []string) []string {
	if v.protocol != protocolIP {
		names = append(names, v.protocol)
	}
	return v.at.needs(names)
}

func (v operation) needs(names []string) []string {
	return v.right.needs(v.left.needs(names))
}

// code collects the instructions that compute a value.
type code struct {
	instructions []bpf.Instruction
	cells        int // scratch cells in use
	most         int // and at most so far
}

func (c *code) add(more ...bpf.Instruction) { c.instructions = append(c.instructions, more...) }

// join leaves left in A and right in X, which is only shifted by where shift is
// set.
func (c *code) join(left, right value, shift bool) {
	left.load(c)
	cell := c.cells
	c.cells++
	c.most = max(c.most, c.cells)
	c.add(bpf.StoreScratch{Src: bpf.RegA, N: cell})
	right.load(c)
	if shift {
		// Shifting by 32 or more leaves nothing, in libpcap; the kernel's
		// processor may do otherwise.
		c.add(
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: 32, SkipFalse: 2},
			bpf.LoadConstant{Dst: bpf.RegA, Val: 0},
			bpf.StoreScratch{Src: bpf.RegA, N: cell},
		)
	}
	c.add(bpf.TAX{}, bpf.LoadScratch{Dst: bpf.RegA, N: cell})
	c.cells--
}

func (v number) load(c *code) { c.add(bpf.LoadConstant{Dst: bpf.RegA, Val: uint32(v)}) }

func (length) load(c *code) { c.add(bpf.LoadExtension{Num: bpf.ExtLen}) }

func (v field) load(c *code) {
	at, constant := v.at.(number)
	switch {
	case constant && v.protocol == protocolIP:
		c.add(bpf.LoadAbsolute{Off: uint32(at), Size: v.size})
		return
	case constant:
		c.add(bpf.LoadMemShift{Off: 0}, bpf.LoadIndirect{Off: uint32(at), Size: v.size})
		return
	}
	v.at.load(c)
	// The kernel has other things than the packet at "negative" offsets.
	c.add(bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: maxOffset, SkipFalse: 1}, reject)
	if v.protocol != protocolIP {
		c.add(bpf.LoadMemShift{Off: 0}, bpf.ALUOpX{Op: bpf.ALUOpAdd})
	}
	c.add(bpf.TAX{}, bpf.LoadIndirect{Off: 0, Size: v.size})
}

func (v operation) load(c *code) {
	alu := operators[v.operator].alu
	if right, ok := v.right.(number); ok {
		v.left.load(c)
		c.add(bpf.ALUOpConstant{Op: alu, Val: uint32(right)})
		return
	}
	c.join(v.left, v.right, v.operator == "<<" || v.operator == ">>")
	c.add(bpf.ALUOpX{Op: alu})
}
