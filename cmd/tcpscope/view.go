package main

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/wire"
	"github.com/tcpscope/tcpscope/report"
)

// viewFlags are shared by the commands that show segments of others.
func viewFlags(command string) []cli.Flag {
	flag := func(name, usage string, aliases ...string) cli.Flag {
		return &cli.BoolFlag{Name: name, Aliases: aliases, Category: groupCommand, Usage: usage}
	}
	return []cli.Flag{
		flag("absolute", "show sequence numbers as they are, not relative to the first", "S"),
		flag("hex", "show the octets too, in hexadecimal digits and ASCII", "X"),
		flag("ascii", "show the octets too, as text", "A"),
		flag("states", "show the states of both ends behind every segment"),
		flag("ladder", "draw both ends as columns, and every segment as an arrow"),
		flag("follow", "show the octets that the applications exchange"),
		flag("summary", "show a table of connections, and no segments"),
		&cli.StringFlag{Name: "count", Aliases: []string{"c"}, Category: groupCommand, Usage: "end after `N` segments"},
		&cli.StringFlag{Name: "connections", Category: groupCommand, Value: "32768", Usage: "remember `N` connections, 1.5 KiB each"},
		outputFlag(command),
		&cli.StringFlag{Name: "pcap", Aliases: []string{"w"}, Category: groupOutput, Usage: "write what is shown to `FILE` too, as pcapng"},
	}
}

// viewed is what watch and read have been asked for.
type viewed struct {
	settings settings
	views    report.Views
	// count ends the run; zero does not.
	count       int64
	connections int
}

// viewSettings reads the flags that watch and read share.
func (p *program) viewSettings(c *cli.Context) (v viewed, err error) {
	if v.settings, err = p.reporting(c); err != nil {
		return v, err
	}
	if v.settings.resolve {
		return v, usageError{errors.New("--resolve: " + c.Command.Name + " shows addresses"), "names that change under a connection would tear it apart"}
	}
	s := v.settings
	v.views = report.Views{
		Absolute: c.Bool("absolute"), Hex: c.Bool("hex"), ASCII: c.Bool("ascii"),
		Fields: s.verbose, States: c.Bool("states"), Bare: s.quiet,
	}
	var chosen []string
	for _, view := range []struct {
		flag string
		view report.View
	}{{"ladder", report.ViewLadder}, {"follow", report.ViewFollow}, {"summary", report.ViewSummary}} {
		if c.Bool(view.flag) {
			v.views.View, chosen = view.view, append(chosen, "--"+view.flag)
		}
	}
	if len(chosen) > 1 {
		return v, usageError{errors.New(enumerate(chosen) + " are different views"), "give one of them"}
	}
	if len(chosen) > 0 && v.views.View != report.ViewFollow && (v.views.Hex || v.views.ASCII) {
		return v, usageError{errors.New(chosen[0] + " shows no octets"), "leave -X and -A out, or give --follow"}
	}
	if v.count, err = integer(c, "count", 1, math.MaxInt64); err != nil {
		return v, err
	}
	n, err := integer(c, "connections", 1, 100_000_000)
	v.connections = int(n)
	return v, err
}

// packet is a datagram as a device or a file gives it.
type packet struct {
	at time.Time
	// undated says that at is a time of day only.
	undated  bool
	datagram []byte
	missing  int
	device   string
	// prefix is the device where lines begin with it, and way is which way it
	// went there, in tcpdump's words.
	prefix, way string
	// place tells where it was seen from where others were; see flow.Table.Add.
	place int
	// directed says that it is known whether it was outgoing.
	directed, outgoing bool
	text               *textLine // nil unless it was read from text
	comment            []byte    // what the capture file says of it
}

// viewing is one run of watch or read.
type viewing struct {
	viewed
	job   *job
	table *flow.Table
	// objects says that some output is made of records, segments that they
	// include single segments.
	objects, segments bool
	// other and unreadable count what is no IPv4, and what could not be read.
	other, unreadable int64

	shown, met atomic.Int64 // segments, connections
	last       time.Time
	undated    bool   // some stamps are
	names      names  // of hosts in text
	note       string // what the record of the capture file says
	failure    error  // of showing a connection that the table let go of

	header  wire.Header
	segment wire.Segment
	event   flow.Event
	sight   report.Sight
}

