package probe

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// maxPort is the highest TCP port. Port 0 is not probed: no peer can listen
// on it, as bind takes it to mean any port.
const maxPort = 65535

// PortRange is the ports First to Last, both included.
type PortRange struct {
	First, Last uint16
}

// String returns the range as ParsePorts reads it: "80" or "8000-8100".
func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// Ports is a set of TCP ports: disjoint ranges in rising order, with a gap
// between any two. The zero value is the empty set. A set that the functions
// of this package return is in that form, so equal sets are equal slices;
// Union brings any other list of ranges into it.
type Ports []PortRange

// ParsePorts reads a list of ports, port ranges and service names, separated
// by commas: "22,https,8000-8100". A range without its first port begins at
// 1 and one without its last ends at 65535, so "-" means every port. Names
// are those of ServicePort; a name's hyphens do not make it a range. Spaces
// around ports, commas and hyphens are ignored.
func ParsePorts(s string) (Ports, error) {
	if strings.TrimSpace(s) == "" {
		return nil, errors.New("the list of ports is empty: give some, as in 22,80,8000-8100")
	}
	var ports Ports
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			return nil, fmt.Errorf("list of ports %s has an empty place: leave out the comma", quote(s))
		}
		r, err := parsePortRange(part)
		if err != nil {
			return nil, err
		}
		ports = append(ports, r)
	}
	return normalizePorts(ports), nil
}

func parsePortRange(s string) (PortRange, error) {
	first, last, ranged := strings.Cut(s, "-")
	if !ranged || strings.ContainsFunc(s, isLetter) {
		port, err := parsePort(s)
		return PortRange{port, port}, err
	}
	r := PortRange{1, maxPort}
	for _, end := range []struct {
		text string
		port *uint16
	}{{first, &r.First}, {last, &r.Last}} {
		text := strings.TrimSpace(end.text)
		if text == "" {
			continue
		}
		port, err := parsePort(text)
		if err != nil {
			return PortRange{}, err
		}
		*end.port = port
	}
	if r.First > r.Last {
		return PortRange{}, fmt.Errorf("port range %d-%d is reversed: write %d-%d", r.First, r.Last, r.Last, r.First)
	}
	return r, nil
}

// parsePort reads one port, by number or by name.
func parsePort(s string) (uint16, error) {
	if strings.ContainsFunc(s, isLetter) {
		if port, ok := ServicePort(s); ok {
			return port, nil
		}
		if near := nearestService(s); near != "" {
			return 0, fmt.Errorf("unknown service %s: did you mean %q?", quote(s), near)
		}
		return 0, fmt.Errorf("unknown service %s: give the port's number", quote(s))
	}
	if s == "" || strings.ContainsFunc(s, isNotDigit) {
		return 0, fmt.Errorf("%s is not a port: give a number or a service name", quote(s))
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("port %s is out of range: ports are 1 to %d", clip(s), maxPort)
	}
	return uint16(n), nil
}

// normalizePorts sorts and joins the ranges in place.
func normalizePorts(ports Ports) Ports {
	slices.SortFunc(ports, func(a, b PortRange) int { return int(a.First) - int(b.First) })
	joined := ports[:0]
	for _, r := range ports {
		if n := len(joined); n > 0 && int(r.First) <= int(joined[n-1].Last)+1 {
			joined[n-1].Last = max(joined[n-1].Last, r.Last)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// Len returns how many ports the set has.
func (p Ports) Len() int {
	n := 0
	for _, r := range p {
		n += int(r.Last) - int(r.First) + 1
	}
	return n
}

// All yields the ports in rising order.
func (p Ports) All() iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for _, r := range p {
			// An int, because a uint16 never exceeds a Last of 65535.
			for port := int(r.First); port <= int(r.Last); port++ {
				if !yield(uint16(port)) {
					return
				}
			}
		}
	}
}

// At returns the port at place i in rising order, counted from 0. It steps
// over the ranges before it, and panics where i is not below Len.
func (p Ports) At(i int) uint16 {
	rest := i
	for _, r := range p {
		n := int(r.Last) - int(r.First) + 1
		if 0 <= rest && rest < n {
			return r.First + uint16(rest)
		}
		rest -= n
	}
	panic(fmt.Sprintf("probe: place %d of %d ports", i, p.Len()))
}

// Contains reports whether port is in the set.
func (p Ports) Contains(port uint16) bool {
	_, found := slices.BinarySearchFunc(p, port, func(r PortRange, port uint16) int {
		switch {
		case port < r.First:
			return 1
		case port > r.Last:
			return -1
		}
		return 0
	})
	return found
}

// Union returns the ports that are in either set, sharing no storage with
// them.
func (p Ports) Union(q Ports) Ports {
	return normalizePorts(slices.Concat(p, q))
}

// Equal reports whether both sets have the same ports.
func (p Ports) Equal(q Ports) bool { return slices.Equal(p, q) }

// String returns the set as ParsePorts reads it: "22,80,8000-8100".
func (p Ports) String() string {
	var b strings.Builder
	for i, r := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(r.String())
	}
	return b.String()
}

func isLetter(r rune) bool   { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }
func isNotDigit(r rune) bool { return r < '0' || r > '9' }
