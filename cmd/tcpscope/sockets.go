package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
	"github.com/tcpscope/tcpscope/report"
)

// sockets is "tcpscope sockets".
func (p *program) sockets() *cli.Command {
	return &cli.Command{
		Name:      "sockets",
		Usage:     "show this host's TCP sockets: states, queues, timers, owners",
		ArgsUsage: "[FILTER]",
		Description: `tcpscope sockets                             # all, as ss -tano
sudo tcpscope sockets -tanop                 # and who holds them
tcpscope sockets state time-wait dport = :443
tcpscope sockets --explain state close-wait  # what that means
tcpscope sockets --watch --interval 5s 'dst 192.0.2.0/24 and not dport = :22'
tcpscope sockets -l -o json=listeners.json`,
		Flags: append(append(socketFlags(), outputFlag("sockets")), generalFlags()...),
		Action: func(c *cli.Context) error {
			s, err := p.reporting(c)
			if err != nil {
				return err
			}
			if s.resolve {
				return misuse("--resolve: sockets shows addresses")
			}
			w, err := socketWishes(c)
			if err != nil {
				return err
			}
			return p.runSockets(c.Context, s, w)
		},
	}
}

func socketFlags() []cli.Flag {
	flag := func(name, usage string, aliases ...string) cli.Flag {
		return &cli.BoolFlag{Name: name, Aliases: aliases, Category: groupCommand, Usage: usage}
	}
	return []cli.Flag{
		flag("all", "all states (the default)", "a"),
		flag("listening", "listening sockets only", "l"),
		flag("processes", "who holds each: process and descriptor", "p"),
		flag("tcp", "TCP (there is nothing else here)", "t"),
		flag(timersFlag, "timers (always shown); in a bundle, as in -tanop, o does not mean -o FORMAT"),
		flag("explain", "say what states and queues mean"),
		flag("watch", "look again and again, until Ctrl-C"),
		&cli.StringFlag{Name: "interval", Aliases: []string{"i"}, Category: groupCommand, Value: "1s", Usage: "with --watch, time `D` between two looks"},
	}
}

// timersFlag is what o means in a bundle of ss's letters.
const timersFlag = "timers"

// hasLettersOfItsOwn reports whether short flags of a command mean what they
// mean to another program, and not what they mean elsewhere.
func hasLettersOfItsOwn(c *cli.Command) bool { return flagNamed(c.Flags, timersFlag) != nil }

// socketWish is what has been asked of sockets.
type socketWish struct {
	query     sockdiag.Query
	processes bool
	explain   bool
	// interval is the time between two looks; zero if there is one only.
	interval time.Duration
}

// shortestLook is the least time between two looks.
const shortestLook = 100 * time.Millisecond

func socketWishes(c *cli.Context) (w socketWish, err error) {
	w = socketWish{processes: c.Bool("processes"), explain: c.Bool("explain")}
	before, after := operands(c)
	if w.query, err = parseSocketFilter(append(before, after...)); err != nil {
		return w, err
	}
	if c.Bool("listening") && !c.Bool("all") {
		if w.query.States != nil {
			return w, misuse("--listening contradicts the filter, which names states too")
		}
		w.query.States = []sockdiag.State{sockdiag.Listen}
	}
	// The explanations need queues and drops.
	w.query.Details = true
	switch {
	case c.Bool("watch"):
		w.interval, err = period(c, "interval", shortestLook, longestInterval)
	case c.IsSet("interval"):
		err = misuse("--interval needs --watch: without it there is one look")
	}
	return w, err
}

// runSockets looks once, or until it is interrupted.
func (p *program) runSockets(ctx context.Context, s settings, w socketWish) error {
	job, err := p.begin(ctx, s, brief{kinds: []string{"run", "socket", "socket-summary", "error", "summary"}})
	if err != nil {
		return err
	}
	job.open = true // no privilege is missing
	if w.interval == 0 {
		err = job.look(ctx, w, 0)
		return job.end(ctx, err, finding.New("summary"))
	}
	err = job.keepLooking(ctx, w)
	if ctx.Err() != nil { // this is how watching ends
		ctx, err = context.WithoutCancel(ctx), withoutEnd(ctx, err)
	}
	return job.end(ctx, err, finding.New("summary"))
}

// keepLooking looks until ctx ends.
func (j *job) keepLooking(ctx context.Context, w socketWish) error {
	var looks atomic.Int64
	defer j.follow(func() {}, func() string { return report.Plural(looks.Load(), "look") + ", one every " + terse(w.interval) })()
	ticker := time.NewTicker(w.interval)
	defer ticker.Stop()
	for n := 1; ; n++ {
		if err := j.look(ctx, w, n); err != nil {
			return err
		}
		looks.Add(1)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// batch is how many records are handed on at a time.
const batch = 256

// look reports the sockets that there are now. n counts looks; zero is the
// only one.
func (j *job) look(ctx context.Context, w socketWish, n int) error {
	at := time.Now()
	v := socketView{at: at, explain: w.explain, devices: newDevices(false)}
	summary := finding.New("socket-summary").Set("at", at)
	if w.processes {
		holders, err := sockdiag.FindHolders()
		if err != nil {
			return err
		}
		v.holders = holders.ByInode
		summary = summary.Set("hidden", unlessZero(uint64(holders.Hidden)))
	}
	counts := map[sockdiag.State]int64{}
	total := int64(0)
	var records []finding.Record
	for s, err := range sockdiag.Sockets(w.query) {
		if err != nil {
			return err
		}
		counts[s.State]++
		total++
		records = append(records, v.record(s))
		if len(records) == batch {
			if err := j.report.Write(records...); err != nil {
				return err
			}
			records = records[:0]
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	if n > 0 {
		summary = summary.Set("n", n)
	}
	summary = summary.Set("sockets", total).Set("counts", stateCounts(counts))
	return j.report.Write(append(records, summary)...)
}

// stateCounts are the counts of states, in the order of their words.
func stateCounts(counts map[sockdiag.State]int64) []finding.Count {
	var list []finding.Count
	for _, w := range finding.SocketStates() {
		for state, n := range counts {
			if state.String() == w.Name {
				list = append(list, finding.Count{Name: w.Name, N: n})
			}
		}
	}
	return list
}
