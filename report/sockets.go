package report

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// socketRow is one local socket, as text shows it.
type socketRow struct {
	state, receive, send, local, peer, timer, processes, more string
}

// sockets gathers local sockets until their summary.
type sockets struct {
	rows []socketRow
	// said counts explanations.
	said map[string]int64
}

// socket gathers one.
func (t *textWriter) socket(r finding.Record) error {
	row := socketRow{
		state: Escape(r.Text("state")), receive: number(r, "recv_q"), send: number(r, "send_q"),
		local: Escape(r.Text("local")), peer: Escape(r.Text("peer")), timer: timerOf(r),
	}
	if row.peer == "" {
		row.peer = "*"
	}
	var holders []string
	for _, holder := range r.List("processes") {
		holders = append(holders, Escape(holder))
	}
	row.processes = strings.Join(holders, "; ")
	if t.Verbose {
		row.more = Escape(strings.Join(socketDetails(r), " "))
	}
	if text := r.Text("explanation"); text != "" {
		if t.sockets.said == nil {
			t.sockets.said = map[string]int64{}
		}
		t.sockets.said[text]++
	}
	t.sockets.rows = append(t.sockets.rows, row)
	return nil
}

// number is a field that is an integer; "" if it is absent.
func number(r finding.Record, field string) string {
	n, ok := r.Int(field)
	if !ok {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// timerOf says what a socket waits for, how long, and how often it did.
func timerOf(r finding.Record) string {
	kind := r.Text("timer")
	if kind == "" {
		return ""
	}
	text := Escape(kind)
	if ms, ok := r.Number("timer_ms"); ok {
		text += " " + left(time.Duration(ms)*time.Millisecond)
	}
	if retries, _ := r.Int("retries"); retries > 0 {
		text += " x" + Grouped(retries)
	}
	return text
}

// left writes the time that is left as ss does: "204ms", "59s", "119min".
func left(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', -1, 64) + "s"
	case d < 100*time.Second:
		return strconv.Itoa(int(d.Seconds())) + "s"
	}
	return strconv.Itoa(int(d.Minutes())) + "min"
}

// socketDetails are the fields that the table has no columns for, as they are
// called elsewhere.
func socketDetails(r finding.Record) []string {
	var words []string
	for _, f := range r.Fields {
		switch f.Name {
		case "at", "state", "recv_q", "send_q", "local", "peer", "timer", "timer_ms", "retries", "processes", "explanation":
			continue
		}
		value := csvValue(f.Value)
		if n, ok := f.Value.(float64); ok {
			value = strconv.FormatFloat(n, 'f', -1, 64)
		}
		words = append(words, f.Name+":"+value)
	}
	return words
}

// socketSummary shows the sockets that have been gathered, how many are in
// which state, and what that means.
func (t *textWriter) socketSummary(r finding.Record) error {
	gathered := t.sockets
	t.sockets = sockets{}
	var pages []string
	if len(gathered.rows) > 0 {
		pages = append(pages, t.socketTable(gathered.rows))
	}
	if !t.Quiet {
		pages = append(pages, t.socketFigures(r))
	}
	return t.print(append(pages, explanations(gathered.said))...)
}

// socketFigures is the line of counts.
func (t *textWriter) socketFigures(r finding.Record) string {
	n, _ := r.Int("sockets")
	text := Plural(n, "socket")
	if at := r.Time("at"); r.Get("n") != nil {
		text = at.In(t.location()).Format("15:04:05") + " " + text
	}
	if counts, _ := r.Get("counts").([]finding.Count); len(counts) > 0 {
		var parts []string
		for _, c := range counts {
			parts = append(parts, Grouped(c.N)+hardSpace+Escape(c.Name))
		}
		text += ": " + strings.Join(parts, ", ")
	}
	page := Wrap(text, "", pageWidth)
	if hidden, _ := r.Int("hidden"); hidden > 0 {
		page += Wrap("not looked into, for want of permission: "+Grouped(hidden)+" of the processes, which may hold some of these", "", pageWidth)
	}
	return page
}

// explanations are sentences, each with how many sockets it is about, the
// commonest first.
func explanations(said map[string]int64) string {
	var texts []string
	for text := range said {
		texts = append(texts, text)
	}
	slices.SortFunc(texts, func(a, b string) int {
		if said[a] != said[b] {
			return int(said[b] - said[a])
		}
		return strings.Compare(a, b)
	})
	var b strings.Builder
	for i, text := range texts {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(Wrap(Grouped(said[text])+" "+Escape(text), "", pageWidth))
	}
	return b.String()
}

// socketTable is a line for each socket.
func (t *textWriter) socketTable(rows []socketRow) string {
	text := func(title string, right bool, style style, value func(*socketRow) string) *column {
		return &column{title: title, right: right, cell: func(i int) cell { return cell{value(&rows[i]), style} }}
	}
	spilling := func(word string, c *column) *column {
		c.spill = func(text string) string { return word + text }
		return c
	}
	columns := []*column{
		text("STATE", false, plain, func(r *socketRow) string { return r.state }),
		text("RECV-Q", true, plain, func(r *socketRow) string { return r.receive }),
		text("SEND-Q", true, plain, func(r *socketRow) string { return r.send }),
		text("LOCAL", false, plain, func(r *socketRow) string { return r.local }),
		spilling("to"+hardSpace, text("PEER", false, plain, func(r *socketRow) string { return r.peer })),
		spilling("", text("TIMER", false, plain, func(r *socketRow) string { return r.timer })),
		spilling("", text("PROCESS", false, dim, func(r *socketRow) string { return r.processes })),
	}
	gap := wide
	kept, spilled := layout(columns, len(rows), pageWidth, gap)
	if len(spilled) > 0 {
		gap = narrow
		kept, spilled = layout(columns, len(rows), pageWidth, gap)
	}
	var b strings.Builder
	b.WriteString(t.line(kept, -1, "", gap))
	for i := range rows {
		b.WriteString(t.line(kept, i, "", gap))
		b.WriteString(Wrap(strings.Join(remarks(spilled, i, rows[i].more), ", "), "      ", pageWidth))
	}
	return b.String()
}
