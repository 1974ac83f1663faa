package flow

import "testing"

// What counts is the first reset that was believed, and the TTL of an end's
// first segment, whatever comes later.
func TestTheFirstCounts(t *testing.T) {
	c := play(t, `
		> S 100 ttl 64 = handshake-1/3 / syn-sent unknown
		< S. 300 ack 101 ttl 63 = handshake-2/3 / established syn-received
		> . 101 ack 301 ttl 64 = handshake-3/3 / established established
		< . 301+5 ack 101 ttl 60 = data / established established
		< R. 306 ack 101 ttl 60 win 9 = reset / closed closed
		+1s < R. 306 ack 101 ttl 50 win 9 = reset / closed closed
	`)
	r, ok := c.Reset()
	if want := start(); !ok || !r.At.Equal(want) || r.TTL != 60 || r.EndTTL != 63 {
		t.Errorf("%+v, %v; want that of %v", r, ok, want)
	}
}

// A scale counts only where both have offered one (RFC 7323, Section 2.2).
func TestWindowsAreScaledByBoth(t *testing.T) {
	for answer, want := range map[string]uint32{"": 10, " ws 2": 80} {
		c := play(t, `
			> S 100 ws 3 = handshake-1/3 / syn-sent unknown
			< S. 300 ack 101`+answer+` = handshake-2/3 / established syn-received
			> . 101 ack 301 win 10 = handshake-3/3 / established established
		`)
		if got, ok := c.End(Client).Window(); !ok || got != want {
			t.Errorf("answer with %q: %d, %v; want %d", answer, got, ok, want)
		}
	}
}

// A number far behind is as wrong as one far ahead, and neither moves anything.
func TestFarNumbers(t *testing.T) {
	const both = " / established established\n"
	play(t, handshake+`
		> . 3221225000+5 ack 301 = out-of-window`+both+`
		< . 301 ack 101 = challenge-ack`+both+`
		> . 2000000000+5 ack 301 = out-of-window`+both+`
		< . 301 ack 101 = challenge-ack`+both+`
		> . 101+5 ack 301 = data`+both)
}
