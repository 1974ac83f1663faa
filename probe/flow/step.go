package flow

import (
	"iter"
	"math/bits"
	"strings"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// Step is one thing that a segment does in its connection.
type Step uint8

// The steps, in the order of finding.Steps. A segment may take several: the
// third of a handshake may carry data, and a FIN that also acknowledges the
// peer's is close 2/4 and 3/4.
const (
	Handshake1 Step = iota
	Handshake2
	Handshake3
	SimultaneousOpen
	Data
	Acknowledgement
	WindowUpdate
	ZeroWindow
	Keepalive
	KeepaliveAnswer
	ZeroWindowProbe
	ZeroWindowAnswer
	Retransmission
	Spurious
	OutOfOrder
	DuplicateACK
	ChallengeACK
	Close1
	Close2
	Close3
	Close4
	SimultaneousClose
	HalfClosed
	ResetStep
	StrayReset
	StraySYN
	OutOfWindow
	UnacceptableACK
	NoACK
	OldACK
	PAWSTrouble
	PickUp
	Hole
	Gap

	steps = iota
)

// String returns the step's word.
func (s Step) String() string { return nameOf(finding.Steps(), int(s)) }

// Steps is a set of steps. The zero value is empty.
type Steps uint64

// stepsOf returns the set of some steps.
func stepsOf(all ...Step) (s Steps) {
	for _, step := range all {
		s.add(step)
	}
	return s
}

// Has reports whether the set holds step.
func (s Steps) Has(step Step) bool { return s&(1<<step) != 0 }

// All yields the steps of the set, in the order of their values.
func (s Steps) All() iter.Seq[Step] {
	return func(yield func(Step) bool) {
		for ; s != 0; s &= s - 1 {
			if !yield(Step(bits.TrailingZeros64(uint64(s)))) {
				return
			}
		}
	}
}

// String returns the words of the set, separated by spaces.
func (s Steps) String() string {
	var words []string
	for step := range s.All() {
		words = append(words, step.String())
	}
	return strings.Join(words, " ")
}

func (s *Steps) add(step Step) { *s |= 1 << step }
