//go:build linux

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// scene is one command of the guided tour, and what to look for in its output.
type scene struct {
	say     string
	command string
	// meanwhile is a command that runs at the same time, unseen; "" for none.
	meanwhile string
	// status is how the command must end.
	status int
}

// tour is what demo shows of a topology, in the host "ant".
type tour struct {
	topology netlab.Topology
	say      string
	scenes   []scene
}

// tours is the whole demo. A diagnostic adds its scene here.
func tours() []tour {
	return []tour{{
		netlab.Firewalled(),
		"A laboratory of three hosts, made of namespaces: ant (10.0.1.2), a filtering\n" +
			"router, and apple (10.0.2.2), which has a firewall of its own. All commands\n" +
			"run on ant, and nothing leaves this machine.",
		[]scene{
			{"Open: apple answers SYN with SYN-ACK. We reset what that half opened.",
				"tcpscope syn -p 22,80 10.0.2.2", "", exitDone},
			{"Closed: nobody listens on these two, and apple says so with RST.",
				"tcpscope syn -p 110,143 10.0.2.2", "", exitDone},
			{"Dropped: on 250 by apple itself, on 600 by the router. Silence counts as\n" +
				"filtered only because port 80 shows that apple is there.",
				"tcpscope syn -p 80,250,600 10.0.2.2", "", exitDone},
			{"Rejected: ICMP says why, and its source address says who. Ports up to 480 are\n" +
				"apple's doing, those from 641 the router's.",
				"tcpscope syn -p 301,361,421,641,701,761 10.0.2.2", "", exitDone},
			{"Reset by a firewall: 510 looks closed, as 150 does. The TTL may tell who resets.",
				"tcpscope syn -v -p 150,510,850 10.0.2.2", "", exitDone},
			{"Many ports at once: what is common is counted, not listed.",
				"tcpscope syn -p 101-880 --rate 5000 --tries 2 10.0.2.2", "", exitDone},
			{"An expectation that is not met: exit status 1, for scripts.",
				"tcpscope syn -q -p 80,443 --expect open 10.0.2.2", "", exitNegative},
			{"A segment of our own making: FIN to a closed port draws RST.",
				"tcpscope craft --flags FIN --timeout 300ms 10.0.2.2:150", "", exitDone},
			{"How far away is it? Like ping, but with SYN, and by the kernel's own stamps.",
				"tcpscope rtt -q -c 200 -i 5ms 10.0.2.2:80", "", exitDone},
			{"Somebody else's connection: ant connects to apple, says a line and closes. Both\n" +
				"ends' states stand beside it, as RFC 9293 has them.",
				"tcpscope watch --ladder --duration 1500ms port 80", "tcpscope lab talk 10.0.2.2:80", exitDone},
			{"What is left of it: ant closed first, so ant remembers it for a minute.",
				"tcpscope sockets --explain state time-wait", "", exitDone},
		},
	}}
}

// demo is "tcpscope demo".
func (p *program) demo(c *cli.Context) error {
	if err := noOperands(c); err != nil {
		return err
	}
	for _, tour := range tours() {
		fmt.Fprintf(p.stdout, "%s\n", tour.say)
		err := p.inLab(c.Context, tour.topology, func(s *netlab.Session) error {
			for _, scene := range tour.scenes {
				if err := p.show(s, scene, c.String("color")); err != nil {
					return err
				}
			}
			return c.Err()
		})
		if err != nil {
			return err
		}
	}
	fmt.Fprint(p.stdout, "\nNow a network of yours: sudo tcpscope syn HOST. All commands: tcpscope --help\n")
	return nil
}

// show runs one scene. Its command is coloured as the demo is to be.
func (p *program) show(s *netlab.Session, scene scene, color string) error {
	fmt.Fprintf(p.stdout, "\n# %s\n$ %s\n", strings.ReplaceAll(scene.say, "\n", "\n# "), scene.command)
	unseen := make(chan error, 1)
	go func() {
		var err error
		if scene.meanwhile != "" {
			err = p.inHost(s.Run, "ant", strings.Fields(scene.meanwhile))
		}
		unseen <- err
	}()
	err := errors.Join(p.inHost(s.Run, "ant", append(strings.Fields(scene.command), "--color="+color)), <-unseen)
	var status verdict
	if err != nil && !errors.As(err, &status) {
		return err
	}
	switch int(status) {
	case scene.status:
		return nil
	case exitInterrupted:
		return status
	}
	return fmt.Errorf("demo: %q ended with exit status %d, not %d", scene.command, status, scene.status)
}
