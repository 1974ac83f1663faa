package endpoint

import (
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	testISS wire.Seq = 0xfffffff0 // so that all of it wraps
	testIRS wire.Seq = 0x7ffffff0
)

// Flags as tcpdump shows them.
const (
	s  = wire.SYN
	a  = wire.ACK
	sa = wire.SYN | wire.ACK
	fa = wire.FIN | wire.ACK
	r  = wire.RST
	ra = wire.RST | wire.ACK
)

// seg is a segment of the peer's, with relative numbers.
func seg(flags wire.Flags, seq, ack int32, text string, options ...wire.Option) wire.Segment {
	return wire.Segment{
		SrcPort: 80, DstPort: 40000,
		Seq: testIRS.Add(uint32(seq)), Ack: testISS.Add(uint32(ack)),
		Flags: flags, Window: 1000, Payload: []byte(text), Options: options,
	}
}

// said returns what the connection has sent since the last call, as tcpdump
// shows it.
func (c *conn) said() (lines []string) {
	for _, d := range c.out {
		seqBase := testISS
		if d.Segment.Flags&wire.RST != 0 && d.Segment.Seq == 0 {
			seqBase = 0
		}
		lines = append(lines, line(d.Segment, seqBase, testIRS))
	}
	c.out = nil
	return lines
}

func (c *conn) hears(segments ...wire.Segment) {
	for _, g := range segments {
		c.arrive(c.now.Add(time.Millisecond), &wire.Header{}, &g)
	}
}

func plainConfig() Config {
	return Config{ISN: FixedISN(testISS), Window: 5000, NoSACK: true, NoTimestamps: true, NoWindowScale: true}
}

// active and passive are the two ways into SYN-RECEIVED.
func passive(cfg Config, options ...wire.Option) *conn {
	c := newConn(cfg, antAddr, appleAddr)
	syn := seg(s, 0, 0, "", options...)
	c.listen(epoch, &wire.Header{}, &syn)
	return c
}

// in brings a connection into a state, by segments and calls alone.
func in(t testing.TB, state flow.State) *conn {
	c := newConn(plainConfig(), antAddr, appleAddr)
	c.open(epoch)
	c.said()
	if state == flow.SynReceived {
		c = passive(plainConfig())
	}
	if state >= flow.Established {
		c.hears(seg(sa, 0, 1, ""))
	}
	switch state {
	case flow.FinWait1, flow.FinWait2, flow.Closing, flow.TimeWait:
		c.closeWrite(c.now)
	case flow.CloseWait, flow.LastAck:
		c.hears(seg(fa, 1, 1, ""))
	}
	switch state {
	case flow.FinWait2, flow.TimeWait:
		c.hears(seg(a, 1, 2, ""))
	case flow.Closing:
		c.hears(seg(fa, 1, 1, ""))
	case flow.LastAck:
		c.closeWrite(c.now)
	}
	if state == flow.TimeWait {
		c.hears(seg(fa, 1, 2, ""))
	}
	if state == flow.Closed {
		c.abort(c.now)
	}
	if c.state != state {
		t.Fatalf("state %v, want %v", c.state, state)
	}
	c.said()
	return c
}

