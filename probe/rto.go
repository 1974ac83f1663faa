package probe

import "time"

// The bounds of the wait for an answer.
const (
	// initialRTO is the wait before anything is known of a host
	// (RFC 6298, Section 2.1).
	initialRTO = time.Second
	// minRTO is Linux's TCP_RTO_MIN: on a near path the other end's and our
	// own scheduling take longer than the path.
	minRTO = 200 * time.Millisecond
)

// rto estimates how long an answer may take, from the round trips measured so
// far (RFC 6298, Section 2). The zero value knows nothing yet.
type rto struct {
	smoothed, deviation time.Duration
}

// sample takes in one round trip. Only unambiguous ones may come here
// (Karn's rule: RFC 6298, Section 3).
func (r *rto) sample(rtt time.Duration) {
	if r.smoothed == 0 {
		r.smoothed, r.deviation = rtt, rtt/2
		return
	}
	r.deviation += ((r.smoothed - rtt).Abs() - r.deviation) / 4
	r.smoothed += (rtt - r.smoothed) / 8
}

// wait is the time after which a first try counts as unanswered.
func (r *rto) wait() time.Duration {
	if r.smoothed == 0 {
		return initialRTO
	}
	return max(r.smoothed+4*r.deviation, minRTO)
}

// backoff is the wait after the given try, counted from zero: doubled each
// time (RFC 6298, Section 5.5), and never longer than limit.
func backoff(wait time.Duration, try int, limit time.Duration) time.Duration {
	for range try {
		if wait >= limit {
			break
		}
		wait *= 2
	}
	return min(wait, limit)
}
