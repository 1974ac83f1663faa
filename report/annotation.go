package report

import (
	"strconv"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/flow"
)

// annotator says what a segment does in its connection, and what is worth
// knowing about that:
//
//	STEP, STEP; client STATE, server STATE; REMARK; REMARK
//
// or why it is not followed. Steps and states have the words of package
// finding. Remarks are:
//
//	handshake-3/3   rtt TIME
//	pick-up         the lower port taken for the server's
//	paws-trouble    N times so far
//	zero-window     no room at the SIDE
//	gap             N octets of the SIDE not captured
//	reset           from the SIDE, shape SHAPE[, TTL N, the SIDE's own N]
//	close-3/4       the SIDE closed TIME after its ACK of the FIN
//	                the SIDE closed TIME after the FIN
//	close-4/4       the SIDE closed first and holds TIME-WAIT
//	                both closed first and hold TIME-WAIT
//
// and, if it is verbose, "in flight N of WINDOW" for what a sender has sent
// without acknowledgement. In place of all that, "copy" stands for a segment
// that was seen before, elsewhere.
type annotator struct {
	steps, states []finding.Word
	withStates    bool
	// verbose adds how much is in flight.
	verbose bool
}

func newAnnotator(v Views) annotator {
	return annotator{steps: finding.Steps(), states: finding.EndStates(), withStates: v.States, verbose: v.Fields}
}

// appendTo appends the annotation of a sight; nothing if there is none. It
// does not allocate if b has room.
func (a *annotator) appendTo(b []byte, s *Sight) []byte {
	e := s.Event
	if e == nil {
		return append(b, s.Note...)
	}
	start := len(b)
	if e.Copy {
		b = append(b, "copy"...)
	}
	for step := range e.Steps.All() {
		b = append(appendSeparator(b, start, ", "), a.steps[step].Name...)
	}
	if a.withStates {
		b = append(appendSeparator(b, start, "; "), "client "...)
		b = append(b, a.states[e.Client].Name...)
		b = append(append(b, ", server "...), a.states[e.Server].Name...)
	}
	if e.Copy || e.Connection == nil {
		return b
	}
	b = appendOpeningRemarks(b, start, e)
	b = appendDataRemarks(b, start, e, a.verbose)
	return appendClosingRemarks(b, start, s)
}

// appendSeparator appends what stands between two things, unless nothing
// stands before.
func appendSeparator(b []byte, start int, separator string) []byte {
	if len(b) == start {
		return b
	}
	return append(b, separator...)
}

// appendRemark begins a remark.
func appendRemark(b []byte, start int, words string) []byte {
	return append(appendSeparator(b, start, "; "), words...)
}

// appendTime appends a measured time, with no more decimals than stamps in
// microseconds can tell.
func appendTime(b []byte, d time.Duration) []byte {
	if d < time.Millisecond && d%time.Microsecond == 0 {
		return append(appendInt(b, int(d.Microseconds())), " us"...)
	}
	return appendDuration(b, float64(d)/float64(time.Microsecond))
}

// appendOpeningRemarks is about how the connection came to be.
func appendOpeningRemarks(b []byte, start int, e *flow.Event) []byte {
	c := e.Connection
	if e.Steps.Has(flow.Handshake3) {
		if rtt, ok := c.HandshakeRTT(); ok {
			b = appendTime(appendRemark(b, start, "rtt "), rtt)
		}
	}
	if e.Steps.Has(flow.PickUp) && c.SidesGuessed() {
		b = appendRemark(b, start, "the lower port taken for the server's")
	}
	if n := c.PAWSTrouble(); e.Steps.Has(flow.PAWSTrouble) && n > 1 {
		b = append(appendInt(appendRemark(b, start, ""), int(n)), " times so far"...)
	}
	return b
}

// appendDataRemarks is about what is under way.
func appendDataRemarks(b []byte, start int, e *flow.Event, verbose bool) []byte {
	c, peer := e.Connection, e.From.Peer()
	if e.Steps.Has(flow.ZeroWindow) {
		b = append(appendRemark(b, start, "no room at the "), e.From.String()...)
	}
	if e.Steps.Has(flow.Gap) {
		missing := c.End(peer).Missing()
		b = strconv.AppendUint(appendRemark(b, start, ""), missing, 10)
		if b = append(b, " octet"...); missing != 1 {
			b = append(b, 's')
		}
		b = append(append(append(b, " of the "...), peer.String()...), " not captured"...)
	}
	if verbose && e.InFlight > 0 {
		b = appendUint(appendRemark(b, start, "in flight "), e.InFlight)
		if window, ok := c.End(peer).Window(); ok {
			b = appendUint(append(b, " of "...), window)
		}
	}
	return b
}

// appendClosingRemarks is about how the connection ends.
func appendClosingRemarks(b []byte, start int, s *Sight) []byte {
	e := s.Event
	c := e.Connection
	switch {
	case e.Steps.Has(flow.ResetStep), e.Steps.Has(flow.StrayReset):
		return appendReset(b, start, s)
	case e.Steps.Has(flow.Close3):
		if d, ok := c.CloseDelay(); ok {
			b = append(appendRemark(b, start, "the "), e.From.String()...)
			b = append(b, " closed "...)
			if d.Combined {
				b = append(appendTime(b, d.AfterFIN), " after the FIN"...)
			} else {
				b = append(appendTime(b, d.AfterACK), " after its ACK of the FIN"...)
			}
		}
	}
	if !e.Steps.Has(flow.Close4) {
		return b
	}
	client, server := c.ClosedFirst(flow.Client), c.ClosedFirst(flow.Server)
	switch {
	case client && server:
		b = appendRemark(b, start, "both closed first and hold TIME-WAIT")
	case client:
		b = appendRemark(b, start, "the client closed first and holds TIME-WAIT")
	case server:
		b = appendRemark(b, start, "the server closed first and holds TIME-WAIT")
	}
	return b
}

// appendReset says who made a reset, as far as it shows.
func appendReset(b []byte, start int, s *Sight) []byte {
	e := s.Event
	b = append(appendRemark(b, start, "from the "), e.From.String()...)
	b = append(append(b, ", shape "...), e.Shape.String()...)
	r, ok := e.Connection.Reset()
	if !ok || r.From != e.From || !r.At.Equal(s.At) || r.EndTTL == 0 || r.TTL == r.EndTTL {
		return b
	}
	b = append(appendInt(append(b, ", TTL "...), int(r.TTL)), ", the "...)
	return appendInt(append(append(b, e.From.String()...), "'s own "...), int(r.EndTTL))
}
