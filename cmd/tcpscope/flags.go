package main

import (
	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/report"
)

// The groups that --help shows flags in.
const (
	groupCommand = "This command"
	groupProbe   = "Probing"
	groupSource  = "Where from"
	groupOutput  = "Output"
	groupGeneral = "General"
)

// generalFlags are accepted by every command.
func generalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "n", Category: groupGeneral, Usage: "show addresses, not names (the default)"},
		&cli.BoolFlag{Name: "resolve", Category: groupGeneral, Usage: "show names beside addresses, by reverse look-up"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: groupGeneral, Usage: "findings only: no summary, no progress, no notes"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: groupGeneral, Usage: "also what is usually left out"},
		&cli.StringFlag{Name: "color", Category: groupGeneral, Value: "auto", Usage: "colour text `WHEN`: auto, always or never; NO_COLOR means never"},
		&cli.BoolFlag{Name: "no-progress", Category: groupGeneral, Usage: "no progress on the terminal"},
		&cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Category: groupGeneral, Usage: "show help, beginning with examples"},
		&cli.BoolFlag{Name: "version", Category: groupGeneral, Usage: "show the version"},
	}
}

// wireFlags are the global flags of a command that sends segments and reports
// findings.
func wireFlags(command string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "interface", Aliases: []string{"I"}, Category: groupSource, Usage: "send by the device `NAME`; default by route"},
		&cli.StringFlag{Name: "source", Category: groupSource, Usage: "send from `ADDR`, one of our own; default by route"},
		&cli.StringFlag{Name: "source-port", Category: groupSource, Usage: "send from port `N`; default one that is free"},
		&cli.StringFlag{Name: "seed", Category: groupSource, Usage: "repeat the random choices of the run that had seed `N`"},
		outputFlag(command),
		&cli.StringFlag{Name: "pcap", Category: groupOutput, Usage: "record every segment, as pcapng, in `FILE`"},
		&cli.BoolFlag{Name: "packet-trace", Category: groupOutput, Usage: "show every segment on stderr, in tcpdump's form"},
		&cli.BoolFlag{Name: "dry-run", Category: groupOutput, Usage: "say what would be sent, and send nothing"},
	}
}

// outputFlag is -o, with the formats of a command.
func outputFlag(command string) cli.Flag {
	return &cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Category: groupOutput, Usage: "write `FORMAT[=FILE]`: " + alternatives(choices(command, "output")) + "; repeatable"}
}

// formats are those in which a command reports beyond the usual ones.
func formats(command string) []report.Format {
	switch command {
	case "rtt":
		return []report.Format{report.FormatHTML}
	case "watch", "read":
		return []report.Format{report.FormatHTML, report.FormatSVG}
	}
	return nil
}

// targetFlags are shared by the commands that take many targets; ports is what
// the flag of that name says last.
func targetFlags(ports string) []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "ports", Aliases: []string{"p"}, Category: groupProbe, Usage: "probe `PORTS`: 22,80,8000-8100, names, - for all" + ports},
		&cli.StringSliceFlag{Name: "targets", Category: groupProbe, Usage: "read more targets from `FILE`; - is stdin"},
		&cli.StringSliceFlag{Name: "exclude", Category: groupProbe, Usage: "leave out the addresses, networks and ranges of `LIST`"},
		&cli.StringSliceFlag{Name: "exclude-file", Category: groupProbe, Usage: "leave out what `FILE` lists"},
		&cli.BoolFlag{Name: "first-address", Category: groupProbe, Usage: "probe one address of a name, not all"},
		&cli.StringFlag{Name: "like", Category: groupProbe, Value: "linux", Usage: "make the SYN look like that of `SYSTEM`: linux, windows or bare"},
	}
}

// probeFlags are shared by the commands that probe many ports.
func probeFlags() []cli.Flag {
	return append(targetFlags("; default 100 common ones"),
		&cli.StringFlag{Name: "rate", Category: groupProbe, Value: "1000", Usage: "send `N` probes a second, or max"},
		&cli.StringFlag{Name: "tries", Category: groupProbe, Value: "3", Usage: "send a probe `N` times at most"},
		&cli.StringFlag{Name: "timeout", Category: groupProbe, Value: "2s", Usage: "wait `D` for an answer at most"},
		&cli.StringFlag{Name: "expect", Category: groupProbe, Usage: "exit 1 unless every port is in `STATE[,STATE]`"},
		&cli.StringFlag{Name: "show", Category: groupProbe, Usage: "report the ports in a `LIST` of states, or all"},
		&cli.StringFlag{Name: "order", Category: groupProbe, Value: "random", Usage: "probe in `ORDER`: random or given"},
		&cli.StringFlag{Name: "engine", Category: groupProbe, Value: "auto", Usage: "how to send: `ENGINE` auto or exact"},
		&cli.BoolFlag{Name: "yes", Category: groupProbe, Usage: "yes, more than 4,096 addresses, or --rate max beyond private networks"},
	)
}

// choices are the words that the value of a command's flag is made of; nil
// where any value may stand. Shell completion offers them.
func choices(command, flag string) []string {
	switch flag {
	case "output":
		return report.Formats(formats(command)...)
	case "color":
		return []string{"auto", "always", "never"}
	case "order":
		return []string{"random", "given"}
	case "engine":
		return []string{"auto", "exact", "sweep"}
	case "like":
		return []string{"linux", "windows", "bare"}
	case "clock":
		return []string{"auto", string(finding.PacketRing), string(finding.SocketStamp), string(finding.UserClock)}
	case "expect":
		if command == "rtt" {
			return []string{"min", "mean", "p50", "p90", "p95", "p99", "max", "stddev", "jitter", "loss", "late", "duplicates"}
		}
		return stateWords()
	case "show":
		return append([]string{"all"}, stateWords()...)
	case "flags":
		return []string{"SYN", "ACK", "FIN", "RST", "PSH", "URG", "ECE", "CWR", "none"}
	case "rate":
		return []string{"max"}
	case "as":
		return startWords()
	}
	return nil
}
