package main

import (
	"slices"

	"github.com/urfave/cli/v2"
)

// laboratory is "tcpscope lab" with all below it, and "tcpscope demo".
func (p *program) laboratory() []*cli.Command {
	host := func(usage string) cli.Flag {
		return &cli.StringFlag{Name: "host", Category: groupCommand, Usage: usage}
	}
	first := host("`HOST` of the lab to run in; default its first")
	lab := &cli.Command{
		Name:      "lab",
		Usage:     "build a laboratory of namespaces and run commands in it",
		ArgsUsage: "COMMAND ...",
		Description: `tcpscope lab list
tcpscope lab run firewall -- tcpscope syn 10.0.2.2
tcpscope lab shell upper --host ant           # and in a second terminal:
tcpscope lab enter upper --host apple -- ss -tan`,
		Flags: generalFlags(),
		Subcommands: []*cli.Command{{
			Name: "list", Usage: "list topologies, and the labs that run", Description: "tcpscope lab list",
			Flags: generalFlags(), Action: p.labList,
		}, {
			Name: "run", Usage: "build a lab, run a command in it, clear it away", ArgsUsage: "TOPOLOGY -- COMMAND ...",
			Description: `tcpscope lab run firewall -- tcpscope syn 10.0.2.2
tcpscope lab run upper --host apple -- ip address`,
			Flags: append([]cli.Flag{first}, generalFlags()...), Action: p.labRun,
		}, {
			Name: "shell", Usage: "build a lab and open a shell in it", ArgsUsage: "TOPOLOGY",
			Description: "tcpscope lab shell upper --host ant",
			Flags:       append([]cli.Flag{first}, generalFlags()...), Action: p.labShell,
		}, {
			Name: "enter", Usage: "run a command, or a shell, in a lab that runs", ArgsUsage: "NAME [-- COMMAND ...]",
			Description: `tcpscope lab enter upper --host apple
tcpscope lab enter upper --host router -- ss -tan`,
			Flags: append([]cli.Flag{first}, generalFlags()...), Action: p.labEnter,
		}, {
			Name: "serve", Hidden: true, Usage: "be the inside of a lab", ArgsUsage: "TOPOLOGY",
			Flags: generalFlags(), Action: p.labServe,
		}, {
			Name: "talk", Hidden: true, Usage: "have a short conversation, once somebody watches all devices", ArgsUsage: "ADDR:PORT",
			Flags: generalFlags(), Action: p.labTalk,
		}},
	}
	demo := &cli.Command{
		Name:        "demo",
		Usage:       "the guided tour: real commands in a laboratory, no root needed",
		Description: "tcpscope demo",
		Flags:       slices.Clone(generalFlags()),
		Action:      p.demo,
	}
	return []*cli.Command{lab, demo}
}
