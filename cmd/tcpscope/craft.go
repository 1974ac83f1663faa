package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
	"github.com/tcpscope/tcpscope/report"
)

// craft is "tcpscope craft".
func (p *program) craft() *cli.Command {
	return &cli.Command{
		Name:      "craft",
		Usage:     "send a segment of your own making and explain every answer",
		ArgsUsage: "HOST:PORT",
		Description: `tcpscope craft 192.0.2.7:80                   # a bare SYN
tcpscope craft --flags ACK --seq 1 --ack 1 192.0.2.7:80
tcpscope craft --options "mss 1460,nop,wscale 7" 192.0.2.7:80
tcpscope craft --badsum 192.0.2.7:80          # who answers is a middlebox
tcpscope craft --flags FIN,PSH,URG -c 3 -i 200ms 192.0.2.7:80`,
		Flags: append(craftFlags(), append(wireFlags("craft"), generalFlags()...)...),
		Action: func(c *cli.Context) error {
			s, err := p.settings(c)
			if err != nil {
				return err
			}
			spec, err := p.craftSpec(c, s)
			if err != nil {
				return err
			}
			return p.runCraft(c.Context, s, spec)
		},
	}
}

func craftFlags() []cli.Flag {
	flag := func(name, value, usage string, aliases ...string) cli.Flag {
		return &cli.StringFlag{Name: name, Aliases: aliases, Category: groupCommand, Value: value, Usage: usage}
	}
	return []cli.Flag{
		flag("flags", "SYN", "control bits: `LIST` of FIN,SYN,RST,PSH,ACK,URG,ECE,CWR, or none"),
		flag("seq", "", "sequence number `N`; default random"),
		flag("ack", "", "acknowledgement number `N`; default 0"),
		flag("window", "64240", "window field `N`, unscaled"),
		flag("urgent", "", "urgent pointer `N`"),
		flag("options", "", "TCP options in tcpdump's `WORDS`: \"mss 1460,sackOK,nop,wscale 7\", or KIND:HEX"),
		flag("data", "", "data: `TEXT`, hex:OCTETS or @FILE"),
		&cli.BoolFlag{Name: "badsum", Category: groupCommand, Usage: "spoil the TCP checksum; an answer then proves a middlebox"},
		flag("ttl", "64", "IPv4 time to live `N`"),
		flag("dscp", "", "differentiated services code point `N`, 0 to 63"),
		flag("ip-id", "", "IPv4 identification `N`; default the kernel's choice"),
		&cli.BoolFlag{Name: "df", Category: groupCommand, Usage: "set \"don't fragment\" (the default)"},
		&cli.BoolFlag{Name: "no-df", Category: groupCommand, Usage: "leave \"don't fragment\" out"},
		flag("count", "1", "send it `N` times", "c"),
		flag("interval", "1s", "time `D` between two", "i"),
		flag("timeout", "2s", "wait `D` for answers after the last"),
	}
}

// The bounds of times that the user may ask for.
const (
	shortestTimeout = time.Millisecond
	longestTimeout  = 5 * time.Minute
	longestInterval = time.Hour
)

// maxData is the room for data in an IPv4 datagram with the shortest headers.
const maxData = math.MaxUint16 - 20 - 20

// craftSpec reads the flags and the target.
func (p *program) craftSpec(c *cli.Context, s settings) (spec probe.CraftSpec, err error) {
	spec = probe.CraftSpec{SourcePort: s.sourcePort, BadSum: c.Bool("badsum"), DF: !c.Bool("no-df")}
	if spec.Flags, err = wire.ParseFlags(c.String("flags")); err != nil {
		return spec, usageError{error: fmt.Errorf("--flags: %w", err)}
	}
	if spec.Options, err = probe.ParseOptions(c.String("options")); err != nil {
		return spec, usageError{error: fmt.Errorf("--options: %w", err)}
	}
	if spec.Data, err = p.data(c.String("data")); err != nil {
		return spec, usageError{error: fmt.Errorf("--data: %w", err)}
	}
	if err := headerNumbers(c, &spec); err != nil {
		return spec, err
	}
	count, err := integer(c, "count", 1, 1_000_000)
	if err != nil {
		return spec, err
	}
	spec.Count = int(count)
	if spec.Interval, err = period(c, "interval", shortestTimeout, longestInterval); err != nil {
		return spec, err
	}
	if spec.Timeout, err = period(c, "timeout", shortestTimeout, longestTimeout); err != nil {
		return spec, err
	}
	if spec.Target, err = craftTarget(c); err != nil {
		return spec, err
	}
	if _, err := spec.Datagram(netip.AddrPortFrom(spec.Target.Addr(), 1), 0); err != nil {
		return spec, usageError{error: err}
	}
	return spec, nil
}

