package filter

import (
	"errors"
	"slices"

	"golang.org/x/net/bpf"
)

// The fields of the IPv4 header (RFC 791, Section 3.1), and the ports behind it,
// which every transport that has them begins with.
const (
	offsetFragment    = 6
	offsetProtocol    = 9
	offsetSource      = 12
	offsetDestination = 16
	fragmentOffset    = 0x1fff // of the field at offsetFragment

	offsetSourcePort      = 0
	offsetDestinationPort = 2
)

const (
	// maxOffset is the last octet that a datagram can have.
	maxOffset = 0xffff
	// scratchCells are what the machine has (BPF_MEMWORDS).
	scratchCells = 16
)

// The two ends of every program.
var reject, pass = bpf.RetConstant{Val: 0}, bpf.RetConstant{Val: passLength}

// block loads a value into A, compares it, and goes on at one of two others. One
// without a way on is an end, and returns.
type block struct {
	load    []bpf.Instruction
	test    test
	yes, no *block
}

// test compares A with a constant, or with X.
type test struct {
	kind bpf.JumpTest
	with uint32
	x    bool
}

// graph makes blocks, and remembers what cannot be compiled.
type graph struct{ err error }

// block makes one, whose ways on pass over what is known after its test.
func (g *graph) block(load []bpf.Instruction, test test, yes, no *block) *block {
	b := &block{load: load, test: test}
	b.yes, b.no = b.follow(true, yes), b.follow(false, no)
	return b
}

// field makes a block that compares octets of the IPv4 header.
func (g *graph) field(offset uint32, size int, test test, yes, no *block) *block {
	return g.block([]bpf.Instruction{bpf.LoadAbsolute{Off: offset, Size: size}}, test, yes, no)
}

// follow passes over blocks at to which compare again what b has just compared.
func (b *block) follow(outcome bool, to *block) *block {
	for to.yes != nil && slices.Equal(b.load, to.load) {
		known, ok := b.test.implies(outcome, to.test)
		if !ok {
			return to
		}
		if known {
			to = to.yes
		} else {
			to = to.no
		}
	}
	return to
}

// implies returns how the next test of the same value ends, if that is known.
func (t test) implies(outcome bool, next test) (result, known bool) {
	switch {
	case t == next:
		return outcome, true
	case !outcome || t.kind != bpf.JumpEqual || t.x || next.x:
		return false, false
	}
	switch next.kind { // of t.with
	case bpf.JumpEqual:
		return t.with == next.with, true
	case bpf.JumpGreaterThan:
		return t.with > next.with, true
	case bpf.JumpGreaterOrEqual:
		return t.with >= next.with, true
	default:
		return t.with&next.with != 0, true
	}
}

func (c always) compile(_ *graph, yes, no *block) *block {
	if c {
		return yes
	}
	return no
}

func (c negation) compile(g *graph, yes, no *block) *block { return c.of.compile(g, no, yes) }

func (c junction) compile(g *graph, yes, no *block) *block {
	right := c.right.compile(g, yes, no)
	if c.or {
		return c.left.compile(g, yes, right)
	}
	return c.left.compile(g, right, no)
}

func (c ofProtocol) compile(g *graph, yes, no *block) *block {
	return g.field(offsetProtocol, 1, test{kind: bpf.JumpEqual, with: uint32(c)}, yes, no)
}

// compile asks for the end or the ends by one that takes the source's or the
// destination's place.
func (d direction) compile(end func(of direction, yes, no *block) *block, yes, no *block) *block {
	switch d {
	case either:
		return end(source, yes, end(destination, yes, no))
	case both:
		return end(source, end(destination, yes, no), no)
	default:
		return end(d, yes, no)
	}
}

func (c address) compile(g *graph, yes, no *block) *block {
	if c.mask == 0 {
		return yes
	}
	return c.direction.compile(func(of direction, yes, no *block) *block {
		offset := uint32(offsetSource)
		if of == destination {
			offset = offsetDestination
		}
		load := []bpf.Instruction{bpf.LoadAbsolute{Off: offset, Size: 4}}
		if c.mask != 1<<32-1 {
			load = append(load, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: c.mask})
		}
		return g.block(load, test{kind: bpf.JumpEqual, with: c.net}, yes, no)
	}, yes, no)
}

func (c ports) compile(g *graph, yes, no *block) *block {
	compare := c.direction.compile(func(of direction, yes, no *block) *block {
		offset := uint32(offsetSourcePort)
		if of == destination {
			offset = offsetDestinationPort
		}
		load := []bpf.Instruction{bpf.LoadMemShift{Off: 0}, bpf.LoadIndirect{Off: offset, Size: 2}}
		if c.first == c.last {
			return g.block(load, test{kind: bpf.JumpEqual, with: uint32(c.first)}, yes, no)
		}
		last := g.block(load, test{kind: bpf.JumpGreaterThan, with: uint32(c.last)}, no, yes)
		return g.block(load, test{kind: bpf.JumpGreaterOrEqual, with: uint32(c.first)}, last, no)
	}, yes, no)
	compare = firstFragment(g, compare, no)
	if c.protocol != "" {
		return ofProtocol(protocols[c.protocol].number).compile(g, compare, no)
	}
	entry := no
	for _, number := range slices.Backward(portProtocols()) {
		entry = ofProtocol(number).compile(g, compare, entry)
	}
	return entry
}

// firstFragment goes on at yes where a transport header may be.
func firstFragment(g *graph, yes, no *block) *block {
	return g.field(offsetFragment, 2, test{kind: bpf.JumpBitsSet, with: fragmentOffset}, no, yes)
}

func (c relation) compile(g *graph, yes, no *block) *block {
	names := c.right.needs(c.left.needs(nil))
	entry := c.compare(g, yes, no)
	if len(names) == 0 {
		return entry
	}
	slices.Sort(names)
	entry = firstFragment(g, entry, no)
	for _, name := range slices.Compact(names) {
		entry = ofProtocol(protocols[name].number).compile(g, entry, no)
	}
	return entry
}

// compare makes the block of the comparison itself.
func (c relation) compare(g *graph, yes, no *block) *block {
	if _, ok := c.left.(number); ok {
		c.left, c.right, c.operator = c.right, c.left, comparisons[c.operator].mirrored
	}
	as := comparisons[c.operator]
	if as.negated {
		yes, no = no, yes
	}
	var code code
	test := test{kind: as.test}
	if right, ok := c.right.(number); !ok {
		code.join(c.left, c.right, false)
		test.x = true
	} else if masked, mask, ok := c.masked(); ok {
		masked.load(&code)
		test.kind, test.with = bpf.JumpBitsSet, mask
		yes, no = no, yes
	} else {
		c.left.load(&code)
		test.with = uint32(right)
	}
	if code.most > scratchCells {
		g.err = errors.New("filter arithmetic needs more than 16 intermediate results")
	}
	return g.block(code.instructions, test, yes, no)
}

// masked takes a comparison of single bits with zero apart, for which the machine
// has an instruction of its own.
func (c relation) masked() (of value, mask uint32, ok bool) {
	and, ok := c.left.(operation)
	if !ok || and.operator != "&" || comparisons[c.operator].test != bpf.JumpEqual || c.right != number(0) {
		return nil, 0, false
	}
	bits, ok := and.right.(number)
	return and.left, uint32(bits), ok
}
