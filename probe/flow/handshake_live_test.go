//go:build linux

package flow_test

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// Each segment of a handshake is lost: behind the capture, where it was seen,
// and before it, where it was not. The kernels take a second to notice.
func TestHandshakeLossLive(t *testing.T) {
	for _, c := range []struct{ name, script string }{
		{"SYN, seen", `
			> S lost = handshake-1/3 / syn-sent unknown
			+1s > S again = handshake-1/3 retransmission / syn-sent unknown
			< S. = handshake-2/3 / established syn-received
			> . = handshake-3/3 / established established`},
		{"SYN", `
			> S gone
			+1s > S again = handshake-1/3 / syn-sent unknown
			< S. = handshake-2/3 / established syn-received
			> . = handshake-3/3 / established established`},
		{"SYN-ACK, seen", `
			> S = handshake-1/3 / syn-sent unknown
			< S. lost = handshake-2/3 / established syn-received
			+1s > S again = handshake-1/3 retransmission / syn-sent syn-received
			+1s < S. again = handshake-2/3 retransmission / established syn-received
			> . = handshake-3/3 / established established`},
		{"SYN-ACK", `
			> S = handshake-1/3 / syn-sent unknown
			< S. gone
			+1s > S again = handshake-1/3 retransmission / syn-sent unknown
			+1s < S. again = handshake-2/3 / established syn-received
			> . = handshake-3/3 / established established`},
		{"the last ACK, seen", `
			> S = handshake-1/3 / syn-sent unknown
			< S. = handshake-2/3 / established syn-received
			> . lost = handshake-3/3 / established established
			+1s < S. again = handshake-2/3 retransmission spurious / established syn-received
			> . = duplicate-ack / established established`},
		{"the last ACK", `
			> S = handshake-1/3 / syn-sent unknown
			< S. = handshake-2/3 / established syn-received
			> . gone
			+1s < S. again = handshake-2/3 retransmission / established syn-received
			> . = handshake-3/3 / established established`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAct(t, newStage(t, false, nil))
			a.listen()
			a.connect()
			a.play(c.script)
			a.accept()
			a.play(`
				client shut
				> F. = close-1/4 / fin-wait-1 close-wait`)
		})
	}
}

// Two SYNs cross, and nobody listens.
func TestSimultaneousOpenLive(t *testing.T) {
	for _, c := range []struct{ name, script string }{
		{"all arrives", `
			> S held = handshake-1/3 / syn-sent unknown
			< S = handshake-1/3 simultaneous-open / syn-received syn-sent
			> release
			> S. = handshake-2/3 / syn-received established
			< S. = handshake-2/3 / established established`},
		{"the first SYN is lost, seen", `
			> S lost = handshake-1/3 / syn-sent unknown
			< S = handshake-1/3 simultaneous-open / syn-received syn-sent
			> S. = handshake-2/3 / syn-received established
			< . = handshake-3/3 / established established`},
		{"the first SYN is lost", `
			> S gone
			< S = handshake-1/3 / syn-sent unknown
			> S. = handshake-2/3 / established syn-received
			< . = handshake-3/3 / established established`},
		{"an answer is lost, seen", `
			> S held = handshake-1/3 / syn-sent unknown
			< S = handshake-1/3 simultaneous-open / syn-received syn-sent
			> release
			> S. lost = handshake-2/3 / syn-received established
			< S. = handshake-2/3 / established established`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAct(t, newStage(t, false, nil))
			a.connect()
			a.far = newSocket(t, a.host, a.server)
			a.far.connect(a.client)
			a.play(c.script)
		})
	}
}

// fastOpen lets hosts send data with the SYN and without a cookie, and take it.
const fastOpen = "net.ipv4.tcp_fastopen"

// Data comes with the SYN (RFC 7413), and is answered before the handshake is
// over.
func TestFastOpenLive(t *testing.T) {
	s := newStage(t, false, func(topology *netlab.Topology) {
		const client, server, clientWithoutCookie, serverWithoutCookie, allListen = 1, 2, 4, 0x200, 0x400
		for i := range topology.Hosts {
			topology.Hosts[i].Sysctl = map[string]string{fastOpen: "1543"}
		}
		if client|server|clientWithoutCookie|serverWithoutCookie|allListen != 1543 {
			t.Fatal("1543 is not all of them")
		}
	})
	a := newAct(t, s)
	a.listen()
	a.near = newSocket(t, s.ant, a.client)
	if err := unix.Sendto(a.near.fd, make([]byte, 5), unix.MSG_FASTOPEN, sockaddr(a.server)); err != nil && err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	a.play(`
		> S +5 = handshake-1/3 data / syn-sent unknown
		< S. ack 6 = handshake-2/3 / established syn-received`)
	a.accept()
	a.play(`
		server write 7
		< . +7 = data / established syn-received
		> . ack 1 = handshake-3/3 / established established
		> . ack 8 = ack / established established`)
}

