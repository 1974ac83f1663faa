package filter

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// sum reads values and the operators between them. The first may have been read.
func (p *parser) sum(first value) (value, error) {
	var err error
	if first == nil {
		if first, err = p.factor(); err != nil {
			return nil, err
		}
	}
	values, joints := []value{first}, []token(nil)
	for operators[p.peek(0).text].fold != nil {
		joints = append(joints, p.next())
		v, err := p.factor()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	for _, t := range joints {
		if len(joints) > 1 && operators[t.text].solitary {
			return nil, ambiguous(t)
		}
	}
	return reduce(values, joints)
}

func ambiguous(t token) error {
	return fault(t, "beside another operator is read differently by tcpdump and by C", "put parentheses")
}

// reduce joins values by the operators between them: those that bind first
// first, and equals from left to right.
func reduce(values []value, joints []token) (value, error) {
	open, waiting := values[:1:1], []token(nil) // waiting[i] stands between open[i] and open[i+1]
	settle := func(precedence int) error {
		for n := len(waiting) - 1; n >= 0 && operators[waiting[n].text].precedence >= precedence; n-- {
			v, err := join(waiting[n], open[n], open[n+1])
			if err != nil {
				return err
			}
			open, waiting = append(open[:n], v), waiting[:n]
		}
		return nil
	}
	for i, t := range joints {
		if err := settle(operators[t.text].precedence); err != nil {
			return nil, err
		}
		open, waiting = append(open, values[i+1]), append(waiting, t)
	}
	err := settle(0)
	return open[0], err
}

// join makes an operation, or its result if that is known.
func join(t token, left, right value) (value, error) {
	b, constant := right.(number)
	switch {
	case constant && b == 0 && t.is("/", "%"):
		return nil, fault(t, "divides by zero", "")
	case constant && b > 31 && t.is("<<", ">>"):
		return nil, fault(t, "shifts by more than 31 bits", "")
	}
	if a, too := left.(number); constant && too {
		return number(operators[t.text].fold(uint32(a), uint32(b))), nil
	}
	return operation{t.text, left, right}, nil
}

// factor reads one value.
func (p *parser) factor() (value, error) {
	t := p.next()
	switch {
	case t.is("-"):
		v, err := p.factor()
		if err != nil {
			return nil, err
		}
		if after := p.peek(0); operators[after.text].solitary {
			return nil, ambiguous(after)
		}
		return join(token{text: "-"}, number(0), v)
	case t.is("("):
		v, err := p.sum(nil)
		if err != nil {
			return nil, err
		}
		return v, p.expect(")", "close the parenthesis")
	case t.is("len"):
		return length{}, nil
	case p.peek(0).is("[") && t.word:
		return p.field(t)
	case t.word && !t.escaped:
		if v, ok := constants[t.text]; ok {
			return number(v), nil
		}
		return parseNumber(t)
	default:
		return nil, fault(t, "stands where a number should", "")
	}
}

// field reads the brackets behind a protocol.
func (p *parser) field(t token) (value, error) {
	protocol, ok := protocols[t.text]
	if !ok || t.escaped {
		return nil, unknown(t, "is no protocol whose fields can be named")
	}
	if !protocol.indexed {
		return nil, fault(t, "has no fields that can be named", "")
	}
	p.next()
	begin := p.peek(0)
	at, err := p.sum(nil)
	if err != nil {
		return nil, err
	}
	if n, ok := at.(number); ok && n > maxOffset {
		return nil, fault(begin, "begins an offset beyond the longest datagram", "the last octet is 65535")
	}
	f := field{protocol: t.text, at: at, size: 1}
	if p.peek(0).is(":") {
		p.next()
		size := p.next()
		if !size.is("1", "2", "4") {
			return nil, fault(size, "is no size of a field", "write 1, 2 or 4")
		}
		f.size = int(size.text[0] - '0')
	}
	return f, p.expect("]", "close the bracket")
}

// parseNumber reads a number as C writes it.
func parseNumber(t token) (value, error) {
	if !numberForm.MatchString(t.text) {
		return nil, unknown(t, "stands where a number should")
	}
	n, err := bounded(t, "number", math.MaxUint32)
	return number(n), err
}

// bounded reads what has the form of a number. Its fault says what it was to be.
func bounded(t token, what string, greatest uint64) (uint64, error) {
	n, err := strconv.ParseUint(t.text, 0, 64)
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		return 0, fault(t, "is no "+what, "a leading zero makes it octal")
	case err != nil || n > greatest:
		return 0, fault(t, "is no "+what, "the greatest is "+strconv.FormatUint(greatest, 10))
	}
	return n, nil
}

// unknown is the fault of a word that may be misspelt, or not ours.
func unknown(t token, problem string) *Error {
	if r, ok := refused(t.text); ok && !t.escaped {
		return fault(t, r.problem, r.hint)
	}
	if before, _, ok := strings.Cut(t.text, "-"); ok && (before == "len" || numberForm.MatchString(before)) {
		return fault(t, "is one word, not a difference", `put spaces around "-"`)
	}
	return fault(t, problem, didYouMean(t.text))
}