// headerNumbers reads the fields of the two headers.
func headerNumbers(c *cli.Context, spec *probe.CraftSpec) error {
	var seq, ack, window, urgent, ttl, dscp, id int64
	for _, field := range []struct {
		flag      string
		to        *int64
		low, high int64
	}{
		{"seq", &seq, 0, math.MaxUint32},
		{"ack", &ack, 0, math.MaxUint32},
		{"window", &window, 0, math.MaxUint16},
		{"urgent", &urgent, 0, math.MaxUint16},
		{"ttl", &ttl, 1, math.MaxUint8},
		{"dscp", &dscp, 0, 63},
		{"ip-id", &id, 0, math.MaxUint16},
	} {
		var err error
		if *field.to, err = integer(c, field.flag, field.low, field.high); err != nil {
			return err
		}
	}
	spec.Window, spec.Urgent, spec.TTL, spec.DSCP = uint16(window), uint16(urgent), uint8(ttl), uint8(dscp)
	if c.IsSet("seq") {
		n := wire.Seq(seq)
		spec.Seq = &n
	}
	if c.IsSet("ack") {
		n := wire.Seq(ack)
		spec.Ack = &n
	}
	if c.IsSet("ip-id") {
		n := uint16(id)
		spec.IPID = &n
	}
	return nil
}

// data reads --data: a text as it is, "hex:..." or "@FILE".
func (p *program) data(text string) ([]byte, error) {
	if octets, ok := strings.CutPrefix(text, "hex:"); ok {
		b, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "").Replace(octets))
		if err != nil {
			return nil, fmt.Errorf("%q is not an even number of hexadecimal digits", octets)
		}
		text = string(b)
	} else if name, ok := strings.CutPrefix(text, "@"); ok {
		err := p.readFile(name, func(r io.Reader, name string) error {
			b, err := io.ReadAll(io.LimitReader(r, maxData+1))
			text = string(b)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(text) > maxData {
		return nil, fmt.Errorf("more than the %s octets that a datagram has room for", report.Grouped(maxData))
	}
	return []byte(text), nil
}

// craftTarget reads the one HOST:PORT.
func craftTarget(c *cli.Context) (netip.AddrPort, error) {
	before, after := operands(c)
	words := append(before, after...)
	if len(words) != 1 {
		return netip.AddrPort{}, misuse("craft takes one target, HOST:PORT; %d given", len(words))
	}
	reader := probe.TargetReader{Resolver: net.DefaultResolver, FirstAddress: true}
	targets, err := reader.ParseTargets(c.Context, words)
	if err != nil {
		return netip.AddrPort{}, misread(c.Context, "", err)
	}
	t := targets[0]
	switch {
	case t.Len() != 1:
		err = errors.New("a segment goes to one address")
	case len(t.Ports) != 1 || t.Ports[0].First != t.Ports[0].Last:
		err = errors.New("need one port, as in HOST:80")
	}
	if err != nil {
		return netip.AddrPort{}, usageError{error: fmt.Errorf("target %q: %w", words[0], err)}
	}
	return netip.AddrPortFrom(t.First, t.Ports[0].First), nil
}

// runCraft sends the segment of spec and reports every answer.
func (p *program) runCraft(ctx context.Context, s settings, spec probe.CraftSpec) error {
	if s.dryRun {
		return p.dryCraft(s, spec)
	}
	job, err := p.begin(ctx, s, brief{
		kinds: []string{"run", "segment", "error", "summary"},
		first: spec.Target.Addr(),
		describe: func(_ []byte, outgoing bool) string {
			if outgoing {
				return fmt.Sprintf("craft to %v", spec.Target)
			}
			return fmt.Sprintf("arrived after craft to %v", spec.Target)
		},
	})
	if err != nil {
		return err
	}
	tally, err := job.craft(ctx, spec)
	if err == nil && tally.Received == 0 && !tally.Mute {
		err = verdict(exitNegative)
	}
	return job.end(ctx, err, finding.New("summary").
		Set("sent", tally.Sent).
		Set("received", tally.Received).
		Set("kernel_drops", tally.Drops).
		Set("detail", tally.Detail))
}

// craft sends the segment, and answers requests for the status meanwhile.
func (j *job) craft(ctx context.Context, spec probe.CraftSpec) (probe.CraftTally, error) {
	var sent, received atomic.Int64
	defer j.follow(func() {}, func() string {
		return fmt.Sprintf("%s sent, %s received", report.Grouped(sent.Load()), report.Grouped(received.Load()))
	})()
	return probe.Craft(ctx, j.world, spec, j.settings.rng(), func(r finding.Record) error {
		switch finding.Direction(r.Text("direction")) {
		case finding.Sent:
			sent.Add(1)
		case finding.Received:
			received.Add(1)
		}
		return j.report.Write(r)
	})
}
