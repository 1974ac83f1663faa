package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ParseTarget reads one target:
//
//	HOST                    a host name or an IPv4 address
//	10.0.0.0/24             a network, with all of its addresses
//	10.0.0.1-20             a range by its last octet
//	10.0.0.1-10.0.0.20      a range by its last address
//
// each of them also with :PORT behind, by number or by a name that
// ServicePort knows. A network may be named by any of its addresses, and
// includes its first and last: whether they are the network's and the
// broadcast address, only the network knows.
//
// A host name is checked and not resolved: it comes back as a Target with a
// Name and the zero Range, for TargetReader to fill in. Refused are addresses
// that no TCP peer can have, IPv6 (not yet), and octets with leading zeros,
// which inet_aton(3) reads as octal and others as decimal.
func ParseTarget(s string) (Target, error) {
	t, err := parseTarget(strings.TrimSpace(s))
	if err == nil && t.Name == "" {
		err = refuse(t.Range)
	}
	if err != nil {
		return Target{}, fmt.Errorf("target %s: %w", quote(s), err)
	}
	return t, nil
}

// parseTarget reads what ParseTarget does, and refuses no address.
func parseTarget(s string) (Target, error) {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		if end := strings.IndexAny(rest, "/?#"); end >= 0 {
			rest = rest[:end]
		}
		return Target{}, fmt.Errorf("this is a URL: give only the host, %s", quote(rest))
	}
	switch {
	case isIPv6(s):
		return Target{}, errors.New("IPv6 is not yet supported: give an IPv4 address or a host name")
	case strings.Contains(s, ","):
		return Target{}, errors.New("one target has no comma: separate targets by spaces, and give several ports by -p")
	case strings.Count(s, ":") > 1:
		return Target{}, errors.New("one target has one colon at most: give HOST:PORT")
	}
	host, service, withPort := strings.Cut(s, ":")
	var t Target
	var err error
	if t.Range, t.Name, err = parseHost(host); err != nil {
		return Target{}, err
	}
	if withPort {
		if service == "" {
			return Target{}, errors.New("nothing follows the colon: give HOST:PORT")
		}
		port, err := parsePort(service)
		if err != nil {
			return Target{}, err
		}
		t.Ports = portSet(port)
	}
	return t, nil
}

// isIPv6 reports whether s is an IPv6 address in any of the ways that a
// target might be written.
func isIPv6(s string) bool {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		s, _, _ = strings.Cut(inner, "]")
	}
	s, _, _ = strings.Cut(s, "/")
	addr, err := netip.ParseAddr(s)
	return err == nil && addr.Is6()
}

// parseHost reads addresses, or else a host name.
func parseHost(s string) (r Range, name string, err error) {
	switch {
	case s == "":
		err = errors.New("the host is missing: give a name, an address or a range")
	case strings.Contains(s, "/"):
		r, err = parsePrefix(s)
	case strings.ContainsFunc(s, func(c rune) bool { return isNotDigit(c) && c != '.' && c != '-' }):
		name, err = s, checkHostName(s)
	case !strings.Contains(s, "."):
		err = errors.New("a number is not a host: give ports by -p or as HOST:PORT")
	case strings.Contains(s, "-"):
		r, err = parseAddrRange(s)
	default:
		r.First, err = parseAddr(s)
		r.Last = r.First
	}
	return r, name, err
}

// parseAddr reads an IPv4 address. It differs from netip.ParseAddr in saying
// what is wrong, and how to put it right.
func parseAddr(s string) (netip.Addr, error) {
	octets := strings.Split(s, ".")
	if len(octets) != 4 || slices.Contains(octets, "") || strings.ContainsFunc(strings.Join(octets, ""), isNotDigit) {
		return netip.Addr{}, fmt.Errorf("%s is not an IPv4 address: give four octets, as in 10.0.0.1", quote(s))
	}
	var a [4]byte
	for i, text := range octets {
		var err error
		if a[i], err = parseOctet(text); err != nil {
			return netip.Addr{}, err
		}
	}
	return netip.AddrFrom4(a), nil
}

