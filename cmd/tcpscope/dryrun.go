package main

import (
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/rtt"
	"github.com/tcpscope/tcpscope/rawsock/wire"
	"github.com/tcpscope/tcpscope/report"
)

// dryRun says what the plan would send.
func (p *program) dryRun(s settings, plan probe.Plan) error {
	probes := plan.Scope.Probes()
	return p.dryTable(s, plan.Scope, [][2]string{
		{"probes", report.Grouped(probes)},
		{"segments", fmt.Sprintf("%s to %s, and a reset for every open port", report.Grouped(probes), report.Grouped(plan.Segments()))},
		{"duration", duration(plan)},
	})
}

// dryTable says who would be probed, what is particular to the command, which
// way the probes would go, and the load on the tables that all share.
func (p *program) dryTable(s settings, scope probe.Scope, rows [][2]string) error {
	w := newWorld(s)
	defer w.close()
	used, limit, err := w.Conntrack()
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, b := range scope.Blocks {
		fmt.Fprintf(out, "target\t%v\t%s\n", b.Range, portCount(b.Ports))
	}
	fmt.Fprintf(out, "addresses\t%s\n", report.Grouped(scope.Hosts()))
	for _, row := range rows {
		fmt.Fprintf(out, "%s\t%s\n", row[0], row[1])
	}
	first, _ := scope.Host(0)
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

// dryRTT says what the plan would send.
func (p *program) dryRTT(s settings, plan rtt.Plan) error {
	each, total := probesOf(plan)
	rows := [][2]string{
		{"probes", "until interrupted"},
		{"segments", "a SYN for every probe, and a reset for what it may have opened"},
		{"rate", fmt.Sprintf("%s probes a second, one to each target every %v", rateOf(plan), plan.Spec.Interval)},
		{"source ports", fmt.Sprintf("%s, in turn", report.Grouped(plan.Ports))},
		{"duration", "until interrupted"},
	}
	if each > 0 {
		rows[0][1] = fmt.Sprintf("%s to each target, %s in all", report.Grouped(each), report.Grouped(total))
		rows[4][1] = fmt.Sprintf("%v, and up to %v for the last answers", round(time.Duration(each-1)*plan.Spec.Interval), plan.Spec.Timeout)
	}
	if plan.Spec.Connect {
		rows[1] = [2]string{"connections", "one for every probe, by the kernel, which may send its SYN again"}
		rows = slices.Delete(rows, 3, 4)
	}
	return p.dryTable(s, plan.Spec.Scope, rows)
}

// rateOf is a plan's probes a second, in words: whole where there are many.
func rateOf(plan rtt.Plan) string {
	if rate := plan.Rate(); rate < 100 {
		return strconv.FormatFloat(rate, 'g', 3, 64)
	}
	return report.Grouped(int64(math.Round(plan.Rate())))
}

// probesOf is how many probes the plan has for each target and in all; zero
// where it has no end.
func probesOf(plan rtt.Plan) (each, total int) {
	each = plan.Spec.Count
	if d := plan.Spec.Duration; d > 0 {
		n := int((d + plan.Spec.Interval - 1) / plan.Spec.Interval)
		if each == 0 || n < each {
			each = n
		}
	}
	return each, each * len(plan.Targets)
}

// dryCraft shows the segment that would be sent.
func (p *program) dryCraft(s settings, spec probe.CraftSpec) error {
	w := newWorld(s)
	defer w.close()
	path, err := w.Path(spec.Target.Addr())
	if err != nil {
		return explained(err, "")
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
