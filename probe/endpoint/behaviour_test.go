package endpoint

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// wake lets the next timer run out, and returns when that was.
func (c *conn) wake() time.Duration {
	at := c.deadline
	c.expire(at)
	return at.Sub(epoch)
}

func lines(t *testing.T, c *conn, want ...string) {
	t.Helper()
	if said := c.said(); !slices.Equal(said, want) {
		t.Errorf("\n got %q\nwant %q", said, want)
	}
}

// Every option is the caller's to choose, and each is used only if both ends
// have it.
func TestOptions(t *testing.T) {
	peer := []wire.Option{wire.MSS(1000), wire.SACKPermitted(), wire.Timestamps(70, 0), wire.WindowScale(3)}
	isn := FixedISN(testISS)
	for _, c := range []struct {
		name        string
		cfg         Config
		syn, synACK string
	}{
		{"usual", Config{ISN: isn},
			"Flags [S], seq 0, win 65535, options [mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 5]",
			"Flags [S.], seq 0, ack 1, win 65535, options [mss 1460,sackOK,TS val 0 ecr 70,nop,wscale 5]"},
		{"chosen", Config{ISN: isn, MSS: 536, Window: 1000, WindowScale: 2, TSval: 7},
			"Flags [S], seq 0, win 1000, options [mss 536,sackOK,TS val 7 ecr 0,nop,wscale 2]",
			"Flags [S.], seq 0, ack 1, win 1000, options [mss 536,sackOK,TS val 7 ecr 70,nop,wscale 2]"},
		{"no timestamps", Config{ISN: isn, NoTimestamps: true, MTU: 9000},
			"Flags [S], seq 0, win 65535, options [mss 8960,nop,nop,sackOK,nop,wscale 5]",
			"Flags [S.], seq 0, ack 1, win 65535, options [mss 8960,nop,nop,sackOK,nop,wscale 5]"},
		{"no SACK", Config{ISN: isn, NoSACK: true},
			"Flags [S], seq 0, win 65535, options [mss 1460,nop,nop,TS val 0 ecr 0,nop,wscale 5]",
			"Flags [S.], seq 0, ack 1, win 65535, options [mss 1460,nop,nop,TS val 0 ecr 70,nop,wscale 5]"},
		{"none", Config{ISN: isn, NoMSS: true, NoSACK: true, NoTimestamps: true, NoWindowScale: true},
			"Flags [S], seq 0, win 65535", "Flags [S.], seq 0, ack 1, win 65535"},
	} {
		t.Run(c.name, func(t *testing.T) {
			active := newConn(c.cfg, antAddr, appleAddr)
			active.open(epoch)
			lines(t, active, c.syn)
			lines(t, passive(c.cfg, peer...), c.synACK)
			if bare := passive(c.cfg); strings.Contains(strings.Join(bare.said(), ""), "TS") || bare.sack || bare.receiveShift != 0 {
				t.Error("uses options that the peer has not offered")
			}
		})
	}
}

// RFC 6298: a second, then twice that, to be given up in the end.
func TestSYNTimeouts(t *testing.T) {
	cfg := plainConfig()
	cfg.GiveUp = 10 * time.Second
	c := newConn(cfg, antAddr, appleAddr)
	c.open(epoch)
	for _, want := range []time.Duration{1, 3, 7} {
		c.said()
		if at := c.wake(); at != want*time.Second {
			t.Errorf("at %v, want %v s", at, want)
		}
		lines(t, c, "Flags [S], seq 0, win 5000, options [mss 1460]")
	}
	if c.wake(); c.state != flow.Closed || c.err != syscall.ETIMEDOUT {
		t.Errorf("%v %v", c.state, c.err)
	}
	lines(t, c)
	if !c.deadline.IsZero() {
		t.Error("a timer runs")
	}
}

// Data after a lost SYN begins with 3 s and one segment (RFC 6298, rule 5.7;
// RFC 5681, Section 3.1).
func TestAfterLostSYN(t *testing.T) {
	c := newConn(plainConfig(), antAddr, appleAddr)
	c.open(epoch)
	c.wake()
	c.hears(seg(sa, 0, 1, ""))
	c.said()
	c.write(c.now, make([]byte, 2000))
	lines(t, c, "Flags [.], seq 1:537, ack 1, win 5000")
	if d := c.deadline.Sub(c.now); d != 3*time.Second {
		t.Errorf("RTO %v", d)
	}
}

