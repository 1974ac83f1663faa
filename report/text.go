package report

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// collapseAbove is how many ports in a state, or hosts of a status, are
// listed one by one unless the user asks for them.
const collapseAbove = 20

// textWriter writes for people. Ports come in any order, so it gathers them
// by host until the summary; segments and latency probes are shown as they
// happen.
type textWriter struct {
	Options
	file  io.WriteCloser
	shown bool // on standard output
	hosts map[netip.Addr]*host
	tally map[finding.State]int64
	// targets are the records of kind rtt-summary.
	targets []finding.Record
	sockets sockets
	buf     []byte
	// lines says that something stands above what comes next, which is to be
	// set off by an empty line.
	lines bool
}

func newText(w io.WriteCloser, o Options) *textWriter {
	t := &textWriter{Options: o, file: w}
	t.reset()
	return t
}

func (t *textWriter) reset() {
	t.hosts, t.tally = map[netip.Addr]*host{}, map[finding.State]int64{}
}

func (t *textWriter) Write(r finding.Record) error {
	switch r.Kind {
	case "run":
		return t.run(r)
	case "port":
		state := finding.State(r.Text("state"))
		t.tally[state]++
		t.hostOf(r).port(r, state, t.Show)
	case "host-status":
		t.hostOf(r).verdict(r)
	case "segment":
		return t.segment(r)
	case "rtt":
		return t.probe(r)
	case "rtt-summary":
		t.targets = append(t.targets, r)
	case "socket":
		return t.socket(r)
	case "socket-summary":
		return t.socketSummary(r)
	case "error":
		return t.error(r)
	case "summary":
		return t.summary(r)
	}
	return nil
}

// Close shows what has been gathered if no summary came.
func (t *textWriter) Close() error {
	return closing(t.print(t.findings()...), t.file.Close)
}

// print writes paragraphs with an empty line before each but the first of all.
func (t *textWriter) print(paragraphs ...string) error {
	var b strings.Builder
	for _, p := range paragraphs {
		if p == "" {
			continue
		}
		if t.lines {
			b.WriteByte('\n')
		}
		t.lines = true
		b.WriteString(p)
	}
	_, err := io.WriteString(t.file, b.String())
	return err
}

// run is for those who want to repeat the run or keep it in a file.
func (t *textWriter) run(r finding.Record) error {
	if !t.Verbose {
		return nil
	}
	line := "tcpscope " + r.Text("version")
	if args := r.List("args"); len(args) > 0 {
		line += ": " + strings.Join(args, " ")
	}
	if at := r.Time("at"); !at.IsZero() {
		line += at.In(t.location()).Format(" at 2006-01-02 15:04:05 MST")
	}
	if from := r.Addr("source"); from.IsValid() {
		line += " from " + from.String()
	}
	if device := r.Text("interface"); device != "" {
		line += " by " + device
	}
	if seed, ok := r.Int("seed"); ok {
		line += fmt.Sprintf(", seed %d", seed)
	}
	return t.print(Wrap(Escape(line), "", pageWidth))
}

// segment shows a datagram in tcpdump's form, never wrapped, and below it
// what it means.
func (t *textWriter) segment(r finding.Record) error {
	at := r.Time("at")
	if !at.IsZero() {
		at = at.In(t.location())
	}
	line := string(AppendSegment(nil, at, r.Datagram))
	if r.Text("direction") == string(finding.Sent) {
		line = t.paint(dim, line)
	}
	t.lines = true
	_, err := io.WriteString(t.file, line+"\n"+Wrap(Escape(r.Text("explanation")), "    ", pageWidth))
	return err
}

// error is shown in files only: on a terminal the program's own message
// stands already.
func (t *textWriter) error(r finding.Record) error {
	if t.shown {
		return nil
	}
	return t.print(append(t.findings(), Wrap("error: "+Escape(r.Text("message")), "", pageWidth))...)
}

