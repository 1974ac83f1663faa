package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/report"
)

// scan probes the ports of spec and reports what it finds.
func (p *program) scan(ctx context.Context, s settings, spec probe.Spec, expect, show []finding.State) error {
	plan, err := spec.Plan(s.rng())
	if err != nil {
		return usageError{error: err}
	}
	if s.dryRun {
		return p.dryRun(s, plan)
	}
	first, _ := plan.Scope.Host(0)
	job, err := p.begin(ctx, s, brief{
		kinds: []string{"run", "port", "host-status", "error", "summary"},
		show:  show, first: first, describe: plan.Describe,
	})
	if err != nil {
		return err
	}
	var known names
	if s.resolve {
		known = reverseNames(ctx, plan.Scope)
	}
	tally, err := job.scan(ctx, plan, expect, known)
	if err == nil {
		err = judge(tally, expect)
	}
	return job.end(ctx, err, summary(tally))
}

// scan opens the sockets and scans.
func (j *job) scan(ctx context.Context, plan probe.Plan, expect []finding.State, known names) (tally probe.Tally, err error) {
	session, err := probe.Open(j.world, plan)
	if err != nil {
		return tally, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	total := int64(plan.Scope.Probes())
	defer j.follow(func() {
		p := session.Progress()
		j.progress.Update(int64(p.Done), total, fmt.Sprintf("%s of %s, %s open",
			report.Grouped(p.Done), report.Plural(total, "port"), report.Grouped(p.Open)))
	}, j.progress.Line)()
	return probe.Scan(ctx, session, plan, expect, func(r finding.Record) error { return j.report.Write(known.put(r)) })
}

// judge is the verdict on a scan that came to its end; nil if all is well.
func judge(tally probe.Tally, expect []finding.State) error {
	switch {
	case tally.NoRoute != nil:
		return tally.NoRoute
	case tally.Missed > 0:
		return verdict(exitNegative)
	case tally.Untold > 0:
		return verdict(exitInconclusive)
	case len(expect) == 0 && tally.Answered == 0:
		return verdict(exitNegative)
	}
	return nil
}

// summary is the last object of a scan, but for what the job itself knows.
func summary(tally probe.Tally) finding.Record {
	var counts []finding.Count
	for _, w := range finding.States() {
		if n := tally.Counts[finding.State(w.Name)]; n > 0 {
			counts = append(counts, finding.Count{Name: w.Name, N: int64(n)})
		}
	}
	return finding.New("summary").
		Set("hosts", tally.Hosts).
		Set("counts", counts).
		Set("sent", tally.Progress.Sent).
		Set("received", tally.Progress.Received).
		Set("strays", tally.Progress.Strays).
		Set("kernel_drops", tally.Progress.Drops).
		Set("limited_by", tally.LimitedBy).
		Set("detail", tally.Detail)
}
