package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/rtt"
	"github.com/tcpscope/tcpscope/report"
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
		&cli.BoolFlag{Name: "yes", Category: groupCommand, Usage: "yes, more than 4,096 addresses"},
	}, targetFlags("")...)
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
	// metrics is where they are served; "" for nowhere.
	metrics string
}

func rttWishes(c *cli.Context) (w wishes, err error) {
	if c.IsSet("expect") {
		if w.expect, err = rtt.ParseExpectations(c.String("expect")); err != nil {
			return w, usageError{error: fmt.Errorf("--expect: %w", err)}
		}
	}
	w.metrics = c.String("prometheus")
	return w, nil
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
	m := measurement{job: job, plan: plan, expect: wish.expect}
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

// measurement is one run of rtt.
type measurement struct {
	job    *job
	plan   rtt.Plan
	expect []rtt.Expectation
	known  names

	progress rtt.Progress
	// hosts counts the addresses; zero where nothing could be probed at all.
	hosts uint64
	// received counts what was answered, over all targets. failed says that
	// an expectation does not hold, untold that one cannot be judged, because
	// nothing could be sent.
	received       uint64
	failed, untold bool
	// unsent counts the probes that found no way out, and noWay is why.
	unsent int
	noWay  error
	// median is of the first target, in nanoseconds, and not quite up to
	// date: the statistics themselves are not to be shared with those who ask.
	median atomic.Int64
}

// run opens the sockets and measures.
func (m *measurement) run(ctx context.Context) (err error) {
	session, err := m.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	if err := m.job.opened(); err != nil {
		return err
	}
	defer m.job.follow(func() { m.update(session.Progress()) }, m.job.progress.Line)()
	err = m.samples(ctx, session)
	m.progress = session.Progress()
	return errors.Join(err, m.targets(session))
}

// open opens the kind of session that the plan asks for.
func (m *measurement) open(ctx context.Context) (*rtt.Session, error) {
	if m.plan.Spec.Connect {
		return rtt.OpenConnect(ctx, m.job.world, m.plan), nil
	}
	return rtt.Open(ctx, m.job.world, m.plan)
}

// medianInterval is how often the median is worked out anew.
const medianInterval = 100 * time.Millisecond

// samples reports every probe as its fate is known.
func (m *measurement) samples(ctx context.Context, session *rtt.Session) error {
	told := m.job.settings.tellsAll()
	var looked time.Time
	for sample, err := range session.Run(ctx) {
		if err != nil {
			return err
		}
		if noWay(sample.Refused) {
			m.unsent++
			m.noWay = sample.Refused
		}
		if now := time.Now(); now.Sub(looked) >= medianInterval {
			looked = now
			m.median.Store(int64(session.Stats(0).Quantile(0.5)))
		}
		if !told {
			continue
		}
		if err := m.job.report.Write(m.known.put(sample.Record(m.plan))); err != nil {
			return err
		}
	}
	return nil
}

// targets reports every target, and holds it against what is expected.
func (m *measurement) targets(session *rtt.Session) error {
	m.hosts = m.plan.Spec.Scope.Hosts()
	var errs []error
	for i := range m.plan.Targets {
		stats := session.Stats(i)
		m.received += stats.Received
		record, failed := session.Summary(i, m.expect)
		if stats.Sent == 0 && stats.NotSent > 0 {
			m.untold = m.untold || failed
		} else {
			m.failed = m.failed || failed
		}
		errs = append(errs, m.job.report.Write(m.known.put(record)))
	}
	return errors.Join(errs...)
}

// verdict is how a run that came to its end went; nil if all is well.
func (m *measurement) verdict() error {
	switch {
	case m.noWay != nil:
		return fmt.Errorf("%s not sent: %w", report.Plural(int64(m.unsent), "probe"), m.noWay)
	case m.failed || m.received == 0:
		return verdict(exitNegative)
	case m.untold:
		return verdict(exitInconclusive)
	}
	return nil
}

// summary is the last object, but for what the job itself knows. Which
// segments the kernel sends to connect, nobody has counted.
func (m *measurement) summary() finding.Record {
	record := finding.New("summary").Set("hosts", m.hosts)
	if m.plan.Spec.Connect {
		return record
	}
	return record.
		Set("sent", m.progress.Segments).
		Set("received", m.progress.Received).
		Set("strays", m.progress.Strays).
		Set("kernel_drops", m.progress.Drops)
}

// update words how far the run has come.
func (m *measurement) update(p rtt.Progress) {
	_, total := probesOf(m.plan)
	text := report.Plural(int64(p.Sent), "probe") + " sent"
	if total > 0 {
		text = fmt.Sprintf("%s of %s sent", report.Grouped(p.Sent), report.Plural(int64(total), "probe"))
	}
	text += fmt.Sprintf(", %s answered, %s lost", report.Grouped(p.Received), report.Grouped(p.Lost))
	if median := time.Duration(m.median.Load()); len(m.plan.Targets) == 1 && median > 0 {
		text += fmt.Sprintf(", p50 %.3f ms", median.Seconds()*1000)
	}
	m.job.progress.Update(int64(p.Sent), int64(total), text)
}

// tellsAll reports whether anybody is told of single probes: text is not where
// it is to be quiet.
func (s settings) tellsAll() bool {
	return !s.quiet || slices.ContainsFunc(s.outputs, func(o report.Output) bool { return o.Format != report.FormatText })
}

// noWay reports whether a probe could not be sent because there is no way to
// its target, or not any more; a firewall's refusal is another matter.
func noWay(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.ENODEV, syscall.ENXIO, syscall.EADDRNOTAVAIL,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
