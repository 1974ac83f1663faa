package probe

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// Len returns how many addresses the range has.
func (r Range) Len() uint64 {
	if !r.valid() {
		return 0
	}
	return uint64(addrNumber(r.Last)) - uint64(addrNumber(r.First)) + 1
}

// Contains reports whether addr is in the range.
func (r Range) Contains(addr netip.Addr) bool {
	return r.valid() && addr.Is4() && !addr.Less(r.First) && !r.Last.Less(addr)
}

// String returns the range as ParseTarget reads it, in the shortest form:
// "10.0.0.1", "10.0.0.0/24", "10.0.0.1-20" or "10.0.0.1-10.0.1.20".
func (r Range) String() string {
	if !r.valid() {
		return "invalid range"
	}
	if r.First == r.Last {
		return r.First.String()
	}
	for bits := range 32 {
		if p := netip.PrefixFrom(r.First, bits); prefixRange(p) == r {
			return p.String()
		}
	}
	if a, b := r.First.As4(), r.Last.As4(); [3]byte(a[:]) == [3]byte(b[:]) {
		return fmt.Sprintf("%v-%d", r.First, b[3])
	}
	return fmt.Sprintf("%v-%v", r.First, r.Last)
}

func (r Range) valid() bool {
	return r.First.Is4() && r.Last.Is4() && !r.Last.Less(r.First)
}

// prefixRange returns the addresses of an IPv4 network.
func prefixRange(p netip.Prefix) Range {
	first := p.Masked().Addr()
	return Range{first, numberAddr(addrNumber(first) | ^uint32(0)>>p.Bits())}
}

// addrNumber returns an IPv4 address as a number, for arithmetic.
func addrNumber(addr netip.Addr) uint32 {
	a := addr.As4()
	return binary.BigEndian.Uint32(a[:])
}

