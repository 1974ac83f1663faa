package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strconv"
)

const usage = `tcp-upper-server - send back in upper case what TCP clients send

Examples:
  tcp-upper-server                      # every address, port 9999
  tcp-upper-server -i 10.0.2.2 -p 8080
  tcp-upper-server --reuse-addr=false   # see a restart fail

Flags:
  -i ADDRESS           IPv4 address to listen on; default 0.0.0.0, all
  -p, --port PORT      port to listen on; default 9999; 0 is any that is free
  --backlog N          length of the accept queue, Send-Q in ss -ntl; default 100
  --reuse-addr=false   leave SO_REUSEADDR off. While connections that an earlier
                       run closed first are in TIME-WAIT (60 s on Linux), a
                       restart then fails: address already in use. Linux wants
                       the option in both runs, the earlier and the new
  -h, --help           this text

Ctrl-C closes all connections and ends the server. Only the letters a to z change.

Exit status: 0 ended by Ctrl-C or SIGTERM, 2 usage, 3 the operation failed.
`

// errHelp reports that the command line asks for the usage.
var errHelp = flag.ErrHelp

// settings are what the command line says.
type settings struct {
	at        netip.AddrPort
	backlog   int
	reuseAddr bool
}

// parse reads the command line. Its error is errHelp or fit to be shown.
func parse(args []string) (settings, error) {
	var (
		s    = settings{backlog: 100}
		addr = netip.IPv4Unspecified()
		port = 9999
	)
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the caller shows errors, in one line
	flags.Func("i", "", func(text string) (err error) {
		if addr, err = netip.ParseAddr(text); err != nil || !addr.Is4() {
			return errors.New("need an IPv4 address")
		}
		return nil
	})
	flags.Func("port", "", number(&port, 0, 65535))
	flags.Func("p", "", number(&port, 0, 65535))
	flags.Func("backlog", "", number(&s.backlog, 1, 65535))
	flags.BoolVar(&s.reuseAddr, "reuse-addr", true, "")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("takes flags only, not %q", flags.Arg(0))
	}
	s.at = netip.AddrPortFrom(addr, uint16(port))
	return s, nil
}

// number returns a flag's function that reads a number within bounds.
func number(to *int, least, most int) func(string) error {
	return func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return fmt.Errorf("need a number from %d to %d", least, most)
		}
		*to = n
		return nil
	}
}

// whyInUse says what to do about an address that is in use.
func (s settings) whyInUse() string {
	if s.reuseAddr {
		return "another program listens there, or a run with --reuse-addr=false left connections behind; see ss -tan"
	}
	return "a program listens there, or connections of an earlier run are in TIME-WAIT (ss -tan); --reuse-addr in both runs lets those be"
}
