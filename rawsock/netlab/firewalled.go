package netlab

import "net/netip"

// Truth is what the firewall laboratory does to TCP segments for a range of
// apple's ports: what a prober on ant must find.
type Truth struct {
	// From and To are the first and the last port of the range.
	From, To uint16
	// Open says that apple listens. Where it does not and Action is Accept,
	// its kernel answers with an RST.
	Open   bool
	Action Action
	// Host is who acts: "apple" or "router".
	Host string
	// Source is the source address of the answer; the zero Addr where there
	// is none. A reset bears apple's, whoever sends it.
	Source netip.Addr
}

// Truths is the table of the firewall laboratory: apple's ports 1 to 1000, in
// order. Every port above is closed, as the last range is.
func Truths() []Truth {
	router, apple, nobody := netip.MustParseAddr("10.0.1.1"), netip.MustParseAddr("10.0.2.2"), netip.Addr{}
	return []Truth{
		{1, 100, true, Accept, "apple", apple},
		{101, 200, false, Accept, "apple", apple},
		{201, 300, false, Drop, "apple", nobody},
		{301, 360, false, RejectPortUnreachable, "apple", apple},
		{361, 420, false, RejectAdminProhibited, "apple", apple},
		{421, 480, false, RejectHostProhibited, "apple", apple},
		{481, 540, false, RejectReset, "apple", apple},
		{541, 640, false, Drop, "router", nobody},
		{641, 700, false, RejectPortUnreachable, "router", router},
		{701, 760, false, RejectAdminProhibited, "router", router},
		{761, 820, false, RejectHostProhibited, "router", router},
		{821, 880, false, RejectReset, "router", apple},
		{881, 900, false, RejectNetUnreachable, "router", router},
		{901, 920, false, RejectHostUnreachable, "router", router},
		{921, 940, false, RejectNetProhibited, "router", router},
		{941, 1000, false, Accept, "apple", apple},
	}
}

// TruthOf returns what happens to a port of the firewall laboratory.
func TruthOf(port uint16) Truth {
	all := Truths()
	for _, t := range all {
		if t.From <= port && port <= t.To {
			return t
		}
	}
	return all[len(all)-1]
}

// Firewalled is ant, 10.0.1.2, in front of a router, 10.0.1.1, that filters
// what goes to apple, 10.0.2.2, which filters too. Truths says what happens to
// each port.
//
// Nobody limits the rate of ICMP errors here, so that every rejection can be
// seen: net.ipv4.icmp_ratemask=0 exempts all types from both limits, the one
// per destination and the host's global one, which namespaces of older
// kernels cannot set (icmpv4_mask_allow). To study the limits, set it back to
// 6168 in Sysctl.
func Firewalled() Topology {
	unlimited := map[string]string{"net.ipv4.icmp_ratelimit": "0", "net.ipv4.icmp_ratemask": "0"}
	router := Host{Name: "router", Router: true, Sysctl: unlimited}
	apple := Host{Name: "apple", Routes: []Route{defaultVia("10.0.2.1")}, Sysctl: unlimited}
	for _, t := range Truths() {
		switch {
		case t.Action == Accept:
		case t.Host == router.Name:
			router.Firewall.Rules = append(router.Firewall.Rules, Rule{Forward, t.From, t.To, t.Action})
		default:
			apple.Firewall.Rules = append(apple.Firewall.Rules, Rule{Input, t.From, t.To, t.Action})
		}
		for port := t.From; t.Open && port <= t.To; port++ {
			apple.Listen = append(apple.Listen, port)
		}
	}
	return Topology{
		Name:    "firewall",
		Summary: "ant 10.0.1.2, a filtering router, a filtering apple 10.0.2.2: ports 1-1000 open, closed, dropped, rejected",
		Hosts:   []Host{{Name: "ant", Routes: []Route{defaultVia("10.0.1.1")}}, router, apple},
		Links: []Link{
			between("ant", "10.0.1.2/24", "router", "10.0.1.1/24"),
			between("router", "10.0.2.1/24", "apple", "10.0.2.2/24"),
		},
	}
}
