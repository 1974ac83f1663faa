package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"
	"golang.org/x/net/bpf"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/report"
)

// read is "tcpscope read".
func (p *program) read() *cli.Command {
	return &cli.Command{
		Name:      "read",
		Usage:     "show the segments of capture files or tcpdump's text, and what each does",
		ArgsUsage: "FILE...",
		Description: `tcpscope read trouble.pcapng                   # pcap, pcapng, gzip, or text
tcpscope read --ladder --filter 'port 443' trouble.pcap
tcpscope read --summary -o json=connections.json *.pcap
tcpscope read -o html=trouble.html trouble.pcap
tcpdump -r trouble.pcap -nS | tcpscope read --states -`,
		Flags: append(append(readFlags(), viewFlags("read")...), generalFlags()...),
		Action: func(c *cli.Context) error {
			asked, err := p.viewSettings(c)
			if err != nil {
				return err
			}
			var pass *bpf.VM
			if c.IsSet("filter") {
				if pass, err = machine(c.String("filter")); err != nil {
					return err
				}
			}
			before, after := operands(c)
			names := append(before, after...)
			if len(names) == 0 {
				return usageError{errors.New("read needs a FILE"), "- is standard input"}
			}
			inputs, err := p.openInputs(names)
			if err != nil {
				return err
			}
			defer inputs.close()
			return p.runRead(c.Context, asked, inputs, pass)
		},
	}
}

func readFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "filter", Category: groupCommand, Usage: "show only what passes `FILTER`, in tcpdump's language"},
	}
}

// machine compiles a filter for what is no socket.
func machine(text string) (*bpf.VM, error) {
	_, program, err := compile("--filter", text)
	if err != nil {
		return nil, err
	}
	instructions, _ := bpf.Disassemble(program)
	for i := range instructions {
		if instructions[i] == (bpf.LoadExtension{Num: bpf.ExtLen}) {
			// What was captured may be less: the total length tells.
			instructions[i] = bpf.LoadAbsolute{Off: 2, Size: 2}
		}
	}
	return bpf.NewVM(instructions)
}

// runRead shows what the files hold, merged by their stamps.
func (p *program) runRead(ctx context.Context, asked viewed, inputs *inputs, pass *bpf.VM) error {
	inputs.begin(ctx)
	v, err := p.beginView(ctx, asked, inputs.copies())
	if err != nil {
		return err
	}
	inputs.waits = v.job.report.Flush
	defer v.job.follow(func() {
		if v.views.View == report.ViewSummary {
			v.job.progress.Update(0, 0, v.status())
		}
	}, v.status)()
	err = v.read(ctx, inputs, pass)
	v.other, v.unreadable = inputs.tally()
	return v.end(ctx, errors.Join(err, inputs.failures()), finding.New("summary"))
}

// read shows packets until the last, or the last of those that were asked for.
func (v *viewing) read(ctx context.Context, inputs *inputs, pass *bpf.VM) error {
	for {
		p := inputs.next()
		if p == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if pass != nil {
			if n, err := pass.Run(p.datagram); err != nil || n == 0 {
				continue
			}
		}
		if done, err := v.show(p); done || err != nil {
			return err
		}
	}
}
