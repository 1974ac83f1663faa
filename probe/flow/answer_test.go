package flow

import "testing"

// A SYN that its answer has overtaken in the capture is missing no more, but
// tells no time; the same SYN once more is a repetition.
func TestOvertakenSYN(t *testing.T) {
	const script = `
		< S. 300 ack 101 = handshake-2/3 gap / established syn-received
		+1ms > S 100 = handshake-1/3 out-of-order / established syn-received
		+2ms > . 101 ack 301 = handshake-3/3 / established established
	`
	c := play(t, script)
	if n := c.End(Client).Missing(); n != 0 {
		t.Errorf("%d missing", n)
	}
	if rtt, ok := c.HandshakeRTT(); ok {
		t.Errorf("%v", rtt)
	}
	play(t, script+"> S 100 = handshake-1/3 retransmission spurious / established established")
}

// An answer to what was not asked agrees to nothing (RFC 9293, Section 3.5.1).
func TestAnswerBeyondTheSYN(t *testing.T) {
	play(t, `
		> S 100 = handshake-1/3 / syn-sent unknown
		< S. 300 ack 102 = stray-syn / syn-sent unknown
		< S. 300 ack 101 = handshake-2/3 / established syn-received`)
}
