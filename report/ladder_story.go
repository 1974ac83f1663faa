package report

import (
	"strconv"
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/flow"
)

// story says at the end of a ladder what became of the connection.
func (p *pen) story(t *talk) {
	p.buf = append(p.buf, Wrap("#"+strconv.Itoa(t.n)+" "+closeStory(t.Connection), "", pageWidth)...)
	p.buf = append(p.buf, Wrap(figuresStory(t.Connection), "   ", pageWidth)...)
	for _, trouble := range troubles(t.Connection) {
		for line := range strings.Lines(Wrap(trouble, "   ", pageWidth)) {
			p.buf = append(append(p.buf, p.paint(yellow, strings.TrimSuffix(line, "\n"))...), '\n')
		}
	}
}

// closeStory words how a connection ended, and who has to remember it.
func closeStory(c *flow.Connection) string {
	kind := c.Close()
	switch kind {
	case flow.FourWay, flow.ThreeSegment, flow.Simultaneous:
		return kind.String() + " close: " + closers(c)
	case flow.ByReset:
		if r, ok := c.Reset(); ok {
			return "reset by the " + r.From.String()
		}
	case flow.OneSided:
		for _, s := range [...]flow.Side{flow.Client, flow.Server} {
			if c.ClosedFirst(s) {
				return kind.String() + ": the " + s.String() + " has closed, the " + s.Peer().String() + " has not"
			}
		}
	}
	return kind.String() + ": " + meaningOf(finding.Closes(), kind.String())
}

// closers says who closed first and holds TIME-WAIT.
func closers(c *flow.Connection) string {
	var first []flow.Side
	for _, s := range [...]flow.Side{flow.Client, flow.Server} {
		if c.ClosedFirst(s) {
			first = append(first, s)
		}
	}
	switch len(first) {
	case 0:
		return "who closed first is not known"
	case 1:
		return "the " + first[0].String() + " closed first" + timeWait(c.End(first[0]), "s")
	default:
		return "both ends closed first" + timeWait(c.End(flow.Client), "")
	}
}

// timeWait says whether an end holds TIME-WAIT, and what became of it.
func timeWait(e *flow.End, ending string) string {
	switch d := e.Spent(flow.TimeWait); {
	case e.State() == flow.TimeWait:
		return " and hold" + ending + " TIME-WAIT"
	case d > 0:
		return " and held TIME-WAIT for " + tied(d)
	}
	return ""
}

// tied writes a time that Wrap does not part from its unit.
func tied(d time.Duration) string { return strings.ReplaceAll(exact(d), " ", hardSpace) }

// exact writes a measured time with as many decimals as stamps have.
func exact(d time.Duration) string { return string(appendTime(nil, d)) }

// sinceBegin says when a reset came.
func sinceBegin(c *flow.Connection, r flow.Reset) string {
	if r.At.IsZero() || c.Began().IsZero() {
		return ""
	}
	return " after " + tied(r.At.Sub(c.Began()))
}

// figuresStory is a connection in figures.
func figuresStory(c *flow.Connection) string {
	var parts []string
	if rtt, ok := c.HandshakeRTT(); ok {
		parts = append(parts, "handshake "+tied(rtt))
	}
	for _, s := range [...]flow.Side{flow.Client, flow.Server} {
		e := c.End(s)
		parts = append(parts, s.String()+" "+Plural(int64(e.Octets()), "octet")+" in "+Plural(int64(e.Segments()), "segment"))
	}
	if d, ok := c.CloseDelay(); ok {
		parts = append(parts, "second close "+tied(d.AfterFIN)+" after the first")
	}
	if life := c.Last().Sub(c.Began()); life > 0 {
		parts = append(parts, tied(life)+" in all")
	}
	return strings.Join(parts, ", ")
}

// troubles are what one would want to know first at night.
func troubles(c *flow.Connection) []string {
	var list []string
	for _, s := range [...]flow.Side{flow.Client, flow.Server} {
		e := c.End(s)
		if n := e.Retransmissions(); n > 0 {
			list = append(list, "the "+s.String()+" sent "+Plural(int64(n), "segment")+" again")
		}
		if n := e.Missing(); n > 0 {
			list = append(list, Plural(int64(n), "octet")+" of the "+s.String()+" that the capture lacks")
		}
	}
	if n := c.Copies(); n > 0 {
		list = append(list, Plural(int64(n), "segment")+" seen a second time, which changes nothing")
	}
	if n := c.PAWSTrouble(); n > 0 {
		list = append(list, "PAWS trouble, "+Plural(int64(n), "time")+": "+meaningOf(finding.Steps(), flow.PAWSTrouble.String()))
	}
	if r, ok := c.Reset(); ok {
		list = append(list, resetStory(c, r))
	}
	return list
}

// resetStory says when a reset came, and what kind of machine makes such.
func resetStory(c *flow.Connection, r flow.Reset) string {
	text := "reset by the " + r.From.String() + sinceBegin(c, r) + " (" + r.Shape.String() + "): " + meaningOf(finding.Shapes(), r.Shape.String())
	if r.TTL != 0 && r.EndTTL != 0 && r.TTL != r.EndTTL {
		text += "; its TTL is " + strconv.Itoa(int(r.TTL)) + " where that end's first segment had " + strconv.Itoa(int(r.EndTTL)) + ": something on the path made it"
	}
	return text
}

// meaningOf returns what a word means.
func meaningOf(words []finding.Word, name string) string {
	for _, w := range words {
		if w.Name == name {
			return w.Meaning
		}
	}
	return name
}