// beginView opens the outputs. Copies says whether one segment may be seen in
// more than one place.
func (p *program) beginView(ctx context.Context, asked viewed, copies bool) (*viewing, error) {
	v := &viewing{viewed: asked, names: names{}}
	v.views.Name = func(addr netip.Addr) string { return v.names[addr] }
	for _, o := range asked.settings.outputs {
		v.objects = v.objects || slices.Contains([]report.Format{report.FormatJSON, report.FormatJSONL, report.FormatCSV}, o.Format)
	}
	v.segments = v.objects && asked.views.View != report.ViewSummary
	kinds := []string{"run", "segment", "connection", "error", "summary"}
	if asked.views.View == report.ViewSummary {
		kinds = slices.Delete(kinds, 1, 2)
	}
	var err error
	v.job, err = p.begin(ctx, asked.settings, brief{
		kinds: kinds, views: &v.views,
		describe: func([]byte, bool) string { return v.note },
	})
	if err != nil {
		return nil, err
	}
	// A ladder is drawn, and octets are shown, when a connection has left.
	drawn := asked.views.View == report.ViewLadder || asked.views.View == report.ViewFollow || slices.ContainsFunc(asked.settings.outputs, func(o report.Output) bool {
		return o.Format == report.FormatHTML || o.Format == report.FormatSVG
	})
	v.table = flow.New(flow.Config{Connections: asked.connections, Copies: copies, Leave: v.leave, Recycle: !drawn})
	return v, nil
}

// show follows a datagram, and shows it. Done says that it was the last of
// those that were asked for.
func (v *viewing) show(p *packet) (done bool, err error) {
	v.sight = report.Sight{
		N: v.shown.Add(1), At: p.at, Device: p.prefix, Way: p.way, Datagram: p.datagram, Missing: p.missing,
	}
	v.undated = v.undated || p.undated
	v.follow(p)
	if p.text != nil {
		p.text.learn(v.names)
		v.sight.Text, v.sight.Relative = p.text.madeUp(), p.text.relative()
	}
	if err := v.job.report.Sight(&v.sight); err != nil {
		return false, err
	}
	if v.segments {
		if err := v.job.report.Write(v.record(p)); err != nil {
			return false, err
		}
	}
	if v.job.capture != nil {
		v.note = ""
		if v.sight.Event != nil {
			v.note = v.sight.Event.Steps.String()
		}
		direction := capture.Inbound
		if p.outgoing {
			direction = capture.Outbound
		}
		v.job.capture.Packet(capture.Packet{Datagram: p.datagram, At: p.at, Missing: p.missing, Direction: direction})
	}
	v.last = p.at
	return v.sight.N == v.count, v.failure
}

// fixedHeader is the length of a TCP header without options, in octets.
const fixedHeader = 20

// follow reads a datagram's headers, and finds out what the segment does, or
// why that cannot be said.
func (v *viewing) follow(p *packet) {
	header, payload, err := wire.ParseHeader(p.datagram)
	v.header = header
	v.sight.Header = &v.header
	shortened := cut(err)
	split := header.TotalLen == 0 && header.IHL >= 5 // it is to be, by a device
	switch {
	case err != nil && !shortened && !split:
		v.sight.Note = "malformed: its receiver drops it"
		return
	case header.Protocol != wire.ProtocolTCP:
		return
	case header.FragOffset != 0:
		v.sight.Note = "a later fragment: not followed"
		return
	}
	switch err := v.segment.Parse(payload); {
	case err == nil:
	case !shortened || !cut(err):
		v.sight.Note = "malformed: its receiver drops it"
		return
	case len(payload) < fixedHeader:
		v.sight.Note = "its header is not all here: not followed"
		return
	default: // only of its options, as after tcpdump -s 64
		v.segment.Payload = nil
	}
	v.sight.Segment = &v.segment
	if p.text != nil && !p.text.complete(v.table, &v.header, &v.segment) {
		v.sight.Note = "without a sequence number: not followed"
		return
	}
	sum := wire.Unverified
	if p.text == nil || p.text.Datagram != nil {
		sum = wire.VerifyTCP(p.datagram)
	}
	if sum == wire.Invalid && v.damaged() {
		v.sight.Note = "bad checksum: its receiver drops it"
		return
	}
	v.event = v.table.Add(p.at, &v.header, &v.segment, p.place)
	v.sight.Event = &v.event
	if sum == wire.Valid {
		v.event.Connection.Vouch(v.event.From)
	}
	if v.event.New {
		v.met.Add(1)
	}
}

