package netlab

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// applyNAT makes the network namespace nsfd masquerade what it forwards or
// sends out of device. The device need not exist yet.
func applyNAT(nsfd int, n NAT, device string) error {
	if n.Ports > FullyRandom {
		return fmt.Errorf("nat: unknown %v", n.Ports)
	}
	conn, err := nftables.New(nftables.WithNetNSFd(nsfd))
	if err != nil {
		return fmt.Errorf("nat: %w", err)
	}
	table := conn.AddTable(&nftables.Table{Name: "netlab-nat", Family: nftables.TableFamilyIPv4})
	chain := conn.AddChain(&nftables.Chain{
		Name:     "postrouting",
		Table:    table,
		Type:     nftables.ChainTypeNAT,
		Hooknum:  nftables.ChainHookPostrouting,
		Priority: nftables.ChainPriorityNATSource,
	})
	masquerade := &expr.Masq{Random: n.Ports == Random, FullyRandom: n.Ports == FullyRandom}
	rule := append(matchDevice(expr.MetaKeyOIFNAME, device), masquerade)
	if err := addRules(conn, chain, [][]expr.Any{rule}); err != nil {
		return fmt.Errorf("nat: %w", err)
	}
	return nil
}
