package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/rtt"
	"github.com/tcpscope/tcpscope/rawsock/route"
	"github.com/tcpscope/tcpscope/report"
)

// measurement is one run of rtt.
type measurement struct {
	wishes
	job   *job
	plan  rtt.Plan
	known names
	// served are the metrics; nil where nobody asked for them.
	served *report.Metrics

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
	// inRow counts those since the last that did; device is what they were to
	// leave by.
	inRow  int
	device string
	// median is of the first target, in nanoseconds, and not quite up to
	// date: the statistics themselves are not to be shared with those who ask.
	median atomic.Int64
}

// run opens the sockets and measures.
func (m *measurement) run(ctx context.Context) (err error) {
	if m.metrics.IsValid() {
		m.served = report.NewMetrics(version())
		stop, err := serveMetrics(m.metrics, m.served.Handler())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	if path, err := m.job.world.Path(m.plan.Targets[0].Addr.Addr()); err == nil {
		m.device = path.Interface
	}
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
	session, err := rtt.Open(ctx, m.job.world, m.plan)
	if errors.Is(err, syscall.EMFILE) {
		err = hinted{err, fmt.Sprintf("%d source ports are as many open files, and ulimit -n allows fewer: a shorter --timeout or a longer --interval needs fewer ports", m.plan.Ports)}
	}
	return session, err
}

// medianInterval is how often the median is worked out anew.
const medianInterval = 100 * time.Millisecond

// samples reports every probe as its fate is known.
func (m *measurement) samples(ctx context.Context, session *rtt.Session) error {
	told := m.served != nil || m.job.settings.tellsAll()
	var looked time.Time
	var records []finding.Record
	for samples, err := range session.Run(ctx) {
		if err != nil {
			return err
		}
		gone := false
		for i := range samples {
			gone = m.stranded(&samples[i]) || gone
		}
		if now := time.Now(); now.Sub(looked) >= medianInterval {
			looked = now
			m.median.Store(int64(session.Stats(0).Quantile(0.5)))
		}
		if told {
			records = m.records(records, samples)
			if err := m.tell(records[:len(samples)]); err != nil {
				return err
			}
		}
		if gone {
			return nil // verdict says why
		}
	}
	return nil
}

// records makes objects of samples, in the memory of those of a batch before:
// nobody keeps them.
func (m *measurement) records(before []finding.Record, samples []rtt.Sample) []finding.Record {
	for len(before) < len(samples) {
		before = append(before, finding.Record{})
	}
	for i := range samples {
		before[i] = m.known.put(samples[i].Record(m.plan, before[i].Fields[:0]))
	}
	return before
}

// stranded takes note of whether a probe found a way out. It reports whether
// there is no hope for any: none of the targets can be reached any more, and
// the device that they were reached by does not exist.
func (m *measurement) stranded(x *rtt.Sample) bool {
	if !noWay(x.Refused) {
		m.inRow = 0
		return false
	}
	m.unsent++
	m.inRow++
	m.noWay = x.Refused
	if m.inRow < len(m.plan.Targets) || m.device == "" {
		return false
	}
	_, err := route.LookupInterface(m.device)
	if !errors.Is(err, syscall.ENODEV) {
		return false
	}
	m.noWay = fmt.Errorf("%s is gone: %w", m.device, m.noWay)
	return true
}

// tell passes probes on.
func (m *measurement) tell(samples []finding.Record) error {
	err := m.job.report.Write(samples...)
	if m.served == nil {
		return err
	}
	for _, x := range samples {
		err = errors.Join(err, m.served.Write(x))
	}
	return err
}

// targets reports every target, and holds it against what is expected.
func (m *measurement) targets(session *rtt.Session) error {
	m.hosts = m.plan.Spec.Scope.Hosts()
	var errs []error
	for i := range m.plan.Targets {
		stats := session.Stats(i)
		m.received += stats.Received
		record, failed := session.Summary(i, m.expect)
		if m.job.settings.machines() {
			record = record.Set("hdr", stats.HDR())
		}
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
		text += ", p50 " + report.Duration(median)
	}
	m.job.progress.Update(int64(p.Sent), int64(total), text)
}

// tellsAll reports whether anybody is told of single probes: text is not where
// it is to be quiet.
func (s settings) tellsAll() bool { return !s.quiet || s.machines() }

// machines reports whether anything but text is written.
func (s settings) machines() bool {
	return slices.ContainsFunc(s.outputs, func(o report.Output) bool { return o.Format != report.FormatText })
}

// noWay reports whether a probe could not be sent because there is no way to
// its target, or not any more, or no socket to take it; a firewall's refusal is
// another matter.
func noWay(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.ENODEV, syscall.ENXIO, syscall.EADDRNOTAVAIL,
		syscall.EMFILE, syscall.ENFILE,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
