package filter

import (
	"fmt"
	"slices"

	"golang.org/x/net/bpf"
)

// maxSkip is how far a conditional jump reaches, in instructions.
const maxSkip = 255

// compile returns the program.
func (e Expression) compile() ([]bpf.Instruction, error) {
	accept := &block{load: []bpf.Instruction{pass}}
	entry := accept
	if e.root != nil {
		var g graph
		entry = e.root.compile(&g, accept, &block{load: []bpf.Instruction{reject}})
		if g.err != nil {
			return nil, g.err
		}
	}
	return emit(arrange(entry))
}

// arrange orders the blocks so that all ways lead forward.
func arrange(entry *block) []*block {
	var list []*block
	seen := map[*block]bool{nil: true}
	var visit func(b *block)
	visit = func(b *block) {
		if seen[b] {
			return
		}
		seen[b] = true
		visit(b.no)
		visit(b.yes)
		list = append(list, b)
	}
	visit(entry)
	slices.Reverse(list)
	dropLoads(list)
	return list
}

// dropLoads leaves out what is in A already, whichever way a block is reached.
// (Blocks belong to one program, and no other block's load is its own array.)
func dropLoads(list []*block) {
	before := map[*block][]*block{}
	for _, b := range list {
		for _, next := range []*block{b.yes, b.no} {
			if next != nil {
				before[next] = append(before[next], b)
			}
		}
	}
	var drop []*block
	for _, b := range list {
		same := func(p *block) bool { return slices.Equal(p.load, b.load) }
		if b.yes != nil && len(before[b]) > 0 && !slices.ContainsFunc(before[b], func(p *block) bool { return !same(p) }) {
			drop = append(drop, b)
		}
	}
	for _, b := range drop {
		b.load = nil
	}
}

// emit places the blocks one behind the other. A conditional jump that does not
// reach far enough leaps over unconditional ones, which do; that lengthens the
// program, so that others may fall short, until all is well.
func emit(list []*block) ([]bpf.Instruction, error) {
	start := make(map[*block]int, len(list))
	long := make(map[*block]bool)
	for again := true; again; {
		at := 0
		for _, b := range list {
			start[b] = at
			at += len(b.load) + jumps(b, long[b])
		}
		if at > maxInstructions {
			return nil, fmt.Errorf("filter of %d instructions or more: the kernel takes %d", at, maxInstructions)
		}
		again = false
		for _, b := range list {
			from := start[b] + len(b.load) + 1
			if b.yes != nil && !long[b] && max(start[b.yes], start[b.no])-from > maxSkip {
				long[b], again = true, true
			}
		}
	}
	var program []bpf.Instruction
	for _, b := range list {
		program = append(program, b.load...)
		from := start[b] + len(b.load) + 1
		switch {
		case b.yes == nil:
		case long[b]:
			program = append(program, b.test.jump(0, 1),
				bpf.Jump{Skip: uint32(start[b.yes] - from - 1)},
				bpf.Jump{Skip: uint32(start[b.no] - from - 2)})
		default:
			program = append(program, b.test.jump(start[b.yes]-from, start[b.no]-from))
		}
	}
	return program, nil
}

// jumps is how many instructions follow a block's load.
func jumps(b *block, long bool) int {
	switch {
	case b.yes == nil:
		return 0
	case long:
		return 3
	default:
		return 1
	}
}

func (t test) jump(yes, no int) bpf.Instruction {
	if t.x {
		return bpf.JumpIfX{Cond: t.kind, SkipTrue: uint8(yes), SkipFalse: uint8(no)}
	}
	return bpf.JumpIf{Cond: t.kind, Val: t.with, SkipTrue: uint8(yes), SkipFalse: uint8(no)}
}
