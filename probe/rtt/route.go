package rtt

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// route finds the way to every target, and the device that they all leave by.
func (s *Session) route() error {
	syns := make(map[link.Path]*wire.Template)
	one := true
	for _, t := range s.targets {
		path, err := s.world.Path(t.Addr.Addr())
		if err != nil {
			t.err = err
			continue
		}
		if s.rotations[path.Source] == nil {
			r, err := reserve(s.world, path.Source, s.plan.Spec.SourcePort, s.plan.Ports)
			if err != nil {
				return err
			}
			s.rotations[path.Source] = r
		}
		// Targets of one look share their template.
		look := link.Path{MSS: path.MSS, Window: path.Window, WindowScale: path.WindowScale}
		if syns[look] == nil {
			if syns[look], err = s.plan.Spec.Like.Template(look); err != nil {
				return err
			}
		}
		t.lead(path, s.rotations[path.Source], syns[look])
		one = one && (s.device.Index == 0 || s.device.Index == path.Index)
		s.device = path
	}
	if len(s.rotations) == 0 {
		return s.targets[0].err
	}
	if !one {
		s.device = link.Path{}
	}
	return nil
}

// lead sets the way to a target.
func (t *target) lead(path link.Path, r *rotation, syn *wire.Template) {
	t.err, t.path, t.rotation, t.syn = nil, path, r, syn
	t.exchanges = make([]exchange, len(r.ports))
}

// follow looks for a way to a target that had none when the session was
// opened. It helps only if the way begins at an address that we listen on.
func (s *Session) follow(t *target) bool {
	path, err := s.world.Path(t.Addr.Addr())
	if err != nil {
		t.err = err
		return false
	}
	r := s.rotations[path.Source]
	if r == nil {
		t.err = fmt.Errorf("%v is reached from %v by now, where this run has no ports: %w", t.Addr.Addr(), path.Source, syscall.EADDRNOTAVAIL)
		return false
	}
	syn, err := s.plan.Spec.Like.Template(path)
	if err != nil {
		t.err = err
		return false
	}
	t.lead(path, r, syn)
	return true
}

// nextHop is where a target's datagrams go first.
func (t *target) nextHop() netip.Addr {
	if t.path.Gateway.IsValid() {
		return t.path.Gateway
	}
	return t.Addr.Addr()
}

// unresolved reports whether ARP has asked for a target's next hop in vain. Its
// probes have left nobody but the kernel then, which dropped them.
func (s *Session) unresolved(t *target) bool {
	if s.world == nil || !t.path.Neighbors || t.path.Local {
		return false
	}
	table, err := s.world.Neighbors(t.path.Index)
	state := table[t.nextHop()]
	return err == nil && (state == link.Failed || state == link.Incomplete)
}