// The arrival rules of RFC 9293, Section 3.10.7, in their order. Above each
// expectation stands what arrives, as tcpdump would show it.
func TestArrivalRules(t *testing.T) {
	all := []flow.State{flow.SynReceived, flow.Established, flow.FinWait1, flow.FinWait2, flow.CloseWait, flow.Closing, flow.LastAck, flow.TimeWait}
	// Where the two ends stand: SND.NXT and RCV.NXT in each state.
	ours := map[flow.State]int32{flow.SynReceived: 1, flow.Established: 1, flow.FinWait1: 2, flow.FinWait2: 2, flow.CloseWait: 1, flow.Closing: 2, flow.LastAck: 2, flow.TimeWait: 2}
	theirs := map[flow.State]int32{flow.SynReceived: 1, flow.Established: 1, flow.FinWait1: 1, flow.FinWait2: 1, flow.CloseWait: 2, flow.Closing: 2, flow.LastAck: 2, flow.TimeWait: 2}
	// The ACK that answers what is wrong, in each of them.
	ack := map[flow.State]string{
		flow.SynReceived: "Flags [.], seq 1, ack 1, win 5000", flow.Established: "Flags [.], seq 1, ack 1, win 5000",
		flow.FinWait1: "Flags [.], seq 2, ack 1, win 5000", flow.FinWait2: "Flags [.], seq 2, ack 1, win 5000",
		flow.CloseWait: "Flags [.], seq 1, ack 2, win 4999", flow.Closing: "Flags [.], seq 2, ack 2, win 4999",
		flow.LastAck: "Flags [.], seq 2, ack 2, win 4999", flow.TimeWait: "Flags [.], seq 2, ack 2, win 4999",
	}
	type rule struct {
		section, what string
		in            flow.State
		arrives       wire.Segment
		sends         []string
		then          flow.State
		err           error
	}
	rules := []rule{
		// 3.10.7.1, CLOSED.
		// Flags [R], seq 1
		{"3.10.7.1", "a reset is discarded", flow.Closed, seg(r, 1, 0, ""), nil, flow.Closed, nil},
		// Flags [S], seq 0, length 3
		{"3.10.7.1", "no ACK: reset with sequence number zero", flow.Closed, seg(s, 0, 0, "abc"), []string{"Flags [R.], seq 0, ack 4, win 0"}, flow.Closed, nil},
		// Flags [F], seq 7
		{"3.10.7.1", "SEG.LEN counts a FIN", flow.Closed, seg(wire.FIN, 7, 0, ""), []string{"Flags [R.], seq 0, ack 8, win 0"}, flow.Closed, nil},
		// Flags [.], seq 1, ack 77
		{"3.10.7.1", "ACK: reset with SEG.ACK", flow.Closed, seg(a, 1, 77, ""), []string{"Flags [R], seq 77, win 0"}, flow.Closed, nil},

		// 3.10.7.3, SYN-SENT. First, the ACK bit.
		// Flags [S.], seq 0, ack 0
		{"3.10.7.3 first", "SEG.ACK =< ISS", flow.SynSent, seg(sa, 0, 0, ""), []string{"Flags [R], seq 0, win 0"}, flow.SynSent, nil},
		// Flags [S.], seq 0, ack 2
		{"3.10.7.3 first", "SEG.ACK > SND.NXT", flow.SynSent, seg(sa, 0, 2, ""), []string{"Flags [R], seq 2, win 0"}, flow.SynSent, nil},
		// Flags [R.], seq 0, ack 2
		{"3.10.7.3 first", "no reset for a reset", flow.SynSent, seg(ra, 0, 2, ""), nil, flow.SynSent, nil},
		// Second, the RST bit.
		// Flags [R.], seq 0, ack 1
		{"3.10.7.3 second", "connection reset", flow.SynSent, seg(ra, 0, 1, ""), nil, flow.Closed, syscall.ECONNREFUSED},
		// Flags [R], seq 0
		{"3.10.7.3 second", "a reset without ACK is dropped", flow.SynSent, seg(r, 0, 0, ""), nil, flow.SynSent, nil},
		// Fourth, the SYN bit.
		// Flags [S.], seq 0, ack 1
		{"3.10.7.3 fourth", "our SYN is acknowledged", flow.SynSent, seg(sa, 0, 1, ""), []string{"Flags [.], seq 1, ack 1, win 5000"}, flow.Established, nil},
		// Flags [S.], seq 0, ack 1, length 2
		{"3.10.7.3 fourth", "with text", flow.SynSent, seg(sa, 0, 1, "ab"), []string{"Flags [.], seq 1, ack 3, win 4998"}, flow.Established, nil},
		// Flags [FS.], seq 0, ack 1
		{"3.10.7.3 fourth", "with a FIN", flow.SynSent, seg(sa|wire.FIN, 0, 1, ""), []string{"Flags [.], seq 1, ack 2, win 4999"}, flow.CloseWait, nil},
		// Flags [S], seq 0
		{"3.10.7.3 fourth", "simultaneous open", flow.SynSent, seg(s, 0, 0, ""), []string{"Flags [S.], seq 0, ack 1, win 5000, options [mss 1460]"}, flow.SynReceived, nil},
		// Flags [.], seq 0, ack 1
		{"3.10.7.3 fifth", "neither SYN nor RST", flow.SynSent, seg(a, 0, 1, ""), nil, flow.SynSent, nil},

		// 3.10.7.4. SYN-RECEIVED from LISTEN.
		// Flags [R], seq 1
		{"3.10.7.4 second", "back to LISTEN", flow.SynReceived, seg(r, 1, 0, ""), nil, flow.Closed, syscall.ECONNREFUSED},
		// Flags [S], seq 3
		{"3.10.7.4 fourth", "back to LISTEN", flow.SynReceived, seg(s, 3, 0, ""), nil, flow.Closed, errRefused},
		// Flags [S], seq 0
		{"3.10.7.4 first", "the SYN again: the SYN-ACK again", flow.SynReceived, seg(s, 0, 0, ""), []string{"Flags [S.], seq 0, ack 1, win 5000, options [mss 1460]"}, flow.SynReceived, nil},
		// Flags [.], seq 1, ack 1
		{"3.10.7.4 fifth", "enter ESTABLISHED", flow.SynReceived, seg(a, 1, 1, ""), nil, flow.Established, nil},
		// Flags [.], seq 1, ack 2
		{"3.10.7.4 fifth", "not acceptable: reset", flow.SynReceived, seg(a, 1, 2, ""), []string{"Flags [R], seq 2, win 0"}, flow.SynReceived, nil},
		// Flags [.], seq 1, ack 0
		{"3.10.7.4 fifth", "not acceptable: reset", flow.SynReceived, seg(a, 1, 0, ""), []string{"Flags [R], seq 0, win 0"}, flow.SynReceived, nil},
		// Flags [F.], seq 1, ack 1
		{"3.10.7.4 eighth", "ESTABLISHED, and on at once", flow.SynReceived, seg(fa, 1, 1, ""), []string{"Flags [.], seq 1, ack 2, win 4999"}, flow.CloseWait, nil},

		// Fifth, the ACK field of the states that close.
		// Flags [.], seq 1, ack 2
		{"3.10.7.4 fifth", "our FIN is acknowledged", flow.FinWait1, seg(a, 1, 2, ""), nil, flow.FinWait2, nil},
		// Flags [.], seq 2, ack 2
		{"3.10.7.4 fifth", "our FIN is acknowledged", flow.Closing, seg(a, 2, 2, ""), nil, flow.TimeWait, nil},
		// Flags [.], seq 2, ack 2
		{"3.10.7.4 fifth", "our FIN is acknowledged", flow.LastAck, seg(a, 2, 2, ""), nil, flow.Closed, nil},
		// Flags [.], seq 2, ack 1
		{"3.10.7.4 fifth", "our FIN is not", flow.LastAck, seg(a, 2, 1, ""), nil, flow.LastAck, nil},
		// Flags [F.], seq 1, ack 2
		{"3.10.7.4 fifth", "TIME-WAIT: the FIN again", flow.TimeWait, seg(fa, 1, 2, ""), []string{ack[flow.TimeWait]}, flow.TimeWait, nil},

		// Seventh, the text.
		// Flags [.], seq 1:6, ack 1
		{"3.10.7.4 seventh", "is acknowledged, later", flow.Established, seg(a, 1, 1, "hello"), nil, flow.Established, nil},
		// Flags [.], seq 3:8, ack 1
		{"3.10.7.4 seventh", "what is early draws a duplicate ACK", flow.Established, seg(a, 3, 1, "hello"), []string{"Flags [.], seq 1, ack 1, win 5000"}, flow.Established, nil},
		// Flags [.], seq 2:4, ack 1
		{"3.10.7.4 seventh", "is ignored after a FIN", flow.CloseWait, seg(a, 2, 1, "ab"), nil, flow.CloseWait, nil},
		// Flags [.], seq 1:3, ack 2
		{"3.10.7.4 seventh", "half-closed, we listen", flow.FinWait2, seg(a, 1, 2, "ab"), nil, flow.FinWait2, nil},

		// Eighth, the FIN bit.
		// Flags [F.], seq 1, ack 1
		{"3.10.7.4 eighth", "ESTABLISHED", flow.Established, seg(fa, 1, 1, ""), []string{ack[flow.CloseWait]}, flow.CloseWait, nil},
		// Flags [F.], seq 1, ack 1
		{"3.10.7.4 eighth", "FIN-WAIT-1, simultaneous close", flow.FinWait1, seg(fa, 1, 1, ""), []string{ack[flow.Closing]}, flow.Closing, nil},
		// Flags [F.], seq 1, ack 2
		{"3.10.7.4 eighth", "FIN-WAIT-1, both in one", flow.FinWait1, seg(fa, 1, 2, ""), []string{ack[flow.TimeWait]}, flow.TimeWait, nil},
		// Flags [F.], seq 1, ack 2
		{"3.10.7.4 eighth", "FIN-WAIT-2", flow.FinWait2, seg(fa, 1, 2, ""), []string{ack[flow.TimeWait]}, flow.TimeWait, nil},
		// Flags [F.], seq 4, ack 1
		{"3.10.7.4 eighth", "a FIN that overtook text waits", flow.Established, seg(fa, 4, 1, ""), []string{"Flags [.], seq 1, ack 1, win 5000"}, flow.Established, nil},
	}
	for _, state := range all {
		next, una := theirs[state], ours[state]
		if state == flow.FinWait1 || state == flow.Closing || state == flow.LastAck {
			una--
		}
		reset := map[flow.State]error{flow.SynReceived: syscall.ECONNREFUSED, flow.Closing: nil, flow.LastAck: nil, flow.TimeWait: nil}
		err, quiet := reset[state]
		if !quiet {
			err = syscall.ECONNRESET
		}
		rules = append(rules,
			// Flags [.], seq RCV.NXT-1, ack SND.UNA: a keepalive
			rule{"3.10.7.4 first", "before the window: ACK", state, seg(a, next-1, una, ""), []string{ack[state]}, state, nil},
			// Flags [.], seq RCV.NXT+5000
			rule{"3.10.7.4 first", "after the window: ACK", state, seg(a, next+5000, una, "x"), []string{ack[state]}, state, nil},
			// Flags [R], seq RCV.NXT-1
			rule{"3.10.7.4 first", "a reset before the window: nothing", state, seg(r, next-1, 0, ""), nil, state, nil},
			// Flags [R], seq RCV.NXT+5000
			rule{"3.10.7.4 first", "a reset after the window: nothing", state, seg(r, next+5000, 0, ""), nil, state, nil},
			// Flags [R], seq RCV.NXT+1
			rule{"3.10.7.4 second", "in the window, not exact: challenge ACK", state, seg(r, next+1, 0, ""), []string{ack[state]}, state, nil},
			// Flags [R], seq RCV.NXT
			rule{"3.10.7.4 second", "an exact reset", state, seg(r, next, 0, ""), nil, flow.Closed, err},
			// Flags [none], seq RCV.NXT, length 1
			rule{"3.10.7.4 fifth", "without ACK: nothing", state, seg(0, next, 0, "x"), nil, state, nil},
		)
		if state != flow.SynReceived {
			rules = append(rules,
				// Flags [S], seq RCV.NXT
				rule{"3.10.7.4 fourth", "a SYN: challenge ACK", state, seg(s, next, 0, ""), []string{ack[state]}, state, nil},
				// Flags [S.], seq 0, ack 1: the handshake's, again
				rule{"3.10.7.4 first", "the SYN-ACK again: ACK", state, seg(sa, 0, 1, ""), []string{ack[state]}, state, nil},
				// Flags [.], seq RCV.NXT, ack SND.NXT+1
				rule{"3.10.7.4 fifth", "acknowledges what was not sent: ACK", state, seg(a, next, ours[state]+1, ""), []string{ack[state]}, state, nil},
				// Flags [.], seq RCV.NXT, ack SND.UNA-MAX.SND.WND-1 (RFC 5961, Section 5.2)
				rule{"3.10.7.4 fifth", "acknowledges too long ago: challenge ACK", state, seg(a, next, una-1001, ""), []string{ack[state]}, state, nil},
				// Flags [.], seq RCV.NXT, ack SND.UNA-5
				rule{"3.10.7.4 fifth", "an old ACK: nothing", state, seg(a, next, una-5, ""), nil, state, nil},
			)
		}
	}
	for _, rule := range rules {
		name := rule.section + " " + rule.in.String() + ": " + rule.what
		c := in(t, rule.in)
		c.hears(rule.arrives)
		if said := c.said(); !slices.Equal(said, rule.sends) {
			t.Errorf("%s:\n got %q\nwant %q", name, said, rule.sends)
		}
		if c.state != rule.then || !errors.Is(c.err, rule.err) || c.err != nil && rule.err == nil {
			t.Errorf("%s: then %v (%v), want %v (%v)", name, c.state, c.err, rule.then, rule.err)
		}
		checkInvariants(t, c)
	}
}

