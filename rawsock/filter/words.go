package filter

import (
	"maps"
	"slices"
	"strings"
)

// protocol is what a protocol's name may be used for.
type protocol struct {
	number  uint8
	ports   bool // "tcp port 80"
	indexed bool // "tcp[13]"
}

// protocolIP is the name of the one protocol that is not told by its number.
const protocolIP = "ip"

// The protocols by libpcap's names, all of whose names are words of the
// language, too.
var protocols = map[string]protocol{
	protocolIP: {indexed: true},
	"icmp":     {number: 1, indexed: true},
	"igmp":     {number: 2, indexed: true},
	"tcp":      {number: 6, ports: true, indexed: true},
	"udp":      {number: 17, ports: true, indexed: true},
	"esp":      {number: 50},
	"ah":       {number: 51},
	"pim":      {number: 103, indexed: true},
	"vrrp":     {number: 112, indexed: true},
	"sctp":     {number: 132, ports: true, indexed: true},
}

// protocolNames are further names that "proto" takes.
var protocolNames = map[string]uint8{"ipip": 4, "ipencap": 4, "gre": 47, "ospf": 89, "udplite": 136}

// portProtocols are the protocols that a port without one stands for.
func portProtocols() []uint8 { return []uint8{6, 17, 132} }

// constants are the numbers that have names: offsets of fields, flags, and ICMP
// types.
var constants = map[string]uint32{
	"tcpflags": 13,
	"tcp-fin":  1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,
	"icmptype": 0, "icmpcode": 1,
	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8,
	"icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12, "icmp-tstamp": 13,
	"icmp-tstampreply": 14, "icmp-ireq": 15, "icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,
}

// keywords are the words that are neither protocols nor constants, the likeliest
// first.
var keywords = []string{"port", "host", "src", "dst", "net", "and", "or", "not", "portrange", "proto", "mask", "less", "greater", "len"}

// refusal is what tcpdump knows and this package does not.
type refusal struct{ words, problem, hint string }

// onlyIPv4 is what helps against addresses of other kinds.
const onlyIPv4 = "only IPv4 is looked at"

var refusals = []refusal{
	{"ether link fddi tr wlan ppp slip radio addr1 addr2 addr3 addr4 ra ta llc type subtype dir direction",
		"asks for the link layer, which a filter does not see here", "name IPv4 addresses, with host or net"},
	{"gateway", "asks for the link layer, which a filter does not see here", `exclude the gateway's own address, with "not host"`},
	{"vlan mpls pppoed pppoes geneve vxlan",
		"asks for an encapsulation, which a filter does not see here", "choose the device that carries the inner packets instead"},
	{"ip6 icmp6 ip6proto", "asks for IPv6, and only IPv4 is looked at", "leave it out"},
	{"arp rarp decnet atalk aarp lat sca moprc mopdl iso clnp esis isis stp ipx netbeui",
		"is not IPv4, and only IPv4 is looked at", "leave it out"},
	{"inbound outbound ifname ifindex on rnr rulenum srnr subrulenum reason rset ruleset action",
		"asks how a packet came here, which is not part of it", "name the addresses, with src and dst"},
	{"broadcast", "needs the device's netmask", "name the address, as in dst host 255.255.255.255"},
	{"multicast", "asks for the link layer, which a filter does not see here", "write ip[16] >= 224"},
	{"protochain", "follows IPv6's chain of headers", "write proto"},
	{"byte", "counts from the link layer, which a filter does not see here", "write ip[N] or tcp[N]"},
	{"igrp", "has no name here", "write proto 9"},
	{"carp", "has no name here", "write proto 112"},
}

// refused finds a word among the refusals.
func refused(word string) (refusal, bool) {
	for _, r := range refusals {
		if slices.Contains(strings.Fields(r.words), word) {
			return r, true
		}
	}
	return refusal{}, false
}

// refused reports whether the token is a word that tcpdump knows and we do not.
func (t token) refused() bool {
	_, ok := refused(t.text)
	return ok && t.word && !t.escaped
}

// vocabulary is every word that is understood, the likeliest first.
func vocabulary() []string {
	return slices.Concat(keywords, slices.Sorted(maps.Keys(protocols)), slices.Sorted(maps.Keys(constants)))
}

// reserved reports whether a word is one of the language's, so that a name that
// is spelt alike needs a backslash.
func reserved(word string) bool {
	_, no := refused(word)
	return no || slices.Contains(vocabulary(), word)
}

// didYouMean suggests the word of the language that is nearest to what was
// written: one slip away, or two where the word is long. It is "" where there is
// none.
func didYouMean(written string) string {
	if len(written) > 32 {
		return ""
	}
	lower := strings.ToLower(written)
	best, least := "", 2
	if len(written) > 5 {
		least = 3
	}
	if flag := "tcp-" + lower; constants[flag] != 0 {
		best, least = flag, 0
	}
	for _, word := range vocabulary() {
		if d := distance(lower, word); d < least {
			best, least = word, d
		}
	}
	if best == "" || best == written {
		return ""
	}
	return `did you mean "` + best + `"?`
}

// distance counts the octets to insert, drop, replace or exchange with their
// neighbour on the way from a to b (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
				continue
			case a[i-1] == b[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + min(rows[i-1][j-1], rows[i-1][j], rows[i][j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