// parseOctet reads one octet of an address from digits.
func parseOctet(digits string) (byte, error) {
	if len(digits) > 1 && digits[0] == '0' {
		return 0, fmt.Errorf("octet %s has a leading zero, which some programs read as octal: leave it out", clip(digits))
	}
	n, err := strconv.ParseUint(digits, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("octet %s is out of range: octets are 0 to 255", clip(digits))
	}
	return byte(n), nil
}

// parsePrefix reads a network in CIDR notation (RFC 4632, Section 3.1).
func parsePrefix(s string) (Range, error) {
	host, length, _ := strings.Cut(s, "/")
	if strings.ContainsFunc(host, func(c rune) bool { return isNotDigit(c) && c != '.' }) {
		return Range{}, errors.New("only an IPv4 address can have a slash behind it, as in 10.0.0.0/24")
	}
	addr, err := parseAddr(host)
	if err != nil {
		return Range{}, err
	}
	if length == "" || strings.ContainsFunc(length, isNotDigit) {
		return Range{}, fmt.Errorf("%s is not a prefix length: give 0 to 32, as in 10.0.0.0/24", quote(length))
	}
	bits, err := strconv.ParseUint(length, 10, 8)
	if err != nil || bits > 32 {
		return Range{}, fmt.Errorf("prefix length %s is out of range: prefix lengths are 0 to 32", clip(length))
	}
	return prefixRange(netip.PrefixFrom(addr, int(bits))), nil
}

// parseAddrRange reads FIRST-LAST, where LAST may be the last octet alone.
func parseAddrRange(s string) (Range, error) {
	before, after, _ := strings.Cut(s, "-")
	if strings.Contains(after, "-") || strings.Count(before, ".") != 3 {
		return Range{}, errors.New("this is not a range of addresses: give one as in 10.0.0.1-20 or 10.0.0.1-10.0.0.20")
	}
	first, err := parseAddr(before)
	if err != nil {
		return Range{}, err
	}
	if after == "" {
		return Range{}, errors.New("the range has no end: give one as in 10.0.0.1-20 or 10.0.0.1-10.0.0.20")
	}
	var last netip.Addr
	if strings.Contains(after, ".") {
		if last, err = parseAddr(after); err != nil {
			return Range{}, err
		}
	} else {
		a := first.As4()
		if a[3], err = parseOctet(after); err != nil {
			return Range{}, err
		}
		last = netip.AddrFrom4(a)
	}
	if last.Less(first) {
		return Range{}, fmt.Errorf("the range is reversed: write %v", Range{last, first})
	}
	return Range{first, last}, nil
}

// checkHostName says what is wrong with a host name (RFC 1123, Section 2.1).
// Unlike the RFC it lets underscores pass, because resolvers do.
func checkHostName(s string) error {
	for _, c := range s {
		switch {
		case c > '~':
			return fmt.Errorf("%q cannot stand in a host name: give the name's ASCII form, as in xn--bcher-kva.example", c)
		case isNotDigit(c) && !isLetter(c) && !strings.ContainsRune("-_.", c):
			return fmt.Errorf("%q cannot stand in a host name: give letters, digits, hyphens and dots", c)
		}
	}
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 {
		return fmt.Errorf("the host name has %d characters: give 253 at most", len(s))
	}
	for label := range strings.SplitSeq(s, ".") {
		switch {
		case label == "":
			return errors.New("the host name has an empty part: leave out the second dot")
		case len(label) > 63:
			return fmt.Errorf("a part of the host name has %d characters: give 63 at most", len(label))
		case label[0] == '-' || label[len(label)-1] == '-':
			return fmt.Errorf("part %q of the host name begins or ends with a hyphen: leave it out", label)
		}
	}
	return nil
}

// longestQuote is how many octets of the user's text an error repeats.
const longestQuote = 80

// quote returns s in quotes and clipped, for an error of one line.
func quote(s string) string {
	if len(s) > longestQuote {
		return strconv.Quote(s[:longestQuote]) + "..."
	}
	return strconv.Quote(s)
}

// clip shortens a text that needs no quotes.
func clip(s string) string {
	if len(s) > longestQuote {
		return s[:longestQuote] + "..."
	}
	return s
}
