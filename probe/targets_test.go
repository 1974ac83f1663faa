package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

// names resolves from a map, and finds nothing else.
type names map[string][]string

func (n names) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	if network != "ip4" {
		return nil, errors.New("looked up in network " + network)
	}
	var addrs []netip.Addr
	for _, s := range n[host] {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	if _, known := n[host]; !known {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return addrs, nil
}

var testNames = names{
	"web.example":  {"192.0.2.1", "192.0.2.2", "192.0.2.1"},
	"web.example.": {"192.0.2.3"},
	"mapped":       {"::ffff:192.0.2.9"},
	"six":          {},
	"zero":         {"0.0.0.0"},
}

func show(targets []Target) string {
	var s []string
	for _, t := range targets {
		s = append(s, showTarget(t))
	}
	return strings.Join(s, " ")
}

func showTarget(t Target) string {
	s := t.Name
	if t.valid() {
		s += "=" + t.Range.String()
	}
	if len(t.Ports) > 0 {
		s += ":" + t.Ports.String()
	}
	return s
}

func TestParseTarget(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"10.0.0.1", "=10.0.0.1"},
		{" 10.0.0.1 ", "=10.0.0.1"},
		{"10.0.0.1:80", "=10.0.0.1:80"},
		{"10.0.0.1:https", "=10.0.0.1:443"},
		{"10.0.0.0/24", "=10.0.0.0/24"},
		{"10.0.0.5/24", "=10.0.0.0/24"},
		{"10.0.0.5/32", "=10.0.0.5"},
		{"10.0.0.5/31", "=10.0.0.4/31"},
		{"10.0.0.0/24:80", "=10.0.0.0/24:80"},
		{"10.0.0.1-20", "=10.0.0.1-20"},
		{"10.0.0.1-20:ssh", "=10.0.0.1-20:22"},
		{"10.0.0.1-10.0.0.20", "=10.0.0.1-20"},
		{"10.0.0.1-10.0.1.20", "=10.0.0.1-10.0.1.20"},
		{"10.0.0.7-7", "=10.0.0.7"},
		{"10.0.0.0-255", "=10.0.0.0/24"},
		{"1.0.0.0-223.255.255.255", "=1.0.0.0-223.255.255.255"},
		{"web.example", "web.example"},
		{"web.example.", "web.example."},
		{"web.example:http", "web.example:80"},
		{"web-1", "web-1"},
		{"10.0.0.1-20.example", "10.0.0.1-20.example"},
		{"_under_score", "_under_score"},
	} {
		got, err := ParseTarget(tc.in)
		if err != nil {
			t.Errorf("ParseTarget(%q): %v", tc.in, err)
		} else if showTarget(got) != tc.want {
			t.Errorf("ParseTarget(%q) = %s, want %s", tc.in, showTarget(got), tc.want)
		}
	}
}

