package flow

import (
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// What is missing, comes late or was made up does not make the table claim
// what is not so: it says unknown, or what the ends still show.
func TestHostile(t *testing.T) {
	const both = " / established established\n"
	for name, script := range map[string]string{
		"a pure ACK behind an unseen number": handshake + `
			< F. 301 ack 101 = close-1/4 / close-wait fin-wait-1
			> . 102 ack 302 = close-2/4 hole / unknown unknown
			+200ms > F. 101 ack 302 = close-3/4 / unknown time-wait
			< . 302 ack 102 = close-4/4 / unknown time-wait`,
		"a pure ACK overtakes data": handshake + `
			> . 111 ack 301 = duplicate-ack hole / unknown unknown
			> P. 101+10 ack 301 = data` + both,
		"a FIN sent again, its first sight after its acknowledgement": handshake + `
			< . 301 ack 102 = ack gap / unknown unknown
			+200ms > F. 101 ack 301 = retransmission spurious close-1/4 close-2/4 / fin-wait-1 close-wait
			< . 301 ack 102 = duplicate-ack / fin-wait-2 close-wait`,
		"FINs cross, and one is seen when it is sent again": handshake + `
			> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
			> . 102 ack 302 = ack gap / unknown unknown
			< . 302 ack 102 = close-2/4 / unknown unknown
			+200ms < F. 301 ack 102 = retransmission spurious close-3/4 close-4/4 / time-wait unknown`,
		"a FIN and its acknowledgement out of turn in the capture": handshake + `
			< . 301 ack 102 = ack gap / unknown unknown
			> F. 101 ack 301 = retransmission spurious close-1/4 close-2/4 / fin-wait-2 close-wait`,
		"the peer's FIN tells what its acknowledgement did not": handshake + `
			> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
			< F. 301 ack 102 = close-2/4 close-3/4 / time-wait last-ack
			+200ms > F. 101 ack 301 = retransmission spurious / fin-wait-1 last-ack
			> . 102 ack 302 = close-4/4 / time-wait closed`,
		"the receiver goes on after a reset": handshake + `
			< R. 301 ack 101 win 12 = reset / closed closed
			> P. 101+5 ack 301 = data / established closed
			< . 301 ack 106 = ack / established established`,
		"a firewall's reset to one end, and the other goes on": handshake + `
			> P. 101+5 ack 301 ttl 60 tos 40 = data / established established
			< R 301 win 0 ttl 63 = reset / closed established
			+200ms > P. 101+5 ack 301 ttl 60 tos 40 = retransmission` + both,
		"nothing far away revives a connection": handshake + `
			< R. 301 ack 101 win 12 = reset / closed closed
			> P. 1073742000+5 ack 301 = out-of-window / closed closed
			> P. 101+5 ack 1073742301 = unacceptable-ack / closed closed`,
		"only the server's segments": `
			< S. 300 ack 101 = handshake-2/3 gap / established syn-received
			< . 301 ack 120 = ack gap / unknown unknown
			< P. 301+9 ack 120 = data / unknown unknown
			< F. 310 ack 140 = close-1/4 gap / unknown unknown`,
		"only the client's segments": `
			> S 100 = handshake-1/3 / syn-sent unknown
			> . 101 ack 301 = ack gap / unknown unknown
			> P. 101+9 ack 301 = data / unknown unknown
			> . 110 ack 401 = ack gap / unknown unknown
			> F. 110 ack 402 = close-1/4 gap / unknown unknown`,
		"SYNs cross, and one is not seen": `
			> S 100 = handshake-1/3 / syn-sent unknown
			> S. 100 ack 301 = handshake-2/3 simultaneous-open gap / syn-received established
			< S. 300 ack 101 = handshake-2/3 / established established`,
		"a SYN is overtaken by its answer": `
			< S. 300 ack 101 = handshake-2/3 gap / established syn-received
			> S 100 = handshake-1/3 out-of-order / established syn-received
			> . 101 ack 301 = handshake-3/3` + both,
		"a SYN that was not seen is sent again": `
			< S. 300 ack 101 = handshake-2/3 gap / established syn-received
			+1s > S 100 = handshake-1/3 retransmission / syn-sent syn-received
			< S. 300 ack 101 = handshake-2/3 retransmission / established syn-received`,
		"a SYN with another number": `
			> S 100 = handshake-1/3 / syn-sent unknown
			+1s > S 900 = handshake-1/3 / syn-sent unknown
			< S. 300 ack 901 = handshake-2/3 / established syn-received
			> . 901 ack 301 = handshake-3/3 / established established`,
		"blind resets": handshake + `
			< R 0 win 0 = stray-reset` + both + `
			< R 300 win 0 = stray-reset` + both + `
			< R 302 win 0 = stray-reset` + both + `
			< R 2147483949 win 0 = stray-reset` + both + `
			< R. 0 ack 101 win 0 = stray-reset` + both,
		"blind SYNs and SYN-ACKs": handshake + `
			> S 77 = stray-syn / unknown established
			< S. 88 ack 101 = stray-syn / unknown established
			< S. 88 ack 99 = stray-syn / unknown established
			< S 99 = stray-syn / unknown unknown
			> P. 101+5 ack 301 = data / established unknown
			< . 301 ack 106 = ack` + both,
		"data in front of a closed window": handshake + `
			< . 301 ack 101 win 0 = window-update zero-window` + both + `
			> P. 101+1000 ack 301 = data` + both,
		"segments larger than any MTU": handshake + `
			> P. 101+60000 ack 301 = data` + both + `
			< . 301 ack 30101 = ack` + both + `
			> P. 58001+2100 ack 301 = retransmission` + both + `
			< . 301 ack 60101 = ack` + both,
		"a window as wide as half of all numbers": `
			> S 100 ws 14 = handshake-1/3 / syn-sent unknown
			< S. 300 ack 101 ws 14 = handshake-2/3 / established syn-received
			> . 101 ack 301 win 65535 = handshake-3/3` + both + `
			< . 1073741000+100 ack 101 win 65535 = data hole` + both + `
			> . 101 ack 301 win 65535 = duplicate-ack` + both,
		"the wraparound among the FINs": `
			> S 4294967295 = handshake-1/3 / syn-sent unknown
			< S. 4294967294 ack 0 = handshake-2/3 / established syn-received
			> . 0 ack 4294967295 = handshake-3/3` + both + `
			< F. 4294967295 ack 0 = close-1/4 / close-wait fin-wait-1
			> F. 0 ack 0 = close-2/4 close-3/4 / last-ack time-wait
			< . 0 ack 1 = close-4/4 / closed time-wait`,
		"SACK tells of a hole though the window changes": handshake + `
			> . 111+10 ack 301 = data hole` + both + `
			< . 301 ack 101 win 400 sack = duplicate-ack` + both + `
			< . 301 ack 101 win 300 = window-update` + both,
	} {
		t.Run(name, func(t *testing.T) { play(t, script) })
	}
}

// Where one direction is not captured, nobody knows whether the handshake was
// finished.
func TestAbandonedOrNotSeen(t *testing.T) {
	for script, want := range map[string]Close{
		"> S 100 = handshake-1/3 / syn-sent unknown":                      Abandoned,
		"< S. 300 ack 101 = handshake-2/3 gap / established syn-received": NotKnown,
	} {
		if got := play(t, script).Close(); got != want {
			t.Errorf("%s: %v", script, got)
		}
	}
}

// An end was never in a state that its own segments deny: FINs that cross, and
// those that are lost, are told apart from others only by what comes next.
func TestTimeOfSuggestedStates(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		side   Side
		want   map[State]time.Duration
	}{
		"FINs cross": {handshake + `
			+5ms < F. 301 ack 101 = close-1/4 / close-wait fin-wait-1
			+7ms > F. 101 ack 301 = close-2/4 simultaneous-close / fin-wait-1 closing`,
			Client, map[State]time.Duration{SynSent: 10 * time.Millisecond, Established: 32 * time.Millisecond}},
		"FINs cross behind the handshake": {handshake + `
			+5ms > F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
			+7ms < F. 301 ack 101 = close-2/4 simultaneous-close / closing fin-wait-1`,
			Server, map[State]time.Duration{Unknown: 10 * time.Millisecond, SynReceived: 20 * time.Millisecond, Established: 12 * time.Millisecond}},
		"a FIN is lost": {handshake + `
			+5ms < F. 301 ack 101 = close-1/4 / close-wait fin-wait-1
			+7ms > P. 101+5 ack 301 = data / established fin-wait-1
			+200ms < F. 301 ack 106 = retransmission / close-wait fin-wait-1
			+9ms > . 106 ack 302 = close-2/4 / close-wait fin-wait-2`,
			Client, map[State]time.Duration{SynSent: 10 * time.Millisecond, Established: 232 * time.Millisecond, CloseWait: 9 * time.Millisecond}},
		"an ACK and a FIN are lost": {handshake + `
			+5ms > F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
			+7ms < . 301 ack 102 = close-2/4 / fin-wait-2 close-wait
			+9ms < F. 301 ack 102 = close-3/4 / time-wait last-ack
			+200ms > F. 101 ack 301 = retransmission spurious / fin-wait-1 last-ack`,
			Client, map[State]time.Duration{SynSent: 10 * time.Millisecond, Established: 25 * time.Millisecond, FinWait1: 216 * time.Millisecond}},
		"a SYN-ACK is lost": {`
			> S 100 = handshake-1/3 / syn-sent unknown
			+10ms < S. 300 ack 101 = handshake-2/3 / established syn-received
			+990ms > S 100 = handshake-1/3 retransmission / syn-sent syn-received`,
			Client, map[State]time.Duration{SynSent: time.Second}},
		"a reset is lost": {handshake + `
			+5ms < R. 301 ack 101 win 12 = reset / closed closed
			+7ms > P. 101+5 ack 301 = data / established closed`,
			Client, map[State]time.Duration{SynSent: 10 * time.Millisecond, Established: 32 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			end := play(t, c.script).End(c.side)
			for i := range states {
				if s := State(i); end.Spent(s) != c.want[s] {
					t.Errorf("%v in %v, want %v", end.Spent(s), s, c.want[s])
				}
			}
		})
	}
}

// A reset has options even where the capture has cut them off.
func TestShapeOfCutOptions(t *testing.T) {
	sender, receiver := &End{}, &End{}
	receiver.last.acked, receiver.last.ack = true, 301
	g := wire.Segment{Flags: wire.RST, Seq: 301, DataOffset: 5}
	if shape := shapeOf(&wire.Header{}, &g, sender, receiver); shape != StatelessACK {
		t.Errorf("without options: %v", shape)
	}
	g.DataOffset = 8
	if shape := shapeOf(&wire.Header{}, &g, sender, receiver); shape == StatelessACK {
		t.Errorf("with options that were cut off: %v", shape)
	}
}

// A FIN that was first seen when it was sent again does not tell when its
// sender closed.
func TestCloseDelayOfLateFIN(t *testing.T) {
	c := play(t, handshake+`
		> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
		+200ms < . 302 ack 102 = close-2/4 hole / unknown unknown
		+4ms < F. 301 ack 102 = close-3/4 / time-wait unknown
		> . 102 ack 302 = close-4/4 / time-wait unknown`)
	if d, ok := c.CloseDelay(); ok {
		t.Errorf("%+v", d)
	}
}
