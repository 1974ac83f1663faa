package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
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
	job, err := p.begin(s, first, show, "run", "port", "host-status", "error", "summary")
	if err != nil {
		return err
	}
	tally, err := p.probeAll(ctx, job, plan, expect)
	if err == nil {
		err = judge(tally, expect)
	}
	return job.end(ctx, err, summary(tally))
}

// probeAll opens the sockets, gives up what is not needed beyond, and scans.
func (p *program) probeAll(ctx context.Context, job *job, plan probe.Plan, expect []finding.State) (tally probe.Tally, err error) {
	session, err := probe.Open(job.world, plan)
	if err != nil {
		return tally, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	if err := job.settings.dropPrivileges(); err != nil {
		return tally, err
	}
	stop := p.showProgress(job.settings, plan, session)
	defer stop()
	return probe.Scan(ctx, session, plan, expect, job.report.Write)
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

// summary is the last object of a scan, but for what the run itself knows.
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
		Set("limited_by", tally.LimitedBy)
}

// runCraft sends the segment of spec and reports every answer.
func (p *program) runCraft(ctx context.Context, s settings, spec probe.CraftSpec) error {
	if s.dryRun {
		return p.dryCraft(s, spec)
	}
	job, err := p.begin(s, spec.Target.Addr(), nil, "run", "segment", "error", "summary")
	if err != nil {
		return err
	}
	tally, err := probe.Craft(ctx, job.world, spec, s.rng(), job.report.Write)
	if err == nil && tally.Received == 0 {
		if tally.Detail != "" && !s.quiet {
			fmt.Fprintf(p.stderr, "tcpscope: %s\n", tally.Detail)
		}
		err = verdict(exitNegative)
	}
	return job.end(ctx, err, finding.New("summary").
		Set("sent", tally.Sent).
		Set("received", tally.Received).
		Set("kernel_drops", tally.Drops))
}

// kernelRelease is what uname -r says; "" where it cannot be known.
func kernelRelease() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return string(slices.DeleteFunc(release, func(c byte) bool { return c == '\n' }))
}

// since is the time since start in milliseconds.
func since(start time.Time) float64 { return float64(time.Since(start)) / float64(time.Millisecond) }
