package report

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// host is what is known of one address.
type host struct {
	addr    netip.Addr
	name    string
	status  finding.HostStatus
	reason  finding.Reason
	from    netip.Addr
	detail  string
	mute    int64 // ports that the status speaks for
	ports   int
	hidden  map[finding.State]int64
	buckets []*bucket
}

// bucket gathers the ports of a host that have state, reason and origin in
// common.
// Once there are too many to list it only counts, so that a host of 65,535
// closed ports takes no room.
type bucket struct {
	state  finding.State
	reason string // as the REASON column has it
	count  int64
	rows   []row
	froms  []source
}

// source counts replies by who sent them.
type source struct {
	addr  netip.Addr
	count int64
}

// maxSources is how many are told apart in one bucket; the rest counts as the
// zero Addr.
const maxSources = 4

// row is a port in the list.
type row struct {
	port, window     uint16
	ttl, tries       uint8
	hasTTL, hasWin   bool
	rtt              float64 // us; negative for none
	from             netip.Addr
	state            finding.State
	reason           string
	options, remarks string
}

// port takes a port's record. A nil show lists everything that is not too
// common.
func (h *host) port(r finding.Record, state finding.State, show []finding.State) {
	h.ports++
	if !shown(show, r) {
		if h.hidden == nil {
			h.hidden = map[finding.State]int64{}
		}
		h.hidden[state]++
		return
	}
	b := h.bucket(state, reasonOf(r))
	b.count++
	b.from(r.Addr("from"))
	if show == nil && state != finding.Open && b.count > collapseAbove {
		b.rows = nil
		return
	}
	b.rows = append(b.rows, newRow(r))
}

func (h *host) bucket(state finding.State, reason string) *bucket {
	for _, b := range h.buckets {
		if b.state == state && b.reason == reason {
			return b
		}
	}
	b := &bucket{state: state, reason: reason}
	h.buckets = append(h.buckets, b)
	return b
}

// from counts a reply's source; the zero Addr stands for none and, once there
// are many, for others.
func (b *bucket) from(addr netip.Addr) {
	if len(b.froms) > maxSources {
		addr = b.froms[maxSources].addr
	}
	for i := range b.froms {
		if b.froms[i].addr == addr {
			b.froms[i].count++
			return
		}
	}
	if len(b.froms) == maxSources {
		addr = netip.Addr{}
	}
	b.froms = append(b.froms, source{addr, 1})
}

func newRow(r finding.Record) row {
	port, _ := r.Int("port")
	ttl, hasTTL := r.Int("ttl")
	window, hasWindow := r.Int("window")
	tries, _ := r.Int("tries")
	rtt, ok := r.Number("rtt_us")
	if !ok {
		rtt = -1
	}
	return row{
		port: uint16(port), ttl: uint8(ttl), hasTTL: hasTTL, window: uint16(window), hasWin: hasWindow,
		tries: uint8(min(tries, 255)), rtt: rtt, from: r.Addr("from"),
		state: finding.State(r.Text("state")), reason: reasonOf(r),
		options: strings.Join(r.List("options"), ","), remarks: r.Text("detail"),
	}
}

// verdict takes a host-status record.
func (h *host) verdict(r finding.Record) {
	h.status, h.reason = finding.HostStatus(r.Text("status")), finding.Reason(r.Text("reason"))
	h.from, h.detail = r.Addr("from"), r.Text("detail")
	h.mute, _ = r.Int("ports")
}

