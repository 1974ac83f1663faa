package report

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// inFull is how many targets of rtt are shown with histogram and all, unless
// the user asks for more.
const inFull = 8

// latencies shows what rtt has found of its targets, and forgets it.
func (t *textWriter) latencies() []string {
	targets := t.targets
	t.targets = nil
	if len(targets) > inFull && !t.Verbose {
		return []string{t.latencyTable(targets)}
	}
	var pages []string
	for _, r := range targets {
		pages = append(pages, t.latency(r))
	}
	return pages
}

// endpoint names what a latency record is about.
func endpoint(r finding.Record) string {
	addr := addrPort(r)
	if name := hostName(r.Text("target")); name != "" {
		return Escape(name) + " (" + addr + ")"
	}
	return addr
}

func addrPort(r finding.Record) string {
	port, _ := r.Int("port")
	return netip.AddrPortFrom(r.Addr("addr"), uint16(port)).String()
}

// latency shows one target in full.
func (t *textWriter) latency(r finding.Record) string {
	name, tail := endpoint(r)+":", strings.Join(fates(r), ", ")
	var b strings.Builder
	if width(name)+1+width(tail) <= pageWidth {
		b.WriteString(t.paint(bold, name) + " " + tail + "\n")
	} else {
		b.WriteString(t.paint(bold, name) + "\n" + Wrap(tail, "  ", pageWidth))
	}
	b.WriteString(t.times(r))
	b.WriteString(Wrap(clockOf(r), "  ", pageWidth))
	b.WriteString(drawHistogram(binsOf(r), scaleOf(r)))
	b.WriteString(t.remarks(r, "  "))
	return b.String()
}

// fates says what became of a target's probes.
func fates(r finding.Record) []string {
	received, _ := r.Int("received")
	sent, _ := r.Int("sent")
	text := Grouped(received) + " received"
	if resets, _ := r.Int("resets"); resets > 0 {
		text += " (" + Grouped(resets) + hardSpace + "rst)"
	}
	list := []string{Grouped(sent) + " sent", text}
	if loss, ok := r.Number("loss"); ok {
		list = append(list, percent(loss)+" loss")
	}
	if n, _ := r.Int("late"); n > 0 {
		list = append(list, Grouped(n)+" late")
	}
	if n, _ := r.Int("duplicates"); n > 0 {
		list = append(list, Plural(n, "duplicate"))
	}
	if n, _ := r.Int("icmp_errors"); n > 0 {
		list = append(list, Plural(n, "ICMP error"))
	}
	if n, _ := r.Int("not_sent"); n > 0 {
		list = append(list, Grouped(n)+" not sent")
	}
	return list
}

// figure is one of a target's times: its field, and its title in reports.
type figure struct{ field, title string }

// timeFigures lists the times of an rtt-summary.
func timeFigures() []figure {
	return []figure{
		{"min_us", "min"}, {"mean_us", "mean"}, {"p50_us", "p50"}, {"p90_us", "p90"}, {"p95_us", "p95"},
		{"p99_us", "p99"}, {"max_us", "max"}, {"stddev_us", "stddev"}, {"jitter_us", "jitter"},
	}
}

// times is the table of one target's times; "" if there are none.
func (t *textWriter) times(r finding.Record) string {
	s := scaleOf(r)
	var columns []*column
	for _, f := range timeFigures() {
		columns = append(columns, &column{title: f.title, right: true, cell: func(int) cell { return cell{text: s.field(r, f.field)} }})
	}
	kept, _ := layout(columns, 1, pageWidth, wide)
	if len(kept) == 0 {
		return ""
	}
	kept = append(kept, &column{width: width(s.unit), cell: func(int) cell { return cell{text: s.unit} }})
	gap := wide
	if width(t.line(kept, 0, wide, wide)) > pageWidth+1 {
		gap = narrow
	}
	return t.line(kept, -1, wide, gap) + t.line(kept, 0, wide, gap)
}

// clockOf says where the times come from and how far they can be trusted.
func clockOf(r finding.Record) string {
	clock := r.Text("clock")
	if clock == "" {
		return ""
	}
	text := "clock " + Escape(clock)
	if e, ok := r.Number("error_us"); ok {
		text += ", good to " + duration(e)
	}
	return text
}

