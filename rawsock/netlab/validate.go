package netlab

import (
	"fmt"
	"strings"
)

// Validate reports the first thing in the topology that Build could not make
// real; it names the host or link.
func (t Topology) Validate() error {
	hosts := make(map[string]bool, len(t.Hosts))
	for _, h := range t.Hosts {
		if err := validateName(h.Name); err != nil {
			return err
		}
		if hosts[h.Name] {
			return fmt.Errorf("host %s: defined twice", h.Name)
		}
		hosts[h.Name] = true
	}
	pairs := make(map[[2]string]bool, len(t.Links))
	for _, l := range t.Links {
		if err := l.validate(hosts); err != nil {
			return fmt.Errorf("link %v: %w", l, err)
		}
		ends := [2]string{l.A.Host, l.B.Host}
		if pairs[ends] {
			return fmt.Errorf("link %v: these hosts have one already", l)
		}
		pairs[ends], pairs[[2]string{ends[1], ends[0]}] = true, true
	}
	for _, h := range t.Hosts {
		if err := h.validate(pairs); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	return nil
}

// validateName reports whether a host's name can be a device's (IFNAMSIZ,
// dev_valid_name in the kernel).
func validateName(name string) error {
	if name == "" || len(name) > 15 || name == "lo" || name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n") {
		return fmt.Errorf("host %q: the name must serve as a device's, with 1 to 15 octets", name)
	}
	return nil
}

func (h Host) validate(pairs map[[2]string]bool) error {
	for _, r := range h.Routes {
		if !r.To.IsValid() || !r.To.Addr().Is4() || !r.Via.Is4() {
			return fmt.Errorf("route to %v via %v: want an IPv4 prefix and address", r.To, r.Via)
		}
	}
	for _, port := range h.Listen {
		if port == 0 {
			return fmt.Errorf("listen: port 0")
		}
	}
	if h.NAT.Toward != "" && !pairs[[2]string{h.Name, h.NAT.Toward}] {
		return fmt.Errorf("nat: no link to %s", h.NAT.Toward)
	}
	return nil
}

// String returns the two hosts: "ant-apple".
func (l Link) String() string { return l.A.Host + "-" + l.B.Host }

// shaped reports whether the link needs a forwarder.
func (l Link) shaped() bool {
	return !l.AtoB.isZero() || !l.BtoA.isZero() || l.Tamper != nil || l.Log > 0
}

// isZero reports whether the shape leaves frames alone; a seed changes nothing.
func (s Shape) isZero() bool {
	return s.Delay == 0 && s.Jitter == 0 && s.Loss == 0 && s.Duplicate == 0 && s.Reorder == 0 &&
		s.Corrupt == 0 && len(s.Drop) == 0
}

func (l Link) validate(hosts map[string]bool) error {
	for _, end := range []End{l.A, l.B} {
		if !hosts[end.Host] {
			return fmt.Errorf("no host %q", end.Host)
		}
		if !end.Addr.IsValid() || !end.Addr.Addr().Is4() {
			return fmt.Errorf("address of %s: want an IPv4 address with its prefix length", end.Host)
		}
	}
	if l.A.Host == l.B.Host {
		return fmt.Errorf("both ends are %s", l.A.Host)
	}
	if l.A.Addr.Masked() != l.B.Addr.Masked() {
		return fmt.Errorf("%v and %v are not on one network", l.A.Addr, l.B.Addr)
	}
	if l.Log < 0 {
		return fmt.Errorf("log %d: want no negative number", l.Log)
	}
	if err := l.AtoB.validate(); err != nil {
		return fmt.Errorf("a to b: %w", err)
	}
	if err := l.BtoA.validate(); err != nil {
		return fmt.Errorf("b to a: %w", err)
	}
	return nil
}

func (s Shape) validate() error {
	if s.Delay < 0 || s.Jitter < 0 {
		return fmt.Errorf("delay %v, jitter %v: want no negative ones", s.Delay, s.Jitter)
	}
	for _, p := range []struct {
		name  string
		value float64
	}{{"loss", s.Loss}, {"duplicate", s.Duplicate}, {"reorder", s.Reorder}, {"corrupt", s.Corrupt}} {
		// Written so that NaN is refused too.
		if !(p.value >= 0 && p.value <= 1) {
			return fmt.Errorf("%s %v: want a probability, 0 to 1", p.name, p.value)
		}
	}
	for _, d := range s.Drop {
		if d.Match == nil || d.K < 0 {
			return fmt.Errorf("drop rule: want a Match, and no negative K")
		}
	}
	return nil
}
