package rtt

import (
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// exchange is the probe that left last from one port to one target.
type exchange struct {
	// n is the probe's number; zero before there was one.
	n     uint32
	state exchangeState
	// cleared says that our reset has gone out, which ends what the SYN opened.
	cleared bool
	// answers are the resets that have answered something since then.
	answers uint8
	// ring and socket are the kernel's stamps, by the tap and by the link. The
	// link's of the departure is the user's clock where stamped is false.
	ring, socket stamps
	stamped      bool
	// user are the user's clock's readings, which never jump, since the run
	// began.
	user struct{ left, heard time.Duration }
	// reply is what came back first; "" while nothing has.
	reply finding.Reason
	// met is the earlier probe from the same port that the peer still knew;
	// zero if that did not show.
	met  uint32
	from netip.Addr
	ttl  uint8
}

// stamps are a clock's readings in nanoseconds since 1970; zero for none.
type stamps struct{ left, heard int64 }

type exchangeState uint8

const (
	// waiting for a reply.
	waiting exchangeState = iota + 1
	// stamping: the reply is there, and its stamps by the tap are not.
	stamping
	// answered: there is a sample.
	answered
	// ended in another way.
	ended
)

// lingers reports whether the peer may still know of the exchange when it is
// over: neither an RST nor an ICMP error leaves anything behind.
func (x *exchange) lingers() bool { return x.reply == "" || x.reply == finding.SYNACK }

// over reports whether the exchange has become a Sample.
func (x *exchange) over() bool { return x.state == answered || x.state == ended }

// rtt is the time from the SYN to its answer, by the best clock that saw
// both.
func (x *exchange) rtt() (time.Duration, finding.Clock) {
	rtt, clock := x.stampedRTT()
	elapsed := x.user.heard - x.user.left
	switch {
	case x.user.heard == 0:
		return max(rtt, 0), clock
	case rtt < 0 || rtt > elapsed+step:
		// The answer cannot have come before the SYN left, nor after we had
		// it: somebody has set the clock that the kernel's stamps are taken
		// from (CLOCK_REALTIME).
		return elapsed, finding.UserClock
	}
	return rtt, clock
}

// step is by how much clocks may disagree before one of them was set.
const step = time.Millisecond

func (x *exchange) stampedRTT() (time.Duration, finding.Clock) {
	switch {
	case x.ring.left != 0 && x.ring.heard != 0:
		return time.Duration(x.ring.heard - x.ring.left), finding.PacketRing
	case x.stamped && x.socket.heard != 0:
		return time.Duration(x.socket.heard - x.socket.left), finding.SocketStamp
	case x.socket.heard != 0:
		return time.Duration(x.socket.heard - x.socket.left), finding.UserClock
	}
	return time.Duration(x.ring.heard - x.socket.left), finding.UserClock
}

// sample is what the exchange comes to.
func (x *exchange) sample(target int) Sample {
	s := Sample{Target: target, N: x.n, At: time.Unix(0, x.socket.left), Reply: x.reply, From: x.from, TTL: x.ttl}
	if x.ring.left != 0 {
		s.At = time.Unix(0, x.ring.left)
	}
	if x.reply == "" {
		s.Reply, s.Met = finding.NoReply, x.met
	}
	if s.Answered() {
		s.RTT, s.Clock = x.rtt()
		if x.user.heard != 0 {
			s.User = x.user.heard - x.user.left
		}
	}
	return s
}