func TestRetransmissionTimeout(t *testing.T) {
	c := in(t, flow.Established)
	c.write(c.now, []byte("hello"))
	c.closeWrite(c.now)
	start := c.now.Sub(epoch)
	lines(t, c, "Flags [P.], seq 1:6, ack 1, win 5000", "Flags [F.], seq 6, ack 1, win 5000")
	for _, want := range []time.Duration{200, 600, 1400} {
		if at := c.wake() - start; at != want*time.Millisecond {
			t.Errorf("at %v, want %v ms", at, want)
		}
		lines(t, c, "Flags [FP.], seq 1:6, ack 1, win 5000")
	}
	c.hears(seg(a, 1, 7, ""))
	if c.state != flow.FinWait2 || !c.deadline.IsZero() {
		t.Errorf("%v, timer %v", c.state, c.deadline)
	}
}

func TestDelayedACK(t *testing.T) {
	c := in(t, flow.Established)
	full := strings.Repeat("x", 1000)
	c.hears(seg(a, 1, 1, full))
	lines(t, c)
	from := c.now.Sub(epoch)
	if at := c.wake() - from; at != 40*time.Millisecond {
		t.Errorf("after %v", at)
	}
	lines(t, c, "Flags [.], seq 1, ack 1001, win 4000")
	// Every second full segment at once (RFC 9293, Section 3.8.6.3).
	c.hears(seg(a, 1001, 1, full), seg(a, 2001, 1, full))
	lines(t, c, "Flags [.], seq 1, ack 3001, win 2000")
	// What fills a gap at once.
	c.hears(seg(a, 3011, 1, "late"))
	lines(t, c, "Flags [.], seq 1, ack 3001, win 2000")
	c.hears(seg(a, 3001, 1, "0123456789"))
	lines(t, c, "Flags [.], seq 1, ack 3015, win 1986")
	// Reading opens the window, once it is worth it.
	var b [5000]byte
	if n, _ := c.read(c.now, b[:10]); n != 10 {
		t.Fatal(n)
	}
	lines(t, c)
	if n, _ := c.read(c.now, b[:]); n != 3004 {
		t.Fatal(n)
	}
	lines(t, c, "Flags [.], seq 1, ack 3015, win 5000")
}

// A window that has closed is probed with one octet, for as long as the peer
// answers (RFC 9293, Section 3.8.6.1).
func TestZeroWindowProbe(t *testing.T) {
	c := in(t, flow.Established)
	closed, open := seg(a, 1, 1, ""), seg(a, 1, 3, "")
	closed.Window, open.Window = 0, 1000
	c.hears(closed)
	c.write(c.now, []byte("hello"))
	lines(t, c)
	start := c.now
	for range 12 {
		c.wake()
		lines(t, c, "Flags [.], seq 1:2, ack 1, win 5000")
		c.hears(closed)
	}
	if waited := c.now.Sub(start); waited < 2*time.Minute || c.state != flow.Established {
		t.Fatalf("%v after %v", c.state, waited)
	}
	taken := seg(a, 1, 2, "") // the octet was taken, and the window is closed again
	taken.Window = 0
	c.hears(taken)
	lines(t, c)
	c.wake()
	lines(t, c, "Flags [.], seq 2:3, ack 1, win 5000")
	c.hears(open)
	lines(t, c, "Flags [P.], seq 3:6, ack 1, win 5000")
	// A probe that was not taken is sent again with the rest.
	c = in(t, flow.Established)
	c.hears(closed)
	c.write(c.now, []byte("hello"))
	c.wake()
	c.said()
	open.Ack = testISS.Add(1)
	c.hears(open)
	lines(t, c, "Flags [.], seq 1:2, ack 1, win 5000", "Flags [P.], seq 2:6, ack 1, win 5000")
}

