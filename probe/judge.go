package probe

import (
	"errors"
	"net/netip"
	"os"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Finding is what one exchange says about a port.
type Finding struct {
	Exchange Exchange
	State    finding.State
	Reason   finding.Reason
	// Origin is who decided, where the reply shows it; "" where it does not.
	Origin finding.Origin
	// Detail is what else is worth knowing; "" for nothing.
	Detail string
}

// Judge says what an exchange means. It is pure and total: every exchange has
// a finding. A segment other than SYN-ACK is taken for a reset, since nothing
// else answers a SYN (RFC 9293, Section 3.10.7.3).
func Judge(x Exchange) Finding {
	f := Finding{Exchange: x}
	switch r := x.Reply; {
	case x.Refused != nil:
		f.State, f.Reason, f.Detail = finding.NotSent, finding.LocalRefusal, refusal(x.Refused)
	case r == nil:
		f.State, f.Reason = finding.Filtered, finding.NoReply
	case r.ICMP:
		f.State, f.Reason = finding.Filtered, finding.ICMP(r.Type, r.Code)
		if r.rejects() {
			f.Origin = finding.FromFirewall
		}
	case r.Is(wire.SYN | wire.ACK):
		f.State, f.Reason = finding.Open, finding.SYNACK
	default:
		f.State, f.Reason = finding.Closed, finding.RST
	}
	return f
}

var errOwnFirewall = errors.New("a firewall on this host forbids sending it")

// refusal words the kernel's refusal of a segment.
func refusal(err error) string {
	switch {
	case errors.Is(err, ErrOwnPort):
		return err.Error()
	case errors.Is(err, os.ErrPermission):
		return errOwnFirewall.Error()
	}
	return err.Error()
}

// Record returns the finding as a port object.
func (f Finding) Record() finding.Record {
	x := f.Exchange
	record := finding.New("port").
		Set("target", named(x.Probe.Target, x.Probe.Addr)).
		Set("addr", x.Probe.Addr).
		Set("port", x.Probe.Port).
		Set("method", x.Method.Name).
		Set("state", f.State).
		Set("reason", f.Reason).
		Set("tries", x.Tries).
		Set("origin", f.Origin).
		Set("detail", f.Detail)
	r := x.Reply
	if r == nil {
		return record.Set("at", x.At)
	}
	record = record.Set("from", r.From).Set("ttl", r.TTL).Set("at", r.At)
	if x.RTT != 0 {
		record = record.Set("rtt_us", float64(x.RTT)/float64(time.Microsecond))
	}
	if !r.ICMP {
		record = record.Set("window", r.Window).Set("options", words(r.Options))
	}
	return record
}

// named is the name that an address was asked for by.
func named(target string, addr netip.Addr) string {
	if target != "" {
		return target
	}
	return addr.String()
}

// words are options in tcpdump's words.
func words(options []wire.Option) []string {
	var w []string
	for _, o := range options {
		w = append(w, o.String())
	}
	return w
}