func TestParseTargetErrors(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, tc := range []struct{ in, want string }{
		{"", `target "": the host is missing: give a name, an address or a range`},
		{" ", `target " ": the host is missing: give a name, an address or a range`},
		{":80", `target ":80": the host is missing: give a name, an address or a range`},
		{"http://host/", `target "http://host/": this is a URL: give only the host, "host"`},
		{"https://host:8443?q", `target "https://host:8443?q": this is a URL: give only the host, "host:8443"`},
		{"::1", `target "::1": IPv6 is not yet supported: give an IPv4 address or a host name`},
		{"[::1]", `target "[::1]": IPv6 is not yet supported: give an IPv4 address or a host name`},
		{"[::1]:80", `target "[::1]:80": IPv6 is not yet supported: give an IPv4 address or a host name`},
		{"fe80::1%eth0", `target "fe80::1%eth0": IPv6 is not yet supported: give an IPv4 address or a host name`},
		{"2001:db8::/32", `target "2001:db8::/32": IPv6 is not yet supported: give an IPv4 address or a host name`},
		{"::ffff:10.0.0.1", `target "::ffff:10.0.0.1": IPv6 is not yet supported: give an IPv4 address or a host name`},
		{"10.0.0.1,10.0.0.2", `target "10.0.0.1,10.0.0.2": one target has no comma: separate targets by spaces, and give several ports by -p`},
		{"host:80,443", `target "host:80,443": one target has no comma: separate targets by spaces, and give several ports by -p`},
		{"host:80:90", `target "host:80:90": one target has one colon at most: give HOST:PORT`},
		{"host:", `target "host:": nothing follows the colon: give HOST:PORT`},
		{"host:0", `target "host:0": port 0 is out of range: ports are 1 to 65535`},
		{"host:65536", `target "host:65536": port 65536 is out of range: ports are 1 to 65535`},
		{"host:htpp", `target "host:htpp": unknown service "htpp": did you mean "http"?`},
		{"host:80-90", `target "host:80-90": "80-90" is not a port: give a number or a service name`},
		{"10.0.0.0/33", `target "10.0.0.0/33": prefix length 33 is out of range: prefix lengths are 0 to 32`},
		{"10.0.0.0/999", `target "10.0.0.0/999": prefix length 999 is out of range: prefix lengths are 0 to 32`},
		{"10.0.0.0/", `target "10.0.0.0/": "" is not a prefix length: give 0 to 32, as in 10.0.0.0/24`},
		{"10.0.0.0/-1", `target "10.0.0.0/-1": "-1" is not a prefix length: give 0 to 32, as in 10.0.0.0/24`},
		{"10.0.0.0/255.255.255.0", `target "10.0.0.0/255.255.255.0": "255.255.255.0" is not a prefix length: give 0 to 32, as in 10.0.0.0/24`},
		{"10.0.0/24", `target "10.0.0/24": "10.0.0" is not an IPv4 address: give four octets, as in 10.0.0.1`},
		{"10/8", `target "10/8": "10" is not an IPv4 address: give four octets, as in 10.0.0.1`},
		{"host/24", `target "host/24": only an IPv4 address can have a slash behind it, as in 10.0.0.0/24`},
		{"10.0.0.256", `target "10.0.0.256": octet 256 is out of range: octets are 0 to 255`},
		{"10.0.0.1-256", `target "10.0.0.1-256": octet 256 is out of range: octets are 0 to 255`},
		{"010.0.0.1", `target "010.0.0.1": octet 010 has a leading zero, which some programs read as octal: leave it out`},
		{"10.0.0.1-020", `target "10.0.0.1-020": octet 020 has a leading zero, which some programs read as octal: leave it out`},
		{"10.0.0", `target "10.0.0": "10.0.0" is not an IPv4 address: give four octets, as in 10.0.0.1`},
		{"10.0.0.1.", `target "10.0.0.1.": "10.0.0.1." is not an IPv4 address: give four octets, as in 10.0.0.1`},
		{"10..0.1", `target "10..0.1": "10..0.1" is not an IPv4 address: give four octets, as in 10.0.0.1`},
		{"80", `target "80": a number is not a host: give ports by -p or as HOST:PORT`},
		{"80-90", `target "80-90": a number is not a host: give ports by -p or as HOST:PORT`},
		{"10.0.0.20-10", `target "10.0.0.20-10": the range is reversed: write 10.0.0.10-20`},
		{"10.0.1.1-10.0.0.1", `target "10.0.1.1-10.0.0.1": the range is reversed: write 10.0.0.1-10.0.1.1`},
		{"10.0.0.1-", `target "10.0.0.1-": the range has no end: give one as in 10.0.0.1-20 or 10.0.0.1-10.0.0.20`},
		{"10.0.0-255.1", `target "10.0.0-255.1": this is not a range of addresses: give one as in 10.0.0.1-20 or 10.0.0.1-10.0.0.20`},
		{"10.0.0.1-2-3", `target "10.0.0.1-2-3": this is not a range of addresses: give one as in 10.0.0.1-20 or 10.0.0.1-10.0.0.20`},
		{"10.0.0.1-10.0", `target "10.0.0.1-10.0": "10.0" is not an IPv4 address: give four octets, as in 10.0.0.1`},
		{"user@host", `target "user@host": '@' cannot stand in a host name: give letters, digits, hyphens and dots`},
		{"10.0.0.*", `target "10.0.0.*": '*' cannot stand in a host name: give letters, digits, hyphens and dots`},
		{"a\x1bb", `target "a\x1bb": '\x1b' cannot stand in a host name: give letters, digits, hyphens and dots`},
		{"bücher.example", `target "bücher.example": 'ü' cannot stand in a host name: give the name's ASCII form, as in xn--bcher-kva.example`},
		{"a..b", `target "a..b": the host name has an empty part: leave out the second dot`},
		{"-host", `target "-host": part "-host" of the host name begins or ends with a hyphen: leave it out`},
		{long, `target "` + long + `": a part of the host name has 64 characters: give 63 at most`},
		{strings.Repeat("a.", 150), `target "` + strings.Repeat("a.", 40) + `"...: the host name has 299 characters: give 253 at most`},
		{"224.0.0.1", `target "224.0.0.1": 224.0.0.0/4 is multicast: TCP has no multicast peers`},
		{"255.255.255.255", `target "255.255.255.255": 255.255.255.255 is broadcast: TCP has no broadcast peers`},
		{"0.0.0.0", `target "0.0.0.0": 0.0.0.0/8 is this network: no peer has such an address; this host's own is 127.0.0.1`},
		{"240.0.0.1:80", `target "240.0.0.1:80": 240.0.0.0-255.255.255.254 is reserved: no peer has such an address`},
		{"0.0.0.0/0", `target "0.0.0.0/0": it includes 0.0.0.0/8 (this network), 224.0.0.0/4 (multicast), 240.0.0.0-255.255.255.254 (reserved), 255.255.255.255 (broadcast), where TCP has no peers: stay within 1.0.0.0-223.255.255.255`},
		{"223.255.255.255-224.0.0.0", `target "223.255.255.255-224.0.0.0": it includes 224.0.0.0/4 (multicast), where TCP has no peers: stay within 1.0.0.0-223.255.255.255`},
	} {
		got, err := ParseTarget(tc.in)
		if err == nil || err.Error() != tc.want {
			t.Errorf("ParseTarget(%q) = %s, %v\nwant error %s", tc.in, showTarget(got), err, tc.want)
		}
	}
}