// numberAddr is the inverse of addrNumber.
func numberAddr(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

// refuse returns an error where the range has addresses that no TCP peer can
// have (RFC 1122, Section 3.2.1.3; RFC 1112, Section 4).
func refuse(r Range) error {
	reserved := [...]struct {
		first, last [4]byte
		what, why   string
	}{
		{[4]byte{0, 0, 0, 0}, [4]byte{0, 255, 255, 255}, "this network", "no peer has such an address; this host's own is 127.0.0.1"},
		{[4]byte{224, 0, 0, 0}, [4]byte{239, 255, 255, 255}, "multicast", "TCP has no multicast peers"},
		{[4]byte{240, 0, 0, 0}, [4]byte{255, 255, 255, 254}, "reserved", "no peer has such an address"},
		{[4]byte{255, 255, 255, 255}, [4]byte{255, 255, 255, 255}, "broadcast", "TCP has no broadcast peers"},
	}
	var found []string
	for _, s := range reserved {
		no := Range{netip.AddrFrom4(s.first), netip.AddrFrom4(s.last)}
		switch {
		case r.Last.Less(no.First) || no.Last.Less(r.First):
		case no.Contains(r.First) && no.Contains(r.Last):
			return fmt.Errorf("%v is %s: %s", no, s.what, s.why)
		default:
			found = append(found, fmt.Sprintf("%v (%s)", no, s.what))
		}
	}
	if found != nil {
		return fmt.Errorf("it includes %s, where TCP has no peers: stay within 1.0.0.0-223.255.255.255", strings.Join(found, ", "))
	}
	return nil
}

// Scope is what a run probes: which ports of which addresses. It is made by
// Normalize and not modified, so any number of goroutines may use it. The
// zero value is empty.
type Scope struct {
	// Blocks are disjoint and in rising order.
	Blocks []Block
	// before counts the addresses in front of each block.
	before []uint64
}

// Block is a range of addresses of which the same ports are probed.
type Block struct {
	Range
	Ports Ports
	// Name is the host name that the addresses were resolved from, the first
	// of several; "" where the user gave addresses.
	Name string
}

// Normalize works out the scope of targets, without the excluded addresses.
// Each target's own ports and those of extra are probed on it; a target with
// neither gets CommonPorts; an address in several targets gets the ports of
// all. The cost depends on how many targets there are, not on how large.
func Normalize(targets []Target, exclude []Range, extra Ports) (Scope, error) {
	if len(targets) == 0 {
		return Scope{}, errors.New("there is no target: give a host, an address or a range")
	}
	s := sweep{sets: map[string]int{}}
	for _, t := range targets {
		if !t.valid() {
			return Scope{}, fmt.Errorf("target %s has no IPv4 addresses: resolve it first", quote(t.Name))
		}
		s.add(t.Range, span{ports: s.intern(t.Ports, extra), name: t.Name})
	}
	for _, r := range exclude {
		if !r.valid() {
			return Scope{}, fmt.Errorf("exclusion %v-%v is not a range of IPv4 addresses", r.First, r.Last)
		}
		s.add(r, span{excluded: true})
	}
	scope := Scope{Blocks: s.blocks()}
	if len(scope.Blocks) == 0 {
		return Scope{}, errors.New("every target is excluded: nothing is left to probe")
	}
	scope.before = make([]uint64, len(scope.Blocks))
	var n uint64
	for i, b := range scope.Blocks {
		scope.before[i] = n
		n += b.Len()
	}
	return scope, nil
}

// Hosts returns how many addresses there are.
func (s Scope) Hosts() uint64 {
	var n uint64
	for _, b := range s.Blocks {
		n += b.Len()
	}
	return n
}

// Probes returns how many pairs of address and port there are.
func (s Scope) Probes() uint64 {
	var n uint64
	for _, b := range s.Blocks {
		n += b.Len() * uint64(b.Ports.Len())
	}
	return n
}

// Host returns the address at place i in rising order, counted from 0, and
// its block. It panics where i is not below Hosts.
func (s Scope) Host(i uint64) (netip.Addr, Block) {
	at := sort.Search(len(s.before), func(k int) bool { return s.before[k] > i }) - 1
	if at < 0 || i-s.before[at] >= s.Blocks[at].Len() {
		panic(fmt.Sprintf("probe: place %d of %d addresses", i, s.Hosts()))
	}
	b := s.Blocks[at]
	return numberAddr(addrNumber(b.First) + uint32(i-s.before[at])), b
}

// target returns one address of the scope as a target of its own. The zero
// Target stands for an address outside.
func (s Scope) target(addr netip.Addr) Target {
	at := sort.Search(len(s.Blocks), func(k int) bool { return !s.Blocks[k].Last.Less(addr) })
	if at == len(s.Blocks) || !s.Blocks[at].Contains(addr) {
		return Target{}
	}
	return Target{Range: Range{addr, addr}, Name: s.Blocks[at].Name, Ports: s.Blocks[at].Ports}
}

// sweep goes through the address space once, from edge to edge of the spans
// that were added, so that nothing is ever listed address by address.
type sweep struct {
	spans []span
	edges []edge
	// ports are the distinct sets of ports, and sets their places, by the
	// target's own ports. A million targets mostly share one.
	ports []Ports
	sets  map[string]int
}

// span is what one target, or one exclusion, says of its addresses.
type span struct {
	excluded bool
	ports    int // place in sweep.ports
	name     string
}

// edge is where a span begins, or the address behind its end. It is wider
// than an address, as the space's end has one behind it too.
type edge struct {
	at    uint64
	span  int
	begin bool
}

// intern returns the place of the ports to probe on a target.
func (s *sweep) intern(own, extra Ports) int {
	key := own.String()
	place, known := s.sets[key]
	if known {
		return place
	}
	ports := own.Union(extra)
	if len(ports) == 0 {
		ports = CommonPorts()
	}
	s.ports = append(s.ports, ports)
	s.sets[key] = len(s.ports) - 1
	return len(s.ports) - 1
}

func (s *sweep) add(r Range, what span) {
	n := len(s.spans)
	s.spans = append(s.spans, what)
	s.edges = append(s.edges, edge{uint64(addrNumber(r.First)), n, true}, edge{uint64(addrNumber(r.Last)) + 1, n, false})
}

// blocks returns what the spans come to.
func (s *sweep) blocks() []Block {
	slices.SortFunc(s.edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })
	var (
		blocks   []Block
		last     uint64
		excluded int
		covering counter // of sets of ports
		named    counter // of spans
	)
	for _, e := range s.edges {
		if e.at > last && excluded == 0 && len(covering) > 0 {
			b := Block{Range: Range{numberAddr(uint32(last)), numberAddr(uint32(e.at - 1))}, Ports: s.union(covering)}
			if len(named) > 0 {
				b.Name = s.spans[named[0].key].name
			}
			blocks = appendBlock(blocks, b)
		}
		last = e.at
		step := -1
		if e.begin {
			step = 1
		}
		switch what := s.spans[e.span]; {
		case what.excluded:
			excluded += step
		default:
			covering.count(what.ports, step)
			if what.name != "" {
				named.count(e.span, step)
			}
		}
	}
	return blocks
}

// union returns the ports of all sets that are counted. A single set is
// shared, not copied.
func (s *sweep) union(sets counter) Ports {
	ports := s.ports[sets[0].key]
	for _, set := range sets[1:] {
		ports = ports.Union(s.ports[set.key])
	}
	return ports
}

// appendBlock appends b, joined to the block before it if they differ only
// in their addresses.
func appendBlock(blocks []Block, b Block) []Block {
	if n := len(blocks); n > 0 {
		prev := &blocks[n-1]
		if prev.Last.Next() == b.First && prev.Name == b.Name && prev.Ports.Equal(b.Ports) {
			prev.Last = b.Last
			return blocks
		}
	}
	return append(blocks, b)
}

// counter counts keys, and holds those above zero in rising order.
type counter []struct{ key, n int }

func (c *counter) count(key, step int) {
	at, found := slices.BinarySearchFunc(*c, key, func(e struct{ key, n int }, key int) int { return e.key - key })
	if !found {
		*c = slices.Insert(*c, at, struct{ key, n int }{key, 0})
	}
	if (*c)[at].n += step; (*c)[at].n == 0 {
		*c = slices.Delete(*c, at, at+1)
	}
}