// The third duplicate ACK has the first segment sent again (RFC 5681, Section
// 3.2), with SACK what it says is missing and no more (RFC 6675).
func TestFastRetransmit(t *testing.T) {
	ready := func(cfg Config, options ...wire.Option) *conn {
		cfg.ISN = FixedISN(testISS)
		c := newConn(cfg, antAddr, appleAddr)
		c.open(epoch)
		syn := seg(sa, 0, 1, "", append(options, wire.MSS(1000))...)
		syn.Window = 0xffff
		c.hears(syn)
		c.write(c.now, make([]byte, 8000))
		if said := c.said(); len(said) != 10 {
			t.Fatalf("%q", said)
		}
		return c
	}
	c := ready(plainConfig())
	dup := seg(a, 1, 1, "")
	dup.Window = 0xffff
	c.hears(dup, dup)
	lines(t, c)
	c.hears(dup)
	lines(t, c, "Flags [.], seq 1:1001, ack 1, win 5000")
	partial := seg(a, 1, 3001, "")
	partial.Window = 0xffff
	c.hears(partial)
	lines(t, c, "Flags [.], seq 3001:4001, ack 1, win 5000")

	sack := func(blocks ...int32) wire.Segment {
		var all []wire.SACKBlock
		for i := 0; i < len(blocks); i += 2 {
			all = append(all, wire.SACKBlock{Left: testISS.Add(uint32(blocks[i])), Right: testISS.Add(uint32(blocks[i+1]))})
		}
		return seg(a, 1, 1, "", wire.SACK(all...))
	}
	c = ready(Config{NoTimestamps: true, NoWindowScale: true}, wire.SACKPermitted())
	c.hears(sack(1001, 2001), sack(1001, 2001), sack(1001, 2001)) // no news
	lines(t, c)
	c.hears(sack(1001, 2001, 3001, 4001))
	lines(t, c)
	c.hears(sack(1001, 2001, 3001, 4001, 5001, 6001))
	lines(t, c, "Flags [.], seq 1:1001, ack 1, win 65535")
	c.hears(sack(1001, 2001, 3001, 4001, 5001, 7001), sack(5001, 8001))
	lines(t, c, "Flags [.], seq 2001:3001, ack 1, win 65535", "Flags [.], seq 4001:5001, ack 1, win 65535")
	if c.congestion.cwnd != 4000 {
		t.Errorf("cwnd %d", c.congestion.cwnd)
	}
}

// What is early is told by SACK, the latest first (RFC 2018, Section 4), and
// what comes twice by D-SACK (RFC 2883).
func TestSACKBlocks(t *testing.T) {
	c := newConn(Config{ISN: FixedISN(testISS), Window: 5000, NoTimestamps: true, NoWindowScale: true}, antAddr, appleAddr)
	c.open(epoch)
	c.hears(seg(sa, 0, 1, "", wire.SACKPermitted()))
	c.said()
	c.hears(seg(a, 11, 1, "abcde"))
	lines(t, c, "Flags [.], seq 1, ack 1, win 5000, options [nop,nop,sack 1 {11:16}]")
	c.hears(seg(a, 31, 1, "abcde"), seg(a, 21, 1, "abcde"))
	c.said()
	c.hears(seg(a, 16, 1, "f"))
	lines(t, c, "Flags [.], seq 1, ack 1, win 5000, options [nop,nop,sack 3 {11:17}{21:26}{31:36}]")
	c.hears(seg(a, 31, 1, "abcde"))
	lines(t, c, "Flags [.], seq 1, ack 1, win 5000, options [nop,nop,sack 4 {31:36}{31:36}{11:17}{21:26}]")
	c.hears(seg(a, 1, 1, "0123456789"))
	lines(t, c, "Flags [.], seq 1, ack 17, win 4984, options [nop,nop,sack 2 {31:36}{21:26}]")
	c.hears(seg(a, 1, 1, "0123456789"))
	lines(t, c, "Flags [.], seq 1, ack 17, win 4984, options [nop,nop,sack 3 {1:11}{31:36}{21:26}]")
}

// RFC 7323, Sections 4.3 and 5.3.
func TestTimestamps(t *testing.T) {
	c := newConn(Config{ISN: FixedISN(testISS), Window: 5000, NoSACK: true, NoWindowScale: true, TSval: 0xffffffff}, antAddr, appleAddr)
	c.open(epoch)
	lines(t, c, "Flags [S], seq 0, win 5000, options [mss 1460,nop,nop,TS val 4294967295 ecr 0]")
	c.hears(seg(sa, 0, 1, "", wire.Timestamps(0xfffffff0, 0)))
	lines(t, c, "Flags [.], seq 1, ack 1, win 5000, options [nop,nop,TS val 0 ecr 4294967280]")
	c.hears(seg(a, 1, 1, "new", wire.Timestamps(5, 0))) // wrapped
	c.wake()
	lines(t, c, "Flags [.], seq 1, ack 4, win 4997, options [nop,nop,TS val 41 ecr 5]")
	c.hears(seg(a, 4, 1, "old", wire.Timestamps(4, 0)))
	lines(t, c, "Flags [.], seq 1, ack 4, win 4997, options [nop,nop,TS val 42 ecr 5]")
	c.hears(seg(a, 4, 1, "none"))
	lines(t, c)
	c.hears(seg(a, 14, 1, "early", wire.Timestamps(9, 0))) // not echoed: something is missing before it
	lines(t, c, "Flags [.], seq 1, ack 4, win 4997, options [nop,nop,TS val 44 ecr 5]")
	c.hears(seg(r, 4, 0, "", wire.Timestamps(1, 0))) // not for resets
	if c.err != syscall.ECONNRESET {
		t.Errorf("%v", c.err)
	}
}