func TestTargetReader(t *testing.T) {
	r := TargetReader{Resolver: testNames}
	for _, tc := range []struct {
		reader TargetReader
		args   []string
		want   string
		err    string
	}{
		{r, []string{"web.example:80", "10.0.0.1"}, "web.example=192.0.2.1:80 web.example=192.0.2.2:80 =10.0.0.1", ""},
		{r, []string{"web.example."}, "web.example.=192.0.2.3", ""},
		{r, []string{"mapped"}, "mapped=192.0.2.9", ""},
		{TargetReader{testNames, true}, []string{"web.example"}, "web.example=192.0.2.1", ""},
		{TargetReader{}, []string{"10.0.0.1"}, "=10.0.0.1", ""},
		{TargetReader{}, []string{"host"}, "", `cannot resolve "host": names are not looked up here`},
		{r, []string{"10.0.0.1", "nohost"}, "", `cannot resolve "nohost": lookup nohost: no such host`},
		{r, []string{"six"}, "", `cannot resolve "six": it has no IPv4 address`},
		{r, []string{"zero:80"}, "", `target "zero:80": the name resolves to 0.0.0.0: 0.0.0.0/8 is this network: no peer has such an address; this host's own is 127.0.0.1`},
	} {
		got, err := tc.reader.ParseTargets(t.Context(), tc.args)
		checkRead(t, strings.Join(tc.args, " "), show(got), err, tc.want, tc.err)
	}
}

func TestReadTargets(t *testing.T) {
	r := TargetReader{Resolver: testNames}
	for _, tc := range []struct{ in, want, err string }{
		{"", "", ""},
		{"10.0.0.1\n10.0.0.2", "=10.0.0.1 =10.0.0.2", ""},
		{"\ufeff# mine\r\n\r\n 10.0.0.1:80\t10.0.0.2 # both\r\nweb.example\r\n", "=10.0.0.1:80 =10.0.0.2 web.example=192.0.2.1 web.example=192.0.2.2", ""},
		{"10.0.0.1\n# fine\n10.0.0.256\n", "", `targets.txt:3: target "10.0.0.256": octet 256 is out of range: octets are 0 to 255`},
		{"\n10.0.0.1 nohost", "", `targets.txt:2: cannot resolve "nohost": lookup nohost: no such host`},
		{"a\x00b", "", `targets.txt:1: target "a\x00b": '\x00' cannot stand in a host name: give letters, digits, hyphens and dots`},
		{"10.0.0.1\n" + strings.Repeat("x", 70000), "", `targets.txt:2: the line is longer than 65536 octets: begin a new one`},
	} {
		got, err := r.ReadTargets(t.Context(), strings.NewReader(tc.in), "targets.txt")
		checkRead(t, tc.in, show(got), err, tc.want, tc.err)
	}
	_, err := r.ReadTargets(t.Context(), iotest.ErrReader(errors.New("is a directory")), "dir")
	checkRead(t, "a directory", "", err, "", "dir:1: is a directory")
}

