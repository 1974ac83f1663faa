package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/report"
)

// job is one command that reports findings, from the opening of its outputs to
// its summary.
type job struct {
	settings settings
	start    time.Time
	stderr   io.Writer
	report   report.Viewer
	progress *report.Progress
	world    *world
	capture  *capture.Recorder // nil without --pcap
	open     bool              // the sockets are
	instead  string            // see brief
}

// brief is what a command tells about its job.
type brief struct {
	// kinds are the objects that it reports.
	kinds []string
	// show are the states of --show.
	show []finding.State
	// first is an address that it sends to; the zero Addr if it sends nothing.
	first netip.Addr
	// views say how it shows what it has seen in passing; nil if it has not.
	views *report.Views
	// describe names the probe that a datagram belongs to.
	describe capture.Comment
	// several says that the command opens several sockets, and calls opened
	// itself when all are open.
	several bool
	// instead says what can be done without a privilege; "" for nothing.
	instead string
}

// rng is the source of every random choice of a run.
func (s settings) rng() *rand.Rand { return rand.New(rand.NewPCG(uint64(s.seed), 0)) }

// begin opens the outputs, and reports how the run was started. Nothing is
// sent yet.
func (p *program) begin(ctx context.Context, s settings, b brief) (*job, error) {
	j := &job{settings: s, start: time.Now(), instead: b.instead}
	j.world = newWorld(s)
	if !b.several {
		j.world.opened = j.opened
	}
	j.progress = report.NewProgress(nil, 0)
	if s.progress {
		j.progress = report.NewProgress(p.stderr, columns(p.stderr))
	}
	j.stderr = j.progress.Writer(p.stderr)
	stdout := p.stdout
	if isTerminal(stdout) {
		stdout = j.progress.Writer(stdout)
	}
	if err := writable(s.pcap); err != nil {
		return nil, err
	}
	var err error
	j.report, err = report.Open(s.outputs, report.Options{
		Version: version(), Kinds: b.kinds, Stdout: stdout, Color: s.color, Show: b.show,
		Verbose: s.verbose, Quiet: s.quiet, Service: probe.ServiceName, Views: b.views,
	})
	if err != nil {
		return nil, outputProblem(err)
	}
	if s.pcap != "" {
		if j.capture, err = capture.Create(s.pcap, "tcpscope "+version(), b.describe); err != nil {
			return nil, errors.Join(err, j.report.Close())
		}
		j.world.sinks = append(j.world.sinks, j.capture)
	}
	if s.trace {
		j.world.sinks = append(j.world.sinks, report.NewTrace(j.stderr, nil))
	}
	if err := j.report.Write(j.runRecord(p.args, b.first)); err != nil {
		return nil, j.end(ctx, err, finding.New("summary"))
	}
	return j, nil
}

// writable finds out whether the capture file can be, before the other
// outputs are begun. What the file holds stays until all of them can. A pipe is
// opened once only, for its reader would take the first close for the end.
func writable(pcap string) error {
	if pcap == "" {
		return nil
	}
	if info, err := os.Stat(pcap); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil
	}
	f, err := os.OpenFile(pcap, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return usageError{error: fmt.Errorf("--pcap: %w", err)}
	}
	return f.Close()
}

// runRecord is the first object of a run. Where the first address cannot be
// reached, it does not say from where.
func (j *job) runRecord(args []string, first netip.Addr) finding.Record {
	record := finding.New("run").
		Set("version", version()).
		Set("args", args).
		Set("kernel", kernelRelease()).
		Set("at", j.start)
	if !first.IsValid() {
		return record
	}
	record = record.Set("seed", j.settings.seed)
	if path, err := j.world.Path(first); err == nil {
		record = record.Set("source", path.Source).Set("interface", path.Interface)
	}
	return record
}

// kernelRelease is what uname -r says; "" where it cannot be known.
func kernelRelease() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(release))
}

// followInterval is how often progress is looked at.
const followInterval = 100 * time.Millisecond

// follow calls update all the time, and shows status on every SIGUSR1, until
// the function it returns is called.
func (j *job) follow(update func(), status func() string) (stop func()) {
	ticker := time.NewTicker(followInterval)
	requests, release := statusRequests()
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ticker.C:
				update()
			case <-requests:
				update()
				fmt.Fprintf(j.stderr, "tcpscope: %s\n", status())
			case <-done:
				return
			}
		}
	}()
	return func() {
		release()
		ticker.Stop()
		close(done)
		<-stopped
	}
}

// end writes what is left to write, and closes the outputs. err is how the
// command went; the error returned is the run's.
func (j *job) end(ctx context.Context, err error, summary finding.Record) error {
	j.world.close()
	j.progress.Finish()
	if ctx.Err() != nil {
		err = errors.Join(context.Canceled, err)
	}
	if errors.Is(err, report.ErrNoReader) {
		err = verdict(exitFailed) // to whom should we complain?
	}
	if !j.open {
		err = explained(err, j.instead)
	}
	status := exitStatus(err)
	var failures []error
	if status == exitFailed && !errors.As(err, new(verdict)) {
		failures = append(failures, j.report.Write(finding.New("error").
			Set("message", oneLine(err)).Set("hint", hint(err)).Set("exit", status)))
	}
	elapsed := float64(time.Since(j.start)) / float64(time.Millisecond)
	failures = append(failures,
		j.report.Write(summary.Set("elapsed_ms", elapsed).Set("exit", status)), j.report.Close())
	if j.capture != nil {
		failures = append(failures, j.capture.Close())
	}
	failure := errors.Join(failures...)
	if failure == nil || errors.Is(failure, report.ErrNoReader) {
		return err
	}
	if errors.As(err, new(verdict)) {
		return failure // 3 is before 1 and 4
	}
	return errors.Join(err, failure)
}

// outputProblem makes a usage error of an output that cannot be.
func outputProblem(err error) error {
	var problem *report.OutputError
	if errors.As(err, &problem) {
		return usageError{error: problem, hint: problem.Hint}
	}
	return err
}

// opened is called when the sockets are open. From then on, a refusal of the
// kernel's is not for want of privilege.
func (j *job) opened() error {
	j.open = true
	return j.settings.dropPrivileges()
}

// dropPrivileges gives up every capability, now that the sockets are open.
// Root keeps them where a file is still to be renamed into a directory that
// may be another user's.
func (s settings) dropPrivileges() error {
	if os.Geteuid() == 0 {
		for _, o := range s.outputs {
			if o.File != "" && o.Format.Whole() {
				return nil
			}
		}
	}
	if err := rawsock.DropPrivileges(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// explained adds to a refusal of the kernel what is missing and how to get it,
// and instead, which is what can be done without.
func explained(err error, instead string) error {
	if !errors.Is(err, os.ErrPermission) || hint(err) != "" {
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
	advice := fmt.Sprintf("run it with sudo; or once: sudo setcap cap_net_raw+ep %s; "+
		"for one group only, before that: sudo chown root:netdiag %s && sudo chmod 0750 %s", self, self, self)
	if instead != "" {
		advice = instead + "; else " + advice
	}
	return hinted{fmt.Errorf("raw sockets need CAP_NET_RAW, which this process does not have: %w", err), advice}
}
