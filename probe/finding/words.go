package finding

import "fmt"

// State is the verdict on a port.
type State string

// The states of a port.
const (
	Open         State = "open"
	Closed       State = "closed"
	Filtered     State = "filtered"
	Unfiltered   State = "unfiltered"
	OpenFiltered State = "open|filtered"
	NotSent      State = "not-sent"
)

// States returns the words for a port's state, the most telling first.
func States() []Word {
	return []Word{
		{string(Open), "something accepts connections"},
		{string(Closed), "the host answers that nothing listens"},
		{string(Filtered), "something on the way refuses or swallows the probe"},
		{string(Unfiltered), "the probe gets through, but does not tell open from closed"},
		{string(OpenFiltered), "no reply, which is what an open port and a filter have in common"},
		{string(NotSent), "our own kernel or firewall refused to send the probe"},
	}
}

// Reason is what a verdict rests on.
type Reason string

// The reasons. ICMP gives those for other types and codes.
const (
	SYNACK          Reason = "syn-ack"
	RST             Reason = "rst"
	NoReply         Reason = "no-reply"
	NetUnreachable  Reason = "icmp-net-unreachable"
	HostUnreachable Reason = "icmp-host-unreachable"
	PortUnreachable Reason = "icmp-port-unreachable"
	NetProhibited   Reason = "icmp-net-prohibited"
	HostProhibited  Reason = "icmp-host-prohibited"
	AdminProhibited Reason = "icmp-admin-prohibited"
	TTLExceeded     Reason = "icmp-ttl-exceeded"
	LocalRefusal    Reason = "local-refusal"
)

// ICMP returns the reason for an ICMP error of this type and code
// (RFC 792; RFC 1122, Section 3.2.2.1; RFC 1812, Section 5.2.7.1).
func ICMP(typ, code uint8) Reason {
	switch [2]uint8{typ, code} {
	case [2]uint8{3, 0}:
		return NetUnreachable
	case [2]uint8{3, 1}:
		return HostUnreachable
	case [2]uint8{3, 3}:
		return PortUnreachable
	case [2]uint8{3, 9}:
		return NetProhibited
	case [2]uint8{3, 10}:
		return HostProhibited
	case [2]uint8{3, 13}:
		return AdminProhibited
	case [2]uint8{11, 0}:
		return TTLExceeded
	}
	return Reason(fmt.Sprintf("icmp-%d-%d", typ, code))
}

// Reasons returns the words for a reason.
func Reasons() []Word {
	words := []Word{
		{string(SYNACK), "SYN and ACK, acknowledging our SYN"},
		{string(RST), "a reset that fits our probe"},
		{string(NoReply), "silence, after every try"},
	}
	words = append(words, ICMPReasons()...)
	return append(words, Word{string(LocalRefusal), "our own kernel or firewall refused to send"})
}

// ICMPReasons returns the words for the reasons that an ICMP error gives.
func ICMPReasons() []Word {
	return []Word{
		{string(NetUnreachable), "ICMP type 3 code 0: a router has no route"},
		{string(HostUnreachable), "ICMP type 3 code 1: the last router cannot reach the host"},
		{string(PortUnreachable), "ICMP type 3 code 3: a firewall's reject; no TCP sends it"},
		{string(NetProhibited), "ICMP type 3 code 9: the network is off limits"},
		{string(HostProhibited), "ICMP type 3 code 10: the host is off limits"},
		{string(AdminProhibited), "ICMP type 3 code 13: a filter forbids it"},
		{string(TTLExceeded), "ICMP type 11 code 0: the TTL ran out on the way, often in a routing loop"},
		{"icmp-TYPE-CODE", "any other ICMP error, by its numbers"},
	}
}

// HostStatus is the verdict on an address.
type HostStatus string

// The statuses of an address.
const (
	Answers     HostStatus = "answers"
	Silent      HostStatus = "silent"
	Unreachable HostStatus = "unreachable"
	NoARP       HostStatus = "no-arp"
)

// HostStatuses returns the words for an address's status.
func HostStatuses() []Word {
	return []Word{
		{string(Answers), "some probe was answered"},
		{string(Silent), "nothing came back: the host is down, or a filter swallows everything"},
		{string(Unreachable), "a router, or our own kernel, says that there is no way to it"},
		{string(NoARP), "ARP finds nobody: the address, or the gateway to it, is on our own link and silent"},
	}
}

// Origin is who is taken to have made a reply.
type Origin string

// The origins of a reply.
const (
	FromHost     Origin = "host"
	FromFirewall Origin = "firewall"
	FromProxy    Origin = "proxy"
	FromUnknown  Origin = "unknown"
)

// Origins returns the words for a reply's origin.
func Origins() []Word {
	return []Word{
		{string(FromHost), "the target's own TCP"},
		{string(FromFirewall), "a firewall, on the host or before it"},
		{string(FromProxy), "a middlebox that answers in the target's name"},
		{string(FromUnknown), "not to be told from this reply"},
	}
}

// Direction is which way a segment went.
type Direction string

// The directions of a segment.
const (
	Sent     Direction = "sent"
	Received Direction = "received"
)

// Directions returns the words for a segment's direction.
func Directions() []Word {
	return []Word{
		{string(Sent), "we sent it"},
		{string(Received), "it arrived here"},
	}
}

// Checksums returns the words for what is known of a TCP checksum.
func Checksums() []Word {
	return []Word{
		{"valid", "it covers the octets"},
		{"invalid", "it does not"},
		{"offloaded", "the kernel left it to the device, or to the segment's local receiver"},
		{"unverified", "nobody has looked"},
	}
}

// Clock is where the two stamps of a round-trip time come from.
type Clock string

// The clocks, the most exact first.
const (
	PacketRing  Clock = "packet-ring"
	SocketStamp Clock = "so-timestamping"
	TCPInfo     Clock = "tcp-info"
	UserClock   Clock = "user-clock"
)

// Clocks lists the clocks, the most exact first.
func Clocks() []Word {
	return []Word{
		{string(PacketRing), "both by the kernel where packets pass the device, read from a packet socket's ring as tcpdump does"},
		{string(SocketStamp), "both by the kernel: the device's driver when it sends, the socket when it receives (SO_TIMESTAMPING)"},
		{string(TCPInfo), "the kernel's own connection measured it (TCP_INFO)"},
		{string(UserClock), "the program's clock before it sends; on arrival the kernel's stamp, or with --connect the program's clock again"},
	}
}

// Limit is what a run had to wait for.
type Limit string

// The limits.
const (
	LimitRate      Limit = "rate"
	LimitInFlight  Limit = "in-flight"
	LimitNeighbors Limit = "neighbors"
	LimitConntrack Limit = "conntrack"
)

// Limits lists the limits, the tightest last.
func Limits() []Word {
	return []Word{
		{string(LimitRate), "the rate that was asked for"},
		{string(LimitInFlight), "the bound on probes that wait for an answer"},
		{string(LimitNeighbors), "the room in the neighbour table"},
		{string(LimitConntrack), "the room in the connection tracking table"},
	}
}
