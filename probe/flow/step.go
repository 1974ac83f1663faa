package flow

import (
	"iter"
	"math/bits"
	"strings"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// Step is one thing that a segment does in its connection.
type Step uint8

// The steps. A segment may take several: the third of a handshake may carry
// data, and a FIN that also acknowledges the peer's is close 2/4 and 3/4.
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
func (s Step) String() string { return nameOf(StepWords(), int(s)) }

// StepWords returns the words for steps, in the order of their values.
func StepWords() []finding.Word {
	return []finding.Word{
		Handshake1:        {Name: "handshake-1/3", Meaning: "SYN: asks for a connection"},
		Handshake2:        {Name: "handshake-2/3", Meaning: "SYN and ACK: agrees"},
		Handshake3:        {Name: "handshake-3/3", Meaning: "acknowledges the SYN of the answer: the connection stands"},
		SimultaneousOpen:  {Name: "simultaneous-open", Meaning: "a SYN that crosses the other end's"},
		Data:              {Name: "data", Meaning: "octets not seen before"},
		Acknowledgement:   {Name: "ack", Meaning: "acknowledges octets, and carries none"},
		WindowUpdate:      {Name: "window-update", Meaning: "changes the window, and nothing else"},
		ZeroWindow:        {Name: "zero-window", Meaning: "forbids the peer to send"},
		Keepalive:         {Name: "keepalive", Meaning: "asks whether the peer is still there, by the number before its next"},
		KeepaliveAnswer:   {Name: "keepalive-answer", Meaning: "says yes"},
		ZeroWindowProbe:   {Name: "zero-window-probe", Meaning: "asks whether the peer's window is still zero"},
		ZeroWindowAnswer:  {Name: "zero-window-answer", Meaning: "says how wide the window is"},
		Retransmission:    {Name: "retransmission", Meaning: "octets, SYN or FIN that were sent before"},
		Spurious:          {Name: "spurious", Meaning: "of what the peer has acknowledged already"},
		OutOfOrder:        {Name: "out-of-order", Meaning: "overtaken by a later segment"},
		DuplicateACK:      {Name: "duplicate-ack", Meaning: "acknowledges once more what it has acknowledged"},
		ChallengeACK:      {Name: "challenge-ack", Meaning: "answers a segment that does not fit (RFC 5961)"},
		Close1:            {Name: "close-1/4", Meaning: "the first FIN"},
		Close2:            {Name: "close-2/4", Meaning: "the second event of the close: the ACK of the first FIN, or a FIN that crosses it"},
		Close3:            {Name: "close-3/4", Meaning: "the third event of the close: the second FIN, or the first ACK of crossing ones"},
		Close4:            {Name: "close-4/4", Meaning: "both FINs are acknowledged"},
		SimultaneousClose: {Name: "simultaneous-close", Meaning: "a FIN that crosses the other end's"},
		HalfClosed:        {Name: "half-closed", Meaning: "data to an end that has closed its own direction"},
		ResetStep:         {Name: "reset", Meaning: "ends the connection at once"},
		StrayReset:        {Name: "stray-reset", Meaning: "a reset whose number does not fit: its receiver ignores or challenges it"},
		StraySYN:          {Name: "stray-syn", Meaning: "a SYN into a connection that stands, or one that answers none"},
		OutOfWindow:       {Name: "out-of-window", Meaning: "its sequence number is far from the peer's window"},
		UnacceptableACK:   {Name: "unacceptable-ack", Meaning: "acknowledges what was never sent"},
		NoACK:             {Name: "no-ack", Meaning: "neither ACK nor SYN nor RST: its receiver drops it"},
		OldACK:            {Name: "old-ack", Meaning: "answers a SYN without one: something remembers an earlier connection"},
		PAWSTrouble:       {Name: "paws-trouble", Meaning: "the SYN again, after an old connection's ACK was reset: a TIME-WAIT with newer timestamps was in the way"},
		PickUp:            {Name: "pick-up", Meaning: "the first segment seen of a connection that began earlier"},
		Hole:              {Name: "hole", Meaning: "octets before it have not been seen yet"},
		Gap:               {Name: "gap", Meaning: "acknowledges octets that the capture lacks"},
	}
}

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