func TestChallengesAreThrottled(t *testing.T) {
	c := in(t, flow.Established)
	for range 100 {
		c.hears(seg(s, 1, 0, ""))
	}
	if n := len(c.said()); n != 10 {
		t.Errorf("%d challenge ACKs in a tenth of a second", n)
	}
}

func TestCalls(t *testing.T) {
	for _, c := range []struct {
		name  string
		in    flow.State
		call  func(*conn)
		sends []string
		then  flow.State
	}{
		// RFC 9293, Section 3.10.4.
		{"close", flow.SynSent, func(c *conn) { c.close(c.now) }, nil, flow.Closed},
		{"close", flow.SynReceived, func(c *conn) { c.close(c.now) }, nil, flow.SynReceived},
		{"close", flow.Established, func(c *conn) { c.close(c.now) }, []string{"Flags [F.], seq 1, ack 1, win 5000"}, flow.FinWait1},
		{"close", flow.CloseWait, func(c *conn) { c.close(c.now) }, []string{"Flags [F.], seq 1, ack 2, win 4999"}, flow.LastAck},
		{"close twice", flow.FinWait2, func(c *conn) { c.close(c.now) }, nil, flow.FinWait2},
		// RFC 9293, Section 3.6.1.
		{"close with unread octets", flow.Established, func(c *conn) { c.hears(seg(a, 1, 1, "x")); c.close(c.now) }, []string{"Flags [R], seq 1, win 0"}, flow.Closed},
		{"octets after close", flow.FinWait2, func(c *conn) { c.close(c.now); c.hears(seg(a, 1, 2, "x")) }, []string{"Flags [R], seq 2, win 0"}, flow.Closed},
		{"no FIN after close", flow.FinWait2, func(c *conn) { c.close(c.now); c.wake() }, []string{"Flags [R], seq 2, win 0"}, flow.Closed},
		// RFC 9293, Section 3.10.5.
		{"abort", flow.SynSent, func(c *conn) { c.abort(c.now) }, nil, flow.Closed},
		{"abort", flow.SynReceived, func(c *conn) { c.abort(c.now) }, []string{"Flags [R], seq 1, win 0"}, flow.Closed},
		{"abort", flow.Established, func(c *conn) { c.abort(c.now) }, []string{"Flags [R], seq 1, win 0"}, flow.Closed},
		{"abort", flow.CloseWait, func(c *conn) { c.abort(c.now) }, []string{"Flags [R], seq 1, win 0"}, flow.Closed},
		{"abort", flow.LastAck, func(c *conn) { c.abort(c.now) }, nil, flow.Closed},
		{"abort", flow.TimeWait, func(c *conn) { c.abort(c.now) }, nil, flow.Closed},
		{"TIME-WAIT is over", flow.TimeWait, func(c *conn) { c.wake() }, nil, flow.Closed},
	} {
		conn := in(t, c.in)
		c.call(conn)
		if said := conn.said(); !slices.Equal(said, c.sends) || conn.state != c.then {
			t.Errorf("%s in %v: %q, %v", c.name, c.in, said, conn.state)
		}
	}
	// What is written before the connection is made waits; and so does a FIN.
	c := in(t, flow.SynReceived)
	c.write(c.now, []byte("hi"))
	c.closeWrite(c.now)
	lines(t, c)
	c.hears(seg(a, 1, 1, ""))
	lines(t, c, "Flags [FP.], seq 1:3, ack 1, win 5000")
	if _, err := c.write(c.now, []byte("more")); !errors.Is(err, errClosing) {
		t.Error(err)
	}
}

// TIME-WAIT begins anew with each FIN.
func TestTimeWaitRestarts(t *testing.T) {
	c := in(t, flow.TimeWait)
	first := c.deadline
	c.now = first.Add(-time.Millisecond - time.Second)
	c.hears(seg(fa, 1, 2, ""))
	if d := c.deadline.Sub(c.now); d != 2*time.Second {
		t.Errorf("%v left", d)
	}
}

