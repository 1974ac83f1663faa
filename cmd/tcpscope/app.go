package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// program is one run of tcpscope: what it reads, writes and knows of its
// environment.
type program struct {
	args           []string // without the program's name
	stdin          io.Reader
	stdout, stderr io.Writer
	environment    []string // "NAME=value"
}

// getenv returns the value of an environment variable; "" if it is not set.
func (p *program) getenv(name string) string {
	for _, e := range slices.Backward(p.environment) {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// run is the whole program but for the process it runs in. It returns the
// exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env ...string) int {
	p := &program{args: args[1:], stdin: stdin, stdout: stdout, stderr: stderr, environment: env}
	err := p.run(ctx, args)
	complain(stderr, err)
	return exitStatus(err)
}

func (p *program) run(ctx context.Context, args []string) error {
	app := p.app()
	if len(args) > 1 && args[1] == completeCommand {
		return p.complete(app, args[2:])
	}
	call, err := permute(app, args)
	switch {
	case err != nil:
		return err
	case call.version:
		_, err := fmt.Fprintf(p.stdout, "tcpscope %s\n", version())
		return err
	case call.help:
		return writeHelp(p.stdout, app, call.command, call.path)
	}
	return app.RunContext(ctx, call.argv)
}

// app is the command table.
func (p *program) app() *cli.App {
	app := &cli.App{
		Name:      "tcpscope",
		Usage:     "send TCP segments, listen to the answers, say what they mean",
		ArgsUsage: "COMMAND [flags] TARGET...",
		Description: `tcpscope demo                                # the guided tour, no root needed
sudo tcpscope syn -p 22,80,443 192.0.2.7     # which ports are open, and why
sudo tcpscope syn -p- --expect open,closed -o json=scan.json 192.0.2.0/28
sudo tcpscope craft --flags FIN --packet-trace 192.0.2.7:80
sudo tcpscope rtt -c 100 -i 50ms 192.0.2.7:443  # latency, in percentiles
sudo tcpscope watch --states port 443        # what others' segments do
tcpscope read --ladder trouble.pcapng        # the same of a capture
tcpscope sockets --explain                   # our own sockets, what ails them
tcpscope lab run firewall -- tcpscope syn 10.0.2.2`,
		Flags: generalFlags(),
		Commands: slices.Concat(
			[]*cli.Command{p.syn(), p.craft(), p.rtt(), p.watch(), p.read(), p.decode(), p.sockets()},
			p.laboratory(),
			[]*cli.Command{p.completion(), p.help(), p.version()},
		),
		Action: func(c *cli.Context) error {
			writeShortHelp(p.stderr, c.App)
			return verdict(exitUsage)
		},
		Reader: p.stdin, Writer: p.stdout, ErrWriter: p.stderr,
		HideHelp: true, HideVersion: true,
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*cli.Context, error) {},
	}
	for _, c := range app.Commands {
		p.prepare(c)
	}
	return app
}

// prepare sets what all commands have in common.
func (p *program) prepare(c *cli.Command) {
	c.HideHelp = true
	c.Before = func(c *cli.Context) error {
		if err := contradiction(c); err != nil {
			return err
		}
		_, err := p.color(c)
		return err
	}
	if len(c.Subcommands) > 0 && c.Action == nil {
		c.Action = func(*cli.Context) error {
			return usageError{fmt.Errorf("%s needs a command", c.Name), "tcpscope help " + c.Name}
		}
	}
	for _, s := range c.Subcommands {
		p.prepare(s)
	}
}

// version is "tcpscope version".
func (p *program) version() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "show the version", Description: "tcpscope version",
		Flags: generalFlags(),
		Action: func(c *cli.Context) error {
			if err := noOperands(c); err != nil {
				return err
			}
			_, err := fmt.Fprintf(p.stdout, "tcpscope %s\n", version())
			return err
		},
	}
}
