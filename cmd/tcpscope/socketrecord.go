package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
)

// socketView makes records of sockets.
type socketView struct {
	at      time.Time
	explain bool
	holders map[uint32][]sockdiag.Holder
	devices *devices
}

// record is a socket as an object.
func (v *socketView) record(s sockdiag.Socket) finding.Record {
	r := finding.New("socket").
		Set("at", v.at).
		Set("state", s.State.String()).
		Set("recv_q", int64(s.RQueue)).
		Set("send_q", int64(s.WQueue)).
		Set("local", s.Local.String())
	if s.Remote.Port() != 0 {
		r = r.Set("peer", s.Remote.String())
	}
	if s.Timer.Kind != sockdiag.NoTimer {
		r = r.Set("timer", s.Timer.Kind.String()).
			Set("timer_ms", inMilliseconds(s.Timer.Left)).
			Set("retries", unlessZero(uint64(s.Timer.Retries)))
	}
	if s.Inode != 0 {
		r = r.Set("uid", int64(s.UID)).Set("ino", int64(s.Inode))
	}
	r = r.Set("sk", strconv.FormatUint(s.Cookie, 16))
	if s.Interface != 0 {
		r = r.Set("device", v.devices.name(s.Interface))
	}
	if s.V6Only {
		r = r.Set("v6only", true)
	}
	r = r.Set("fwmark", unlessZero(uint64(s.Mark))).Set("tos", unlessZero(uint64(s.TOS)))
	if held := v.holders[s.Inode]; s.Inode != 0 && len(held) > 0 {
		var holders []string
		for _, h := range held {
			holders = append(holders, fmt.Sprintf("%s,pid=%d,fd=%d", h.Name, h.PID, h.FD))
		}
		r = r.Set("processes", holders)
	}
	if s.Info != nil {
		r = connectionDetails(r, s)
	}
	if s.Memory != nil {
		r = r.Set("drops", unlessZero(uint64(s.Memory.Drops)))
	}
	if v.explain {
		r = r.Set("explanation", explainSocket(s))
	}
	return r
}

// connectionDetails are those that only a connection has.
func connectionDetails(r finding.Record, s sockdiag.Socket) finding.Record {
	i := s.Info
	r = r.Set("congestion", s.Congestion)
	if i.RTT > 0 {
		r = r.Set("rtt_us", inMicroseconds(i.RTT)).Set("rttvar_us", inMicroseconds(i.RTTVar))
	}
	if i.MinRTT > 0 {
		r = r.Set("minrtt_us", inMicroseconds(i.MinRTT))
	}
	r = r.Set("rto_ms", inMilliseconds(i.RTO)).
		Set("mss", int64(i.MSS)).
		Set("cwnd", int64(i.Window)).
		Set("snd_wnd", unlessZero(uint64(i.PeerWindow))).
		Set("unacked", int64(i.Unacked)).
		Set("lost", unlessZero(uint64(i.Lost))).
		Set("retrans", int64(i.TotalRetransmitted)).
		Set("bytes_acked", int64(i.OctetsAcked)).
		Set("bytes_received", int64(i.OctetsReceived))
	if s.State != sockdiag.SynSent {
		r = r.Set("lastsnd_ms", inMilliseconds(i.SinceSent)).Set("lastrcv_ms", inMilliseconds(i.SinceReceived))
	}
	return r
}

func inMilliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func inMicroseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// explainSocket says what a socket's state and queues mean, and what to look
// for; "" where all is as it should be. Sockets in the same situation get the
// same words, so that they can be counted.
func explainSocket(s sockdiag.Socket) string {
	switch s.State {
	case sockdiag.Listen:
		return explainListener(s)
	case sockdiag.Established:
		return explainEstablished(s)
	case sockdiag.CloseWait:
		text := "close-wait: the peer has closed, and the program here has not. It stays so until the program closes it, for ever if it never does: the fault is here, not the peer's."
		switch s.RQueue {
		case 0:
			return text + " Recv-Q 0: the program has read the end, and keeps the socket."
		case 1:
			return text + " Recv-Q 1 is the peer's FIN, which the program has not read."
		}
		return text + " Recv-Q counts data, and the peer's FIN behind them, that the program has not read."
	case sockdiag.SynReceived:
		return "syn-received: a SYN has come and been answered, and the last ACK of the handshake is missing. Many of them: a flood of SYNs, maybe from forged addresses; SYN-ACKs that get lost on the way back; or a listener whose queue is full, so that the ACK is ignored (Recv-Q above Send-Q of listen). With TCP_DEFER_ACCEPT it is normal until the first data."
	case sockdiag.SynSent:
		return "syn-sent: our SYN is not answered. When it has been sent again, something drops it or the answer: a firewall, a full queue, or a host that is gone."
	case sockdiag.FinWait2:
		if s.Timer.Kind == sockdiag.Wait || s.Inode == 0 {
			return "fin-wait-2, held by no program: closed here, the peer's FIN is to come. It is forgotten when the timer runs out (tcp_fin_timeout)."
		}
		return "fin-wait-2, held by a program: closed for sending here, the peer has not closed. It stays so until the peer closes: its end is in close-wait, if it is still there."
	case sockdiag.FinWait1, sockdiag.LastAck, sockdiag.Closing:
		if s.Timer.Kind == sockdiag.Probe {
			return s.State.String() + ": closed here, but the FIN waits behind data that the peer has no room for: its program does not read."
		}
		return s.State.String() + ": our FIN is not acknowledged. With retries the peer or the path to it is gone."
	case sockdiag.TimeWait:
		return "time-wait: closed here first, and all is acknowledged. It is remembered for a minute so that late segments harm no later connection. It costs little, and no program holds it."
	}
	return ""
}

func explainListener(s sockdiag.Socket) string {
	switch {
	case s.RQueue > s.WQueue:
		return "listen, and the queue is full: more connections wait (Recv-Q) than may (Send-Q), because the program does not accept. New SYNs are dropped in silence; clients see a timeout."
	case s.RQueue > 0:
		return "listen, with connections that wait to be accepted (Recv-Q, of at most Send-Q and one): the program is slow to accept."
	case s.Memory != nil && s.Memory.Drops > 0:
		return "listen, and has refused SYNs or handshakes before: its queue was full (drops in -v and json)."
	}
	return ""
}

func explainEstablished(s sockdiag.Socket) string {
	switch {
	case s.Timer.Kind == sockdiag.Probe:
		return "established, and the peer's window is closed: its program does not read what we send (Send-Q)."
	case s.Timer.Kind == sockdiag.Retransmit && s.Timer.Retries > 0:
		return "established, but what we send is not acknowledged (Send-Q), however often it is sent: the peer or the path to it is gone, and it is given up after about 15 minutes (tcp_retries2)."
	case s.Timer.Kind == sockdiag.Keepalive && s.Timer.Retries > 0:
		return "established, but the peer does not answer keepalive probes."
	case s.RQueue > 0:
		return "established, with data that the program here has not read (Recv-Q)."
	case s.Inode == 0:
		return "established, and not accepted yet: it waits in the queue of a listener."
	}
	return ""
}
