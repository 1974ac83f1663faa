package netlab

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

func TestTopologiesAreValid(t *testing.T) {
	names := make(map[string]bool)
	for _, topology := range Topologies() {
		if err := topology.Validate(); err != nil {
			t.Errorf("%s: %v", topology.Name, err)
		}
		if topology.Name == "" || topology.Summary == "" || names[topology.Name] {
			t.Errorf("name %q, summary %q: want both, and no name twice", topology.Name, topology.Summary)
		}
		names[topology.Name] = true
		if found, ok := Find(topology.Name); !ok || found.Summary != topology.Summary {
			t.Errorf("%s cannot be found", topology.Name)
		}
	}
	if _, ok := Find("none"); ok {
		t.Error("found what there is not")
	}
}

// The firewall's table covers ports 1 to 1000 without gap or overlap.
func TestTruths(t *testing.T) {
	next := uint16(1)
	for _, truth := range Truths() {
		if truth.From != next || truth.To < truth.From {
			t.Errorf("range %d-%d, want it to begin at %d", truth.From, truth.To, next)
		}
		if truth.Source.IsValid() == (truth.Action == Drop) || truth.Open && truth.Action != Accept {
			t.Errorf("%+v contradicts itself", truth)
		}
		if TruthOf(truth.From) != truth || TruthOf(truth.To) != truth {
			t.Errorf("%d-%d is not found", truth.From, truth.To)
		}
		next = truth.To + 1
	}
	if next != 1001 {
		t.Errorf("the table ends before %d", next)
	}
	if above := TruthOf(60000); above.Open || above.Action != Accept {
		t.Errorf("port 60000: %+v, want closed", above)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		want   string
		change func(*Topology)
	}{
		{`host "": the name must serve as a device's, with 1 to 15 octets`, func(t *Topology) { t.Hosts[0].Name = "" }},
		{`host "lo": the name must serve as a device's, with 1 to 15 octets`, func(t *Topology) { t.Hosts[0].Name = "lo" }},
		{`host "sixteen-octets-x": the name must serve as a device's, with 1 to 15 octets`, func(t *Topology) { t.Hosts[0].Name = "sixteen-octets-x" }},
		{`host apple: defined twice`, func(t *Topology) { t.Hosts[0].Name = "apple" }},
		{`host ant: listen: port 0`, func(t *Topology) { t.Hosts[0].Listen = []uint16{80, 0} }},
		{`host ant: nat: no link to pear`, func(t *Topology) { t.Hosts[0].NAT.Toward = "pear" }},
		{`host ant: route to invalid Prefix via invalid IP: want an IPv4 prefix and address`, func(t *Topology) { t.Hosts[0].Routes = []Route{{}} }},
		{`link ant-pear: no host "pear"`, func(t *Topology) { t.Links[0].B.Host = "pear" }},
		{`link ant-ant: both ends are ant`, func(t *Topology) { t.Links[0].B.Host = "ant" }},
		{`link ant-apple: these hosts have one already`, func(t *Topology) { t.Links = append(t.Links, t.Links[0]) }},
		{`link ant-apple: address of ant: want an IPv4 address with its prefix length`, func(t *Topology) { t.Links[0].A.Addr = netip.MustParsePrefix("fd00::1/64") }},
		{`link ant-apple: 10.0.0.1/24 and 10.0.1.2/24 are not on one network`, func(t *Topology) { t.Links[0].B.Addr = netip.MustParsePrefix("10.0.1.2/24") }},
		{`link ant-apple: log -1: want no negative number`, func(t *Topology) { t.Links[0].Log = -1 }},
		{`link ant-apple: a to b: delay -1s, jitter 0s: want no negative ones`, func(t *Topology) { t.Links[0].AtoB.Delay = -time.Second }},
		{`link ant-apple: b to a: loss 1.5: want a probability, 0 to 1`, func(t *Topology) { t.Links[0].BtoA.Loss = 1.5 }},
		{`link ant-apple: b to a: corrupt NaN: want a probability, 0 to 1`, func(t *Topology) { t.Links[0].BtoA.Corrupt = math.NaN() }},
		{`link ant-apple: a to b: drop rule: want a Match, and no negative K`, func(t *Topology) { t.Links[0].AtoB.Drop = []DropRule{{K: 1}} }},
		{`link ant-apple: a to b: drop rule: want a Match, and no negative K`, func(t *Topology) {
			t.Links[0].AtoB.Drop = []DropRule{{K: -1, Match: func(wire.Header, wire.Segment) bool { return true }}}
		}},
	} {
		topology := Pair()
		test.change(&topology)
		if err := topology.Validate(); err == nil || err.Error() != test.want {
			t.Errorf("got %v\nwant %s", err, test.want)
		}
	}
}
