package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/rawsock/route"
	"github.com/tcpscope/tcpscope/report"
)

// settings are the flags of every command that sends segments, checked.
type settings struct {
	device     string // "" leaves the device to routing
	source     netip.Addr
	sourcePort uint16
	seed       int64
	outputs    []report.Output
	pcap       string
	trace      bool
	dryRun     bool
	resolve    bool
	quiet      bool
	verbose    bool
	color      bool
	progress   bool
}

// contradictions are pairs of flags that cannot both be meant, and why.
func contradictions() [][3]string {
	return [][3]string{
		{"quiet", "verbose", "one asks for less, the other for more"},
		{"n", "resolve", "one asks for addresses alone, the other for names"},
		{"dry-run", "pcap", "a dry run sends nothing that could be recorded"},
		{"dry-run", "packet-trace", "a dry run sends nothing that could be shown"},
		{"dry-run", "expect", "a dry run finds nothing that could be expected"},
		{"dry-run", "output", "a dry run finds nothing that could be reported"},
		{"dry-run", "prometheus", "a dry run finds nothing that could be served"},
		{"df", "no-df", "a datagram has the bit or has it not"},
		{"connect", "pcap", "the kernel sends the segments then, and shows us none"},
		{"connect", "packet-trace", "the kernel sends the segments then, and shows us none"},
		{"connect", "clock", "the kernel measures then, by a clock of its own"},
		{"connect", "like", "the SYN is the kernel's own then"},
		{"connect", "source-port", "the kernel takes another port for every connection"},
	}
}

// contradiction is the complaint about the first pair of contradictory flags.
func contradiction(c *cli.Context) error {
	for _, pair := range contradictions() {
		if c.Bool(pair[0]) && c.IsSet(pair[1]) {
			return misuse("%s contradicts %s: %s", dashed(pair[0]), dashed(pair[1]), pair[2])
		}
	}
	return nil
}

// dashed is a flag as the user writes it.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// settings reads the flags of a command that sends segments. Nothing is
// opened but the list of our own devices.
func (p *program) settings(c *cli.Context) (s settings, err error) {
	if s, err = p.reporting(c); err != nil {
		return s, err
	}
	s.device = c.String("interface")
	s.trace = c.Bool("packet-trace")
	s.dryRun = c.Bool("dry-run")
	if s.seed, err = seed(c); err != nil {
		return s, err
	}
	port, err := integer(c, "source-port", 1, math.MaxUint16)
	if err != nil {
		return s, err
	}
	s.sourcePort = uint16(port)
	return s, s.checkSource(c)
}

// reporting reads the flags of a command that reports something: all that
// does not tell from where it sends.
func (p *program) reporting(c *cli.Context) (s settings, err error) {
	s = settings{
		pcap:    c.String("pcap"),
		resolve: c.Bool("resolve"),
		quiet:   c.Bool("quiet"),
		verbose: c.Bool("verbose"),
	}
	if s.color, err = p.color(c); err != nil {
		return s, err
	}
	s.progress = !c.Bool("no-progress") && !s.quiet && p.isTerminal(p.stderr)
	for _, text := range c.StringSlice("output") {
		o, err := report.ParseOutput(text, formats(c.Command.Name)...)
		if err != nil {
			return s, outputProblem(err)
		}
		if o.File != "" && s.pcap != "" && report.SameFile(o.File, s.pcap) {
			return s, misuse("--pcap and --output both write %s", s.pcap)
		}
		s.outputs = append(s.outputs, o)
	}
	if c.IsSet("pcap") && (s.pcap == "" || s.pcap == "-") {
		return s, misuse("--pcap %q: need the name of a file", s.pcap)
	}
	return s, nil
}

// seed reads --seed, or draws one.
func seed(c *cli.Context) (int64, error) {
	if !c.IsSet("seed") {
		return rand.Int64(), nil
	}
	return integer(c, "seed", 0, math.MaxInt64)
}

// checkSource reads --source and holds it and --interface against the devices
// that there are.
func (s *settings) checkSource(c *cli.Context) error {
	if c.IsSet("interface") {
		if err := checkDevice(s.device); err != nil {
			return err
		}
	}
	if !c.IsSet("source") {
		return nil
	}
	text := c.String("source")
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return misuse("--source %q: not an IPv4 address", text)
	case addr.Is6():
		return misuse("--source %s: IPv6 is not yet supported", addr)
	}
	ours, err := route.IsLocal(addr)
	if err == nil && !ours {
		err = misuse("--source %v: not an address of this host", addr)
	}
	s.source = addr
	return err
}

// checkDevice refuses a device that is missing or down.
func checkDevice(name string) error {
	device, err := net.InterfaceByName(name)
	if err != nil {
		var names []string
		if all, err := net.Interfaces(); err == nil {
			for _, d := range all {
				names = append(names, d.Name)
			}
		}
		return usageError{fmt.Errorf("--interface %q: no such device", name), "there are " + enumerate(names)}
	}
	if device.Flags&net.FlagUp == 0 {
		return usageError{fmt.Errorf("--interface %q: the device is down", name), "ip link set " + name + " up"}
	}
	return nil
}

// color reads --color.
func (p *program) color(c *cli.Context) (bool, error) {
	when, err := choice(c, "color")
	if err != nil {
		return false, err
	}
	switch choices(c.Command.Name, "color")[when] {
	case "always":
		return true, nil
	case "never":
		return false, nil
	}
	return p.getenv("NO_COLOR") == "" && p.isTerminal(p.stdout), nil
}
