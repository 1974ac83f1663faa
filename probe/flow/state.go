package flow

import "github.com/tcpscope/tcpscope/probe/finding"

// State is a state of one end of a connection (RFC 9293, Section 3.3.2). The
// zero value is Unknown.
type State uint8

// The states. Unknown says that the segments seen do not tell.
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
func (s State) String() string { return nameOf(States(), int(s)) }

// States returns the words for an end's state, in the order of their values.
// LISTEN is not among them: what has not spoken yet is unknown.
func States() []finding.Word {
	return []finding.Word{
		Unknown:     {Name: "unknown", Meaning: "the segments seen do not tell"},
		Closed:      {Name: "closed", Meaning: "there is no connection, or none any more"},
		SynSent:     {Name: "syn-sent", Meaning: "has asked for a connection and waits for the answer"},
		SynReceived: {Name: "syn-received", Meaning: "has answered, and waits for the acknowledgement of its own SYN"},
		Established: {Name: "established", Meaning: "both may send"},
		FinWait1:    {Name: "fin-wait-1", Meaning: "has closed; its FIN is not acknowledged yet"},
		FinWait2:    {Name: "fin-wait-2", Meaning: "has closed, its FIN is acknowledged; the peer may still send"},
		CloseWait:   {Name: "close-wait", Meaning: "has the peer's FIN, and its own application has not closed yet"},
		Closing:     {Name: "closing", Meaning: "both closed at once; its FIN is not acknowledged yet"},
		LastAck:     {Name: "last-ack", Meaning: "closed second; its FIN is not acknowledged yet"},
		TimeWait:    {Name: "time-wait", Meaning: "closed first, all is acknowledged; remembers the connection for a minute"},
	}
}

// over reports whether an end has nothing left to send.
func (s State) over() bool { return s == Closed || s == TimeWait }

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
