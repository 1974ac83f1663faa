package rtt

import "time"

// slack is how late probes may be, and still keep to the schedule. What was
// kept from running for longer goes on from where it is, so that it does not
// catch up in a burst.
const slack = 50 * time.Millisecond

// schedule says whose turn it is. Targets take turns, and every round of them
// begins an interval after the one before.
type schedule struct {
	spec Spec
	// turns are in a round: one for each target.
	turns uint64
	// stagger is the time between the first probes of two targets.
	stagger time.Duration
	// next counts the probes, over all targets.
	next uint64
	// behind is by how much all that is still to come was put off.
	behind time.Duration
}

// at is when the next probe was to leave if nothing had been put off.
func (s *schedule) at() time.Duration {
	return time.Duration(s.next/s.turns)*s.spec.Interval + time.Duration(s.next%s.turns)*s.stagger
}

// due is when the next probe is to leave.
func (s *schedule) due() time.Duration { return s.at() + s.behind }

// over reports whether there is no next probe.
func (s *schedule) over() bool {
	return s.spec.Count > 0 && s.next/s.turns >= uint64(s.spec.Count) ||
		s.spec.Duration > 0 && s.due() >= s.spec.Duration
}

// turn returns the target whose turn it is by now, if there is one.
func (s *schedule) turn(now time.Duration) (target int, ok bool) {
	due := s.due()
	if due > now {
		return 0, false
	}
	if now-due > slack {
		s.behind += now - due
	}
	if s.over() {
		return 0, false
	}
	target = int(s.next % s.turns)
	s.next++
	return target, true
}
