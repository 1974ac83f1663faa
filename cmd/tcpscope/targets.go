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
	list, err := p.targets(c)
	if err != nil {
		return spec, err
	}
	spec.Targets, spec.Exclude, spec.Ports = list.targets, list.exclude, list.ports
	scope, err := list.scope(c)
	if err != nil {
		return spec, err
	}
	return spec, restraint(c, spec, scope)
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
	if spec.Like, err = like(c); err != nil {
		return err
	}
	engine, err := choice(c, "engine")
	if err != nil {
		return err
	}
	if choices(c.Command.Name, "engine")[engine] == "sweep" {
		return misuse("--engine sweep: this version has the exact engine only")
	}
	return nil
}

// like reads --like.
func like(c *cli.Context) (probe.Preset, error) {
	place, err := choice(c, "like")
	return probe.Preset(place), err
}

// targetList is whom the user wants to probe. The ports are those of --ports,
// for all targets.
type targetList struct {
	targets []probe.Target
	exclude []probe.Range
	ports   probe.Ports
}

// targets reads the ports, targets and exclusions, from the words and from
// files.
func (p *program) targets(c *cli.Context) (list targetList, err error) {
	if list.ports, err = ports(c); err != nil {
		return list, err
	}
	reader := probe.TargetReader{Resolver: net.DefaultResolver, FirstAddress: c.Bool("first-address")}
	before, after := operands(c)
	if list.targets, err = reader.ParseTargets(c.Context, append(before, after...)); err != nil {
		return list, misread(c.Context, "", err)
	}
	stdin := ""
	for _, flag := range []string{"targets", "exclude-file"} {
		for _, name := range c.StringSlice(flag) {
			if name == "-" {
				if stdin != "" {
					return list, misuse("--%s - and --%s -: there is only one standard input", stdin, flag)
				}
				stdin = flag
			}
			err := p.readFile(name, func(r io.Reader, name string) error {
				if flag == "targets" {
					some, err := reader.ReadTargets(c.Context, r, name)
					list.targets = append(list.targets, some...)
					return err
				}
				some, err := reader.ReadExcludes(c.Context, r, name)
				list.exclude = append(list.exclude, some...)
				return err
			})
			if err != nil {
				return list, misread(c.Context, "--"+flag+" ", err)
			}
		}
	}
	for _, text := range c.StringSlice("exclude") {
		some, err := reader.ParseExcludes(c.Context, text)
		if err != nil {
			return list, misread(c.Context, "--exclude: ", err)
		}
		list.exclude = append(list.exclude, some...)
	}
	if len(list.targets) == 0 {
		return list, usageError{errors.New("no target given"), "tcpscope " + c.Command.Name + " " + exampleTarget(c.Command.Name) + ", or --targets FILE"}
	}
	return list, nil
}

// exampleTarget is a target that a command takes.
func exampleTarget(command string) string {
	if command == "rtt" {
		return "192.0.2.7:443"
	}
	return "192.0.2.7"
}

// ports reads --ports.
func ports(c *cli.Context) (ports probe.Ports, err error) {
	for _, text := range c.StringSlice("ports") {
		some, err := probe.ParsePorts(text)
		if err != nil {
			return nil, usageError{error: fmt.Errorf("--ports: %w", err)}
		}
		ports = ports.Union(some)
	}
	return ports, nil
}

// scope works out which ports of which addresses the list comes to, and asks
// for --yes where those are many.
func (l targetList) scope(c *cli.Context) (probe.Scope, error) {
	scope, err := probe.Normalize(l.targets, l.exclude, l.ports)
	if err != nil {
		return scope, usageError{error: err}
	}
	if n := scope.Hosts(); n > manyAddresses && !c.Bool("yes") {
		return scope, usageError{fmt.Errorf("%s addresses are more than %s", report.Grouped(n), report.Grouped(manyAddresses)), "add --yes if that is meant"}
	}
	return scope, nil
}

// readFile hands the file, or standard input for "-", to read.
func (p *program) readFile(name string, read func(io.Reader, string) error) error {
	if name == "-" {
		return read(p.stdin, name)
	}
	f, err := os.Open(name)
	if err != nil {
		return plainPath(err)
	}
	defer f.Close()
	return read(f, name)
}

// plainPath leaves the system call's name out of an error about a file.
func plainPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s: %w", path.Path, path.Err)
	}
	return err
}

// misread makes a usage error of what went wrong while targets were read,
// unless the user interrupted it.
func misread(ctx context.Context, prefix string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return usageError{error: fmt.Errorf("%s%w", prefix, err)}
}

// restraint asks for --yes where all that is possible would be sent to what is
// not ours.
func restraint(c *cli.Context, spec probe.Spec, scope probe.Scope) error {
	if spec.Rate != 0 || c.Bool("yes") {
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
