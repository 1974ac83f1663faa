package probe

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// mustTargets parses targets; a name in front of = stands for a resolved one.
func mustTargets(t testing.TB, list string) []Target {
	t.Helper()
	var targets []Target
	for word := range strings.FieldsSeq(list) {
		name, rest, named := strings.Cut(word, "=")
		if !named {
			name, rest = "", word
		}
		target, err := ParseTarget(rest)
		if err != nil {
			t.Fatal(err)
		}
		target.Name = name
		targets = append(targets, target)
	}
	return targets
}

func mustRanges(t testing.TB, list string) []Range {
	t.Helper()
	if list == "" {
		return nil
	}
	ranges, err := TargetReader{}.ParseExcludes(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	return ranges
}

func showScope(s Scope) string {
	var out []string
	for _, b := range s.Blocks {
		ports := b.Ports.String()
		if b.Ports.Equal(CommonPorts()) {
			ports = "common"
		}
		out = append(out, strings.TrimPrefix(fmt.Sprintf("%s=%v:%s", b.Name, b.Range, ports), "="))
	}
	return strings.Join(out, " ")
}

func TestNormalize(t *testing.T) {
	for _, tc := range []struct {
		targets, exclude, ports string
		want                    string
		hosts, probes           uint64
	}{
		{"10.0.0.1", "", "", "10.0.0.1:common", 1, 100},
		{"10.0.0.1", "", "22,80", "10.0.0.1:22,80", 1, 2},
		{"10.0.0.1:443", "", "", "10.0.0.1:443", 1, 1},
		{"10.0.0.1:443", "", "22", "10.0.0.1:22,443", 1, 2},
		{"10.0.0.1:443 10.0.0.2", "", "", "10.0.0.1:443 10.0.0.2:common", 2, 101},
		{"10.0.0.1:443 10.0.0.1:80 10.0.0.1:443", "", "", "10.0.0.1:80,443", 1, 2},
		{"10.0.0.2 10.0.0.1", "", "22", "10.0.0.1-2:22", 2, 2},
		{"10.0.0.0/24 10.0.0.0/25 10.0.0.200", "", "22", "10.0.0.0/24:22", 256, 256},
		{"10.0.0.0/24 10.0.0.7:80", "", "22", "10.0.0.0-6:22 10.0.0.7:22,80 10.0.0.8-255:22", 256, 257},
		{"10.0.0.0/24", "10.0.0.0,10.0.0.255", "22", "10.0.0.1-254:22", 254, 254},
		{"10.0.0.0/24", "10.0.0.64-127,10.0.0.100-200", "22", "10.0.0.0/26:22 10.0.0.201-255:22", 119, 119},
		{"10.0.0.0/24", "192.0.2.0/24", "22", "10.0.0.0/24:22", 256, 256},
		{"a=10.0.0.1 b=10.0.0.1", "", "22", "a=10.0.0.1:22", 1, 1},
		{"10.0.0.1 b=10.0.0.1", "", "22", "b=10.0.0.1:22", 1, 1},
		{"10.0.0.0/30 b=10.0.0.1", "", "22", "10.0.0.0:22 b=10.0.0.1:22 10.0.0.2/31:22", 4, 4},
		{"a=10.0.0.1 a=10.0.0.2 b=10.0.0.3", "", "22", "a=10.0.0.1-2:22 b=10.0.0.3:22", 3, 3},
		{"1.0.0.0-223.255.255.255", "10.0.0.0/8", "-", "1.0.0.0-9.255.255.255:1-65535 11.0.0.0-223.255.255.255:1-65535", 222 << 24, 222 << 24 * 65535},
	} {
		var ports Ports
		if tc.ports != "" {
			var err error
			if ports, err = ParsePorts(tc.ports); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Normalize(mustTargets(t, tc.targets), mustRanges(t, tc.exclude), ports)
		if err != nil {
			t.Errorf("%s without %s: %v", tc.targets, tc.exclude, err)
			continue
		}
		if got := showScope(s); got != tc.want {
			t.Errorf("%s without %s on %q\n gives %s\n  want %s", tc.targets, tc.exclude, tc.ports, got, tc.want)
		}
		if s.Hosts() != tc.hosts || s.Probes() != tc.probes {
			t.Errorf("%s: %d hosts and %d probes, want %d and %d", tc.targets, s.Hosts(), s.Probes(), tc.hosts, tc.probes)
		}
	}
}

// The whole space is one block, although its end is behind the last address.
func TestNormalizeWholeSpace(t *testing.T) {
	all := prefixRange(netip.MustParsePrefix("0.0.0.0/0"))
	s, err := Normalize([]Target{{Range: all}}, nil, portSet(80))
	if err != nil {
		t.Fatal(err)
	}
	if s.Hosts() != 1<<32 || len(s.Blocks) != 1 {
		t.Errorf("%d hosts in %d blocks", s.Hosts(), len(s.Blocks))
	}
	if last, _ := s.Host(1<<32 - 1); last != all.Last {
		t.Errorf("the last host is %v", last)
	}
}

func TestNormalizeErrors(t *testing.T) {
	one := mustTargets(t, "10.0.0.1")
	for _, tc := range []struct {
		targets []Target
		exclude []Range
		want    string
	}{
		{nil, nil, `there is no target: give a host, an address or a range`},
		{one, mustRanges(t, "10.0.0.0/8"), `every target is excluded: nothing is left to probe`},
		{[]Target{{Name: "host"}}, nil, `target "host" has no IPv4 addresses: resolve it first`},
		{one, []Range{{}}, `exclusion invalid IP-invalid IP is not a range of IPv4 addresses`},
	} {
		_, err := Normalize(tc.targets, tc.exclude, nil)
		if err == nil || err.Error() != tc.want {
			t.Errorf("error %v\nwant %s", err, tc.want)
		}
	}
}

func TestScopeHost(t *testing.T) {
	s, err := Normalize(mustTargets(t, "10.0.0.1-3 10.0.1.0/30 b=10.0.2.1:80"), mustRanges(t, "10.0.0.2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range s.Hosts() {
		addr, block := s.Host(i)
		if !block.Contains(addr) {
			t.Errorf("%v is not in its block %v", addr, block.Range)
		}
		if alone := s.target(addr); alone.Range != (Range{addr, addr}) || alone.Name != block.Name || !alone.Ports.Equal(block.Ports) {
			t.Errorf("target(%v) = %+v, not of %+v", addr, alone, block)
		}
		got = append(got, addr.String())
	}
	want := "10.0.0.1 10.0.0.3 10.0.1.0 10.0.1.1 10.0.1.2 10.0.1.3 10.0.2.1"
	if strings.Join(got, " ") != want {
		t.Errorf("hosts are %v, want %s", got, want)
	}
	for _, outside := range []string{"10.0.0.0", "10.0.0.2", "10.0.2.2"} {
		if alone := s.target(netip.MustParseAddr(outside)); alone.valid() {
			t.Errorf("target(%s) = %+v, though it is outside", outside, alone)
		}
	}
	for _, scope := range []Scope{s, {}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Host(%d) does not panic", scope.Hosts())
				}
			}()
			scope.Host(scope.Hosts())
		}()
	}
}

