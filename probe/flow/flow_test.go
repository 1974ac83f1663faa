package flow

import (
	"testing"
	"time"
)

// Each script is a connection of one kind: how it opens, what goes wrong, how
// it closes.
func TestConnections(t *testing.T) {
	for _, c := range []struct {
		name, script string
		close        Close
		first        string // who closed first
	}{
		{"open", handshake, Open, ""},
		{"syn unanswered", `
			> S 100 = handshake-1/3 / syn-sent unknown
			+1s > S 100 = handshake-1/3 retransmission / syn-sent unknown`, Abandoned, ""},
		{"closed port", `
			> S 100 = handshake-1/3 / syn-sent unknown
			< R. 0 ack 101 win 0 = reset / closed closed`, ByReset, ""},
		{"half-open probe", `
			> S 100 = handshake-1/3 / syn-sent unknown
			< S. 300 ack 101 = handshake-2/3 / established syn-received
			> R 101 win 0 = reset / closed closed`, ByReset, ""},
		{"syn lost", `
			> S 100 = handshake-1/3 / syn-sent unknown
			+1s > S 100 = handshake-1/3 retransmission / syn-sent unknown
			< S. 300 ack 101 = handshake-2/3 / established syn-received
			> . 101 ack 301 = handshake-3/3 / established established`, Open, ""},
		{"syn-ack lost behind the capture", `
			> S 100 = handshake-1/3 / syn-sent unknown
			< S. 300 ack 101 = handshake-2/3 / established syn-received
			+1s > S 100 = handshake-1/3 retransmission / syn-sent syn-received
			< S. 300 ack 101 = handshake-2/3 retransmission / established syn-received
			> . 101 ack 301 = handshake-3/3 / established established`, Open, ""},
		{"last ack of the handshake lost behind the capture", handshake + `
			+1s < S. 300 ack 101 = handshake-2/3 retransmission spurious / established syn-received
			> . 101 ack 301 = duplicate-ack / established established`, Open, ""},
		{"last ack of the handshake lost before the capture", `
			> S 100 = handshake-1/3 / syn-sent unknown
			< S. 300 ack 101 = handshake-2/3 / established syn-received
			> P. 101+5 ack 301 = handshake-3/3 data / established established`, Open, ""},
		{"syn missing from the capture", `
			< S. 300 ack 101 = handshake-2/3 gap / established syn-received
			> . 101 ack 301 = handshake-3/3 / established established`, Open, ""},
		{"syn-ack missing from the capture", `
			> S 100 = handshake-1/3 / syn-sent unknown
			> . 101 ack 301 = ack gap / unknown unknown
			< P. 301+5 ack 101 = data / established established`, Open, ""},
		{"syn-ack and ack missing from the capture", `
			> S 100 = handshake-1/3 / syn-sent unknown
			< P. 301+5 ack 101 = data gap / unknown unknown
			< P. 306+5 ack 101 = data / established established`, Open, ""},
		{"simultaneous open", `
			> S 100 = handshake-1/3 / syn-sent unknown
			< S 300 = handshake-1/3 simultaneous-open / syn-received syn-sent
			> S. 100 ack 301 = handshake-2/3 / syn-received established
			< S. 300 ack 101 = handshake-2/3 / established established`, Open, ""},
		{"four-way close", handshake + `
			> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
			+1ms < . 301 ack 102 = close-2/4 / fin-wait-2 close-wait
			+99ms < F. 301 ack 102 = close-3/4 / time-wait last-ack
			> . 102 ack 302 = close-4/4 / time-wait closed`, FourWay, "client"},
		{"three-segment close by the server", handshake + `
			< F. 301 ack 101 = close-1/4 / close-wait fin-wait-1
			> F. 101 ack 302 = close-2/4 close-3/4 / last-ack time-wait
			< . 302 ack 102 = close-4/4 / closed time-wait`, ThreeSegment, "server"},
		{"simultaneous close", handshake + `
			> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
			< F. 301 ack 101 = close-2/4 simultaneous-close / closing fin-wait-1
			> . 102 ack 302 = close-3/4 / closing time-wait
			< . 302 ack 102 = close-4/4 / time-wait time-wait`, Simultaneous, "both"},
		{"simultaneous close, the fin sent again", handshake + `
			< F. 301 ack 101 = close-1/4 / close-wait fin-wait-1
			> F. 101 ack 301 = close-2/4 simultaneous-close / fin-wait-1 closing
			< . 302 ack 102 = close-3/4 / time-wait closing
			+200ms < F. 301 ack 102 = retransmission / time-wait closing
			> . 102 ack 302 = close-4/4 / time-wait time-wait`, Simultaneous, "both"},
		{"half-close", handshake + `
			> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
			< . 301 ack 102 = close-2/4 / fin-wait-2 close-wait
			< P. 301+50 ack 102 = data half-closed / fin-wait-2 close-wait
			> . 102 ack 351 = ack / fin-wait-2 close-wait`, OneSided, "client"},
		{"data carries the ack of the fin", handshake + `
			> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
			< P. 301+30 ack 102 = data close-2/4 half-closed / fin-wait-2 close-wait
			< F. 331 ack 102 = close-3/4 / time-wait last-ack
			> . 102 ack 332 = close-4/4 / time-wait closed`, FourWay, "client"},
		{"fin lost before the capture", handshake + `
			> P. 101+5 ack 301 = data / established established
			> F. 106 ack 301 = close-1/4 / fin-wait-1 close-wait
			+200ms > F. 106 ack 301 = retransmission / fin-wait-1 close-wait
			< F. 301 ack 107 = close-2/4 close-3/4 / time-wait last-ack
			> . 107 ack 302 = close-4/4 / time-wait closed`, ThreeSegment, "client"},
		{"fin lost behind the capture", handshake + `
			> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
			< P. 301+5 ack 101 = data / fin-wait-1 established
			+200ms > F. 101 ack 306 = retransmission / fin-wait-1 close-wait`, OneSided, "client"},
		{"ack of the first fin lost behind the capture", handshake + `
			> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
			< . 301 ack 102 = close-2/4 / fin-wait-2 close-wait
			+200ms > F. 101 ack 301 = retransmission spurious / fin-wait-1 close-wait
			< . 301 ack 102 = duplicate-ack / fin-wait-2 close-wait`, OneSided, "client"},
		{"second fin missing from the capture", handshake + `
			> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
			< . 301 ack 102 = close-2/4 / fin-wait-2 close-wait
			> . 102 ack 302 = ack gap / unknown unknown`, NotKnown, ""},
		{"first fin missing from the capture", handshake + `
			> . 101 ack 302 = ack gap / unknown unknown
			> F. 101 ack 302 = close-1/4 / unknown unknown
			+200ms < F. 301 ack 102 = retransmission spurious close-2/4 close-3/4 close-4/4 / closed time-wait`, NotKnown, "server"},
		{"data in the SYN", `
			> S 100+5 = handshake-1/3 data / syn-sent unknown
			< S. 300 ack 106 = handshake-2/3 / established syn-received
			> . 106 ack 301 = handshake-3/3 / established established`, Open, ""},
		{"last ack of the close lost", handshake + `
			> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
			< F. 301 ack 102 = close-2/4 close-3/4 / time-wait last-ack
			> . 102 ack 302 = close-4/4 / time-wait closed
			+200ms < F. 301 ack 102 = retransmission spurious / time-wait last-ack
			> . 102 ack 302 = duplicate-ack / time-wait closed`, ThreeSegment, "client"},
		{"fin overtakes data", handshake + `
			> F. 111 ack 301 = close-1/4 hole / fin-wait-1 established
			+1ms > P. 101+10 ack 301 = data out-of-order / fin-wait-1 close-wait
			< . 301 ack 112 = close-2/4 / fin-wait-2 close-wait`, OneSided, "client"},
		{"unread data", handshake + `
			> P. 101+5 ack 301 = data / established established
			< . 301 ack 106 = ack / established established
			< R. 301 ack 106 win 64 = reset / closed closed`, ByReset, ""},
		{"data after close", handshake + `
			< F. 301 ack 101 = close-1/4 / close-wait fin-wait-1
			> . 101 ack 302 = close-2/4 / close-wait fin-wait-2
			> P. 101+9 ack 302 = data half-closed / close-wait fin-wait-2
			< R 302 win 0 = reset / closed closed`, ByReset, "server"},
		{"reset after a clean close", handshake + `
			> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
			< . 301 ack 102 = close-2/4 / fin-wait-2 close-wait
			< F. 301 ack 102 = close-3/4 / time-wait last-ack
			> . 102 ack 302 = close-4/4 / time-wait closed
			+3s < R 302 win 0 = reset / closed closed`, FourWay, "client"},
		{"time-wait overflow", handshake + `
			< F. 301 ack 101 = close-1/4 / close-wait fin-wait-1
			> . 101 ack 302 = close-2/4 / close-wait fin-wait-2
			> F. 101 ack 302 = close-3/4 / last-ack time-wait
			< R 302 win 0 = reset / closed closed`, ByReset, "server"},
		{"fin probe of a closed port", `
			> F 1000 = no-ack pick-up / unknown unknown
			< R. 0 ack 1001 win 0 = reset / closed closed`, ByReset, ""},
		{"stray syn-ack", `
			> S 100 = handshake-1/3 / syn-sent unknown
			< S. 300 ack 77 = stray-syn / syn-sent unknown
			< R. 0 ack 77 win 0 = stray-reset / syn-sent unknown
			> R 77 win 0 = stray-reset / syn-sent unknown`, Abandoned, ""},
		{"mid-stream", `
			> P. 1000+10 ack 5000 = data pick-up / unknown unknown
			< P. 5000+10 ack 1010 = data / unknown unknown
			> P. 1010+10 ack 5010 = data / established established
			< P. 5010+10 ack 1020 = data / established established
			> F. 1020 ack 5020 = close-1/4 / fin-wait-1 close-wait`, OneSided, "client"},
		{"mid-stream close", `
			> F. 1000 ack 5000 = close-1/4 pick-up / unknown unknown
			< . 5000 ack 1001 = close-2/4 / unknown unknown
			< F. 5000 ack 1001 = close-3/4 / time-wait last-ack
			> . 1001 ack 5001 = close-4/4 / time-wait closed`, FourWay, "client"},
		{"wraparound", `
			> S 4294967290 = handshake-1/3 / syn-sent unknown
			< S. 4294967295 ack 4294967291 = handshake-2/3 / established syn-received
			> . 4294967291 ack 0 = handshake-3/3 / established established
			> P. 4294967291+10 ack 0 = data / established established
			< . 0 ack 5 = ack / established established
			> F. 5 ack 0 = close-1/4 / fin-wait-1 close-wait
			< F. 0 ack 6 = close-2/4 close-3/4 / time-wait last-ack
			> . 6 ack 1 = close-4/4 / time-wait closed`, ThreeSegment, "client"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := play(t, c.script)
			if got.Close() != c.close {
				t.Errorf("close %v, want %v", got.Close(), c.close)
			}
			client, server := got.ClosedFirst(Client), got.ClosedFirst(Server)
			who := map[[2]bool]string{{true, true}: "both", {true, false}: "client", {false, true}: "server"}[[2]bool{client, server}]
			if who != c.first {
				t.Errorf("%q closed first, want %q", who, c.first)
			}
		})
	}
}

