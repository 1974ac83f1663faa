package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// Resolver looks up the addresses of a host name. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// TargetReader reads targets and exclusions, and resolves the names in them.
// The zero value refuses names.
type TargetReader struct {
	Resolver Resolver
	// FirstAddress takes the first address of a target's name instead of
	// all. A name in an exclusion always stands for all.
	FirstAddress bool
}

// ParseTargets reads one target from each argument. A name with several
// addresses becomes several targets.
func (t TargetReader) ParseTargets(ctx context.Context, args []string) ([]Target, error) {
	var targets []Target
	for _, arg := range args {
		some, err := t.target(ctx, arg)
		if err != nil {
			return nil, err
		}
		targets = append(targets, some...)
	}
	return targets, nil
}

// ReadTargets reads targets from r, separated by white space or newlines; a #
// and what follows on its line is comment. An error begins with name and the
// number of the line: "targets.txt:3: ...".
func (t TargetReader) ReadTargets(ctx context.Context, r io.Reader, name string) ([]Target, error) {
	var targets []Target
	err := eachWord(r, name, func(word string) error {
		some, err := t.target(ctx, word)
		targets = append(targets, some...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return targets, nil
}

// ParseExcludes reads addresses, networks, ranges and names, separated by
// commas. They are what ParseTarget takes, without ports; an address that no
// peer can have does no harm here.
func (t TargetReader) ParseExcludes(ctx context.Context, list string) ([]Range, error) {
	var ranges []Range
	for part := range strings.SplitSeq(list, ",") {
		some, err := t.exclude(ctx, part)
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, some...)
	}
	return ranges, nil
}

// ReadExcludes reads exclusions from r as ReadTargets reads targets.
func (t TargetReader) ReadExcludes(ctx context.Context, r io.Reader, name string) ([]Range, error) {
	var ranges []Range
	err := eachWord(r, name, func(word string) error {
		some, err := t.exclude(ctx, word)
		ranges = append(ranges, some...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ranges, nil
}

func (t TargetReader) target(ctx context.Context, s string) ([]Target, error) {
	target, err := ParseTarget(s)
	if err != nil {
		return nil, err
	}
	if target.Name == "" {
		return []Target{target}, nil
	}
	addrs, err := t.resolve(ctx, target.Name)
	if err != nil {
		return nil, err
	}
	if t.FirstAddress {
		addrs = addrs[:1]
	}
	targets := make([]Target, len(addrs))
	for i, addr := range addrs {
		target.Range = Range{addr, addr}
		if err := refuse(target.Range); err != nil {
			return nil, fmt.Errorf("target %s: the name resolves to %v: %w", quote(s), addr, err)
		}
		targets[i] = target
	}
	return targets, nil
}

func (t TargetReader) exclude(ctx context.Context, s string) ([]Range, error) {
	target, err := parseTarget(strings.TrimSpace(s))
	if err == nil && len(target.Ports) > 0 {
		err = errors.New("an exclusion is for all ports: leave out the port")
	}
	if err != nil {
		return nil, fmt.Errorf("exclusion %s: %w", quote(s), err)
	}
	if target.Name == "" {
		return []Range{target.Range}, nil
	}
	addrs, err := t.resolve(ctx, target.Name)
	if err != nil {
		return nil, err
	}
	ranges := make([]Range, len(addrs))
	for i, addr := range addrs {
		ranges[i] = Range{addr, addr}
	}
	return ranges, nil
}

// resolve returns the IPv4 addresses of a name, at least one, each once.
func (t TargetReader) resolve(ctx context.Context, name string) ([]netip.Addr, error) {
	if t.Resolver == nil {
		return nil, fmt.Errorf("cannot resolve %q: names are not looked up here", name)
	}
	found, err := t.Resolver.LookupNetIP(ctx, "ip4", name)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve %q: %w", name, err)
	}
	var addrs []netip.Addr
	for _, addr := range found {
		// Some resolvers give IPv4 addresses mapped into IPv6.
		if addr = addr.Unmap(); addr.Is4() && !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("cannot resolve %q: it has no IPv4 address", name)
	}
	return addrs, nil
}

// eachWord calls f with every word of r, and adds name and line to errors.
func eachWord(r io.Reader, name string, f func(word string) error) error {
	lines := bufio.NewScanner(r)
	n := 0
	for lines.Scan() {
		n++
		line := lines.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff") // the mark that Windows editors put first
		}
		line, _, _ = strings.Cut(line, "#")
		for word := range strings.FieldsSeq(line) {
			if err := f(word); err != nil {
				return fmt.Errorf("%s:%d: %w", name, n, err)
			}
		}
	}
	err := lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		err = fmt.Errorf("the line is longer than %d octets: begin a new one", bufio.MaxScanTokenSize)
	}
	if err != nil {
		return fmt.Errorf("%s:%d: %w", name, n+1, err)
	}
	return nil
}
