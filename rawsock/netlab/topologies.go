package netlab

import (
	"net/netip"
	"slices"
)

// Topologies returns the predefined laboratories, in the order in which
// lab list shows them.
func Topologies() []Topology {
	return []Topology{Pair(), Upper(), Firewalled(), Masquerading()}
}

// Find returns the predefined laboratory of that name.
func Find(name string) (Topology, bool) {
	all := Topologies()
	i := slices.IndexFunc(all, func(t Topology) bool { return t.Name == name })
	if i < 0 {
		return Topology{}, false
	}
	return all[i], true
}

// Pair is two hosts on one network: ant 10.0.0.1/24 and apple 10.0.0.2/24.
// Apple listens on port 80.
func Pair() Topology {
	return Topology{
		Name:    "pair",
		Summary: "two hosts on one network: ant 10.0.0.1, apple 10.0.0.2 (listens on 80)",
		Hosts:   []Host{{Name: "ant"}, {Name: "apple", Listen: []uint16{80}}},
		Links:   []Link{between("ant", "10.0.0.1/24", "apple", "10.0.0.2/24")},
	}
}

// Upper is the network in which tcp-upper-client on ant, 10.0.1.2, talks to
// tcp-upper-server on apple, 10.0.2.2, whose port 9999 is free for it; apple
// listens on port 80. Three routers stand between them, so that a TTL of 64
// arrives as 61.
func Upper() Topology {
	return Topology{
		Name:    "upper",
		Summary: "three routers between ant 10.0.1.2 and apple 10.0.2.2 (listens on 80)",
		Hosts: []Host{
			{Name: "ant", Routes: []Route{defaultVia("10.0.1.1")}},
			{Name: "router1", Router: true, Routes: []Route{via("10.0.2.0/24", "10.0.12.2"), via("10.0.23.0/24", "10.0.12.2")}},
			{Name: "router2", Router: true, Routes: []Route{via("10.0.1.0/24", "10.0.12.1"), via("10.0.2.0/24", "10.0.23.3")}},
			{Name: "router3", Router: true, Routes: []Route{via("10.0.1.0/24", "10.0.23.2"), via("10.0.12.0/24", "10.0.23.2")}},
			{Name: "apple", Routes: []Route{defaultVia("10.0.2.1")}, Listen: []uint16{80}},
		},
		Links: []Link{
			between("ant", "10.0.1.2/24", "router1", "10.0.1.1/24"),
			between("router1", "10.0.12.1/24", "router2", "10.0.12.2/24"),
			between("router2", "10.0.23.2/24", "router3", "10.0.23.3/24"),
			between("router3", "10.0.2.1/24", "apple", "10.0.2.2/24"),
		},
	}
}

// Masquerading is ant, 192.168.0.2, behind a router that hides it from apple,
// 203.0.113.2 port 80, by masquerading as 203.0.113.1. Apple has no route to
// ant's network.
func Masquerading() Topology {
	return Topology{
		Name:    "nat",
		Summary: "ant 192.168.0.2 behind a router that masquerades as 203.0.113.1; apple 203.0.113.2 (listens on 80)",
		Hosts: []Host{
			{Name: "ant", Routes: []Route{defaultVia("192.168.0.1")}},
			{Name: "router", Router: true, NAT: NAT{Toward: "apple"}},
			{Name: "apple", Listen: []uint16{80}},
		},
		Links: []Link{
			between("ant", "192.168.0.2/24", "router", "192.168.0.1/24"),
			between("router", "203.0.113.1/24", "apple", "203.0.113.2/24"),
		},
	}
}

// between is a plain link.
func between(a, addrA, b, addrB string) Link {
	return Link{
		A: End{a, netip.MustParsePrefix(addrA)},
		B: End{b, netip.MustParsePrefix(addrB)},
	}
}

func via(to, gateway string) Route {
	return Route{netip.MustParsePrefix(to), netip.MustParseAddr(gateway)}
}

func defaultVia(gateway string) Route { return via("0.0.0.0/0", gateway) }
