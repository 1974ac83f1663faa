package endpoint

import (
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	initialRTO = time.Second
	leastRTO   = 200 * time.Millisecond
	mostRTO    = 60 * time.Second
	clockGrain = time.Millisecond
)

// estimator computes the retransmission timeout (RFC 6298). It times one
// segment at a time and none that was sent twice (Karn's algorithm), so that
// it need not believe the peer's timestamps.
type estimator struct {
	srtt, rttvar, rto time.Duration
	backoff           uint
	// synLost says that a SYN had to be sent again (RFC 6298, rule 5.7).
	synLost bool
	measured,
	timing bool
	until wire.Seq // what acknowledges the segment that is timed
	from  time.Time
}

func newEstimator() estimator { return estimator{rto: initialRTO} }

// start times a segment that ends at until, if none is being timed.
func (e *estimator) start(until wire.Seq, now time.Time) {
	if !e.timing {
		e.timing, e.until, e.from = true, until, now
	}
}

// spoil stops timing, since something was sent again.
func (e *estimator) spoil() { e.timing = false }

// acknowledged takes note of an ACK that advances.
func (e *estimator) acknowledged(ack wire.Seq, now time.Time) {
	if e.timing && !ack.Before(e.until) {
		e.timing = false
		e.sample(max(0, now.Sub(e.from)))
	}
	e.backoff = 0
}

// sample is rules 2.2 and 2.3.
func (e *estimator) sample(r time.Duration) {
	if !e.measured {
		e.measured, e.srtt, e.rttvar = true, r, r/2
	} else {
		e.rttvar += ((e.srtt - r).Abs() - e.rttvar) / 4
		e.srtt += (r - e.srtt) / 8
	}
	e.rto = min(max(e.srtt+max(clockGrain, 4*e.rttvar), leastRTO), mostRTO)
}

// timeout is the time to wait now, backed off.
func (e *estimator) timeout() time.Duration {
	return min(e.rto<<min(e.backoff, 10), mostRTO)
}

// backOff is rule 5.5.
func (e *estimator) backOff() {
	e.backoff++
	e.spoil()
}

// established is rule 5.7: an RTO that was too short for a SYN is not used for
// data.
func (e *estimator) established() {
	e.backoff = 0
	if e.synLost && !e.measured {
		e.rto = 3 * time.Second
	}
}
