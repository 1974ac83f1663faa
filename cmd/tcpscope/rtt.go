package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/rtt"
)

// rtt is "tcpscope rtt".
func (p *program) rtt() *cli.Command {
	return &cli.Command{
		Name:      "rtt",
		Usage:     "measure handshake latency, like ping, by the kernel's stamps",
		ArgsUsage: "HOST:PORT...",
		Description: `tcpscope rtt 192.0.2.7:443                  # once a second, until Ctrl-C
tcpscope rtt -q -c 1000 -i 10ms -p 80,443 192.0.2.7
tcpscope rtt -q -c 100 -i 50ms --expect "p95<=20ms,loss<=1%" 192.0.2.7:443
tcpscope rtt --duration 10m -o text -o html=rtt.html 192.0.2.7:443
tcpscope rtt --connect 192.0.2.7:443        # no privilege needed`,
		Flags: append(rttFlags(), append(wireFlags("rtt"), generalFlags()...)...),
		Action: func(c *cli.Context) error {
			s, err := p.settings(c)
			if err != nil {
				return err
			}
			spec, err := p.rttSpec(c, s)
			if err != nil {
				return err
			}
			wish, err := rttWishes(c)
			if err != nil {
				return err
			}
			return p.runRTT(c.Context, s, spec, wish)
		},
	}
}

func rttFlags() []cli.Flag {
	flag := func(name, value, usage string, aliases ...string) cli.Flag {
		return &cli.StringFlag{Name: name, Aliases: aliases, Category: groupCommand, Value: value, Usage: usage}
	}
	return append([]cli.Flag{
		flag("count", "", "send `N` probes to each target; default no limit", "c"),
		flag("interval", "1s", "time `D` between two probes of a target, from 1ms", "i"),
		flag("duration", "", "send probes for `D`; default no limit"),
		flag("timeout", "2s", "an answer counts within `D`"),
		flag("expect", "", "exit 1 unless all `CLAUSES` hold: \"p95<=20ms,loss<=1%\""),
		flag("prometheus", "", "serve the figures, as they grow, at http://`ADDR:PORT`/metrics"),
		flag("clock", "auto", "the best clock to use: `CLOCK` auto, packet-ring, so-timestamping or user-clock"),
		&cli.BoolFlag{Name: "connect", Category: groupCommand, Usage: "time connect() instead: no privilege needed, less exact"},
	}, append(targetFlags(""),
		&cli.BoolFlag{Name: "yes", Category: groupProbe, Usage: "yes, more than 4,096 addresses"},
	)...)
}

// longestDuration is what --duration bears: a leap year.
const longestDuration = 366 * 24 * time.Hour

// rttSpec reads what is to be sent, and to whom.
func (p *program) rttSpec(c *cli.Context, s settings) (spec rtt.Spec, err error) {
	spec = rtt.Spec{SourcePort: s.sourcePort, Connect: c.Bool("connect")}
	count, err := integer(c, "count", 1, math.MaxInt32)
	if err != nil {
		return spec, err
	}
	spec.Count = int(count)
	if spec.Interval, err = period(c, "interval", shortestTimeout, longestInterval); err != nil {
		return spec, err
	}
	if c.IsSet("duration") {
		if spec.Duration, err = period(c, "duration", shortestTimeout, longestDuration); err != nil {
			return spec, err
		}
	}
	if spec.Timeout, err = period(c, "timeout", shortestTimeout, longestTimeout); err != nil {
		return spec, err
	}
	if spec.Like, err = like(c); err != nil {
		return spec, err
	}
	clock, err := choice(c, "clock")
	if err != nil {
		return spec, err
	}
	if clock > 0 { // auto leaves it to the spec
		spec.Clock = finding.Clock(choices("rtt", "clock")[clock])
	}
	list, err := p.targets(c)
	if err != nil {
		return spec, err
	}
	if err := list.needPorts(); err != nil {
		return spec, err
	}
	spec.Scope, err = list.scope(c)
	return spec, err
}

// needPorts refuses a list with a target that has no port: a latency is one
// port's, and which, only the user knows.
func (l targetList) needPorts() error {
	for _, t := range l.targets {
		if len(t.Ports) == 0 && len(l.ports) == 0 {
			what := t.Name
			if what == "" {
				what = t.Range.String()
			}
			return misuse("target %q: rtt needs a port, as in %s:443, or -p 443", what, what)
		}
	}
	return nil
}

// wishes are what the user wants of the times that are measured.
type wishes struct {
	expect []rtt.Expectation
	// metrics is where they are served; the zero AddrPort for nowhere.
	metrics netip.AddrPort
}

func rttWishes(c *cli.Context) (w wishes, err error) {
	if c.IsSet("expect") {
		if w.expect, err = rtt.ParseExpectations(c.String("expect")); err != nil {
			return w, usageError{error: fmt.Errorf("--expect: %w", err)}
		}
	}
	if c.IsSet("prometheus") {
		w.metrics, err = metricsAddress(c.String("prometheus"))
	}
	return w, err
}

// runRTT measures, and reports every probe and then every target.
func (p *program) runRTT(ctx context.Context, s settings, spec rtt.Spec, wish wishes) error {
	plan, err := spec.Plan(s.rng())
	if err != nil {
		return usageError{error: err}
	}
	if s.dryRun {
		return p.dryRTT(s, plan)
	}
	job, err := p.begin(ctx, s, brief{
		kinds:    []string{"run", "rtt", "rtt-summary", "error", "summary"},
		first:    plan.Targets[0].Addr.Addr(),
		describe: plan.Describe,
		several:  true,
		instead:  "rtt --connect needs no privilege",
	})
	if err != nil {
		return err
	}
	m := measurement{job: job, plan: plan, wishes: wish}
	if s.resolve {
		m.known = reverseNames(ctx, spec.Scope)
	}
	err = m.run(ctx)
	if endless := spec.Count == 0 && spec.Duration == 0; endless && ctx.Err() != nil {
		// This is how such a run ends.
		ctx, err = context.WithoutCancel(ctx), withoutEnd(ctx, err)
	}
	if err == nil {
		err = m.verdict()
	}
	return job.end(ctx, err, m.summary())
}

// withoutEnd is what err says beyond that ctx has ended.
func withoutEnd(ctx context.Context, err error) error {
	if !errors.Is(err, ctx.Err()) && !errors.Is(err, context.Cause(ctx)) {
		return err
	}
	var rest []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			rest = append(rest, withoutEnd(ctx, e))
		}
	}
	return errors.Join(rest...)
}
