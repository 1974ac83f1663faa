package filter

import (
	"cmp"
	"math"
	"strings"
)

// primitive reads a condition that begins with a word, or an id that takes the
// qualifiers q.
func (p *parser) primitive(q qualifiers) (condition, qualifiers, error) {
	t := p.peek(0)
	switch protocol, ok := protocols[t.text]; {
	case t.text == "":
		return nil, q, fault(t, "comes too soon", "a condition is missing")
	case !t.word:
		return nil, q, fault(t, "stands where a condition should", "")
	case t.is("less", "greater"):
		c, err := p.lengthLimit()
		return c, qualifiers{}, err
	case ok && !t.escaped && !p.peek(1).is("src", "dst", "host", "net", "port", "portrange", "proto"):
		p.next()
		if after := p.peek(0); after.word && !reserved(after.text) {
			return nil, q, unqualified(after)
		}
		if t.text == protocolIP {
			return always(true), qualifiers{}, nil
		}
		return ofProtocol(protocol.number), qualifiers{}, nil
	case ok && !t.escaped || t.is("src", "dst", "host", "net", "port", "portrange", "proto"):
		q, err := p.qualifiers()
		if err != nil {
			return nil, q, err
		}
		c, err := p.id(q)
		return c, q, err
	case t.refused():
		return nil, q, unknown(t, "")
	case reserved(t.text) && !t.escaped:
		return nil, q, fault(t, "stands where a condition should", "")
	case q.kind == "":
		return nil, q, unqualified(t)
	}
	c, err := p.id(q)
	return c, q, err
}

// unqualified is the fault of an id that nothing says the kind of.
func unqualified(t token) *Error {
	if strings.Contains(t.text, ":") {
		return fault(t, "is no IPv4 address", onlyIPv4)
	}
	if dottedForm.MatchString(t.text) {
		return fault(t, "has nothing before it that says what it is", "put host, net or port before it")
	}
	e := unknown(t, "is no word of the filter language")
	e.Hint = cmp.Or(e.Hint, "put host before the name of a host, port before that of a service")
	return e
}

// lengthLimit reads "less" or "greater", which include the length they name.
func (p *parser) lengthLimit() (condition, error) {
	operator := "<="
	if p.next().is("greater") {
		operator = ">="
	}
	n, err := parseNumber(p.next())
	return relation{operator, length{}, n}, err
}

// qualifiers reads what stands before an id, a protocol perhaps first.
func (p *parser) qualifiers() (qualifiers, error) {
	var q qualifiers
	first := p.peek(0)
	if _, ok := protocols[first.text]; ok {
		q.protocol = p.next().text
	}
	begin := p.peek(0)
	q.direction = p.direction()
	q.kind, q.implied = "host", true
	if p.peek(0).is("host", "net", "port", "portrange", "proto") {
		q.kind, q.implied = p.next().text, false
	}
	switch {
	case q.kind == "proto" && q.direction != either:
		return q, fault(begin, "does not go with proto, which has no direction", "leave it out")
	case q.protocol == "":
	case q.kind == "port" || q.kind == "portrange":
		if !protocols[q.protocol].ports {
			return q, fault(first, "has no ports", "write tcp, udp or sctp, or leave it out")
		}
	case q.protocol != protocolIP:
		hint := "write " + q.protocol + " and " + q.direction.String() + q.kind
		if q.kind == "proto" {
			hint = "write ip, or leave it out"
		} else if id := p.peek(0).text; q.implied && numberForm.MatchString(id) {
			hint = "write " + q.protocol + " " + q.direction.String() + "port " + id
		}
		return q, fault(first, "does not go with "+q.kind, hint)
	}
	return q, nil
}

// direction reads "src", "dst", and both with "or" or "and" between them.
func (p *parser) direction() direction {
	if !p.peek(0).is("src", "dst") {
		return either
	}
	is, other := source, "dst"
	if p.next().is("dst") {
		is, other = destination, "src"
	}
	if !p.peek(0).is("and", "or") || !p.peek(1).is(other) || !p.endsDirection() {
		return is
	}
	is = both
	if p.next().is("or") {
		is = either
	}
	p.next()
	return is
}

// endsDirection tells "src or dst port 80" from "src or dst" in the middle of
// nowhere: an id or its kind must follow.
func (p *parser) endsDirection() bool {
	t := p.peek(2)
	return t.word || t.is("(", "not")
}

// id reads what the qualifiers are about, or several such in parentheses.
func (p *parser) id(q qualifiers) (condition, error) {
	t := p.peek(0)
	switch {
	case t.is("not"):
		p.next()
		c, err := p.id(q)
		return negation{c}, err
	case t.is("("):
		p.next()
		o, err := p.expression(q)
		if err == nil {
			err = o.complete()
		}
		if err != nil {
			return nil, err
		}
		return o.condition, p.expect(")", "close the parenthesis")
	case !t.word:
		return nil, fault(t, "stands where a "+q.kind+" should", "")
	case q.kind == "proto":
		return p.protocolID()
	case t.is("and", "or"):
		return nil, fault(t, "stands where a "+q.kind+" should", "")
	case reserved(t.text) && !t.escaped:
		return nil, fault(t, "stands where a "+q.kind+" should", `for a name that is spelt so, write \`+t.text)
	}
	switch q.kind {
	case "port":
		return p.portID(q)
	case "portrange":
		return p.rangeID(q)
	case "net":
		return p.netID(q)
	default:
		return p.hostID(q)
	}
}

// protocolID reads a protocol by number or name.
func (p *parser) protocolID() (condition, error) {
	t := p.next()
	if known, ok := protocols[t.text]; ok && t.text != protocolIP {
		return ofProtocol(known.number), nil
	}
	if n, ok := protocolNames[t.text]; ok {
		return ofProtocol(n), nil
	}
	if numberForm.MatchString(t.text) {
		n, err := bounded(t, "protocol number", math.MaxUint8)
		return ofProtocol(n), err
	}
	e := unknown(t, "is no protocol known by name")
	e.Hint = cmp.Or(e.Hint, "write its number")
	return nil, e
}
