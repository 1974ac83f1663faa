package report

import (
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// about is what a document says about the run that it is of.
type about struct {
	location *time.Location
	// timed says that the run took the time of what it shows.
	timed   bool
	run     finding.Record
	summary finding.Record
	errors  []finding.Record
}

func newAbout(o Options) about {
	return about{location: o.location(), timed: o.Views == nil || o.Views.Live}
}

// take gathers the records that are about the run.
func (a *about) take(r finding.Record) {
	switch r.Kind {
	case "run":
		a.run = r
	case "error":
		a.errors = append(a.errors, r)
	case "summary":
		a.summary = r
	}
}

// command is what was typed.
func (a *about) command() string { return Escape(strings.Join(a.run.List("args"), " ")) }

// fact is a label and a value.
type fact struct{ Label, Value string }

// note is something that the reader must know before anything else.
type note struct {
	Grave      bool
	Text, Hint string
}

// facts is the head of a document. Counts are what the run has counted.
func (a *about) facts(counts ...fact) []fact {
	var facts []fact
	add := func(label, value string) {
		if value != "" {
			facts = append(facts, fact{label, Escape(value)})
		}
	}
	if at := a.run.Time("at"); !at.IsZero() {
		add("When", at.In(a.location).Format("2006-01-02 15:04:05 MST"))
	}
	if ms, ok := a.summary.Number("elapsed_ms"); ok && a.timed {
		add("Duration", span(time.Duration(ms*float64(time.Millisecond))))
	}
	if from := a.run.Addr("source"); from.IsValid() {
		add("From", from.String()+unless(a.run.Text("interface") == "", " by "+a.run.Text("interface")))
	}
	for _, f := range counts {
		add(f.Label, f.Value)
	}
	if kernel := a.run.Text("kernel"); kernel != "" {
		add("Kernel", "Linux "+kernel)
	}
	if version := a.run.Text("version"); version != "" {
		add("Program", "tcpscope "+version)
	}
	return facts
}

// exitInterrupted is the exit status of a run that a signal ended.
const exitInterrupted = 130

// ending tells of what went wrong with the run. Shown is what the document
// has to show of a run that did not come to its end.
func (a *about) ending(shown string) []note {
	var notes []note
	for _, e := range a.errors {
		notes = append(notes, note{true, "The run failed: " + Escape(e.Text("message")), Escape(e.Text("hint"))})
	}
	exit, _ := a.summary.Int("exit")
	switch {
	case a.summary.Kind == "" && len(a.errors) == 0:
		notes = append(notes, note{true, "The run did not come to its end.", "What was " + shown + " until then is shown."})
	case exit == exitInterrupted:
		notes = append(notes, note{true, "The run was interrupted.", "The figures are of what was " + shown + " until then."})
	}
	return notes
}

// caveats tell of what may be missing. Unheard says what that means for the
// figures.
func (a *about) caveats(unheard string) []note {
	var notes []note
	if drops, _ := a.summary.Int("kernel_drops"); drops > 0 {
		notes = append(notes, note{false, "The kernel dropped " + Plural(drops, "arrival") + " for want of room.", unheard})
	}
	if limit := finding.Limit(a.summary.Text("limited_by")); limit != "" && limit != finding.LimitRate {
		notes = append(notes, note{false, "The run was held back by " + limitMeaning(limit) + ".", ""})
	}
	if detail := a.summary.Text("detail"); detail != "" {
		notes = append(notes, note{false, Escape(detail), ""})
	}
	return notes
}