// summary shows what has been gathered, and then the run in figures. A run
// that has sent and found nothing has an error to show instead.
func (t *textWriter) summary(r finding.Record) error {
	hosts, tally := int64(len(t.hosts)), t.tally
	page := t.findings()
	if n, ok := r.Int("hosts"); ok {
		hosts = n
	}
	if counts, ok := r.Get("counts").([]finding.Count); ok {
		tally = map[finding.State]int64{}
		for _, c := range counts {
			tally[finding.State(c.Name)] = c.N
		}
	}
	if sent, _ := r.Int("sent"); !t.Quiet && (sent > 0 || hosts > 0) {
		page = append(page, t.figures(r, hosts, tally))
	}
	return t.print(page...)
}

// figures is the last paragraph.
func (t *textWriter) figures(r finding.Record, hosts int64, tally map[finding.State]int64) string {
	var things, traffic []string
	var ports int64
	for _, n := range tally {
		ports += n
	}
	if hosts > 0 {
		things = append(things, Plural(hosts, "host"))
	}
	if ports > 0 {
		things = append(things, Plural(ports, "port"))
	}
	head := strings.Join(things, ", ")
	if states := t.counts(tally); states != "" {
		head += ": " + states
	} else {
		traffic, head = things, ""
	}
	if sent, ok := r.Int("sent"); ok {
		traffic = append(traffic, Plural(sent, "segment")+" sent")
	}
	if received, ok := r.Int("received"); ok {
		traffic = append(traffic, Grouped(received)+" received")
	}
	if strays, _ := r.Int("strays"); strays > 0 {
		traffic = append(traffic, Plural(strays, "stray")+" ignored")
	}
	if ms, ok := r.Number("elapsed_ms"); ok {
		traffic = append(traffic, "in "+span(time.Duration(ms*float64(time.Millisecond))))
	}
	page := Wrap(head, "", pageWidth) + Wrap(strings.Join(traffic, ", "), "", pageWidth)
	if drops, _ := r.Int("kernel_drops"); drops > 0 {
		warning := "warning: the kernel dropped " + Plural(drops, "arrival") + " for want of room, so answers may be missing; try a lower --rate"
		page += t.paint(yellow, strings.TrimSuffix(Wrap(warning, "", pageWidth), "\n")) + "\n"
	}
	if limit := finding.Limit(r.Text("limited_by")); limit != "" && limit != finding.LimitRate {
		page += Wrap("held back by "+limitMeaning(limit), "", pageWidth)
	}
	return page + Wrap(Escape(r.Text("detail")), "", pageWidth)
}

// limitMeaning words what a run had to wait for.
func limitMeaning(limit finding.Limit) string {
	for _, w := range finding.Limits() {
		if w.Name == string(limit) {
			return w.Meaning
		}
	}
	return Escape(string(limit))
}

// findings returns paragraphs for the hosts with ports and then one for those
// without, in the order of their addresses, then the latencies in the order in
// which they came, and forgets them.
func (t *textWriter) findings() []string {
	var pages []string
	var lone []*host
	nothing := int64(0)
	for _, h := range slices.SortedFunc(maps.Values(t.hosts), func(a, b *host) int { return a.addr.Compare(b.addr) }) {
		switch {
		case h.ports == 0:
			lone = append(lone, h)
		case len(h.buckets) == 0:
			nothing++
		default:
			pages = append(pages, t.page(h))
		}
	}
	if nothing > 0 {
		pages = append(pages, Plural(nothing, "host")+" without a port to show\n")
	}
	if len(lone) > 0 {
		pages = append(pages, t.verdicts(lone))
	}
	t.reset()
	return append(pages, t.latencies()...)
}

// hostOf returns the host that a record is about.
func (t *textWriter) hostOf(r finding.Record) *host {
	addr := r.Addr("addr")
	h := t.hosts[addr]
	if h == nil {
		h = &host{addr: addr}
		t.hosts[addr] = h
	}
	if h.name == "" {
		h.name = hostName(r.Text("target"))
	}
	return h
}

// hostName returns the name in a target; "" if it is an address, a network or
// a range.
func hostName(target string) string {
	name, _, _ := strings.Cut(target, ":")
	if strings.ContainsFunc(name, unicode.IsLetter) {
		return name
	}
	return ""
}
