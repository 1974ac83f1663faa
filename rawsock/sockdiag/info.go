package sockdiag

import (
	"encoding/binary"
	"time"
)

// Info is what the kernel knows of a connection (struct tcp_info). What an
// older kernel does not tell is zero.
type Info struct {
	// RTO is the retransmission timeout, RTT the smoothed round trip time,
	// RTTVar its mean deviation, and MinRTT the least of late; zero before
	// the first sample.
	RTO, RTT, RTTVar, MinRTT time.Duration
	// MSS is the largest segment that is sent, PathMTU the largest datagram,
	// in octets.
	MSS, PathMTU uint32
	// Window is the congestion window, and SlowStart the threshold of slow
	// start, in segments.
	Window, SlowStart uint32
	// PeerWindow is what the peer lets us send, in octets; since Linux 5.4.
	PeerWindow uint32
	// Unacked, Sacked, Lost and Retransmitted are the segments in flight, and
	// those of them that are selectively acknowledged, taken for lost, and
	// sent again.
	Unacked, Sacked, Lost, Retransmitted uint32
	// Retransmits is how often the timer ran out since the last progress,
	// Probes the zero-window or keepalive probes without an answer, Backoff
	// the power of two that the timeout has been multiplied by.
	Retransmits, Probes, Backoff uint8
	// TotalRetransmitted are all segments ever sent again.
	TotalRetransmitted uint32
	// NotSent are the octets that wait for the first time they are sent.
	NotSent uint32
	// OctetsAcked and OctetsReceived count both ways since the handshake.
	OctetsAcked, OctetsReceived uint64
	// SegmentsSent and SegmentsReceived count all of them, empty ones too.
	SegmentsSent, SegmentsReceived uint32
	// SinceSent and SinceReceived are the times since data last went and came.
	SinceSent, SinceReceived time.Duration
	// Timestamps, SACK, WindowScale and ECN say what both ends agreed on in
	// the handshake.
	Timestamps, SACK, WindowScale, ECN bool
}

// infoLength is how much of struct tcp_info is read.
const infoLength = 232

// noRTT is a least round trip time without a sample.
const noRTT = ^uint32(0)

// decodeInfo reads struct tcp_info of any length: the struct grows with the
// kernel.
func decodeInfo(b []byte) *Info {
	var whole [infoLength]byte
	copy(whole[:], b)
	word := func(at int) uint32 { return binary.NativeEndian.Uint32(whole[at:]) }
	long := func(at int) uint64 { return binary.NativeEndian.Uint64(whole[at:]) }
	in := func(at int, unit time.Duration) time.Duration { return time.Duration(word(at)) * unit }
	options := whole[5]
	i := &Info{
		Retransmits: whole[2], Probes: whole[3], Backoff: whole[4],
		Timestamps: options&1 != 0, SACK: options&2 != 0, WindowScale: options&4 != 0, ECN: options&8 != 0,
		RTO:     in(8, time.Microsecond),
		MSS:     word(16),
		Unacked: word(24), Sacked: word(28), Lost: word(32), Retransmitted: word(36),
		SinceSent: in(44, time.Millisecond), SinceReceived: in(52, time.Millisecond),
		PathMTU: word(60),
		RTT:     in(68, time.Microsecond), RTTVar: in(72, time.Microsecond),
		SlowStart: word(76), Window: word(80),
		TotalRetransmitted: word(100),
		OctetsAcked:        long(120), OctetsReceived: long(128),
		SegmentsSent: word(136), SegmentsReceived: word(140),
		NotSent:    word(144),
		PeerWindow: word(228),
	}
	if word(148) != noRTT {
		i.MinRTT = in(148, time.Microsecond)
	}
	return i
}

// Memory is what a socket takes of the kernel's memory, in octets
// (SK_MEMINFO_*).
type Memory struct {
	// Receive and Send are taken, of at most ReceiveLimit (SO_RCVBUF) and
	// SendLimit (SO_SNDBUF).
	Receive, ReceiveLimit, Send, SendLimit uint32
	// Queued waits to be sent or acknowledged.
	Queued uint32
	// Backlog arrived while the socket was in use.
	Backlog uint32
	// Drops counts what was refused. A listening socket's are SYNs, and
	// handshakes that were complete but found no room to wait in.
	Drops uint32
}

// memoryWords is how many numbers of struct sk_meminfo are read.
const memoryWords = 9

// decodeMemory reads the numbers of SK_MEMINFO_*; later kernels have more.
func decodeMemory(b []byte) *Memory {
	var whole [4 * memoryWords]byte
	copy(whole[:], b)
	word := func(n int) uint32 { return binary.NativeEndian.Uint32(whole[4*n:]) }
	return &Memory{
		Receive: word(0), ReceiveLimit: word(1), Send: word(2), SendLimit: word(3),
		Queued: word(5), Backlog: word(7), Drops: word(8),
	}
}
