package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/report"
)

// job is one command that sends segments, from the opening of its outputs to
// its summary.
type job struct {
	settings settings
	start    time.Time
	report   report.Writer
	world    *world
	capture  *capture.Recorder // nil without --pcap
}

// rng is the source of every random choice of a run.
func (s settings) rng() *rand.Rand { return rand.New(rand.NewPCG(uint64(s.seed), 0)) }

// begin opens the outputs, and reports how the run was started. Nothing is
// sent, and no socket but the kernel's routing table is asked.
func (p *program) begin(s settings, first netip.Addr, show []finding.State, kinds ...string) (*job, error) {
	j := &job{settings: s, start: time.Now(), world: &world{device: s.device, source: s.source}}
	var err error
	j.report, err = report.Open(s.outputs, report.Options{
		Version: version(), Kinds: kinds, Stdout: p.stdout, Color: s.color, Show: show,
		Verbose: s.verbose, Quiet: s.quiet, Service: probe.ServiceName,
	})
	if err != nil {
		return nil, outputProblem(err)
	}
	if s.pcap != "" {
		if j.capture, err = capture.Create(s.pcap, "tcpscope "+version(), comment); err != nil {
			return nil, errors.Join(usageError{error: fmt.Errorf("--pcap: %w", err)}, j.report.Close())
		}
		j.world.sinks = append(j.world.sinks, j.capture)
	}
	if s.trace {
		j.world.sinks = append(j.world.sinks, &tracer{out: p.stderr})
	}
	return j, j.report.Write(p.runRecord(j, first))
}

// runRecord is the first object of a run. Where the first host cannot be
// reached, it does not say from where.
func (p *program) runRecord(j *job, first netip.Addr) finding.Record {
	record := finding.New("run").
		Set("version", version()).
		Set("args", p.args).
		Set("seed", j.settings.seed).
		Set("kernel", kernelRelease()).
		Set("at", j.start)
	if path, err := j.world.Path(first); err == nil {
		record = record.Set("source", path.Source).Set("interface", path.Interface)
	}
	return record
}

// end writes what is left to write, and closes the outputs. err is how the
// command went; the error returned is the run's.
func (j *job) end(ctx context.Context, err error, summary finding.Record) error {
	if ctx.Err() != nil {
		err = errors.Join(context.Canceled, err)
	}
	err = explained(err)
	status := exitStatus(err)
	if status == exitFailed {
		err = errors.Join(err, j.report.Write(finding.New("error").
			Set("message", err.Error()).Set("hint", hint(err)).Set("exit", status)))
	}
	summary = summary.Set("elapsed_ms", since(j.start)).Set("exit", status)
	failures := errors.Join(j.report.Write(summary), j.report.Close())
	if j.capture != nil {
		failures = errors.Join(failures, j.capture.Close())
	}
	if failures == nil || errors.Is(failures, report.ErrNoReader) {
		return err
	}
	if errors.As(err, new(verdict)) {
		return failures
	}
	return errors.Join(err, failures)
}

// outputProblem makes a usage error of an output that cannot be.
func outputProblem(err error) error {
	var problem *report.OutputError
	if errors.As(err, &problem) {
		return usageError{error: problem, hint: problem.Hint}
	}
	return err
}

// dropPrivileges gives up every capability, now that the sockets are open.
// Root keeps them where a file is still to be renamed into a directory that
// may be another user's.
func (s settings) dropPrivileges() error {
	if os.Geteuid() == 0 {
		for _, o := range s.outputs {
			if o.File != "" && o.Format == report.FormatJSON {
				return nil
			}
		}
	}
	if err := rawsock.DropPrivileges(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// explained adds to a refusal of the kernel what is missing and how to get it.
func explained(err error) error {
	if !errors.Is(err, os.ErrPermission) {
		return err
	}
	privileges, perr := rawsock.CurrentPrivileges()
	if perr != nil || privileges.Raw {
		return err
	}
	self, xerr := os.Executable()
	if xerr != nil {
		self = "tcpscope"
	}
	return hinted{
		fmt.Errorf("raw sockets need the capability CAP_NET_RAW, which this process does not have: %w", err),
		fmt.Sprintf("run it with sudo, or once: sudo setcap cap_net_raw+ep %s; "+
			"for the members of one group only, before that: sudo chown root:netdiag %s && sudo chmod 0750 %s", self, self, self),
	}
}