// What happens while a connection stands.
func TestSteps(t *testing.T) {
	const both = " / established established\n"
	for name, script := range map[string]string{
		"keepalive": `
			+2s < . 300 ack 101 = keepalive` + both + `
			> . 101 ack 301 = keepalive-answer` + both + `
			+2s < . 300+1 ack 101 = keepalive` + both,
		"zero window": `
			< . 301 ack 101 win 0 = window-update zero-window` + both + `
			+270ms > . 100 ack 301 = zero-window-probe` + both + `
			< . 301 ack 101 win 0 = zero-window zero-window-answer` + both + `
			+400ms > . 101+1 ack 301 = data zero-window-probe` + both + `
			< . 301 ack 101 win 0 = zero-window zero-window-answer` + both + `
			< . 301 ack 101 win 900 = window-update` + both,
		"retransmission": `
			> P. 101+10 ack 301 = data` + both + `
			+200ms > P. 101+10 ack 301 = retransmission` + both + `
			< . 301 ack 111 = ack` + both + `
			> P. 101+10 ack 301 = retransmission spurious` + both + `
			< . 301 ack 111 = duplicate-ack` + both + `
			> P. 101+15 ack 301 = data retransmission` + both,
		"reordering": `
			> . 111+10 ack 301 = data hole` + both + `
			< . 301 ack 101 = duplicate-ack` + both + `
			> . 101+10 ack 301 = data out-of-order` + both + `
			< . 301 ack 121 = ack` + both,
		"loss before the capture": `
			> . 111+10 ack 301 = data hole` + both + `
			+300ms > . 101+10 ack 301 = data retransmission` + both,
		"fast retransmission": `
			> . 111+10 ack 301 = data hole` + both + `
			< . 301 ack 101 = duplicate-ack` + both + `
			< . 301 ack 101 = duplicate-ack` + both + `
			< . 301 ack 101 = duplicate-ack` + both + `
			> . 101+10 ack 301 = data retransmission` + both,
		"gap in the capture": `
			< . 301 ack 201 = ack gap / unknown unknown
			> . 201+10 ack 301 = data` + both + `
			> . 231+10 ack 301 = data hole` + both + `
			< . 301 ack 241 = ack gap` + both,
		"challenges": `
			> S 900 = stray-syn / unknown established
			< . 301 ack 101 = challenge-ack / unknown established
			> R 150 win 0 = stray-reset / unknown established
			< . 301 ack 101 = challenge-ack / unknown established
			> P. 101+5 ack 301 = data` + both + `
			< . 301 ack 106 = ack` + both + `
			> . 106 ack 1073742125 = unacceptable-ack` + both + `
			< . 301 ack 106 = challenge-ack` + both + `
			> . 1073741930 ack 301 = out-of-window` + both + `
			< . 301 ack 106 = challenge-ack` + both,
		"segments without ACK": `
			> F 101 = no-ack` + both + `
			> P 101+1 = no-ack` + both + `
			> . 101 ack 1073742500 = unacceptable-ack` + both,
		"late syn": `
			> S 100 = handshake-1/3 retransmission spurious` + both + `
			< . 301 ack 101 = challenge-ack` + both,
	} {
		t.Run(name, func(t *testing.T) { play(t, handshake+script) })
	}
}

