package filter

import "strconv"

// qualifiers are what is known of an id before it is read. They carry over from
// one primitive to the ids after it.
type qualifiers struct {
	protocol  string
	direction direction
	kind      string // "host", "net", "port", "portrange", "proto"; "" if there are none to carry over
	implied   bool   // the kind was not written before this id, which may be a misspelt word
}

// hint suggests a word for an id that cannot be understood.
func (q qualifiers) hint(t token) string {
	if !q.implied {
		return ""
	}
	return didYouMean(t.text)
}

// operand is what stands between "and" and "or", or in parentheses: a condition,
// or a value that is still to be compared.
type operand struct {
	condition condition
	value     value
	first     token
	carry     qualifiers // for the ids after it
}

// parser reads tokens from left to right. Its methods' names are those of the
// package's grammar. It recurses as deep as the text is nested, which maxText
// bounds.
type parser struct {
	config Config
	tokens []token // ends with the end
}

// peek returns the token n after the next one.
func (p *parser) peek(n int) token { return p.tokens[min(n, len(p.tokens)-1)] }

// next takes a token. The end is never used up.
func (p *parser) next() token {
	t := p.tokens[0]
	if len(p.tokens) > 1 {
		p.tokens = p.tokens[1:]
	}
	return t
}

// expect takes the token that has to come now.
func (p *parser) expect(text, hint string) error {
	if t := p.next(); !t.is(text) {
		return fault(t, "stands where "+strconv.Quote(text)+" should", hint)
	}
	return nil
}

// parse reads the whole text.
func (p *parser) parse() (condition, error) {
	o, err := p.expression(qualifiers{})
	if err == nil {
		err = o.complete()
	}
	if err != nil {
		return nil, err
	}
	switch t := p.peek(0); {
	case t.text == "":
		return o.condition, nil
	case t.is(")"):
		return nil, fault(t, "closes nothing", "")
	case t.refused():
		return nil, unknown(t, "")
	case t.word || t.is("(", "not"):
		return nil, fault(t, "follows without a conjunction", `put "and" or "or" before it`)
	case t.is("&", "|"):
		return nil, fault(t, "joins numbers, not conditions", `write "and" or "or"`)
	default:
		return nil, fault(t, "does not belong here", "")
	}
}

// complete says what is missing if the operand is no condition yet.
func (o operand) complete() error {
	if o.condition != nil {
		return nil
	}
	if numberForm.MatchString(o.first.text) && isNumber(o.value) {
		return unqualified(o.first)
	}
	return fault(o.first, "begins a number that is compared with nothing", `end it with a comparison, such as "!= 0"`)
}

func (p *parser) expression(q qualifiers) (operand, error) {
	left, err := p.term(q)
	for err == nil && p.peek(0).is("and", "or") {
		if err := left.complete(); err != nil {
			return operand{}, err
		}
		or := p.next().is("or")
		left.carry.implied = true
		var right operand
		if right, err = p.term(left.carry); err != nil {
			break
		}
		if err := right.complete(); err != nil {
			return operand{}, err
		}
		left.condition, left.carry = junction{or, left.condition, right.condition}, right.carry
	}
	return left, err
}

// term reads one operand. An id takes the qualifiers q.
func (p *parser) term(q qualifiers) (operand, error) {
	t := p.peek(0)
	switch {
	case t.is("not"):
		p.next()
		o, err := p.term(q)
		if err == nil {
			err = o.complete()
		}
		o.condition = negation{o.condition}
		return o, err
	case t.is("("):
		p.next()
		o, err := p.expression(q)
		if err == nil {
			err = p.expect(")", "close the parenthesis")
		}
		if err != nil || o.condition != nil {
			o.carry = q
			return o, err
		}
		return p.relation(t, o.value)
	case p.beginsValue(q):
		return p.relation(t, nil)
	default:
		c, carry, err := p.primitive(q)
		return operand{condition: c, first: t, carry: carry}, err
	}
}

// beginsValue tells values from ids and primitives. A number by itself is an id
// where one may stand.
func (p *parser) beginsValue(q qualifiers) bool {
	t, after := p.peek(0), p.peek(1)
	_, named := constants[t.text]
	switch {
	case t.is("-", "len") || named && !t.escaped:
		return true
	case numberForm.MatchString(t.text):
		net := q.kind == "net" && after.is("/") && !p.peek(3).joins()
		return q.kind == "" || after.joins() && !net
	default:
		return after.is("[") && t.word
	}
}

// joins reports whether the token stands between values.
func (t token) joins() bool {
	return operators[t.text].fold != nil || comparisons[t.text].fold != nil
}

// relation reads a comparison that began with the token first, and whose first
// value may have been read; or, within parentheses, that value only.
func (p *parser) relation(first token, read value) (operand, error) {
	o := operand{first: first}
	left, err := p.sum(read)
	if err != nil {
		return o, err
	}
	t := p.peek(0)
	as, ok := comparisons[t.text]
	if !ok {
		o.value = left
		return o, nil
	}
	p.next()
	right, err := p.sum(nil)
	if err != nil {
		return o, err
	}
	if again := p.peek(0); comparisons[again.text].fold != nil {
		return o, fault(again, "compares a comparison", `join two of them with "and"`)
	}
	o.condition = relation{t.text, left, right}
	if isNumber(left) && isNumber(right) {
		o.condition = always(as.fold(uint32(left.(number)), uint32(right.(number))))
	}
	return o, nil
}
