package filter

import (
	"cmp"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
)

// hostID reads an address, or the name of a host, which may have several.
func (p *parser) hostID(q qualifiers) (condition, error) {
	t := p.next()
	switch {
	case numberForm.MatchString(t.text):
		return nil, fault(t, "is not a whole address", "write net "+t.text+", or port "+t.text)
	case dottedForm.MatchString(t.text):
		v, octets, err := parseDotted(t)
		if err != nil {
			return nil, err
		}
		if octets != 4 {
			return nil, fault(t, "is not a whole address", "write net "+t.text)
		}
		switch next := p.peek(0); {
		case next.is("/"):
			return nil, fault(next, "belongs to a net", "write net "+t.text+"/"+p.peek(1).text)
		case next.is("mask"):
			return nil, fault(next, "belongs to a net", "write net "+t.text+" mask "+p.peek(1).text)
		}
		return address{q.direction, v, 1<<32 - 1}, nil
	case strings.Contains(t.text, ":"):
		return nil, fault(t, "is no IPv4 address", onlyIPv4)
	case p.config.LookupHost == nil:
		return nil, fault(t, "is no IPv4 address, and names of hosts are not looked up", q.hint(t))
	}
	return p.lookupHost(t, q)
}

func (p *parser) lookupHost(t token, q qualifiers) (condition, error) {
	found, err := p.config.LookupHost(t.text)
	if err != nil {
		e := fault(t, "is no host that can be found", q.hint(t))
		e.Err = err
		return nil, e
	}
	var any condition
	for _, a := range found {
		if a = a.Unmap(); !a.Is4() {
			continue
		}
		octets := a.As4()
		one := address{q.direction, binary.BigEndian.Uint32(octets[:]), 1<<32 - 1}
		if any == nil {
			any = one
		} else {
			any = junction{true, any, one}
		}
	}
	if any == nil {
		return nil, fault(t, "has no IPv4 address", onlyIPv4)
	}
	return any, nil
}

// netID reads a net, with the length of its prefix, with a mask, or with as many
// octets as are part of it.
func (p *parser) netID(q qualifiers) (condition, error) {
	t := p.next()
	if !dottedForm.MatchString(t.text) {
		if strings.Contains(t.text, ":") {
			return nil, fault(t, "is no IPv4 net", onlyIPv4)
		}
		return nil, fault(t, "is no net, and names of nets are not looked up", "write it as in 10.0.0.0/8")
	}
	v, octets, err := parseDotted(t)
	if err != nil {
		return nil, err
	}
	mask := prefixMask(8 * octets)
	behind := token{}
	switch {
	case p.peek(0).is("/"):
		p.next()
		behind = p.next()
		n, err := strconv.ParseUint(behind.text, 0, 8)
		if err != nil || n > 32 {
			return nil, fault(behind, "is no length of a prefix", "write 0 to 32")
		}
		mask = prefixMask(int(n))
	case p.peek(0).is("mask"):
		p.next()
		behind = p.next()
		if mask, _, err = parseDotted(behind); err != nil {
			return nil, err
		}
	}
	if v&^mask != 0 {
		return nil, fault(t, "has bits beyond its mask", "write "+address{net: v & mask, mask: mask}.String()+", or host "+dotted(v).String())
	}
	return address{q.direction, v, mask}, nil
}

func prefixMask(ones int) uint32 { return ^uint32(0) << (32 - ones) }

// parseDotted reads one to four octets, which fill an address from the left.
func parseDotted(t token) (v uint32, octets int, err error) {
	fields := strings.Split(t.text, ".")
	if !dottedForm.MatchString(t.text) || len(fields) > 4 {
		return 0, 0, fault(t, "is no IPv4 address", "write one to four octets with dots between them")
	}
	for i, f := range fields {
		n, err := strconv.ParseUint(f, 10, 8)
		if err != nil {
			return 0, 0, fault(t, "is no IPv4 address", "the greatest octet is 255")
		}
		v |= uint32(n) << (24 - 8*i)
	}
	return v, len(fields), nil
}

// portID reads a port by number or by the name of a service.
func (p *parser) portID(q qualifiers) (condition, error) {
	t := p.next()
	port, protocol, err := p.port(t, q)
	if err != nil {
		if a, b, ok := strings.Cut(t.text, "-"); ok && numberForm.MatchString(a) && numberForm.MatchString(b) {
			err = fault(t, "is no port", "write portrange "+t.text)
		}
		return nil, err
	}
	return ports{protocol, q.direction, port, port}, nil
}

// rangeID reads two ports with a minus between them, in either order, or one
// port. Names of services may have minuses themselves.
func (p *parser) rangeID(q qualifiers) (condition, error) {
	t := p.next()
	for i, c := range t.text {
		if c != '-' {
			continue
		}
		low, high := t, t
		low.text, high.text = t.text[:i], t.text[i+1:]
		first, a, err := p.port(low, q)
		if err != nil {
			continue
		}
		last, b, err := p.port(high, q)
		if err != nil {
			continue
		}
		protocol := q.protocol
		if a == b {
			protocol = a
		}
		return ports{protocol, q.direction, min(first, last), max(first, last)}, nil
	}
	port, protocol, err := p.port(t, q)
	if err != nil {
		return nil, fault(t, "is no range of ports", "write it as in 6000-6008, up to 65535")
	}
	return ports{protocol, q.direction, port, port}, nil
}

// port resolves a port, and says for which protocol: that of the qualifier, or
// the only one that a service's name is known for.
func (p *parser) port(t token, q qualifiers) (uint16, string, error) {
	protocol := q.protocol
	if numberForm.MatchString(t.text) {
		n, err := bounded(t, "port", math.MaxUint16)
		return uint16(n), protocol, err
	}
	if dottedForm.MatchString(t.text) || strings.Contains(t.text, ":") {
		return 0, "", fault(t, "is no port", "put host before an address")
	}
	tcp, noTCP := p.config.LookupPort("tcp", t.text)
	udp, noUDP := p.config.LookupPort("udp", t.text)
	switch {
	case noTCP != nil && noUDP != nil:
		return 0, "", fault(t, "is no service that is known here", cmp.Or(q.hint(t), "write its number"))
	case protocol == "udp" && noUDP != nil:
		return 0, "", fault(t, "is a service of tcp", "leave udp out")
	case protocol == "tcp" && noTCP != nil:
		return 0, "", fault(t, "is a service of udp", "leave tcp out")
	case protocol != "tcp" && protocol != "udp" && noTCP == nil && noUDP == nil && tcp == udp:
		return uint16(tcp), protocol, nil
	case protocol == "sctp":
		return 0, "", fault(t, "is no service of sctp", "write its number")
	case protocol == "udp" || noTCP != nil:
		return uint16(udp), "udp", nil
	default:
		return uint16(tcp), "tcp", nil
	}
}
