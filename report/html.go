package report

import (
	"bufio"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// The memory of an HTML report does not grow with the run.
const (
	// maxCharts is how many targets have charts.
	maxCharts = 1000
	// maxMoments bounds the time line of one target, allMoments all of them.
	maxMoments = 1024
	allMoments = 1 << 17
)

//go:embed latency.html
var latencyPage string

// htmlWriter writes one document about the latencies of a run, when it ends.
// Until then it keeps the summaries, and what the charts need of the probes.
type htmlWriter struct {
	file     io.WriteCloser
	location *time.Location
	page     *template.Template
	run      finding.Record
	summary  finding.Record
	errors   []finding.Record
	targets  []*latencyTarget // in the order in which they were first heard of
	places   map[netip.AddrPort]*latencyTarget
}

// latencyTarget is what is known of one target of rtt.
type latencyTarget struct {
	id      int // counted from 1
	name    string
	summary finding.Record
	line    timeline
}

func newHTML(w io.WriteCloser, o Options) (*htmlWriter, error) {
	page, err := template.New("latency").Parse(latencyPage)
	location := o.Location
	if location == nil {
		location = time.Local
	}
	return &htmlWriter{file: w, location: location, page: page, places: map[netip.AddrPort]*latencyTarget{}}, err
}

// Write only gathers.
func (h *htmlWriter) Write(r finding.Record) error {
	switch r.Kind {
	case "run":
		h.run = r
	case "rtt":
		target := h.target(r)
		if target.id <= maxCharts {
			target.line.add(r, min(maxMoments, allMoments/len(h.targets)))
		}
	case "rtt-summary":
		// The report has no use for the HDR histogram, which is long.
		r.Fields = slices.DeleteFunc(slices.Clone(r.Fields), func(f finding.Field) bool { return f.Name == "hdr" })
		h.target(r).summary = r
	case "error":
		h.errors = append(h.errors, r)
	case "summary":
		h.summary = r
	}
	return nil
}

// target returns the one that a record is about.
func (h *htmlWriter) target(r finding.Record) *latencyTarget {
	port, _ := r.Int("port")
	key := netip.AddrPortFrom(r.Addr("addr"), uint16(port))
	t := h.places[key]
	if t == nil {
		t = &latencyTarget{id: len(h.targets) + 1, name: endpoint(r)}
		h.places[key] = t
		h.targets = append(h.targets, t)
	}
	return t
}

// Close writes the document, whatever has been gathered.
func (h *htmlWriter) Close() error {
	out := bufio.NewWriter(h.file)
	return closing(h.page.Execute(out, h.document()), out.Flush, h.file.Close)
}

// document is what the template is filled with. All texts have been escaped
// for readers; the template escapes them for HTML.
type document struct {
	Title    string
	Command  string
	Facts    []fact
	Notes    []note
	Unit     string // of the times in the table of targets
	Titles   []string
	Sections []section
}

// fact is a label and a value.
type fact struct{ Label, Value string }

// note is something that the reader must know before anything else.
type note struct {
	Grave      bool
	Text, Hint string
}

func (h *htmlWriter) document() document {
	d := document{Title: "Handshake latency", Command: Escape(strings.Join(h.run.List("args"), " ")), Facts: h.facts(), Notes: h.notes(), Titles: tableTitles()}
	var summaries []finding.Record
	for _, t := range h.targets {
		summaries = append(summaries, t.summary)
	}
	common := micro(scaleOf(summaries...))
	d.Unit = common.unit
	for _, t := range h.targets {
		d.Sections = append(d.Sections, h.section(t, common))
	}
	switch len(h.targets) {
	case 0:
	case 1:
		d.Title += ": " + h.targets[0].name
	default:
		d.Title += " of " + Plural(int64(len(h.targets)), "target")
	}
	if len(h.targets) > maxCharts {
		d.Notes = append(d.Notes, note{Text: "Charts are drawn for the first " + Grouped(maxCharts) + " targets only."})
	}
	return d
}

// facts is the head of the document.
func (h *htmlWriter) facts() []fact {
	var facts []fact
	add := func(label, value string) {
		if value != "" {
			facts = append(facts, fact{label, Escape(value)})
		}
	}
	if at := h.run.Time("at"); !at.IsZero() {
		add("When", at.In(h.location).Format("2006-01-02 15:04:05 MST"))
	}
	if ms, ok := h.summary.Number("elapsed_ms"); ok {
		add("Duration", span(time.Duration(ms*float64(time.Millisecond))))
	}
	if from := h.run.Addr("source"); from.IsValid() {
		add("From", from.String()+unless(h.run.Text("interface") == "", " by "+h.run.Text("interface")))
	}
	if sent, ok := h.summary.Int("sent"); ok {
		received, _ := h.summary.Int("received")
		add("Segments", Grouped(sent)+" sent, "+Grouped(received)+" received")
	}
	if kernel := h.run.Text("kernel"); kernel != "" {
		add("Kernel", "Linux "+kernel)
	}
	if version := h.run.Text("version"); version != "" {
		add("Program", "tcpscope "+version)
	}
	return facts
}

// exitInterrupted is the exit status of a run that a signal ended.
const exitInterrupted = 130

// notes tell of what went wrong with the run, and which targets are not as
// they were expected to be.
func (h *htmlWriter) notes() []note {
	var notes []note
	for _, e := range h.errors {
		notes = append(notes, note{true, "The run failed: " + Escape(e.Text("message")), Escape(e.Text("hint"))})
	}
	exit, _ := h.summary.Int("exit")
	switch {
	case h.summary.Kind == "" && len(h.errors) == 0:
		notes = append(notes, note{true, "The run did not come to its end.", "What was measured until then is shown."})
	case exit == exitInterrupted:
		notes = append(notes, note{true, "The run was interrupted.", "The figures are of what was measured until then."})
	}
	failed := 0
	for _, t := range h.targets {
		if len(t.summary.List("failed")) > 0 {
			failed++
		}
	}
	switch {
	case failed > 0 && len(h.targets) == 1:
		notes = append(notes, note{true, "Not as expected: " + Escape(strings.Join(h.targets[0].summary.List("failed"), ", ")), ""})
	case failed > 0:
		notes = append(notes, note{true, fmt.Sprintf("Not as expected: %d of %s", failed, Plural(int64(len(h.targets)), "target")), ""})
	}
	if drops, _ := h.summary.Int("kernel_drops"); drops > 0 {
		notes = append(notes, note{false, "The kernel dropped " + Plural(drops, "arrival") + " for want of room.", "Some of what counts as lost may have been answered."})
	}
	if limit := finding.Limit(h.summary.Text("limited_by")); limit != "" && limit != finding.LimitRate {
		notes = append(notes, note{false, "The run was held back by " + limitMeaning(limit) + ".", ""})
	}
	if detail := h.summary.Text("detail"); detail != "" {
		notes = append(notes, note{false, Escape(detail), ""})
	}
	return notes
}
