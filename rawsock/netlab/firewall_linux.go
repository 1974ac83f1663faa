package netlab

import (
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// batchRules is how many rules go to the kernel at once. Each is acknowledged
// by itself, and the acknowledgements of a few hundred overflow a netlink
// socket's default receive buffer.
const batchRules = 64

// synproxySysctls are what SYNPROXY needs besides its rules: the handshake's
// last ACK must not be taken for the middle of an old connection, and the
// proxy keeps the client's options in the timestamp.
var synproxySysctls = map[string]string{
	"net.netfilter.nf_conntrack_tcp_loose": "0",
	"net.ipv4.tcp_timestamps":              "1",
	"net.ipv4.tcp_syncookies":              "1",
}

// applyFirewall makes the network namespace nsfd filter as f says. It expects
// a namespace without a firewall, and is not atomic: call it while the links
// are down.
func applyFirewall(nsfd int, f Firewall) error {
	if f.isZero() {
		return nil
	}
	if err := f.validate(); err != nil {
		return fmt.Errorf("firewall: %w", err)
	}
	conn, err := nftables.New(nftables.WithNetNSFd(nsfd))
	if err != nil {
		return fmt.Errorf("firewall: %w", err)
	}
	table := conn.AddTable(&nftables.Table{Name: "netlab", Family: nftables.TableFamilyIPv4})
	if err := addSynproxyRaw(conn, table, f.Rules); err != nil {
		return fmt.Errorf("firewall: %w", err)
	}
	for _, hook := range []Hook{Input, Forward, Output} {
		chain := conn.AddChain(baseChain(table, hook))
		if err := addRules(conn, chain, chainRules(f, hook)); err != nil {
			return fmt.Errorf("firewall: %v: %w", hook, err)
		}
	}
	if !slices.ContainsFunc(f.Rules, isSynproxy) {
		return nil
	}
	// After the rules: the conntrack sysctls exist once a rule has loaded it.
	return setSysctls(nsfd, synproxySysctls)
}

func isSynproxy(r Rule) bool { return r.Action == SynProxy }

// baseChain is the filter chain of one hook.
func baseChain(table *nftables.Table, hook Hook) *nftables.Chain {
	chain := &nftables.Chain{
		Name:     hook.String(),
		Table:    table,
		Type:     nftables.ChainTypeFilter,
		Priority: nftables.ChainPriorityFilter,
	}
	switch hook {
	case Input:
		chain.Hooknum = nftables.ChainHookInput
	case Forward:
		chain.Hooknum = nftables.ChainHookForward
	case Output:
		chain.Hooknum = nftables.ChainHookOutput
	}
	return chain
}

// addSynproxyRaw keeps the SYNs that a SYN proxy shall answer away from
// connection tracking, which would otherwise remember every one of them.
func addSynproxyRaw(conn *nftables.Conn, table *nftables.Table, rules []Rule) error {
	var raw [][]expr.Any
	for _, r := range rules {
		if isSynproxy(r) {
			raw = append(raw, slices.Concat(matchTCP(r), matchSYN(), []expr.Any{&expr.Notrack{}}))
		}
	}
	if raw == nil {
		return nil
	}
	return addRules(conn, conn.AddChain(&nftables.Chain{
		Name:     "raw",
		Table:    table,
		Type:     nftables.ChainTypeFilter,
		Hooknum:  nftables.ChainHookPrerouting,
		Priority: nftables.ChainPriorityRaw,
	}), raw)
}

// addRules appends rules to a chain and hands them to the kernel.
func addRules(conn *nftables.Conn, chain *nftables.Chain, rules [][]expr.Any) error {
	for batch := range slices.Chunk(rules, batchRules) {
		for _, exprs := range batch {
			conn.AddRule(&nftables.Rule{Table: chain.Table, Chain: chain, Exprs: exprs})
		}
		if err := conn.Flush(); err != nil {
			return err
		}
	}
	return conn.Flush()
}

// chainRules are the lines of one hook, in the order that Firewall promises.
func chainRules(f Firewall, hook Hook) [][]expr.Any {
	var proxied, ordinary [][]expr.Any
	for _, r := range f.Rules {
		switch {
		case r.Hook != hook:
		case isSynproxy(r):
			proxied = append(proxied, slices.Concat(matchTCP(r),
				matchState(expr.CtStateBitINVALID|expr.CtStateBitUNTRACKED), act(r.Action)))
		default:
			ordinary = append(ordinary, append(matchTCP(r), act(r.Action)...))
		}
	}
	if hook == Output {
		return ordinary
	}
	rules := proxied
	if f.AcceptEstablished {
		rules = append(rules, append(matchState(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), act(Accept)...))
	}
	if f.DropInvalid {
		rules = append(rules, append(matchState(expr.CtStateBitINVALID), act(Drop)...))
	}
	rules = append(rules, ordinary...)
	if f.DropOthers {
		rules = append(rules, append(matchDevice(expr.MetaKeyIIFNAME, "lo"), act(Accept)...), act(Drop))
	}
	return rules
}

// matchTCP lets TCP to the rule's ports go on to the next expression.
func matchTCP(r Rule) []expr.Any {
	exprs := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
	}
	if r.From == 0 && r.To == 0 {
		return exprs
	}
	to := max(r.From, r.To)
	return append(exprs,
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Range{
			Op: expr.CmpOpEq, Register: 1,
			FromData: binaryutil.BigEndian.PutUint16(r.From),
			ToData:   binaryutil.BigEndian.PutUint16(to),
		})
}

// matchSYN lets a connection's first segment go on: of FIN, SYN, RST and ACK
// the SYN alone.
func matchSYN() []expr.Any {
	const finSynRstAck, syn = 0x17, 0x02
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{finSynRstAck}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{syn}},
	}
}

// matchState lets a segment go on whose connection tracking state is among
// the bits.
func matchState(bits uint32) []expr.Any {
	zero := binaryutil.NativeEndian.PutUint32(0)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: zero},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: zero},
	}
}

// matchDevice lets a datagram go on that comes from (MetaKeyIIFNAME) or goes
// out of (MetaKeyOIFNAME) a device. Names that do not exist yet are fine.
func matchDevice(key expr.MetaKey, device string) []expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, device)
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name},
	}
}

// act is the statement of an action. The codes are those of RFC 792 and
// RFC 1812, Section 5.2.7.1.
func act(a Action) []expr.Any {
	const icmpUnreachable, tcpReset = unix.NFT_REJECT_ICMP_UNREACH, unix.NFT_REJECT_TCP_RST
	switch a {
	case Drop:
		return []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
	case RejectReset:
		return []expr.Any{&expr.Reject{Type: tcpReset}}
	case RejectNetUnreachable:
		return []expr.Any{&expr.Reject{Type: icmpUnreachable, Code: 0}}
	case RejectHostUnreachable:
		return []expr.Any{&expr.Reject{Type: icmpUnreachable, Code: 1}}
	case RejectPortUnreachable:
		return []expr.Any{&expr.Reject{Type: icmpUnreachable, Code: 3}}
	case RejectNetProhibited:
		return []expr.Any{&expr.Reject{Type: icmpUnreachable, Code: 9}}
	case RejectHostProhibited:
		return []expr.Any{&expr.Reject{Type: icmpUnreachable, Code: 10}}
	case RejectAdminProhibited:
		return []expr.Any{&expr.Reject{Type: icmpUnreachable, Code: 13}}
	case SynProxy:
		return []expr.Any{&expr.SynProxy{Mss: 1460, Wscale: 7, Timestamp: true, SackPerm: true}}
	}
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
}
