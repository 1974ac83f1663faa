package report

import (
	"bufio"
	_ "embed"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/flow"
)

// What a page draws. The rest is counted, and the page says so.
const (
	pageConnections = 50    // those that began first
	pageSegments    = 2000  // of one connection
	allPageSegments = 20000 // of all of them
)

//go:embed ladder.html
var ladderHTML string

//go:embed ladder.svg
var ladderImage string

//go:embed ladder.css
var ladderStyle string

// ladderPage is a file of ladders: one SVG image, or an HTML document. It
// gathers until it is closed.
type ladderPage struct {
	Options
	about
	file   io.WriteCloser
	format Format
	talks  map[*flow.Connection]*pageTalk
	list   []*pageTalk // in the order in which they began
	rungs  int
	// others are the connections that are not drawn.
	others    int64
	annotator annotator
	buf       []byte
}

// pageTalk is one connection of a page.
type pageTalk struct {
	*flow.Connection
	tracker
	ends    [2]string
	rungs   []pageRung
	omitted int
}

// nameLength is what there is room for in a heading.
const nameLength = 40

// name tells one connection from the others.
func (t *pageTalk) name() string {
	return shorten(t.ends[0], nameLength) + " to " + shorten(t.ends[1], nameLength)
}

func newLadderPage(w io.WriteCloser, format Format, o Options) *ladderPage {
	return &ladderPage{
		Options: o, about: newAbout(o), file: w, format: format, talks: map[*flow.Connection]*pageTalk{},
		annotator: newAnnotator(Views{Fields: true}),
	}
}

func (p *ladderPage) Write(r finding.Record) error {
	p.take(r)
	return nil
}

func (p *ladderPage) sight(s *Sight) error {
	if s.Event == nil {
		return nil
	}
	t := p.talks[s.Event.Connection]
	switch {
	case t != nil:
	case len(p.list) == pageConnections:
		if s.Event.New {
			p.others++
		}
		return nil
	default:
		t = &pageTalk{Connection: s.Event.Connection, tracker: newTracker(len(p.list)+1, s)}
		for side := range t.ends {
			t.ends[side] = p.Views.endpoint(t.End(flow.Side(side)).Addr())
		}
		p.talks[t.Connection] = t
		p.list = append(p.list, t)
	}
	r := t.rung(s, p.Views.Absolute)
	if len(t.rungs) >= pageSegments || p.rungs >= allPageSegments {
		t.omitted++
		return nil
	}
	p.rungs++
	t.rungs = append(t.rungs, pageRung{r, p.tip(s)})
	return nil
}

// leave has nothing to do: what a page needs of a connection stays readable.
func (p *ladderPage) leave(*flow.Connection) error { return nil }

// end has nothing to do: the summary, which the page shows above the ladders,
// is yet to come.
func (p *ladderPage) end() error { return nil }

// Close writes the page, whatever has been gathered.
func (p *ladderPage) Close() error {
	out := bufio.NewWriter(p.file)
	return closing(p.write(out), out.Flush, p.file.Close)
}

func (p *ladderPage) write(w io.Writer) error {
	text, contents := ladderHTML, any(nil)
	if p.format == FormatSVG {
		text, contents = ladderImage, p.image()
	} else {
		contents = p.document()
	}
	page, err := parsePage(text)
	if err != nil {
		return err
	}
	return page.Execute(w, contents)
}

// title names what the page shows.
func (p *ladderPage) title() string {
	if n := int64(len(p.list)) + p.others; n != 1 {
		return Plural(n, "TCP connection")
	}
	return "TCP connection " + p.list[0].name()
}

// notes tell of what is not as one would expect, before anything else.
func (p *ladderPage) notes() []note {
	notes := append(p.ending("captured"), p.caveats("The ladders lack them, unless both ends have sent them again.")...)
	if p.others > 0 {
		notes = append(notes, note{false, "The " + Grouped(pageConnections) + " connections that began first are drawn, " + Grouped(p.others) + " are not.", ""})
	}
	omitted := 0
	for _, t := range p.list {
		omitted += t.omitted
	}
	if omitted > 0 {
		notes = append(notes, note{false, Plural(int64(omitted), "segment") + " of long connections are not drawn.", "They count in the figures and in the states at the end."})
	}
	for _, more := range []struct{ field, words string }{
		{"forgotten", "connection|s| forgotten for want of room"}, {"unreadable", "packet|s| not to be read"},
	} {
		if n, _ := p.summary.Int(more.field); n > 0 {
			thing, rest, _ := strings.Cut(more.words, "|s|")
			notes = append(notes, note{false, Plural(n, thing) + rest + ".", ""})
		}
	}
	return notes
}