// LISTEN (RFC 9293, Section 3.10.7.2).
func TestListenRules(t *testing.T) {
	for _, rule := range []struct {
		what    string
		arrives wire.Segment
		sends   []string
		begins  bool
	}{
		// Flags [R], seq 0
		{"first: a reset is ignored", seg(r, 0, 0, ""), nil, false},
		// Flags [S.], seq 0, ack 9
		{"second: an ACK draws a reset", seg(sa, 0, 9, ""), []string{"Flags [R], seq 9, win 0"}, false},
		// Flags [S], seq 0
		{"third: a SYN", seg(s, 0, 0, ""), []string{"Flags [S.], seq 0, ack 1, win 5000, options [mss 1460]"}, true},
		// Flags [F], seq 0
		{"fourth: all else is dropped", seg(wire.FIN, 0, 0, "abc"), nil, false},
	} {
		c := newConn(plainConfig(), antAddr, appleAddr)
		begins := c.listen(epoch, &wire.Header{}, &rule.arrives)
		if said := c.said(); begins != rule.begins || !slices.Equal(said, rule.sends) {
			t.Errorf("%s: %v %q, want %q", rule.what, begins, said, rule.sends)
		}
	}
}

// An active open that met a SYN is no listener: a SYN in its window is
// challenged (RFC 9293, Section 3.10.7.4, fourth).
func TestSimultaneousOpenChallengesSYN(t *testing.T) {
	c := in(t, flow.SynSent)
	c.hears(seg(s, 0, 0, ""))
	c.said()
	c.hears(seg(s, 2, 0, ""))
	if said := c.said(); !slices.Equal(said, []string{"Flags [.], seq 1, ack 1, win 5000"}) || c.state != flow.SynReceived {
		t.Errorf("%v %q", c.state, said)
	}
}
