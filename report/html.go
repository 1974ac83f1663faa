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

//go:embed page.html
var pageParts string

// parsePage returns the template of a document, which may use the parts that
// all documents share.
func parsePage(text string) (*template.Template, error) {
	page, err := template.New("parts").Funcs(template.FuncMap{"palette": paletteStyle}).Parse(pageParts)
	if err != nil {
		return nil, err
	}
	return page.New("page").Parse(text)
}

// htmlWriter writes one document about the latencies of a run, when it ends.
// Until then it keeps the summaries, and what the charts need of the probes.
type htmlWriter struct {
	about
	file    io.WriteCloser
	page    *template.Template
	targets []*latencyTarget // in the order in which they were first heard of
	places  map[netip.AddrPort]*latencyTarget
}

// latencyTarget is what is known of one target of rtt.
type latencyTarget struct {
	id      int // counted from 1
	name    string
	summary finding.Record
	line    timeline
}

func newHTML(w io.WriteCloser, o Options) (*htmlWriter, error) {
	page, err := parsePage(latencyPage)
	return &htmlWriter{about: newAbout(o), file: w, page: page, places: map[netip.AddrPort]*latencyTarget{}}, err
}

// Write only gathers.
func (h *htmlWriter) Write(r finding.Record) error {
	h.take(r)
	switch r.Kind {
	case "rtt":
		target := h.target(r)
		if target.id <= maxCharts {
			target.line.add(r, min(maxMoments, allMoments/len(h.targets)))
		}
	case "rtt-summary":
		// The report has no use for the HDR histogram, which is long.
		r.Fields = slices.DeleteFunc(slices.Clone(r.Fields), func(f finding.Field) bool { return f.Name == "hdr" })
		h.target(r).summary = r
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

func (h *htmlWriter) document() document {
	d := document{Title: "Handshake latency", Command: h.command(), Facts: h.facts(h.segments()...), Notes: h.notes(), Titles: tableTitles()}
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

// segments is how many the run has sent and received.
func (h *htmlWriter) segments() []fact {
	sent, ok := h.summary.Int("sent")
	if !ok {
		return nil
	}
	received, _ := h.summary.Int("received")
	return []fact{{"Segments", Grouped(sent) + " sent, " + Grouped(received) + " received"}}
}

// notes tell of what went wrong with the run, and which targets are not as
// they were expected to be.
func (h *htmlWriter) notes() []note {
	notes := h.ending("measured")
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
	return append(notes, h.caveats("Some of what counts as lost may have been answered.")...)
}
