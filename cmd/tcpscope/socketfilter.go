package main

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
)

// parseSocketFilter reads what sockets are asked for, in ss's language:
//
//	{state NAME | exclude NAME} [EXPRESSION]
//
// An expression is made of sport, dport, port, src, dst and host, with "and"
// (which may be left out), "or", "not" and parentheses.
func parseSocketFilter(words []string) (sockdiag.Query, error) {
	f := socketFilter{words: splitFilter(strings.Join(words, " "))}
	q, err := f.query()
	if err != nil {
		return q, usageError{fmt.Errorf("filter %q: %w", strings.Join(words, " "), err),
			"as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"}
	}
	return q, nil
}

// socketFilter is a filter being read.
type socketFilter struct{ words []string }

// splitFilter takes a filter apart: operators and parentheses need no blanks
// around them.
func splitFilter(text string) []string {
	const operators = "()=!<>&|"
	var words []string
	for field := range strings.FieldsSeq(text) {
		for field != "" {
			n := strings.IndexAny(field, operators)
			switch {
			case n < 0:
				n = len(field)
			case n == 0:
				n = 1
				if len(field) > 1 && slices.Contains([]string{"==", "!=", "<=", ">=", "&&", "||"}, field[:2]) {
					n = 2
				}
			}
			words, field = append(words, field[:n]), field[n:]
		}
	}
	return words
}

func (f *socketFilter) peek() string {
	if len(f.words) == 0 {
		return ""
	}
	return f.words[0]
}

// take takes the next word if it is one of those.
func (f *socketFilter) take(words ...string) bool {
	if next := f.peek(); next == "" || !slices.Contains(words, next) {
		return false
	}
	f.words = f.words[1:]
	return true
}

// value takes the next word, which must be there.
func (f *socketFilter) value(behind string) (string, error) {
	word := f.peek()
	if word == "" {
		return "", fmt.Errorf("%s needs something behind it", behind)
	}
	f.words = f.words[1:]
	return word, nil
}

func (f *socketFilter) query() (q sockdiag.Query, err error) {
	if q.States, err = f.states(); err != nil || len(f.words) == 0 {
		return q, err
	}
	if q.Filter, err = f.or(); err != nil {
		return q, err
	}
	switch next := f.peek(); next {
	case "":
		return q, nil
	case ")":
		return q, fmt.Errorf("a parenthesis is closed that none has opened")
	default:
		return q, fmt.Errorf("%q cannot stand there", next)
	}
}

// states reads what stands before an expression; nil if nothing does.
func (f *socketFilter) states() ([]sockdiag.State, error) {
	var chosen []sockdiag.State
	begun := false
	for {
		if begun {
			f.take("and", "&&", "&")
		}
		word := f.peek()
		if !f.take("state", "exclude") {
			break
		}
		name, err := f.value(word)
		if err != nil {
			return nil, err
		}
		named, err := socketStates(name)
		if err != nil {
			return nil, err
		}
		switch {
		case word == "state":
			chosen = append(chosen, named...)
		default:
			if !begun {
				chosen = sockdiag.States()
			}
			chosen = slices.DeleteFunc(chosen, func(s sockdiag.State) bool { return slices.Contains(named, s) })
		}
		begun = true
	}
	if begun && len(chosen) == 0 {
		return nil, fmt.Errorf("no state is left")
	}
	return chosen, nil
}

// plainState is a state's name without what its spellings differ in.
func plainState(name string) string {
	name = strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
	switch name {
	case "estab":
		return "established"
	case "synrecv":
		return "synreceived"
	case "listening":
		return "listen"
	}
	return name
}

// socketStates reads the name of a state, as RFC 9293, ss or netstat has it,
// or one of ss's names for several.
func socketStates(name string) ([]sockdiag.State, error) {
	all := sockdiag.States()
	without := func(states ...sockdiag.State) []sockdiag.State {
		return slices.DeleteFunc(all, func(s sockdiag.State) bool { return slices.Contains(states, s) })
	}
	plain := plainState(name)
	switch plain {
	case "all":
		return all, nil
	case "connected":
		return without(sockdiag.Listen), nil
	case "synchronized":
		return without(sockdiag.Listen, sockdiag.SynSent), nil
	case "bucket":
		return []sockdiag.State{sockdiag.SynReceived, sockdiag.TimeWait}, nil
	case "big":
		return without(sockdiag.SynReceived, sockdiag.TimeWait), nil
	}
	for _, s := range all {
		if plainState(s.String()) == plain {
			return []sockdiag.State{s}, nil
		}
	}
	return nil, fmt.Errorf("unknown state %q%s", name, didYouMean("", strings.ToLower(name), socketStateWords()))
}

func (f *socketFilter) or() (sockdiag.Filter, error) {
	filter, err := f.and()
	for err == nil && f.take("or", "||", "|") {
		var other sockdiag.Filter
		other, err = f.and()
		filter = filter.Or(other)
	}
	return filter, err
}

func (f *socketFilter) and() (sockdiag.Filter, error) {
	filter, err := f.not()
	for err == nil && !slices.Contains([]string{"", ")", "or", "||", "|"}, f.peek()) {
		f.take("and", "&&", "&")
		var other sockdiag.Filter
		other, err = f.not()
		filter = filter.And(other)
	}
	return filter, err
}

func (f *socketFilter) not() (sockdiag.Filter, error) {
	switch {
	case f.take("not", "!"):
		filter, err := f.not()
		return filter.Not(), err
	case f.take("("):
		filter, err := f.or()
		if err == nil && !f.take(")") {
			err = fmt.Errorf("a parenthesis is not closed")
		}
		return filter, err
	}
	return f.condition()
}