// A client that has lost its connection asks for another on the same ports.
// The server's challenge tells it, and its reset the server.
func TestHalfOpenRecoveryLive(t *testing.T) {
	t.Parallel()
	a := newAct(t, newStage(t, false, nil))
	a.stand()
	a.near.abort()
	a.play("> R. gone")
	a.anew()
	a.connect()
	a.play(`
		> S = stray-syn / unknown established
		< . = challenge-ack / unknown established
		> R beyond = reset / closed closed
		+1s > S again = handshake-1/3 / syn-sent unknown
		< S. = handshake-2/3 / established syn-received
		> . = handshake-3/3 / established established`)
}

// The capture begins in the middle of a connection.
func TestPickUpLive(t *testing.T) {
	t.Parallel()
	s := newStage(t, false, nil)
	for name, c := range map[string]struct{ opening, script string }{
		"at the last ACK": {`
			> S unseen
			< S. unseen
			> . = ack pick-up / unknown unknown`, `
			client write 5
			> . +5 = data / unknown unknown
			server write 5
			< . +5 = data / established established
			client shut
			> F. = close-1/4 / fin-wait-1 close-wait`},
		"at data": {`
			> S unseen
			< S. unseen
			> . unseen`, `
			client write 5
			> . +5 = data pick-up / unknown unknown
			server write 5
			< . +5 = data / unknown unknown
			client write 7
			> . +7 = data / established established
			server write 7
			< . +7 = data / established established`},
		"at the first FIN": {`
			> S unseen
			< S. unseen
			> . unseen`, `
			client shut
			> F. = close-1/4 pick-up / unknown unknown
			server close
			< F. = close-2/4 close-3/4 / time-wait last-ack
			> . = close-4/4 / time-wait closed`},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAct(t, s)
			a.listen()
			a.connect()
			a.play(c.opening)
			a.accept()
			a.play(c.script)
		})
	}
}

// The client's ports are used again while the server is in TIME-WAIT.
func TestPortReuseLive(t *testing.T) {
	a := newAct(t, newStage(t, false, nil))
	a.stand()
	a.play(serverCloses)
	old := a.last.Connection
	a.anew()
	a.connect()
	a.play(handshake)
	if a.last.Connection == old || old.Close() != flow.ThreeSegment {
		t.Errorf("the old connection %v goes on", old.Close())
	}
}

// serverCloses leaves the server in TIME-WAIT.
const serverCloses = `
	server close
	< F. = close-1/4 / close-wait fin-wait-1
	client close
	> F. = close-2/4 close-3/4 / last-ack time-wait
	< . = close-4/4 / closed time-wait
`

// anew makes ready for another connection on the same ports.
func (a *act) anew() { a.known = [2]bool{} }

// Behind a NAT two connections get the same outside port, one after the
// other, and the second's timestamps are older than the first's: what is left
// of the first is in the way.
func TestPAWSTroubleLive(t *testing.T) {
	a := newAct(t, newStage(t, false, nil))
	a.stand()
	newest, _ := timestamp(a.lastSegment)
	a.play(serverCloses)
	a.older(newest)
	a.play(`
		> S = handshake-1/3 / syn-sent unknown
		< . = old-ack / syn-sent unknown
		> R = stray-reset / syn-sent unknown
		+1s > S again = handshake-1/3 retransmission paws-trouble / syn-sent unknown`)
	if got := a.table.PAWSTrouble(); got != 1 {
		t.Errorf("counted %d", got)
	}
}

// older connects, from port after port, until the SYN's timestamp is older.
func (a *act) older(than uint32) {
	a.t.Helper()
	outside := a.client
	for port := uint16(30000); port < 30100; port++ {
		a.anew()
		a.inside = netip.AddrPortFrom(outside.Addr(), port)
		a.connect()
		p := a.take(parse(a.t, "> S"))
		if val, ok := timestamp(p); ok && int32(val-than) < -1000 {
			a.stage.lanes[flow.Client].queue = []parcel{p}
			delete(a.taken[flow.Client], spanOf(p))
			a.anew()
			return
		}
		a.near.abort()
	}
	a.t.Fatal("a hundred connections have newer timestamps")
}

func timestamp(p parcel) (val uint32, ok bool) {
	for _, o := range p.segment.Options {
		if val, _, ok = o.Timestamps(); ok {
			return val, true
		}
	}
	return 0, false
}
