package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/report"
)

// manyAddresses is how many addresses are probed without --yes.
const manyAddresses = 4096

// spec reads the flags of a port probe. It reads files and resolves names, and
// opens no other socket.
func (p *program) spec(c *cli.Context, s settings, method probe.Method) (probe.Spec, error) {
	spec := probe.Spec{Method: method, SourcePort: s.sourcePort}
	if err := pace(c, &spec); err != nil {
		return spec, err
	}
	if err := ports(c, &spec); err != nil {
		return spec, err
	}
	if err := p.targets(c, &spec); err != nil {
		return spec, err
	}
	scope, err := probe.Normalize(spec.Targets, spec.Exclude, spec.Ports)
	if err != nil {
		return spec, usageError{error: err}
	}
	return spec, consent(c, spec, scope)
}

// pace reads how fast, how often and in which order is probed.
func pace(c *cli.Context, spec *probe.Spec) error {
	var err error
	if spec.Rate, err = rate(c); err != nil {
		return err
	}
	tries, err := integer(c, "tries", 1, 100)
	if err != nil {
		return err
	}
	spec.Tries = int(tries)
	if spec.Timeout, err = period(c, "timeout", shortestTimeout, longestTimeout); err != nil {
		return err
	}
	order, err := choice(c, "order")
	if err != nil {
		return err
	}
	spec.Order = probe.Order(order)
	like, err := choice(c, "like")
	if err != nil {
		return err
	}
	spec.Like = probe.Preset(like)
	engine, err := choice(c, "engine")
	if err != nil {
		return err
	}
	if choices("engine")[engine] == "sweep" {
		return misuse("--engine sweep: this version has the exact engine only")
	}
	return nil
}

// ports reads --ports.
func ports(c *cli.Context, spec *probe.Spec) error {
	for _, list := range c.StringSlice("ports") {
		some, err := probe.ParsePorts(list)
		if err != nil {
			return usageError{error: fmt.Errorf("--ports: %w", err)}
		}
		spec.Ports = spec.Ports.Union(some)
	}
	return nil
}

// targets reads the targets and exclusions, from the words and from files.
func (p *program) targets(c *cli.Context, spec *probe.Spec) error {
	reader := probe.TargetReader{Resolver: net.DefaultResolver, FirstAddress: c.Bool("first-address")}
	before, after := operands(c)
	var err error
	if spec.Targets, err = reader.ParseTargets(c.Context, append(before, after...)); err != nil {
		return misread(c.Context, "", err)
	}
	stdin := ""
	for _, flag := range []string{"targets", "exclude-file"} {
		for _, name := range c.StringSlice(flag) {
			if name == "-" {
				if stdin != "" {
					return misuse("--%s - and --%s -: there is only one standard input", stdin, flag)
				}
				stdin = flag
			}
			err := p.readFile(name, func(r io.Reader, name string) error {
				if flag == "targets" {
					some, err := reader.ReadTargets(c.Context, r, name)
					spec.Targets = append(spec.Targets, some...)
					return err
				}
				some, err := reader.ReadExcludes(c.Context, r, name)
				spec.Exclude = append(spec.Exclude, some...)
				return err
			})
			if err != nil {
				return misread(c.Context, "--"+flag+" ", err)
			}
		}
	}
	for _, list := range c.StringSlice("exclude") {
		some, err := reader.ParseExcludes(c.Context, list)
		if err != nil {
			return misread(c.Context, "--exclude: ", err)
		}
		spec.Exclude = append(spec.Exclude, some...)
	}
	if len(spec.Targets) == 0 {
		return usageError{errors.New("no target given"), "tcpscope " + c.Command.Name + " 192.0.2.7, or --targets FILE"}
	}
	return nil
}

// readFile hands the file, or standard input for "-", to read.
func (p *program) readFile(name string, read func(io.Reader, string) error) error {
	if name == "-" {
		return read(p.stdin, name)
	}
	f, err := os.Open(name)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = fmt.Errorf("%s: %w", path.Path, path.Err)
		}
		return err
	}
	defer f.Close()
	return read(f, name)
}

// misread makes a usage error of what went wrong while targets were read,
// unless the user interrupted it.
func misread(ctx context.Context, prefix string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return usageError{error: fmt.Errorf("%s%w", prefix, err)}
}

// consent asks for --yes where much is probed, or much that is not ours.
func consent(c *cli.Context, spec probe.Spec, scope probe.Scope) error {
	if c.Bool("yes") {
		return nil
	}
	if n := scope.Hosts(); n > manyAddresses {
		return usageError{fmt.Errorf("%s addresses are more than %s", report.Grouped(n), report.Grouped(manyAddresses)), "add --yes if that is meant"}
	}
	if spec.Rate != 0 {
		return nil
	}
	for _, b := range scope.Blocks {
		if !private(b.First, b.Last) {
			return usageError{fmt.Errorf("--rate max: %v is outside the private and loopback ranges", b.Range), "add --yes if that is meant, or give a --rate"}
		}
	}
	return nil
}

// private reports whether a range lies within one of the private (RFC 1918),
// loopback or link-local networks.
func private(first, last netip.Addr) bool {
	for _, network := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16"} {
		if p := netip.MustParsePrefix(network); p.Contains(first) && p.Contains(last) {
			return true
		}
	}
	return false
}