// condition reads one question.
func (f *socketFilter) condition() (sockdiag.Filter, error) {
	subject, err := f.value("the filter")
	if err != nil {
		return sockdiag.Filter{}, err
	}
	switch subject {
	case "sport":
		return f.port(subject, sockdiag.LocalPort)
	case "dport":
		return f.port(subject, sockdiag.RemotePort)
	case "port":
		return f.port(subject, func(first, last uint16) sockdiag.Filter {
			return sockdiag.LocalPort(first, last).Or(sockdiag.RemotePort(first, last))
		})
	case "src":
		return f.host(subject, sockdiag.LocalAddr, sockdiag.LocalPort)
	case "dst":
		return f.host(subject, sockdiag.RemoteAddr, sockdiag.RemotePort)
	case "host":
		return f.host(subject, func(p netip.Prefix) sockdiag.Filter {
			return sockdiag.LocalAddr(p).Or(sockdiag.RemoteAddr(p))
		}, nil)
	case "state", "exclude":
		return sockdiag.Filter{}, fmt.Errorf("%s stands before all that is asked of ports and addresses", subject)
	}
	return sockdiag.Filter{}, fmt.Errorf("%q is none of %s", subject, enumerate(filterWords()))
}

// filterWords are the subjects of a filter.
func filterWords() []string {
	return []string{"state", "exclude", "sport", "dport", "port", "src", "dst", "host"}
}

// socketStateWords are the names that state and exclude take.
func socketStateWords() []string {
	words := []string{"all", "connected", "synchronized", "bucket", "big"}
	for _, s := range sockdiag.States() {
		words = append(words, s.String())
	}
	return words
}

// comparison is an operator, in one spelling; "=" where none is written.
func (f *socketFilter) comparison() string {
	for _, spellings := range [][]string{
		{"=", "==", "eq", "is"}, {"!=", "ne", "neq"}, {"<=", "le", "leq"}, {">=", "ge", "geq"}, {"<", "lt"}, {">", "gt"},
	} {
		if f.take(spellings...) {
			return spellings[0]
		}
	}
	return "="
}

// port reads a comparison with a port: "= :22", ">= 1024", "https".
func (f *socketFilter) port(subject string, among func(first, last uint16) sockdiag.Filter) (sockdiag.Filter, error) {
	operator := f.comparison()
	word, err := f.value(subject)
	if err != nil {
		return sockdiag.Filter{}, err
	}
	n, err := socketPort(strings.TrimPrefix(word, ":"))
	if err != nil {
		return sockdiag.Filter{}, err
	}
	switch operator {
	case "!=":
		return among(n, n).Not(), nil
	case "<":
		return among(n, math.MaxUint16).Not(), nil
	case "<=":
		return among(0, n), nil
	case ">":
		return among(0, n).Not(), nil
	case ">=":
		return among(n, math.MaxUint16), nil
	}
	return among(n, n), nil
}

// socketPort reads a port's number or a service's name. Unlike a port that is
// probed it may be zero, which is that of a peer who is not there.
func socketPort(word string) (uint16, error) {
	if n, err := strconv.ParseUint(word, 10, 16); err == nil {
		return uint16(n), nil
	}
	if port, ok := probe.ServicePort(word); ok {
		return port, nil
	}
	return 0, fmt.Errorf("%q is not a port: need a number from 0 to 65535, or a service", word)
}

// host reads a comparison with ADDR, ADDR/LENGTH, ADDR:PORT or :PORT. Where
// ports is nil it takes no port.
func (f *socketFilter) host(subject string, in func(netip.Prefix) sockdiag.Filter, ports func(first, last uint16) sockdiag.Filter) (filter sockdiag.Filter, err error) {
	operator := f.comparison()
	if operator != "=" && operator != "!=" {
		return filter, fmt.Errorf("%s is compared with = or !=, not with %s", subject, operator)
	}
	word, err := f.value(subject)
	if err != nil {
		return filter, err
	}
	addr, port, err := splitSocketHost(word)
	if err != nil {
		return filter, err
	}
	if addr != "" && addr != "*" {
		network, err := socketNetwork(addr)
		if err != nil {
			return filter, err
		}
		filter = in(network)
	}
	if port != "" && port != "*" {
		if ports == nil {
			return filter, fmt.Errorf("%s takes an address alone: port is for ports", subject)
		}
		n, err := socketPort(port)
		if err != nil {
			return filter, err
		}
		filter = filter.And(ports(n, n))
	}
	if operator == "!=" {
		filter = filter.Not()
	}
	return filter, nil
}

// splitSocketHost takes the port from an address.
func splitSocketHost(word string) (addr, port string, err error) {
	if rest, ok := strings.CutPrefix(word, "["); ok {
		inside, behind, closed := strings.Cut(rest, "]")
		length, port, _ := strings.Cut(behind, ":")
		if !closed {
			return "", "", fmt.Errorf("%q: a bracket is not closed", word)
		}
		return inside + length, port, nil
	}
	if strings.Count(word, ":") > 1 { // IPv6 without a port
		return word, "", nil
	}
	addr, port, _ = strings.Cut(word, ":")
	return addr, port, nil
}

// socketNetwork reads ADDR or ADDR/LENGTH.
func socketNetwork(text string) (netip.Prefix, error) {
	if network, err := netip.ParsePrefix(text); err == nil {
		return network, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is not an address or a network: names are not looked up", text)
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}