func TestResetShapes(t *testing.T) {
	const established = `
		> S 100 ttl 60 id 7 = handshake-1/3 / syn-sent unknown
		< S. 300 ack 101 ttl 63 = handshake-2/3 / established syn-received
		> . 101 ack 301 ttl 60 id 8 = handshake-3/3 / established established
	`
	const syn = "> S 100 ttl 60 tos 40 = handshake-1/3 / syn-sent unknown\n"
	const data = "> P. 101+5 ack 301 ttl 60 tos 40 = data / established established\n"
	const plain = "> P. 101+5 ack 301 ttl 60 = data / established established\n"
	const gone = " = reset / closed closed"
	const other = " = reset / closed established" // the server's end goes on
	for _, c := range []struct {
		name, script string
		want         Shape
	}{
		{"P1", established + data + "< R 301 win 0 ttl 63 tos 40" + gone, StatelessACK},
		{"P1, dscp kept by nobody", established + plain + "< R 301 win 0 ttl 63" + gone, StatelessACK},
		{"P1, header not known", handshake + "> P. 101+5 ack 301 = data / established established\n< R 301 win 0" + gone, StatelessACK},
		{"P1 of another machine's own TCP", established + data + "< R 301 win 0 ttl 64 tos 40" + gone, StatelessACK},
		{"P2", syn + "< R. 0 ack 101 win 0 ttl 63 tos 40" + gone, StatelessNoACK},
		{"S", established + data + "< R. 301 ack 106 win 64 ttl 63 id 9" + gone, Active},
		{"S with timestamps", established + data + "< R. 301 ack 106 win 0 ts 1 2 ttl 63 id 9" + gone, Active},
		{"S beyond data in flight", established + "< P. 301+7 ack 101 ttl 63 = data / established established\n< R. 308 ack 101 win 64 ttl 63" + gone, Active},
		{"N by the dscp", established + data + "< R 301 win 0 ttl 63" + other, Firewall},
		{"N by the dscp, to a SYN", syn + "< R. 0 ack 101 win 0 ttl 63 = reset / closed unknown", Firewall},
		{"N by the ttl", established + plain + "< R 301 win 0 ttl 64" + other, Firewall},
		{"Y", established + "< R. 301 ack 101 win 0 ttl 61" + gone, SYNProxy},
		{"none", established + "< R 301 win 12 ttl 63" + gone, ShapeUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlayer(t, Config{})
			p.play(c.script)
			if p.last.Shape != c.want {
				t.Errorf("shape %v, want %v", p.last.Shape, c.want)
			}
			r, ok := p.last.Connection.Reset()
			if !ok || r.Shape != c.want || r.From != Server || !r.At.Equal(p.at) {
				t.Errorf("reset %+v %v", r, ok)
			}
		})
	}
}

