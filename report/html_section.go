package report

import (
	"html/template"
	"strings"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// section is about one target.
type section struct {
	ID              int
	Name            string
	Done            bool   // it has figures
	Key, More       []fact // the figures that matter most, and the others
	Clock, Meaning  string
	Failed          []string
	Detail          string
	Unit            string // of the charts
	Histogram, Line template.HTML
	Merged          string // how much of the run a dot of the time line covers; "" for one probe
	Row             []string
}

// section words what is known of one target, and draws it if it has charts.
// Its row in the table is in the scale that all targets have in common.
func (h *htmlWriter) section(t *latencyTarget, common scale) section {
	r := t.summary
	s := micro(t.scale())
	x := section{
		ID: t.id, Name: t.name, Done: r.Kind != "", Unit: s.unit,
		Line: timelineSVG(&t.line, s, h.location), Detail: Escape(r.Text("detail")),
	}
	if t.line.step > firstStep {
		x.Merged = span(t.line.step)
	}
	for _, clause := range r.List("failed") {
		x.Failed = append(x.Failed, Escape(clause))
	}
	if !x.Done {
		return x
	}
	x.Key, x.More = figures(r, s)
	x.Row = tableRow(r, common)
	if t.id <= maxCharts {
		x.Histogram = histogramSVG(coarser(binsOf(r), maxColumns), s, quantiles(r))
	}
	if clock := r.Text("clock"); clock != "" {
		x.Clock, x.Meaning = Escape(clock), clockMeaning(clock)
		if e, ok := r.Number("error_us"); ok {
			x.Clock += ", good to " + strings.Replace(duration(e), "us", "µs", 1)
		}
	}
	return x
}

// maxColumns is how many bars a phone has room for.
const maxColumns = 60

// scale is the target's, or that of its time line while it has no figures.
func (t *latencyTarget) scale() scale {
	least, most, ok := t.line.extremes()
	if t.summary.Kind != "" || !ok {
		return scaleOf(t.summary)
	}
	return scaleOf(finding.New("rtt-summary").Set("p50_us", least).Set("max_us", most))
}

// micro has the unit as one writes it where there is every letter.
func micro(s scale) scale {
	s.unit = strings.Replace(s.unit, "us", "µs", 1)
	return s
}

// figures are the target's, with their units.
func figures(r finding.Record, s scale) (key, more []fact) {
	for _, f := range timeFigures() {
		value := s.field(r, f.field)
		if value == "" {
			continue
		}
		value += " " + s.unit
		switch f.field {
		case "p50_us":
			key = append(key, fact{"median (p50)", value})
		case "p95_us", "p99_us":
			key = append(key, fact{f.title, value})
		default:
			more = append(more, fact{f.title, value})
		}
	}
	if loss, ok := r.Number("loss"); ok {
		key = append(key, fact{"loss", percent(loss)})
	}
	for _, f := range [...]struct {
		field, title string
		always       bool
	}{
		{"sent", "sent", true}, {"received", "received", true}, {"resets", "by RST", false}, {"late", "late", false},
		{"duplicates", "duplicates", false}, {"icmp_errors", "ICMP errors", false}, {"not_sent", "not sent", false},
	} {
		if n, ok := r.Int(f.field); ok && (n > 0 || f.always) {
			more = append(more, fact{f.title, Grouped(n)})
		}
	}
	return key, more
}

// tableRow is the target's line in the table of all, in the order of
// tableTitles.
func tableRow(r finding.Record, s scale) []string {
	sent, _ := r.Int("sent")
	loss, ok := r.Number("loss")
	row := []string{Grouped(sent), unless(!ok, percent(loss))}
	for _, field := range [...]string{"min_us", "p50_us", "p95_us", "p99_us", "max_us"} {
		row = append(row, s.field(r, field))
	}
	return row
}

func tableTitles() []string { return []string{"sent", "loss", "min", "p50", "p95", "p99", "max"} }

// quantiles are those that the histogram points out.
func quantiles(r finding.Record) (list []quantile) {
	for _, name := range [...]string{"p50", "p95", "p99"} {
		if us, ok := r.Number(name + "_us"); ok {
			list = append(list, quantile{name, us})
		}
	}
	return list
}

// clockMeaning words where the times come from.
func clockMeaning(clock string) string {
	for _, w := range finding.Clocks() {
		if w.Name == clock {
			return w.Meaning
		}
	}
	return ""
}
