package rtt

// Expectation is one clause of --expect: "p95<=20ms".
type Expectation struct {
	// text is the clause as it was given, without blanks
}

// ParseExpectations reads clauses separated by commas: a metric (min, mean,
// max, stddev, jitter, pN with N from 0 to 100 such as p50 or p99.9, loss,
// late, duplicates), one of < <= > >= =, and a bound: a duration with its
// unit (us, µs, ms, s), for loss a percentage or a share ("1%", "0.01"), for
// late and duplicates a number. Errors name the clause and the remedy.
func ParseExpectations(text string) ([]Expectation, error)

// String returns the clause as it was given.
func (e Expectation) String() string

// Holds judges a target. A time of a target that answered nothing does not
// hold. got words what was measured instead: "23.4 ms", "12.5%", "no sample".
func (e Expectation) Holds(s *Stats) (ok bool, got string)