// The state of TIME-WAIT is in the way of a new connection on the same ports,
// and its timestamps are newer.
func TestPAWSTrouble(t *testing.T) {
	const closed = handshake + `
		< F. 301 ack 101 = close-1/4 / close-wait fin-wait-1
		> F. 101 ack 302 = close-2/4 close-3/4 / last-ack time-wait
		< . 302 ack 102 = close-4/4 / closed time-wait
	`
	p := newPlayer(t, Config{})
	p.play(closed + `
		+1s > S 9000 = handshake-1/3 / syn-sent unknown
		< . 302 ack 102 = old-ack / syn-sent unknown
		> R 102 win 0 = stray-reset / syn-sent unknown
		+1s > S 9000 = handshake-1/3 retransmission paws-trouble / syn-sent unknown
		< S. 65839 ack 9001 = handshake-2/3 / established syn-received
		> . 9001 ack 65840 = handshake-3/3 / established established
	`)
	if p.table.PAWSTrouble() != 1 || p.last.Connection.PAWSTrouble() != 1 {
		t.Errorf("counted %d, of the connection %d", p.table.PAWSTrouble(), p.last.Connection.PAWSTrouble())
	}

	// The second try may be another connection's.
	p = newPlayer(t, Config{})
	p.play(closed + `
		+1s > S 9000 = handshake-1/3 / syn-sent unknown
		< . 302 ack 102 = old-ack / syn-sent unknown
		> R 102 win 0 = stray-reset / syn-sent unknown
		+1s > S 9500 = handshake-1/3 paws-trouble / syn-sent unknown
	`)
	if p.table.PAWSTrouble() != 1 {
		t.Errorf("counted %d", p.table.PAWSTrouble())
	}

	// A whole socket answers with an IP ID: the client has forgotten its
	// connection, and no timestamps are in the way.
	p = newPlayer(t, Config{})
	p.play(`
		> S 9000 ttl 64 = handshake-1/3 / syn-sent unknown
		< . 302 ack 102 ttl 63 id 77 = challenge-ack old-ack / syn-sent unknown
		> R 102 win 0 ttl 64 = stray-reset / syn-sent unknown
		+1s > S 9000 ttl 64 = handshake-1/3 retransmission / syn-sent unknown
	`)
	if p.table.PAWSTrouble() != 0 {
		t.Errorf("counted %d", p.table.PAWSTrouble())
	}
}