// counts are what the run has seen.
func (p *ladderPage) counts() []fact {
	var facts []fact
	for _, f := range [...]struct{ label, field string }{
		{"Segments", "segments"}, {"Connections", "connections"}, {"Seen twice", "copies"}, {"Other protocols", "other"},
	} {
		if n, ok := p.summary.Int(f.field); ok {
			facts = append(facts, fact{f.label, Grouped(n)})
		}
	}
	return facts
}

// ladderDocument is what the templates are filled with. Texts have been escaped
// for readers; the templates escape them for HTML.
type ladderDocument struct {
	Title, Command string
	Style          template.CSS
	Facts          []fact
	Notes          []note
	Columns        []string
	Sections       []ladderSection
	States, Steps  []fact
}

// ladderSection is about one connection.
type ladderSection struct {
	N          int
	Name       string
	Ends       [2]string
	Row        []string
	Troubled   bool
	Story      string
	Key        []fact
	Troubles   []string
	Guessed    bool
	Wide, Slim template.HTML
	Spent      [][3]string // a state, and how long the client and the server were in it
}

func (p *ladderPage) document() ladderDocument {
	d := ladderDocument{
		Title: p.title(), Command: p.command(), Style: template.CSS(ladderStyle), Facts: p.facts(p.counts()...), Notes: p.notes(),
		Columns: []string{"began", "lasted", "handshake", "client octets", "server octets", "segments", "close"},
	}
	var steps flow.Steps
	var states uint64
	for _, t := range p.list {
		d.Sections = append(d.Sections, t.section())
		for _, r := range t.rungs {
			steps |= r.steps
			states |= 1<<r.client | 1<<r.server
		}
	}
	for state, w := range finding.EndStates() {
		if states&(1<<state) != 0 {
			d.States = append(d.States, fact{stateName(flow.State(state)), w.Meaning})
		}
	}
	for step := range steps.All() {
		d.Steps = append(d.Steps, fact{spoken(step), finding.Steps()[step].Meaning})
	}
	return d
}

// micros has the unit of short times as one writes it where there is every
// letter.
func micros(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, hardSpace+"us", hardSpace+"µs"), " us", " µs")
}

// section words and draws one connection.
func (t *pageTalk) section() ladderSection {
	c := t.Connection
	client, server := c.End(flow.Client), c.End(flow.Server)
	x := ladderSection{
		N: t.n, Name: t.name(), Ends: [2]string{shorten(t.ends[0], nameLength), shorten(t.ends[1], nameLength)}, Story: micros(closeStory(c)), Troubles: troubles(c), Guessed: c.SidesGuessed(),
		Wide: ladderSVG(t, wideLadder()), Slim: ladderSVG(t, slimLadder()),
	}
	x.Troubled = len(x.Troubles) > 0
	var began, handshake, lasted string
	if !t.began.IsZero() {
		began = t.began.Format("15:04:05.000000")
	}
	if rtt, ok := c.HandshakeRTT(); ok {
		handshake = micros(exact(rtt))
		x.Key = append(x.Key, fact{"handshake", handshake})
	}
	if life := c.Last().Sub(c.Began()); life > 0 {
		lasted = micros(exact(life))
		x.Key = append(x.Key, fact{"lasted", lasted})
	}
	x.Key = append(x.Key, fact{"client octets", Grouped(client.Octets())}, fact{"server octets", Grouped(server.Octets())})
	x.Row = []string{began, lasted, handshake, Grouped(client.Octets()), Grouped(server.Octets()), Grouped(c.Segments()), c.Close().String()}
	for state := range finding.EndStates() {
		a, b := client.Spent(flow.State(state)), server.Spent(flow.State(state))
		if a > 0 || b > 0 {
			x.Spent = append(x.Spent, [3]string{stateName(flow.State(state)), spent(a), spent(b)})
		}
	}
	return x
}

// spent writes a time in a state; "" for none.
func spent(d time.Duration) string { return unless(d == 0, micros(exact(d))) }