// A script changes an exchange in chosen places, and the rest goes on.
func TestScript(t *testing.T) {
	flags := func(f wire.Flags) func(*Datagram) bool {
		return func(d *Datagram) bool { return d.Segment.Flags == f }
	}
	cfg := plainConfig()
	cfg.Script = []Rule{
		{Match: flags(a), Do: Duplicate},
		{Match: flags(wire.PSH | a), Do: Replace, Edit: func(d *Datagram) {
			d.Segment.Payload[0] = 'H'
			d.Header.TTL = 3
		}},
		{Match: flags(fa), Do: Hold},
		{Incoming: true, Do: Drop},
		{Incoming: true, Match: flags(fa), Do: Hold},
	}
	c := newConn(cfg, antAddr, appleAddr)
	c.open(epoch)
	lines(t, c, "Flags [S], seq 0, win 5000, options [mss 1460]")
	c.hears(seg(sa, 0, 1, "")) // dropped
	lines(t, c)
	c.hears(seg(sa, 0, 1, ""))
	lines(t, c, "Flags [.], seq 1, ack 1, win 5000", "Flags [.], seq 1, ack 1, win 5000")
	c.write(c.now, []byte("hello"))
	if d := c.out[0]; string(d.Segment.Payload) != "Hello" || d.Header.TTL != 3 {
		t.Errorf("%q TTL %d", d.Segment.Payload, d.Header.TTL)
	}
	c.said()
	c.hears(seg(a, 1, 6, ""))
	c.closeWrite(c.now)
	c.hears(seg(fa, 1, 6, ""))
	lines(t, c)
	if c.state != flow.FinWait1 {
		t.Error(c.state)
	}
	c.release(c.now, false)
	lines(t, c, "Flags [F.], seq 6, ack 1, win 5000")
	c.release(c.now, true)
	lines(t, c, "Flags [.], seq 7, ack 2, win 4999")
	if c.state != flow.Closing {
		t.Error(c.state)
	}
	// For a number of segments, and for good.
	c = in(t, flow.Established)
	c.script.rules = []Rule{{Do: Drop, Times: 2}, {Do: Hold, Times: -1}, {Incoming: true, Do: Hold, Times: -1}}
	for i := range 5 {
		c.write(c.now, []byte{byte(i)})
	}
	lines(t, c)
	c.release(c.now, true)
	lines(t, c)
	c.release(c.now, false)
	lines(t, c, "Flags [P.], seq 3:4, ack 1, win 5000", "Flags [P.], seq 4:5, ack 1, win 5000", "Flags [P.], seq 5:6, ack 1, win 5000")
	if len(c.script.rules) != 0 {
		t.Error("rules left")
	}
}

// Octets that wait are those that a plain map would hold.
func TestReassembly(t *testing.T) {
	for seed := range uint64(200) {
		dice := pattern(600, seed)
		var r reassembly
		have := map[int]byte{}
		const base, size = wire.Seq(0xffffffc0), 160
		for i := 0; i+2 < len(dice); i += 3 {
			at, n := 1+int(dice[i])%size, 1+int(dice[i+1])%20
			octets := bytes.Repeat([]byte{dice[i+2]}, n)
			r.insert(base.Add(uint32(at)), octets)
			for k := range n {
				if _, ok := have[at+k]; !ok {
					have[at+k] = dice[i+2]
				}
			}
			if i%60 == 57 {
				break
			}
		}
		n := 0
		for _, p := range r.pieces {
			for k, b := range p.octets {
				if n++; have[int(p.seq.Sub(base))+k] != b {
					t.Fatalf("seed %d: octet %d is %d, want %d", seed, int(p.seq.Sub(base))+k, b, have[int(p.seq.Sub(base))+k])
				}
			}
		}
		if n != len(have) {
			t.Fatalf("seed %d: %d octets, want %d", seed, n, len(have))
		}
	}
}

func TestValidate(t *testing.T) {
	for want, c := range map[string]Config{
		"": {},
		"window 1073741825: the most is 1073741824":                          {Window: 1<<30 + 1},
		"window scale 15: the most is 14":                                    {WindowScale: 15},
		"window scale 1, and yet no window scale":                            {WindowScale: 1, NoWindowScale: true},
		"window 1: with window scale 1 it would always be announced as zero": {Window: 1, WindowScale: 1},
		"DSCP 64: the most is 63":                                            {DSCP: 64},
		"MTU 127: must be from 128 to 65535":                                 {MTU: 127},
		"send buffer -1: must be from 0 to 1073741824":                       {SendBuffer: -1},
		"congestion window -1: must be from 0 to 1073741824":                 {CongestionWindow: -1},
		"MSS 1, and yet no MSS":                                              {MSS: 1, NoMSS: true},
		"a time below zero":                                                  {GiveUp: -1},
	} {
		if err := c.Validate(); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