// TestNormalizeByChance compares Normalize with the obvious: a table of every
// address.
func TestNormalizeByChance(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	base := addrNumber(netip.MustParseAddr("10.0.0.0"))
	span := func() Range {
		a, b := rng.Uint32N(64), rng.Uint32N(64)
		return Range{numberAddr(base + min(a, b)), numberAddr(base + max(a, b))}
	}
	for range 2000 {
		var targets []Target
		var exclude []Range
		for range 1 + rng.IntN(6) {
			target := Target{Range: span()}
			if rng.IntN(2) == 0 {
				target.Ports = portSet(uint16(1 + rng.IntN(4)))
			}
			if rng.IntN(3) == 0 {
				target.Name = string(rune('a' + rng.IntN(3)))
			}
			targets = append(targets, target)
		}
		for range rng.IntN(3) {
			exclude = append(exclude, span())
		}
		extra := portSet(9)
		s, err := Normalize(targets, exclude, extra)
		got := map[netip.Addr]Block{}
		for i := range s.Hosts() {
			addr, block := s.Host(i)
			got[addr] = block
		}
		hosts := 0
		for n := range uint32(64) {
			addr := numberAddr(base + n)
			ports, name := obvious(targets, exclude, extra, addr)
			if len(ports) > 0 {
				hosts++
			}
			if b := got[addr]; !b.Ports.Equal(ports) || b.Name != name {
				t.Fatalf("%v without %v: %v has %v of %q, want %v of %q", targets, exclude, addr, b.Ports, b.Name, ports, name)
			}
		}
		if len(got) != hosts || (err == nil) != (hosts > 0) {
			t.Fatalf("%v without %v: %d hosts, %v, want %d", targets, exclude, len(got), err, hosts)
		}
	}
}

func obvious(targets []Target, exclude []Range, extra Ports, addr netip.Addr) (ports Ports, name string) {
	for _, r := range exclude {
		if r.Contains(addr) {
			return nil, ""
		}
	}
	for _, t := range targets {
		if t.Contains(addr) {
			ports = ports.Union(t.Ports).Union(extra)
			if name == "" {
				name = t.Name
			}
		}
	}
	return ports, name
}

func BenchmarkNormalize(b *testing.B) {
	var targets []Target
	for n := range uint32(100_000) {
		addr := numberAddr(10<<24 + n*3)
		targets = append(targets, Target{Range: Range{addr, addr}})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Normalize(targets, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}
