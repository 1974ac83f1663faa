package endpoint

import "github.com/tcpscope/tcpscope/rawsock/wire"

const (
	// initialWindow is in segments (RFC 6928).
	initialWindow = 10
	mostCwnd      = 1 << 30
)

// congestion is the congestion window (RFC 5681), in octets, and whether a loss
// is being repaired.
type congestion struct {
	cwnd, ssthresh int
	fixed          int // chosen instead of cwnd; zero if not
	acked          int // towards the next segment's worth in congestion avoidance
	// recovering: a loss that was told by duplicate ACKs is being repaired;
	// restarting: one that a timeout has told. Both end when recover, the
	// SND.NXT of that time, is acknowledged.
	recovering, restarting bool
	recover                wire.Seq
	// duplicates are the duplicate ACKs in a row, and departed the octets
	// that they say have left the network: without SACK all that is known.
	duplicates, departed int
}

// window is how many octets may be under way.
func (k *congestion) window() int {
	if k.fixed > 0 {
		return k.fixed
	}
	return k.cwnd
}

func (k *congestion) begin(mss int, synLost bool) {
	k.cwnd, k.ssthresh = initialWindow*mss, mostCwnd
	if synLost { // RFC 5681, Section 3.1
		k.cwnd = mss
	}
}

// lossy reports whether a loss is being repaired.
func (k *congestion) lossy() bool { return k.recovering || k.restarting }

// grow takes note of octets that were acknowledged while all is well, or after
// a timeout (RFC 5681, Section 3.1; octets are counted as in RFC 3465).
func (k *congestion) grow(octets, mss int) {
	switch {
	case k.cwnd >= mostCwnd:
	case k.cwnd < k.ssthresh:
		limit := 2 * mss
		if k.restarting {
			limit = mss
		}
		k.cwnd += min(octets, limit)
	default:
		if k.acked += octets; k.acked >= k.cwnd {
			k.acked -= k.cwnd
			k.cwnd += mss
		}
	}
}

// halve is equation 4 of RFC 5681.
func (k *congestion) halve(flight, mss int) {
	k.ssthresh = max(flight/2, 2*mss)
	k.acked = 0
}

// lose begins fast recovery (RFC 6675, Section 5, step 4).
func (k *congestion) lose(flight, mss int, nxt wire.Seq) {
	k.halve(flight, mss)
	k.cwnd = k.ssthresh
	k.recovering, k.recover = true, nxt
}

// timeout begins again with one segment. A second timeout of the same octets
// does not halve again.
func (k *congestion) timeout(flight, mss int, nxt wire.Seq) {
	if !k.restarting {
		k.halve(flight, mss)
	}
	k.cwnd = mss
	k.recovering, k.restarting, k.recover = false, true, nxt
	k.duplicates, k.departed = 0, 0
}

// acknowledged takes note of an ACK that advances by octets, and reports
// whether it leaves a loss that is still to be repaired.
func (k *congestion) acknowledged(ack wire.Seq, octets, mss int, limited bool) (partial bool) {
	if k.lossy() && !ack.Before(k.recover) {
		k.recovering, k.restarting, k.departed = false, false, 0
	} else if k.recovering {
		// RFC 6582, Section 3.2, step 3, of a partial acknowledgement.
		k.departed = max(0, k.departed-octets+mss)
		return true
	}
	k.duplicates = 0
	if limited {
		k.grow(octets, mss)
	}
	return k.restarting
}