// A client that has forgotten its connection gets rid of it by the challenge.
func TestHalfOpenRecovery(t *testing.T) {
	var left []*Connection
	p := newPlayer(t, Config{Leave: func(c *Connection) { left = append(left, c) }})
	p.play(handshake + `
		+1s > S 9000 = stray-syn / unknown established
		< . 301 ack 101 = challenge-ack / unknown established
		> R 101 win 0 = reset / closed closed
		+1s > S 9000 = handshake-1/3 / syn-sent unknown
		< S. 7000 ack 9001 = handshake-2/3 / established syn-received
	`)
	if len(left) != 1 || left[0].Close() != ByReset {
		t.Errorf("left %v", left)
	}
	if p.last.RelSeq != 0 || p.last.RelAck != 1 {
		t.Errorf("seq %d ack %d", p.last.RelSeq, p.last.RelAck)
	}
}

// A SYN into a connection that stood is answered: it stood no more.
func TestAnswerEndsTheOldConnection(t *testing.T) {
	p := newPlayer(t, Config{})
	p.play(handshake + `
		+1s > S 9000 = stray-syn / unknown established
		< S. 7000 ack 9001 = handshake-2/3 / established syn-received
		> . 9001 ack 7001 = handshake-3/3 / established established
	`)
	if !p.last.Connection.Began().Equal(start().Add(30*time.Millisecond + time.Second)) {
		t.Errorf("began %v", p.last.Connection.Began())
	}
}

// A client that was reset and asks again, by the same number, begins anew.
func TestRetryAfterReset(t *testing.T) {
	p := newPlayer(t, Config{})
	p.play(`
		> S 100 ttl 60 tos 40 = handshake-1/3 / syn-sent unknown
		< R. 0 ack 101 win 0 ttl 63 = reset / closed unknown
		> S 100 ttl 60 tos 40 = handshake-1/3 / syn-sent unknown
	`)
	if !p.last.New {
		t.Error("the old connection goes on")
	}
}

func TestPortReuse(t *testing.T) {
	p := newPlayer(t, Config{})
	p.play(handshake + `
		> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
		< F. 301 ack 102 = close-2/4 close-3/4 / time-wait last-ack
		> . 102 ack 302 = close-4/4 / time-wait closed
	`)
	old := p.last.Connection
	p.play("> S 5000 = handshake-1/3 / syn-sent unknown")
	if p.last.Connection == old || !p.last.New {
		t.Error("the old connection goes on")
	}
	if p.table.Len() != 1 || old.Segments() != 6 || old.Close() != ThreeSegment {
		t.Errorf("%d connections, the old one has %d segments", p.table.Len(), old.Segments())
	}
}
