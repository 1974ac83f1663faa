package finding

// The words of package flow, in the order of its values: it takes a word by
// its place. All are shared, and must not be modified.

// EndStates returns the words for the state of one end of a connection, which
// are RFC 9293's names in lower case (Section 3.3.2). LISTEN is not among
// them: what has not spoken yet is unknown.
func EndStates() []Word { return endStates[:] }

// KnownStates returns those of EndStates that records have: what is not known
// is absent there.
func KnownStates() []Word { return endStates[1:] }

var endStates = [...]Word{
	{"unknown", "the segments seen do not tell"},
	{"closed", "there is no connection, or none any more"},
	{"syn-sent", "has asked for a connection and waits for the answer"},
	{"syn-received", "has answered, and waits for the acknowledgement of its own SYN"},
	{"established", "both may send"},
	{"fin-wait-1", "has closed; its FIN is not acknowledged yet"},
	{"fin-wait-2", "has closed, its FIN is acknowledged; the peer may still send"},
	{"close-wait", "has the peer's FIN, and its own application has not closed yet"},
	{"closing", "both closed at once; its FIN is not acknowledged yet"},
	{"last-ack", "closed second; its FIN is not acknowledged yet"},
	{"time-wait", "closed first, all is acknowledged; remembers the connection for a minute"},
}

// Steps returns the words for what a segment does in its connection.
func Steps() []Word { return steps[:] }

var steps = [...]Word{
	{"handshake-1/3", "SYN: asks for a connection"},
	{"handshake-2/3", "SYN and ACK: agrees"},
	{"handshake-3/3", "acknowledges the SYN of the answer: the connection stands"},
	{"simultaneous-open", "a SYN that crosses the other end's"},
	{"data", "octets not seen before"},
	{"ack", "acknowledges octets, and carries none"},
	{"window-update", "changes the window, and nothing else"},
	{"zero-window", "forbids the peer to send"},
	{"keepalive", "asks whether the peer is still there, by the number before its next"},
	{"keepalive-answer", "says yes"},
	{"zero-window-probe", "asks whether the peer's window is still zero"},
	{"zero-window-answer", "says how wide the window is"},
	{"retransmission", "octets, SYN or FIN that were sent before"},
	{"spurious", "of what the peer has acknowledged already"},
	{"out-of-order", "overtaken by a later segment"},
	{"duplicate-ack", "acknowledges once more what it has acknowledged"},
	{"challenge-ack", "answers a segment that does not fit (RFC 5961)"},
	{"close-1/4", "the first FIN"},
	{"close-2/4", "the second event of the close: the ACK of the first FIN, or a FIN that crosses it"},
	{"close-3/4", "the third event of the close: the second FIN, or the first ACK of crossing ones"},
	{"close-4/4", "both FINs are acknowledged"},
	{"simultaneous-close", "a FIN that crosses the other end's"},
	{"half-closed", "data to an end that has closed its own direction"},
	{"reset", "ends the connection at once"},
	{"stray-reset", "a reset whose number does not fit: its receiver ignores or challenges it"},
	{"stray-syn", "a SYN into a connection that stands, or one that answers none"},
	{"out-of-window", "its sequence number is far from the peer's window"},
	{"unacceptable-ack", "acknowledges what was never sent"},
	{"no-ack", "neither ACK nor SYN nor RST: its receiver drops it"},
	{"old-ack", "answers a SYN without one: something remembers an earlier connection"},
	{"paws-trouble", "the SYN again, after an old connection's ACK was reset: a TIME-WAIT with newer timestamps was in the way"},
	{"pick-up", "the first segment seen of a connection that began earlier"},
	{"hole", "octets before it have not been seen yet"},
	{"gap", "acknowledges octets that the capture lacks"},
}

// Closes returns the words for how a connection ended, or that it has not.
func Closes() []Word { return closes[:] }

var closes = [...]Word{
	{"unknown", "the segments that would tell are missing from the capture"},
	{"four-way", "the first FIN was acknowledged before the second came"},
	{"three-segment", "the second FIN also acknowledged the first: its application closed before the delayed ACK was due"},
	{"simultaneous", "two FINs crossed: both ends closed first, and both hold TIME-WAIT"},
	{"reset", "a reset came before both FINs were acknowledged"},
	{"half-closed", "only one end has closed"},
	{"open", "no end has closed"},
	{"abandoned", "the handshake was never finished"},
}

// Shapes returns the words for the shape of a reset: what kind of machine
// makes resets of that form.
func Shapes() []Word { return shapes[:] }

var shapes = [...]Word{
	{"unknown", "none of these"},
	{"stateless", "made from the segment that it answers alone: no socket, or none for that segment"},
	{"active", "made by a live socket that was aborted: both numbers, the window and the options are the connection's"},
	{"firewall", "as a stateless one, but another device's: its TTL is not the end's, or it does not echo the DSCP"},
	{"syn-proxy", "both numbers fit, yet neither window nor options: a SYN proxy before a closed port"},
}

// Sides returns the words for the ends of a connection that something is true
// of.
func Sides() []Word { return sides[:] }

var sides = [...]Word{
	{"client", "the end that sent the first SYN"},
	{"server", "the other"},
	{"both", "the one and the other"},
}

// Sender is who is taken to have made a reset.
type Sender string

// The senders of a reset.
const (
	SenderPeer      Sender = "peer"
	SenderMiddlebox Sender = "middlebox"
	SenderSelf      Sender = "self"
	SenderUnknown   Sender = "unknown"
)

// Senders returns the words for who made a reset.
func Senders() []Word {
	return []Word{
		{string(SenderPeer), "the host whose address it bears"},
		{string(SenderMiddlebox), "a device on the path, in that host's name"},
		{string(SenderSelf), "this host"},
		{string(SenderUnknown), "not to be told"},
	}
}