// page shows a host with its ports.
func (t *textWriter) page(h *host) string {
	var rows []row
	var counted []*bucket
	for _, b := range h.buckets {
		rows = append(rows, b.rows...)
		if len(b.rows) == 0 {
			counted = append(counted, b)
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.port, b.port) })
	slices.SortFunc(counted, func(a, b *bucket) int { return cmp.Compare(b.count, a.count) })

	var b strings.Builder
	b.WriteString(t.paint(bold, h.title()) + "\n")
	b.WriteString(Wrap(Escape(h.detail), "  ", pageWidth))
	if len(rows) > 0 {
		b.WriteString(t.table(h, rows))
	}
	for _, c := range counted {
		b.WriteString("  " + t.paint(stateStyle(c.state), Grouped(c.count)+" "+Escape(string(c.state))) + " (" + c.why(h.addr) + ")\n")
	}
	if h.status != "" && h.status != finding.Answers {
		b.WriteString(Wrap(Plural(h.mute, "other port")+": "+h.meaning(), "  ", pageWidth))
	}
	if len(h.hidden) > 0 {
		b.WriteString(Wrap("not shown: "+t.counts(h.hidden), "  ", pageWidth))
	}
	return b.String()
}

func (h *host) title() string {
	if h.name == "" {
		return h.addr.String()
	}
	return Escape(h.name) + " (" + h.addr.String() + ")"
}

// why words a bucket's reason and, where others than the host sent it, whom.
func (b *bucket) why(self netip.Addr) string {
	var names []string
	for i, s := range b.froms {
		switch {
		case i == maxSources:
			names = append(names, "others")
		case s.addr.IsValid() && (s.addr != self || len(b.froms) > 1):
			names = append(names, s.addr.String())
		}
	}
	if len(names) == 0 {
		return b.reason
	}
	return b.reason + " from " + strings.Join(names, ", ")
}

// counts lists states with their numbers.
func (t *textWriter) counts(tally map[finding.State]int64) string {
	var list []string
	for _, w := range finding.States() {
		if n := tally[finding.State(w.Name)]; n > 0 {
			list = append(list, t.paint(stateStyle(finding.State(w.Name)), Grouped(n)+hardSpace+w.Name))
		}
	}
	return strings.Join(list, ", ")
}

// table lists ports, with remarks below the row that they are about. Columns
// rather move together than spill.
func (t *textWriter) table(h *host, rows []row) string {
	const indent = "  "
	columns, gap := t.portColumns(h, rows), wide
	kept, spilled := layout(columns, len(rows), pageWidth-len(indent), gap)
	if len(spilled) > 0 {
		gap = narrow
		kept, spilled = layout(columns, len(rows), pageWidth-len(indent), gap)
	}
	var b strings.Builder
	b.WriteString(t.line(kept, -1, indent, gap))
	for i := range rows {
		b.WriteString(t.line(kept, i, indent, gap))
		b.WriteString(Wrap(strings.Join(remarks(spilled, i, t.header(&rows[i]), Escape(rows[i].remarks)), ", "), "      ", pageWidth))
	}
	return b.String()
}

// header is what --verbose adds of the reply's TCP header.
func (t *textWriter) header(r *row) string {
	if !t.Verbose || !r.hasWin {
		return ""
	}
	return "win " + strconv.Itoa(int(r.window)) + unless(r.options == "", ", options ["+Escape(r.options)+"]")
}

// portColumns are the columns of a host's table.
func (t *textWriter) portColumns(h *host, rows []row) []*column {
	text := func(title string, value func(r *row) string) *column {
		return &column{title: title, cell: func(i int) cell { return cell{text: value(&rows[i])} }}
	}
	state := &column{title: "STATE", cell: func(i int) cell {
		return cell{Escape(string(rows[i].state)), stateStyle(rows[i].state)}
	}}
	from := text("FROM", func(r *row) string { return unless(!r.from.IsValid() || r.from == h.addr, r.from.String()) })
	from.spill = func(s string) string { return "from " + s }
	ttl := text("TTL", func(r *row) string { return unless(!r.hasTTL, strconv.Itoa(int(r.ttl))) })
	rtt := text("RTT", func(r *row) string { return unless(r.rtt < 0, milliseconds(r.rtt)) })
	tries := text("TRIES", func(r *row) string { return unless(r.tries < 2, strconv.Itoa(int(r.tries))) })
	tries.spill = func(s string) string { return s + " tries" }
	ttl.right, rtt.right, tries.right = true, true, true
	return []*column{
		text("PORT", func(r *row) string { return t.portName(r.port) }), state,
		text("REASON", func(r *row) string { return r.reason }), from, ttl, rtt, tries,
	}
}

