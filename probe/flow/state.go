package flow

import "github.com/tcpscope/tcpscope/probe/finding"

// State is a state of one end of a connection (RFC 9293, Section 3.3.2). The
// zero value is Unknown.
type State uint8

// The states, in the order of finding.EndStates. Unknown says that the segments
// seen do not tell.
const (
	Unknown State = iota
	Closed
	SynSent
	SynReceived
	Established
	FinWait1
	FinWait2
	CloseWait
	Closing
	LastAck
	TimeWait

	states = iota
)

// String returns RFC 9293's name in lower case, or "unknown".
func (s State) String() string { return nameOf(finding.EndStates(), int(s)) }

// Over reports whether an end in this state has nothing left to send. It is
// false of Unknown.
func (s State) Over() bool { return s == Closed || s == TimeWait }

// synchronized reports whether a SYN that arrives in this state draws a
// challenge ACK and leaves the connection as it is (RFC 9293, Section
// 3.10.7.4).
func (s State) synchronized() bool { return s >= Established && s != TimeWait }

// Side is one of a connection's two ends. The client is the one that sent the
// first SYN.
type Side uint8

// The two sides.
const (
	Client Side = iota
	Server
)

// String returns "client" or "server".
func (s Side) String() string {
	if s == Client {
		return "client"
	}
	return "server"
}

// Peer returns the other side.
func (s Side) Peer() Side { return s ^ 1 }

// nameOf returns the name of the word at place i.
func nameOf(words []finding.Word, i int) string {
	if i < len(words) {
		return words[i].Name
	}
	return "unknown"
}
