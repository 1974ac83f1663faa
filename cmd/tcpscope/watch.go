package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/net/bpf"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/filter"
	"github.com/tcpscope/tcpscope/rawsock/wire"
	"github.com/tcpscope/tcpscope/report"
)

// anyDevice stands for all devices.
const anyDevice = "any"

// watch is "tcpscope watch".
func (p *program) watch() *cli.Command {
	return &cli.Command{
		Name:      "watch",
		Usage:     "show the segments of others as they pass, and what each does",
		ArgsUsage: "[FILTER]",
		Description: `tcpscope watch port 443                       # all devices, until Ctrl-C
tcpscope watch -Xni eth0 host 192.0.2.7 and port 9999
tcpscope watch --ladder -c 12 port 8080       # both ends, and their states
tcpscope watch 'tcp[tcpflags] & (tcp-syn|tcp-rst) != 0'
tcpscope watch --summary --duration 1m -o json=minute.json
tcpscope watch -w trouble.pcapng host 192.0.2.7`,
		Flags: append(append(watchFlags(), viewFlags("watch")...), generalFlags()...),
		Action: func(c *cli.Context) error {
			asked, err := p.viewSettings(c)
			if err != nil {
				return err
			}
			w, err := watchWishes(c, &asked)
			if err != nil {
				return err
			}
			if c.Bool("dry-run") {
				return p.dryWatch(w)
			}
			return p.runWatch(c.Context, asked, w)
		},
	}
}

func watchFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "interface", Aliases: []string{"i", "I"}, Category: groupCommand, Value: anyDevice, Usage: "watch the device `NAME`, or any"},
		&cli.StringFlag{Name: "duration", Category: groupCommand, Usage: "end after `D`; default no limit"},
		&cli.BoolFlag{Name: "dry-run", Category: groupOutput, Usage: "print the filter's program, and watch nothing"},
	}
}

// watchful is what watch alone has been asked for.
type watchful struct {
	device   string // "" is all of them
	duration time.Duration
	filter   filter.Expression
	program  []bpf.RawInstruction
}

// usualFilter is what is watched unless the user says what: TCP, and the ICMP
// errors that tell of it.
const usualFilter = "tcp or icmp[icmptype] = icmp-unreach or icmp[icmptype] = icmp-timxceed or icmp[icmptype] = icmp-paramprob " +
	"or icmp[icmptype] = icmp-redirect or icmp[icmptype] = icmp-sourcequench"

func watchWishes(c *cli.Context, asked *viewed) (w watchful, err error) {
	asked.views.Live = true
	if w.device = c.String("interface"); w.device == anyDevice {
		w.device = ""
	} else if err := checkDevice(w.device); err != nil {
		return w, err
	}
	if c.IsSet("duration") {
		if w.duration, err = period(c, "duration", shortestTimeout, longestDuration); err != nil {
			return w, err
		}
	}
	before, after := operands(c)
	text := strings.Join(append(before, after...), " ")
	if strings.TrimSpace(text) == "" {
		text = usualFilter
	}
	w.filter, w.program, err = compile("filter", text)
	return w, err
}

// compile reads a filter. What names it in a complaint.
func compile(what, text string) (filter.Expression, []bpf.RawInstruction, error) {
	expression, err := filter.Config{LookupHost: lookUpHost}.Parse(text)
	if err != nil {
		var problem *filter.Error
		if errors.As(err, &problem) {
			hint := problem.Hint
			plain := *problem
			plain.Hint = ""
			return expression, nil, usageError{fmt.Errorf("%s %q: %w", what, text, &plain), hint}
		}
		return expression, nil, usageError{error: fmt.Errorf("%s %q: %w", what, text, err)}
	}
	program, err := expression.Program()
	if err != nil {
		return expression, nil, usageError{error: fmt.Errorf("%s %q: %w", what, text, err)}
	}
	return expression, program, nil
}

// dryWatch prints what the kernel would run.
func (p *program) dryWatch(w watchful) error {
	fmt.Fprintf(p.stdout, "filter: %s\n", w.filter)
	instructions, _ := bpf.Disassemble(w.program)
	for i, instruction := range instructions {
		fmt.Fprintf(p.stdout, "(%03d) %v\n", i, instruction)
	}
	_, err := fmt.Fprintf(p.stdout, "Nothing was watched. Offsets count from the IPv4 header.\n")
	return err
}

const (
	// watchRing has room for half a second of 100,000 segments.
	watchRing = 16 << 20
	// watchBatch is how many segments are taken from it at a time.
	watchBatch = 512
	// watchHeap is what Go's heap may take besides what connections do, and
	// watchedConnection what one of those does.
	watchHeap         = 24 << 20
	watchedConnection = 1792
)

