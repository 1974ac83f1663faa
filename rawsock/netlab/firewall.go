package netlab

import (
	"errors"
	"fmt"
)

// Hook is the place in the kernel's path where a rule stands.
type Hook uint8

// The hooks of a filter rule.
const (
	// Input sees what is for the host itself.
	Input Hook = iota
	// Forward sees what a router passes on.
	Forward
	// Output sees what the host itself sends.
	Output
)

// String returns nftables' name of the hook.
func (h Hook) String() string {
	switch h {
	case Input:
		return "input"
	case Forward:
		return "forward"
	case Output:
		return "output"
	}
	return fmt.Sprintf("hook %d", uint8(h))
}

// Action is what a rule does to a matching segment.
type Action uint8

// The actions. The Reject ones answer with the ICMP unreachable code of
// their name, RejectReset with an RST.
const (
	Accept Action = iota
	Drop
	RejectReset
	RejectPortUnreachable
	RejectHostUnreachable
	RejectNetUnreachable
	RejectAdminProhibited
	RejectHostProhibited
	RejectNetProhibited
	// SynProxy answers SYNs itself and opens the real connection after the
	// handshake. It needs Input or Forward.
	//
	// Its rules stand before all others of their hook, whatever their place in
	// the list: the handshake's last ACK belongs to no connection that the
	// kernel knows yet, and DropInvalid would eat it.
	SynProxy
)

// String returns the action in nftables' words.
func (a Action) String() string {
	switch a {
	case Accept:
		return "accept"
	case Drop:
		return "drop"
	case RejectReset:
		return "reject with tcp reset"
	case RejectPortUnreachable:
		return "reject with icmp port-unreachable"
	case RejectHostUnreachable:
		return "reject with icmp host-unreachable"
	case RejectNetUnreachable:
		return "reject with icmp net-unreachable"
	case RejectAdminProhibited:
		return "reject with icmp admin-prohibited"
	case RejectHostProhibited:
		return "reject with icmp host-prohibited"
	case RejectNetProhibited:
		return "reject with icmp net-prohibited"
	case SynProxy:
		return "synproxy"
	}
	return fmt.Sprintf("action %d", uint8(a))
}

// Rule is one line of a firewall: TCP to the destination ports From..To (zero
// To means From alone, both zero mean every port) meets Action at Hook. The
// first rule that matches decides.
//
// A rule looks at destination ports only, not at flags or connections: at
// Forward it also meets what a connection sends back, if that goes to such a
// port.
type Rule struct {
	Hook     Hook
	From, To uint16
	Action   Action
}

// validate says what is wrong with a rule by itself.
func (r Rule) validate() error {
	switch {
	case r.Hook > Output:
		return fmt.Errorf("unknown %v", r.Hook)
	case r.Action > SynProxy:
		return fmt.Errorf("unknown %v", r.Action)
	case r.To != 0 && r.From > r.To:
		return fmt.Errorf("ports %d-%d: the first is above the last", r.From, r.To)
	case r.Action == SynProxy && r.Hook == Output:
		return errors.New("synproxy stands at input or forward, not at output")
	}
	return nil
}

// Firewall is a host's rule set, in order. The zero value lets all pass.
//
// ARP is never filtered. Connection tracking is on in hosts that need it
// (AcceptEstablished, DropInvalid, SynProxy or a NAT) and in no other.
type Firewall struct {
	Rules []Rule
	// DropInvalid drops what connection tracking calls invalid, at Input and
	// Forward, before the rules.
	DropInvalid bool
	// AcceptEstablished lets segments and ICMP errors of connections that
	// tracking knows pass at Input and Forward before the rules, so that the
	// rules meet new connections alone.
	AcceptEstablished bool
	// DropOthers drops what no rule has decided at Input and Forward: not TCP
	// alone, but ping and everything else except the loopback device's traffic.
	DropOthers bool
}

// validate says which rule is wrong, counted from 1.
func (f Firewall) validate() error {
	for i, r := range f.Rules {
		if err := r.validate(); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	return nil
}

// isZero says whether the firewall lets all pass.
func (f Firewall) isZero() bool {
	return len(f.Rules) == 0 && !f.DropInvalid && !f.AcceptEstablished && !f.DropOthers
}