// damaged reports whether the segment, whose checksum is wrong, comes from an
// end that is known to make good ones.
func (v *viewing) damaged() bool {
	c, side := v.table.Find(netip.AddrPortFrom(v.header.Src, v.segment.SrcPort), netip.AddrPortFrom(v.header.Dst, v.segment.DstPort))
	return c != nil && c.Vouched(side)
}

// cut reports whether err says only that a datagram is not all there.
func cut(err error) bool {
	var fault *wire.ParseError
	return errors.As(err, &fault) && fault.Truncated
}

// record is the segment object of what was just seen.
func (v *viewing) record(p *packet) finding.Record {
	record := probe.SegmentRecord(p.datagram).Set("n", v.sight.N).Set("device", p.device).Set("comment", string(p.comment))
	if !p.undated {
		record = record.Set("at", p.at)
	}
	if !v.last.IsZero() && !p.at.IsZero() {
		record = record.Set("dt_us", float64(p.at.Sub(v.last))/float64(time.Microsecond))
	}
	if v.sight.Event != nil {
		record = v.event.Describe(record)
	}
	if p.text != nil {
		record = p.text.amend(record, v.sight.Segment)
	}
	return record
}

// leave shows a connection that the table lets go of.
func (v *viewing) leave(c *flow.Connection) {
	err := v.job.report.Leave(c)
	if err == nil && v.objects {
		err = v.job.report.Write(v.connection(c))
	}
	if v.failure == nil {
		v.failure = err
	}
}

// connection is the object of a connection. Where stamps have no date, it has
// none either.
func (v *viewing) connection(c *flow.Connection) finding.Record {
	r := c.Record()
	for side, field := range [...]string{flow.Client: "client", flow.Server: "server"} {
		end := c.End(flow.Side(side)).Addr()
		if name := v.names[end.Addr()]; name != "" {
			r = r.Set(field, named(name, end.Port()))
		}
	}
	if v.undated {
		r = r.Set("at", nil)
		if reset, ok := r.Get("reset").(finding.Record); ok {
			r = r.Set("reset", reset.Set("at", nil))
		}
	}
	return r
}

// end shows the connections that are left, and ends the run.
func (v *viewing) end(ctx context.Context, err error, summary finding.Record) error {
	left := slices.SortedStableFunc(v.table.All(), func(a, b *flow.Connection) int { return a.Began().Compare(b.Began()) })
	for _, c := range left {
		v.leave(c)
	}
	return v.job.end(ctx, errors.Join(err, v.failure), summary.
		Set("segments", v.shown.Load()).
		Set("connections", v.met.Load()).
		Set("copies", unlessZero(v.table.Copies())).
		Set("other", unlessZero(uint64(v.other))).
		Set("unreadable", unlessZero(uint64(v.unreadable))).
		Set("forgotten", unlessZero(v.table.Evicted())).
		Set("paws_trouble", unlessZero(v.table.PAWSTrouble())))
}

// unlessZero is what a count of the unusual is worth.
func unlessZero(n uint64) any {
	if n == 0 {
		return nil
	}
	return n
}

// status words how far the run has come.
func (v *viewing) status() string {
	return report.Plural(v.shown.Load(), "segment") + " of " + report.Plural(v.met.Load(), "connection")
}
