package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/probe"
)

// syn is "tcpscope syn".
func (p *program) syn() *cli.Command {
	return &cli.Command{
		Name:      "syn",
		Usage:     "probe ports with SYN: open, closed or filtered, and why",
		ArgsUsage: "TARGET...",
		Description: `tcpscope syn 192.0.2.7                      # 100 common ports
tcpscope syn -p 22,80,8000-8100 192.0.2.0/28
tcpscope syn -p- --show open --rate 5000 192.0.2.7
tcpscope syn --expect open 192.0.2.7:443    # exit status 1 if it is not
tcpscope syn -o text -o json=scan.json --pcap scan.pcapng 192.0.2.7`,
		Flags:  slices.Concat(probeFlags(), wireFlags("syn"), generalFlags()),
		Action: func(c *cli.Context) error { return p.probe(c, probe.Syn) },
	}
}

// probe runs one of the port probes.
func (p *program) probe(c *cli.Context, method probe.Method) error {
	s, err := p.settings(c)
	if err != nil {
		return err
	}
	expect, err := states(c, "expect")
	if err != nil {
		return err
	}
	show, err := shown(c)
	if err != nil {
		return err
	}
	spec, err := p.spec(c, s, method)
	if err != nil {
		return err
	}
	return p.scan(c.Context, s, spec, expect, show)
}
