package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// innerProcess is what the first process inside a lab's namespaces does.
func innerProcess() (status int, is bool) { return netlab.Init() }

// labList is "tcpscope lab list".
func (p *program) labList(c *cli.Context) error {
	if err := noOperands(c); err != nil {
		return err
	}
	for _, t := range netlab.Topologies() {
		fmt.Fprintf(p.stdout, "%-10s %s\n", t.Name, t.Summary)
	}
	names, err := netlab.Running()
	for _, name := range names {
		fmt.Fprintf(p.stdout, "%-10s running; tcpscope lab enter %s\n", name, name)
	}
	return err
}

// labRun is "tcpscope lab run".
func (p *program) labRun(c *cli.Context) error {
	topology, args, err := labOperands(c)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return usageError{errors.New("lab run: no command given"), "put it behind --, as in tcpscope lab run " + topology.Name + " -- tcpscope syn 10.0.0.2"}
	}
	return p.inLab(c.Context, topology, func(s *netlab.Session) error {
		return p.inHost(s.Run, c.String("host"), args)
	})
}

// labShell is "tcpscope lab shell".
func (p *program) labShell(c *cli.Context) error {
	topology, args, err := labOperands(c)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		return misuse("lab shell takes no command; lab run does")
	}
	return p.inLab(c.Context, topology, func(s *netlab.Session) error {
		fmt.Fprintf(p.stderr, "lab %s; a second terminal joins by: tcpscope lab enter %s --host HOST\n", s.Name(), s.Name())
		return p.inHost(s.Enter, c.String("host"), nil)
	})
}

// labEnter is "tcpscope lab enter".
func (p *program) labEnter(c *cli.Context) error {
	words, args := operands(c)
	if len(words) != 1 {
		return misuse("lab enter takes one name of a lab; %d given", len(words))
	}
	name := words[0]
	enter := func(process netlab.Process) (int, error) { return netlab.Enter(name, process) }
	return p.inHost(enter, c.String("host"), args)
}

// labServe is what the program does inside a lab's namespaces.
func (p *program) labServe(c *cli.Context) error {
	topology, _, err := labOperands(c)
	if err != nil {
		return err
	}
	if err := netlab.Serve(topology); err != nil {
		return verdict(exitFailed) // the owner of the lab has been told why
	}
	return nil
}

// labOperands reads the topology's name and the command after "--".
func labOperands(c *cli.Context) (topology netlab.Topology, command []string, err error) {
	words, command := operands(c)
	if len(words) != 1 {
		return topology, nil, usageError{
			fmt.Errorf("%s takes one topology; %d given", commandPath(c), len(words)), "tcpscope lab list shows them; a command stands behind --",
		}
	}
	topology, ok := netlab.Find(words[0])
	if !ok {
		return topology, nil, misuse("unknown topology %q%s", words[0], didYouMean("", words[0], topologyNames()))
	}
	if host := c.String("host"); host != "" && !slices.Contains(hostNames(topology), host) {
		return topology, nil, misuse("topology %s has no host %q: it has %s", topology.Name, host, enumerate(hostNames(topology)))
	}
	return topology, command, nil
}

func topologyNames() []string {
	var names []string
	for _, t := range netlab.Topologies() {
		names = append(names, t.Name)
	}
	return names
}

func hostNames(t netlab.Topology) []string {
	var names []string
	for _, h := range t.Hosts {
		names = append(names, h.Name)
	}
	return names
}

// inLab builds a lab, calls f, and clears the lab away. An interrupt is the
// business of the command in the lab: the lab stands until that has ended.
func (p *program) inLab(ctx context.Context, topology netlab.Topology, f func(*netlab.Session) error) error {
	inside, err := netlab.Command(context.WithoutCancel(ctx), "lab", "serve", topology.Name)
	if err != nil {
		return err
	}
	session, err := netlab.OpenSession(inside, topology.Name)
	if err != nil {
		return err
	}
	return errors.Join(f(session), session.Close())
}

// inHost runs a command in a host of a lab with our own streams, and returns
// its exit status as a verdict. The command "tcpscope" is this build.
func (p *program) inHost(run func(netlab.Process) (int, error), host string, args []string) error {
	args = slices.Clone(args)
	if len(args) > 0 && args[0] == "tcpscope" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		args[0] = self
	}
	process := netlab.Process{Host: host, Args: args}
	process.Stdin, _ = p.stdin.(*os.File)
	var err error
	var closers [2]func() error
	if process.Stdout, closers[0], err = asFile(p.stdout); err != nil {
		return err
	}
	if process.Stderr, closers[1], err = asFile(p.stderr); err != nil {
		return err
	}
	status, err := run(process)
	err = errors.Join(err, closers[0](), closers[1]())
	if err == nil && status != 0 {
		err = verdict(status)
	}
	return err
}

// asFile returns w, or the end of a pipe to it. The function it returns waits
// until all that was written has come through.
func asFile(w io.Writer) (*os.File, func() error, error) {
	if f, ok := w.(*os.File); ok {
		return f, func() error { return nil }, nil
	}
	r, f, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(w, r)
		copied <- err
	}()
	return f, func() error {
		f.Close()
		return errors.Join(<-copied, r.Close())
	}, nil
}

// runningLabs are the labs that may be entered; none where that cannot be
// known.
func runningLabs() []string {
	names, err := netlab.Running()
	if err != nil {
		return nil
	}
	return names
}
