package main

import (
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/rawsock/wire"
	"github.com/tcpscope/tcpscope/report"
)

// dryRun says what the plan would send.
func (p *program) dryRun(s settings, plan probe.Plan) error {
	w := &world{device: s.device, source: s.source}
	used, limit, err := w.Conntrack()
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	hosts, probes := plan.Scope.Hosts(), plan.Scope.Probes()
	for _, b := range plan.Scope.Blocks {
		fmt.Fprintf(out, "target\t%v\t%s\n", b.Range, portCount(b.Ports))
	}
	fmt.Fprintf(out, "addresses\t%s\n", report.Grouped(hosts))
	fmt.Fprintf(out, "probes\t%s\n", report.Grouped(probes))
	fmt.Fprintf(out, "segments\t%s to %s, and a reset for every open port\n", report.Grouped(probes), report.Grouped(plan.Segments()))
	fmt.Fprintf(out, "duration\t%s\n", duration(plan))
	first, _ := plan.Scope.Host(0)
	if path, err := w.Path(first); err != nil {
		fmt.Fprintf(out, "route\tnone to %v: %v\n", first, err)
	} else {
		fmt.Fprintf(out, "route\tfrom %v by %s\n", path.Source, path.Interface)
	}
	if limit == 0 {
		fmt.Fprint(out, "conntrack\tthis host tracks no connections\n")
	} else {
		fmt.Fprintf(out, "conntrack\t%s of %s entries in use; half of the free ones are left alone\n", report.Grouped(used), report.Grouped(limit))
	}
	return out.Flush()
}

func portCount(ports probe.Ports) string {
	if n := ports.Len(); n != 1 {
		return report.Grouped(n) + " ports"
	}
	return "1 port"
}

// duration is a plan's, in words.
func duration(plan probe.Plan) string {
	least, most := plan.Duration()
	if most == 0 {
		return "as fast as the answers come in"
	}
	return fmt.Sprintf("%v if all is answered, %v if nothing is", round(least), round(most))
}

func round(d time.Duration) time.Duration {
	if d > time.Minute {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}

// dryCraft shows the segment that would be sent.
func (p *program) dryCraft(s settings, spec probe.CraftSpec) error {
	w := &world{device: s.device, source: s.source}
	path, err := w.Path(spec.Target.Addr())
	if err != nil {
		return explained(err)
	}
	seq := wire.Seq(s.rng().Uint32())
	if spec.Seq != nil {
		seq = *spec.Seq
	}
	datagram, err := spec.Datagram(netip.AddrPortFrom(path.Source, spec.SourcePort), seq)
	if err != nil {
		return usageError{error: err}
	}
	text := string(report.AppendSegment(nil, time.Time{}, datagram)) + "\n"
	if spec.SourcePort == 0 {
		text += "    source port 0 stands for one that the kernel will choose\n"
	}
	_, err = io.WriteString(p.stdout, text)
	return err
}
