package report

import (
	"html"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// ladderSize is the measure of a drawn ladder, in pixels.
type ladderSize struct {
	class       string
	width       int
	left, right int // the rails
	// time is where times end; zero puts them above the client's states.
	time   int
	letter float64 // the width of one, at most
}

// wideLadder suits desks and paper: one line for each segment.
func wideLadder() ladderSize {
	return ladderSize{class: "wide", width: 760, left: 164, right: 664, time: 62, letter: 7.25}
}

// slimLadder suits phones: labels are broken into lines.
func slimLadder() ladderSize {
	return ladderSize{class: "slim", width: 316, left: 86, right: 230, letter: 6.65}
}

// room is how many letters there are between the rails.
func (z ladderSize) room() int { return int(float64(z.right-z.left-20) / z.letter) }

const (
	lineHeight = 14
	// underText is between a label and its arrow, and aboveText between an
	// arrow and what follows.
	underText, aboveText = 5, 9
)

// sketch draws one ladder from above to below.
type sketch struct {
	svg
	ladderSize
	y     float64
	rails [2]rail
	last  time.Duration
}

// rail is an end's line, coloured by its state, as far as it is not drawn yet.
type rail struct {
	state flow.State
	from  float64
}

// pageRung is a rung, and what is told of it to those who point at it.
type pageRung struct {
	rung
	tip string
}

// drawLadder returns the inside of a picture, and its height.
func drawLadder(t *pageTalk, z ladderSize) (inside string, height int) {
	k := &sketch{ladderSize: z}
	if len(t.rungs) == 0 {
		return "", 0
	}
	var d drawn
	d.begin(&t.rungs[0].rung)
	k.heads(t, &d)
	for i := range t.rungs {
		k.rung(&d, &t.rungs[i])
	}
	if t.omitted > 0 {
		k.aside(0, Plural(int64(t.omitted), "more segment")+" not drawn")
	}
	k.y += lineHeight
	for side := range k.rails {
		k.turn(flow.Side(side), flow.Unknown)
	}
	return k.b.String(), int(math.Ceil(k.y)) + 1
}

// ladderSVG is a picture for a document.
func ladderSVG(t *pageTalk, z ladderSize) template.HTML {
	inside, height := drawLadder(t, z)
	s := &svg{}
	s.printf(`<svg class="ladder %s" role="img" width="%d" height="%d" viewBox="0 0 %d %d">`, z.class, z.width, height, z.width, height)
	s.printf("<title>%s</title><desc>%s</desc>\n", html.EscapeString("Ladder of "+t.name()), html.EscapeString(closeStory(t.Connection)+"; "+figuresStory(t.Connection)))
	s.b.WriteString(inside)
	return s.end()
}

// text writes text whose first line stands on y. It begins at x, or ends or
// has its middle there.
func (k *sketch) text(class, anchor string, x int, y float64, text string) {
	if anchor != "" {
		anchor = ` text-anchor="` + anchor + `"`
	}
	k.printf(`<text class="%s"%s x="%d" y="%s">%s</text>`, class, anchor, x, plainNumber(y), html.EscapeString(text))
}

// heads names both ends, and the states that they were in.
func (k *sketch) heads(t *pageTalk, d *drawn) {
	room := k.room() / 2
	if k.time == 0 {
		room = int(float64(k.width) / k.letter)
	}
	client, server := "client "+shorten(t.ends[0], room-len("client ")), "server "+shorten(t.ends[1], room-len("server "))
	k.y += lineHeight
	if k.time > 0 {
		k.text("who", "", k.left, k.y, client)
		k.text("who", "end", k.right, k.y, server)
	} else {
		k.text("who", "", 0, k.y, client)
		k.y += lineHeight + 2
		k.text("who", "end", k.width, k.y, server)
	}
	k.y += aboveText
	k.rails = [2]rail{{d.client, k.y}, {d.server, k.y}}
	k.states(stateName(d.client), stateName(d.server), k.y+lineHeight)
	k.b.WriteString("\n")
	k.y += lineHeight
}

// states writes them beside the rails.
func (k *sketch) states(client, server string, y float64) {
	nobodyKnows := flow.Unknown.String()
	if client != "" {
		k.text("state"+unless(client != nobodyKnows, " unknown"), "end", k.left-7, y, client)
	}
	if server != "" {
		k.text("state"+unless(server != nobodyKnows, " unknown"), "", k.right+7, y, server)
	}
}

// turn ends the part of a rail that has the colour of the state so far.
func (k *sketch) turn(side flow.Side, next flow.State) {
	r := &k.rails[side]
	k.railLine(side, stateClass(r.state), r.from, k.y)
	*r = rail{next, k.y}
}

func (k *sketch) railLine(side flow.Side, class string, from, to float64) {
	if to <= from {
		return
	}
	x := k.left
	if side == flow.Server {
		x = k.right
	}
	k.printf(`<path class="rail %s" d="M%d %sV%s"/>`, class, x, plainNumber(from), plainNumber(to))
}

// stateClass is the style of a state.
func stateClass(s flow.State) string {
	switch s {
	case flow.Unknown:
		return "unknown"
	case flow.Closed:
		return "closed"
	case flow.SynSent, flow.SynReceived:
		return "opening"
	case flow.Established:
		return "established"
	case flow.TimeWait:
		return "time-wait"
	}
	return "closing"
}

// aside writes what is no segment, and breaks the rails there. More is the
// height to add.
func (k *sketch) aside(more float64, texts ...string) {
	k.y += 5
	for side, r := range k.rails {
		k.turn(flow.Side(side), r.state)
	}
	k.y += more / 2
	for _, text := range texts {
		for _, line := range k.wrap(text) {
			k.y += lineHeight
			k.text("aside", "middle", (k.left+k.right)/2, k.y, line)
		}
	}
	k.y += 9 + more/2
	for side := range k.rails {
		r := &k.rails[side]
		k.railLine(flow.Side(side), "pause "+stateClass(r.state), r.from+3, k.y)
		r.from = k.y
	}
	k.b.WriteString("\n")
}

// rung draws one segment. The more time has passed, the more room is above it.
func (k *sketch) rung(d *drawn, r *pageRung) {
	asides, client, server := d.take(&r.rung)
	var wait float64
	if r.timed && r.at > k.last {
		wait = min(7*math.Log10(1+float64(r.at-k.last)/float64(time.Millisecond)), 35)
	}
	if len(asides) > 0 {
		k.aside(wait, asides...)
	} else {
		k.y += wait
	}
	k.last = r.at
	k.y += aboveText
	lines := k.words(&r.rung)
	top, height := k.y, underText
	for _, line := range lines {
		if !line.beside {
			height += lineHeight
		}
	}
	k.printf(`<g class="segment %s">`, r.class())
	if r.tip != "" && k.time > 0 {
		k.printf("<title>%s</title>", html.EscapeString(r.tip))
	}
	k.printf(`<rect class="hit" x="0" y="%s" width="%d" height="%d"/>`, plainNumber(top), k.width, height+4)
	k.label(&r.rung, lines)
	k.y += underText
	k.arrow(&r.rung)
	if r.timed {
		elapsed := strings.TrimSpace(string(appendElapsed(nil, r.at)))
		if k.time > 0 {
			k.text("time", "end", k.time, k.y+4, elapsed)
		} else {
			k.text("time", "end", k.left-7, k.y+4-lineHeight, elapsed)
		}
	}
	k.states(client, server, k.y+4)
	k.b.WriteString("</g>")
	for side, changed := range [...]string{client, server} {
		if changed != "" {
			k.turn(flow.Side(side), [...]flow.State{r.client, r.server}[side])
		}
	}
	k.b.WriteString("\n")
}

// laneLine is a line above an arrow.
type laneLine struct {
	text, class string
	// beside puts it on the line before, at its other end.
	beside bool
}

// words are the lines above an arrow: its label, and what the segment does.
func (k *sketch) words(r *rung) (lines []laneLine) {
	label := k.fit(r, false)
	if width(label) > k.room() {
		if brief := k.fit(r, true); k.time == 0 || width(brief) <= k.room() {
			label = brief
		}
	}
	for _, text := range k.wrap(label) {
		lines = append(lines, laneLine{text: text, class: "words"})
	}
	for i, text := range k.wrap(r.remark()) {
		beside := i == 0 && len(lines) == 1 && width(label)+2+width(text) <= k.room()
		lines = append(lines, laneLine{text: text, class: "remark", beside: beside})
	}
	return lines
}

// fit is the label with words that Wrap does not part.
func (k *sketch) fit(r *rung, brief bool) string {
	words := r.label(brief)
	if offer := r.offer(); offer != "" {
		words = append(words, offer)
	}
	for i, w := range words {
		words[i] = strings.ReplaceAll(w, " ", hardSpace)
	}
	return strings.Join(words, " ")
}

// wrap breaks text into lines that fit between the rails.
func (k *sketch) wrap(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(Wrap(text, "", k.room()), "\n"), "\n")
}