func TestExcludes(t *testing.T) {
	r := TargetReader{Resolver: testNames, FirstAddress: true}
	for _, tc := range []struct{ in, want, err string }{
		{"10.0.0.1", "10.0.0.1", ""},
		{"10.0.0.0/24, 10.0.1.1-9,224.0.0.0/4", "10.0.0.0/24 10.0.1.1-9 224.0.0.0/4", ""},
		{"web.example", "192.0.2.1 192.0.2.2", ""},
		{"", "", `exclusion "": the host is missing: give a name, an address or a range`},
		{"10.0.0.1,", "", `exclusion "": the host is missing: give a name, an address or a range`},
		{"10.0.0.1:80", "", `exclusion "10.0.0.1:80": an exclusion is for all ports: leave out the port`},
		{"nohost", "", `cannot resolve "nohost": lookup nohost: no such host`},
	} {
		got, err := r.ParseExcludes(t.Context(), tc.in)
		checkRead(t, tc.in, showRanges(got), err, tc.want, tc.err)
	}
	got, err := r.ReadExcludes(t.Context(), strings.NewReader("10.0.0.1\n0.0.0.0/8 # never\n"), "never.txt")
	checkRead(t, "a file", showRanges(got), err, "10.0.0.1 0.0.0.0/8", "")
	_, err = r.ReadExcludes(t.Context(), strings.NewReader("10.0.0.1\n10.0.0.0/33"), "never.txt")
	checkRead(t, "a bad file", "", err, "", `never.txt:2: exclusion "10.0.0.0/33": prefix length 33 is out of range: prefix lengths are 0 to 32`)
}

func showRanges(ranges []Range) string {
	var s []string
	for _, r := range ranges {
		s = append(s, r.String())
	}
	return strings.Join(s, " ")
}

func checkRead(t *testing.T, in, got string, err error, want, wantErr string) {
	t.Helper()
	if len(in) > longestQuote {
		in = in[:longestQuote]
	}
	if wantErr != "" {
		if err == nil || err.Error() != wantErr {
			t.Errorf("%q: error %v\nwant %s", in, err, wantErr)
		}
	} else if err != nil || got != want {
		t.Errorf("%q gives %s, %v\nwant %s", in, got, err, want)
	}
}

func TestResolveEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := TargetReader{Resolver: ended{}}.ParseTargets(ctx, []string{"host"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v hides its cause", err)
	}
}

// ended answers nothing but the context's end.
type ended struct{}

func (ended) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	return nil, ctx.Err()
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{
		"10.0.0.1", "10.0.0.1:80", "10.0.0.0/24", "10.0.0.1-20", "10.0.0.1-10.0.1.20:http", "web.example.", "0.0.0.0/0",
		"[::1]:80", "http://host/", "010.0.0.1", "1.0.0.0-223.255.255.255", "a..b", "10.0.0.0/33", "-", "/", ":", "10.0.0.9-1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTarget(s)
		if err != nil {
			checkOneLine(t, err)
			return
		}
		host := got.Name
		if host == "" {
			if !got.valid() || refuse(got.Range) != nil {
				t.Fatalf("%q gives %v", s, got.Range)
			}
			host = got.Range.String()
		}
		if got.Ports.Len() > 1 {
			t.Fatalf("%q gives the ports %v", s, got.Ports)
		}
		text := host
		if got.Ports.Len() == 1 {
			text += ":" + got.Ports.String()
		}
		again, err := ParseTarget(text)
		if err != nil || showTarget(again) != showTarget(got) {
			t.Fatalf("%q gives %s, which reads as %s, %v", s, text, showTarget(again), err)
		}
	})
}