// unless returns text, or "" if it is not to be shown.
func unless(hide bool, text string) string {
	if hide {
		return ""
	}
	return text
}

// portName is the port with its usual service.
func (t *textWriter) portName(port uint16) string {
	name := strconv.Itoa(int(port))
	if t.Service != nil {
		if service := t.Service(port); service != "" {
			name += "/" + Escape(service)
		}
	}
	return name
}

// reasonOf is a port's reason, and who is behind it if that is known and not
// the host.
func reasonOf(r finding.Record) string {
	reason, origin := Escape(r.Text("reason")), r.Text("origin")
	if strings.HasPrefix(reason, "icmp-") {
		return reason // these speak for themselves
	}
	switch finding.Origin(origin) {
	case finding.FromFirewall, finding.FromProxy:
		return reason + " by " + origin
	}
	return reason
}

// remarks lists what stands below row i: the columns without room, and others.
func remarks(spilled []*column, i int, others ...string) []string {
	var list []string
	for _, c := range spilled {
		if text := c.cell(i).text; text != "" {
			list = append(list, c.spill(text))
		}
	}
	for _, s := range others {
		if s != "" {
			list = append(list, s)
		}
	}
	return list
}

// verdicts lists hosts of which there is only a status; those of which there
// are many alike are one line.
func (t *textWriter) verdicts(hosts []*host) string {
	groups := map[alike][]*host{}
	for _, h := range hosts {
		groups[h.alike()] = append(groups[h.alike()], h)
	}
	var entries []statusEntry
	for _, h := range hosts {
		e := statusEntry{h.title(), Escape(string(h.status)), h.why(), remark(h.meaning(), h.detail)}
		if group := groups[h.alike()]; len(t.Show) < len(finding.States()) && len(group) > collapseAbove {
			if h != group[0] {
				continue
			}
			e.title = Grouped(int64(len(group))) + " hosts, " + h.addr.String() + " to " + group[len(group)-1].addr.String()
			e.detail = h.meaning()
		}
		entries = append(entries, e)
	}
	columns, _ := layout([]*column{
		{cell: func(i int) cell { return cell{entries[i].title, bold} }},
		{cell: func(i int) cell { return cell{entries[i].status, yellow} }},
		{cell: func(i int) cell { return cell{text: entries[i].reason} }},
	}, len(entries), pageWidth, wide)
	var b strings.Builder
	for i, e := range entries {
		line := t.line(columns, i, "", wide)
		if len(columns) > 2 && width(line) > pageWidth+1 { // only this row is too long
			line = t.line(columns[:2], i, "", wide)
			e.detail = e.reason + ": " + e.detail
		}
		b.WriteString(line + Wrap(e.detail, "      ", pageWidth))
	}
	return b.String()
}

// remark joins a status's meaning with what else there is to say.
func remark(meaning, detail string) string {
	if detail == "" {
		return meaning
	}
	return meaning + "; " + Escape(detail)
}

// meaning words the host's status.
func (h *host) meaning() string {
	for _, w := range finding.HostStatuses() {
		if w.Name == string(h.status) {
			return w.Meaning
		}
	}
	return Escape(string(h.status))
}

// statusEntry is a line about a host without ports, or about many.
type statusEntry struct{ title, status, reason, detail string }

// alike is what hosts have in common that stand in one line.
type alike struct {
	status finding.HostStatus
	reason finding.Reason
	from   netip.Addr
}

func (h *host) alike() alike { return alike{h.status, h.reason, h.from} }

// why is the reason of a host's status and who gave it.
func (h *host) why() string {
	reason := Escape(string(h.reason))
	if h.from.IsValid() && h.from != h.addr {
		return strings.TrimSpace(reason + " from " + h.from.String())
	}
	return reason
}