// runWatch shows what passes, until the user has seen enough.
func (p *program) runWatch(ctx context.Context, asked viewed, w watchful) error {
	v, err := p.beginView(ctx, asked, w.device == "" || w.device == loopback)
	if err != nil {
		return err
	}
	// A flood of connections is as much garbage as memory: it is to be collected
	// before there is twice as much of it.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(watchHeap + int64(asked.connections)*watchedConnection))
	summary := finding.New("summary")
	ring, err := rawsock.OpenPacket(rawsock.PacketConfig{Interface: w.device, Filter: w.program, Snap: v.snap(), RingSize: watchRing})
	if err == nil {
		if err = v.job.opened(); err == nil {
			err = v.watch(ctx, ring, w)
		}
		summary = summary.Set("kernel_drops", ring.Drops())
		err = errors.Join(err, ring.Close())
	}
	if ctx.Err() != nil { // this is how watching ends
		ctx, err = context.WithoutCancel(ctx), withoutEnd(ctx, err)
	}
	return v.end(ctx, err, summary)
}

// snap is how much of a datagram is needed; zero is all of it.
func (v *viewing) snap() int {
	if v.objects || v.job.capture != nil || v.views.Hex || v.views.ASCII || v.views.Fields || v.views.View == report.ViewFollow {
		return 0
	}
	return tapSnap
}

// watch shows what a ring receives until ctx, the duration or the count ends.
func (v *viewing) watch(ctx context.Context, ring *rawsock.PacketConn, w watchful) error {
	defer v.job.follow(func() {
		if v.views.View == report.ViewSummary {
			v.job.progress.Update(0, 0, v.status())
		}
	}, func() string {
		return v.status() + ", " + report.Grouped(int64(ring.Drops())) + " dropped by the kernel"
	})()
	listening := ctx
	if w.duration > 0 {
		var stop context.CancelFunc
		listening, stop = context.WithTimeout(ctx, w.duration)
		defer stop()
	}
	devices := newDevices(w.device != "")
	batch := make([]wire.Arrival, watchBatch)
	for down := false; ; {
		n, err := receive(listening, ring, batch, down)
		for i := range batch[:n] {
			done, err := v.show(devices.packet(&batch[i]))
			if done || err != nil {
				return err
			}
		}
		switch {
		case listening.Err() != nil:
			return ctx.Err()
		case n > 0:
			down = false
		case errors.Is(err, syscall.ENETDOWN) && !down:
			down = true
			fmt.Fprintf(v.job.stderr, "tcpscope: %s is down; waiting for it\n", w.device)
		case down && !deviceExists(w.device):
			return fmt.Errorf("%s is gone: %w", w.device, syscall.ENETDOWN)
		case err != nil && !down:
			return err
		}
		if err := v.job.report.Flush(); err != nil {
			return err
		}
	}
}

// downGlance is how often a device that is down is looked for: the kernel does
// not say when it is deleted.
const downGlance = 200 * time.Millisecond

// receive takes what a ring has, and waits for it; not for long while the
// device is down.
func receive(ctx context.Context, ring *rawsock.PacketConn, batch []wire.Arrival, down bool) (int, error) {
	if !down {
		return ring.Receive(ctx, batch)
	}
	ctx, stop := context.WithTimeout(ctx, downGlance)
	defer stop()
	return ring.Receive(ctx, batch)
}

func deviceExists(device string) bool {
	_, err := net.InterfaceByName(device)
	return err == nil
}

// devices names devices by their index.
type devices struct {
	// one says that there is one only, which needs no name.
	one     bool
	names   map[int]string
	lo      int    // the index of the loopback device
	current packet // what packet returned last
}

func newDevices(one bool) *devices {
	d := &devices{one: one, names: map[int]string{}}
	if device, err := net.InterfaceByName(loopback); err == nil {
		d.lo = device.Index
	}
	return d
}

// maxDevices bounds the memory for names: containers come and go.
const maxDevices = 4096

func (d *devices) name(index int) string {
	name, known := d.names[index]
	if known {
		return name
	}
	if len(d.names) >= maxDevices {
		clear(d.names)
	}
	name = "?"
	if device, err := net.InterfaceByIndex(index); err == nil {
		name = device.Name
	}
	d.names[index] = name
	return name
}

// packet is an arrival as a packet, until the next.
func (d *devices) packet(a *wire.Arrival) *packet {
	d.current = packet{at: a.At, datagram: a.Datagram, outgoing: a.Outgoing, place: a.Interface << 1}
	if a.Outgoing && a.Interface == d.lo {
		d.current.place |= 1
	}
	if !d.one {
		d.current.device = d.name(a.Interface)
		d.current.prefix, d.current.way = d.current.device, "In"
		if a.Outgoing {
			d.current.way = "Out"
		}
	}
	d.current.missing = missing(a.Datagram)
	return &d.current
}

// loopback is the device where every segment passes twice.
const loopback = "lo"

// missing is how many octets of a datagram a snap length has cut off.
func missing(datagram []byte) int {
	if len(datagram) < 4 {
		return 0
	}
	return max(int(datagram[2])<<8+int(datagram[3])-len(datagram), 0)
}
