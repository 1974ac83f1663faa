// Command tcp-upper-client sends what is typed to a tcp-upper-server, line by
// line, and shows what comes back. The end of its input closes the connection.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
)

const usage = `tcp-upper-client - send lines to a tcp-upper-server, show its answers

Examples:
  tcp-upper-client                      # 127.0.0.1, port 9999
  tcp-upper-client -i 10.0.2.2
  echo hello | tcp-upper-client -i 10.0.2.2 -p 8080

Flags:
  -i ADDRESS        the server's IPv4 address; default 127.0.0.1
  -p, --port PORT   the server's port; default 9999
  -h, --help        this text

Ctrl-D, the end of the input, closes the connection and ends the client.

Exit status: 0 done, 2 usage, 3 the operation failed.
`

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// The exit statuses.
const (
	exitDone   = 0
	exitUsage  = 2
	exitFailed = 3
)

// run is the program. It returns its exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	server, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitDone
	case err != nil:
		fmt.Fprintln(stderr, "tcp-upper-client: error:", err)
		return exitUsage
	}
	if err := visit(server, stdin, stdout); err != nil {
		fmt.Fprintln(stderr, "tcp-upper-client: error:", err)
		return exitFailed
	}
	return exitDone
}

// parse reads the command line. Its error is flag.ErrHelp or fit to be shown.
func parse(args []string) (netip.AddrPort, error) {
	addr, port := netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint64(9999)
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the caller shows errors, in one line
	flags.Func("i", "", func(text string) (err error) {
		if addr, err = netip.ParseAddr(text); err != nil || !addr.Is4() {
			return errors.New("need an IPv4 address")
		}
		return nil
	})
	setPort := func(text string) (err error) {
		if port, err = strconv.ParseUint(text, 10, 16); err != nil || port == 0 {
			return errors.New("need a number from 1 to 65535")
		}
		return nil
	}
	flags.Func("port", "", setPort)
	flags.Func("p", "", setPort)
	if err := flags.Parse(args); err != nil {
		return netip.AddrPort{}, err
	}
	if flags.NArg() > 0 {
		return netip.AddrPort{}, fmt.Errorf("takes flags only, not %q", flags.Arg(0))
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}

// visit connects to a server, talks to it, and closes the connection.
func visit(server netip.AddrPort, stdin io.Reader, stdout io.Writer) error {
	// Without keepalive: only what is typed shall be on the wire.
	conn, err := (&net.Dialer{KeepAlive: -1}).Dial("tcp4", server.String())
	if err != nil {
		return err
	}
	return errors.Join(talk(conn, stdin, stdout), conn.Close())
}

// talk sends each line of stdin and copies the answer to stdout, until stdin
// ends.
func talk(conn io.ReadWriter, stdin io.Reader, stdout io.Writer) error {
	lines := bufio.NewReader(stdin)
	fmt.Fprint(stdout, "> ")
	for {
		// A line longer than the reader's buffer comes in pieces. So what is
		// under way always fits into the sockets' buffers, and neither end
		// waits for the other to read.
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			if err := exchange(conn, line, stdout); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
			fmt.Fprint(stdout, "> ")
		case err == io.EOF:
			fmt.Fprintln(stdout) // what comes next, the shell's prompt, gets a line of its own
			return nil
		case err != bufio.ErrBufferFull:
			return err
		}
	}
}

// exchange sends some octets and copies the answer, which is as long, to
// stdout.
func exchange(conn io.ReadWriter, octets []byte, stdout io.Writer) error {
	if _, err := conn.Write(octets); err != nil {
		return err
	}
	_, err := io.CopyN(stdout, conn, int64(len(octets)))
	if err == io.EOF {
		return errors.New("the server has closed the connection")
	}
	return err
}
