package rtt

import (
	"errors"
	"fmt"
	"strings"
)

// Expectation is one clause of --expect: "p95<=20ms". Its zero value is of no
// use.
type Expectation struct {
	// text is the clause as it was given, without blanks.
	text     string
	metric   metric
	operator string
	// bound is in the metric's unit.
	bound float64
}

// ParseExpectations reads clauses separated by commas: a metric (min, mean,
// max, stddev, jitter, pN with N from 0 to 100 such as p50 or p99.9, loss,
// late, duplicates), one of < <= > >= =, and a bound: a duration with its
// unit (us, µs, ms, s), for loss a percentage or a share ("1%", "0.01"), for
// late and duplicates a number. Metrics may be written in capitals; blanks
// around clauses, metrics, operators, bounds and units are ignored. A time
// cannot be expected to equal a bound, as none ever does. Errors name the
// clause and the remedy, in one line.
func ParseExpectations(text string) ([]Expectation, error) {
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("the list of expectations is empty: give some, as in p95<=20ms,loss<=1%")
	}
	var list []Expectation
	for clause := range strings.SplitSeq(text, ",") {
		clause = strings.TrimSpace(clause)
		if clause == "" {
			return nil, fmt.Errorf("list of expectations %.80q has an empty place: leave out the comma", text)
		}
		e, err := parseExpectation(clause)
		if err != nil {
			return nil, fmt.Errorf("expectation %.80q: %w", clause, err)
		}
		list = append(list, e)
	}
	return list, nil
}

func parseExpectation(clause string) (e Expectation, err error) {
	name, operator, bound := split(clause)
	if name == "" {
		return e, errors.New("no metric before the operator: name one, as in p95<=20ms")
	}
	if e.metric, err = parseMetric(name); err != nil {
		return e, err
	}
	unit := e.metric.unit
	if operator == "" || bound == "" {
		return e, fmt.Errorf("no bound: give one, as in %.80s<=%s", name, unit.example())
	}
	if e.operator, err = parseOperator(operator); err != nil {
		return e, err
	}
	if e.bound, err = unit.parse(bound); err != nil {
		return e, err
	}
	if unit == unitTime && operator == "=" {
		return e, fmt.Errorf("no time is ever exactly that long: write %.80s<=%.80s", name, bound)
	}
	e.text = name + operator + bound
	return e, nil
}

// split takes a clause apart. The operator is whatever looks like one.
func split(clause string) (name, operator, bound string) {
	const looks = "<>=!~≤≥≠"
	at := strings.IndexAny(clause, looks)
	if at < 0 {
		return clause, "", ""
	}
	rest := strings.TrimLeft(clause[at:], looks)
	operator = clause[at : len(clause)-len(rest)]
	words := strings.Fields(rest)
	// The only blank that a bound may have stands before its unit.
	if len(words) == 2 && !strings.ContainsAny(words[1][:1], "0123456789.") {
		return strings.TrimSpace(clause[:at]), operator, words[0] + words[1]
	}
	return strings.TrimSpace(clause[:at]), operator, strings.TrimSpace(rest)
}

func parseOperator(s string) (string, error) {
	switch s {
	case "<", "<=", ">", ">=", "=":
		return s, nil
	case "=<", "≤":
		return "", fmt.Errorf("unknown operator %q: did you mean <=?", s)
	case "=>", "≥":
		return "", fmt.Errorf("unknown operator %q: did you mean >=?", s)
	case "==":
		return "", fmt.Errorf("unknown operator %q: did you mean =?", s)
	}
	return "", fmt.Errorf("unknown operator %.80q: give one of < <= > >= =", s)
}

// String returns the clause as it was given, without blanks.
func (e Expectation) String() string { return e.text }

// Holds judges a target. A time does not hold where too few samples speak for
// it: one, or two for stddev and jitter. Loss and counts do not hold where
// nothing was sent. got words what was measured instead, with as many
// decimals as tell it from the bound: "23.4 us", "12.5%", "no sample".
func (e Expectation) Holds(s *Stats) (ok bool, got string) {
	if none := e.metric.missing(s); none != "" {
		return false, none
	}
	v := e.metric.value(s)
	switch e.operator {
	case "<":
		ok = v < e.bound
	case "<=":
		ok = v <= e.bound
	case ">":
		ok = v > e.bound
	case ">=":
		ok = v >= e.bound
	case "=":
		ok = v == e.bound
	}
	return ok, e.metric.unit.word(v, e.bound)
}