// remarks says what was not as it should be.
func (t *textWriter) remarks(r finding.Record, indent string) string {
	var text string
	if failed := r.List("failed"); len(failed) > 0 {
		for line := range strings.Lines(Wrap("not met: "+Escape(strings.Join(failed, ", ")), indent, pageWidth)) {
			text += indent + t.paint(red, strings.Trim(line, " \n")) + "\n"
		}
	}
	return text + Wrap(Escape(r.Text("detail")), indent, pageWidth)
}

// latencyTable shows many targets, a line each.
func (t *textWriter) latencyTable(targets []finding.Record) string {
	s := scaleOf(targets...)
	text := func(title string, value func(r finding.Record) string) *column {
		return &column{title: title, right: true, cell: func(i int) cell { return cell{text: value(targets[i])} }}
	}
	time := func(name, field string, spills bool) *column {
		c := text(name+" "+s.unit, func(r finding.Record) string { return s.field(r, field) })
		if spills {
			c.spill = func(value string) string { return strings.ToLower(name) + " " + value + " " + s.unit }
		}
		return c
	}
	addr, name := text("ADDR:PORT", addrPort), text("NAME", func(r finding.Record) string { return Escape(hostName(r.Text("target"))) })
	addr.right, name.right, name.spill = false, false, strings.Clone
	columns := []*column{
		addr,
		text("SENT", func(r finding.Record) string { n, _ := r.Int("sent"); return Grouped(n) }),
		text("LOSS", func(r finding.Record) string {
			loss, ok := r.Number("loss")
			return unless(!ok, percent(loss))
		}),
		time("MIN", "min_us", true), time("P50", "p50_us", false), time("P95", "p95_us", false),
		time("P99", "p99_us", true), time("MAX", "max_us", false), name,
	}
	gap := wide
	kept, spilled := layout(columns, len(targets), pageWidth, gap)
	if len(spilled) > 0 {
		gap = narrow
		kept, spilled = layout(columns, len(targets), pageWidth, gap)
	}
	var b strings.Builder
	b.WriteString(t.line(kept, -1, "", gap))
	for i, r := range targets {
		b.WriteString(t.line(kept, i, "", gap))
		b.WriteString(Wrap(strings.Join(remarks(spilled, i), ", "), "      ", pageWidth))
		b.WriteString(t.remarks(r, "      "))
	}
	var clocks []string
	for _, r := range targets {
		if c := clockOf(r); c != "" && !slices.Contains(clocks, c) {
			clocks = append(clocks, c)
			b.WriteString(Wrap(c, "", pageWidth))
		}
	}
	return b.String()
}

// probe shows one probe of rtt at once, in a line that is never wrapped.
func (t *textWriter) probe(r finding.Record) error {
	if t.Quiet {
		return nil
	}
	t.lines = true
	t.buf = append(t.appendProbe(t.buf[:0], r), '\n')
	_, err := t.file.Write(t.buf)
	return err
}

// appendProbe avoids fmt, for there may be ten thousand probes a second.
func (t *textWriter) appendProbe(b []byte, r finding.Record) []byte {
	if at := r.Time("at"); t.Verbose && !at.IsZero() {
		b = at.In(t.location()).AppendFormat(b, "15:04:05.000000 ")
	}
	name, addr := hostName(r.Text("target")), r.Addr("addr")
	if name != "" {
		b = append(append(b, Escape(name)...), " ("...)
	}
	port, _ := r.Int("port")
	b = netip.AddrPortFrom(addr, uint16(port)).AppendTo(b)
	if name != "" {
		b = append(b, ')')
	}
	reply := r.Text("reply")
	b = append(append(b, ' '), t.paint(replyStyle(finding.Reason(reply)), Escape(reply))...)
	if n, ok := r.Int("n"); ok {
		b = strconv.AppendInt(append(b, " n="...), n, 10)
	}
	if ttl, ok := r.Int("ttl"); ok {
		b = strconv.AppendInt(append(b, " ttl="...), ttl, 10)
	}
	if rtt, ok := r.Number("rtt_us"); ok {
		b = appendDuration(append(b, " rtt="...), rtt)
	}
	if user, ok := r.Number("user_rtt_us"); ok && t.Verbose {
		b = appendDuration(append(b, ", user "...), user)
	}
	if from := r.Addr("from"); from.IsValid() && from != addr {
		b = from.AppendTo(append(b, " from "...))
	}
	if detail := r.Text("detail"); detail != "" {
		b = append(append(b, ": "...), Escape(detail)...)
	}
	return b
}
