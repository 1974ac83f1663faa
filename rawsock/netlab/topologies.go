package netlab

import "net/netip"

// Pair is two hosts on one network: ant 10.0.0.1/24 and apple 10.0.0.2/24.
// Apple listens on port 80.
func Pair() Topology {
	return Topology{
		Name:    "pair",
		Summary: "two hosts on one network: ant 10.0.0.1, apple 10.0.0.2 (listens on 80)",
		Hosts:   []Host{{Name: "ant"}, {Name: "apple", Listen: []uint16{80}}},
		Links: []Link{{
			A: End{"ant", netip.MustParsePrefix("10.0.0.1/24")},
			B: End{"apple", netip.MustParsePrefix("10.0.0.2/24")},
		}},
	}
}