// label writes the lines on the sender's side, down to k.y.
func (k *sketch) label(r *rung, lines []laneLine) {
	x, other, anchor, opposite := k.left+10, k.right-15, "", "end"
	if r.from == flow.Server {
		x, other, anchor, opposite = k.right-10, k.left+15, opposite, anchor
	}
	for _, line := range lines {
		if line.beside {
			k.text(line.class, opposite, other, k.y, line.text)
			continue
		}
		k.y += lineHeight
		k.text(line.class, anchor, x, k.y, line.text)
	}
}

// arrow draws it with its head.
func (k *sketch) arrow(r *rung) {
	from, to, back := k.left+2, k.right-3, -8
	if r.from == flow.Server {
		from, to, back = k.right-2, k.left+3, 8
	}
	k.printf(`<path d="M%d %sH%dm%d -4l%d 4l%d 4"/>`, from, plainNumber(k.y), to, back, -back, back)
}

// class is the style of a segment.
func (r *rung) class() string {
	switch r.style() {
	case dim:
		return "copy"
	case red:
		return "resets"
	case yellow:
		return "trouble"
	case cyan:
		return "opens"
	case magenta:
		return "closes"
	}
	if r.length == 0 && r.flags&wire.RST == 0 {
		return "bare"
	}
	return "data"
}

// tip is all there is to say of a segment: the line of it, where it was seen,
// and what the words in it mean.
func (p *ladderPage) tip(s *Sight) string {
	p.buf = append(AppendSegment(p.buf[:0], s.At, s.Datagram), "  # "...)
	p.buf = p.annotator.appendTo(p.buf, s)
	text := string(p.buf)
	if seen := strings.TrimSpace(s.Device + " " + s.Way); seen != "" {
		text += "\nseen on " + Escape(seen)
	}
	if s.Event.Copy {
		text += "\ncopy: was seen before, in another place"
	}
	for step := range s.Event.Steps.All() {
		text += "\n" + step.String() + ": " + finding.Steps()[step].Meaning
	}
	if s.Event.Steps.Has(flow.ResetStep) || s.Event.Steps.Has(flow.StrayReset) {
		text += "\n" + s.Event.Shape.String() + ": " + meaningOf(finding.Shapes(), s.Event.Shape.String())
	}
	return text
}
