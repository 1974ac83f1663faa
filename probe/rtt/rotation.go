package rtt

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"syscall"

	"github.com/tcpscope/tcpscope/probe/link"
)

// rotation is a row of quiet ports on one address. Every target's probes go
// round it, so that no port meets the same target again before the exchange
// before is over: a second SYN with another ISN would destroy what the first
// has opened, or draw a bare ACK (RFC 9293, Section 3.10.7.4).
type rotation struct {
	ports  []link.Port
	locals []netip.AddrPort
	// places are the ports' own places, by port, counted from 1.
	places [1 << 16]uint16
}

// maxAttempts is how many ports in a row may be taken by others.
const maxAttempts = 1000

// reserve takes n quiet ports on src, from first on or, where that is zero,
// from where the kernel says. They are mostly consecutive, so that a socket
// filter stays short.
func reserve(ports link.Ports, src netip.Addr, first uint16, n int) (*rotation, error) {
	r := new(rotation)
	next := first
	for taken := 0; len(r.ports) < n; {
		port, err := ports.Reserve(src, next)
		switch {
		case errors.Is(err, syscall.EADDRINUSE) && next != first && taken < maxAttempts:
			taken++
		case err != nil:
			return nil, errors.Join(fmt.Errorf("source port %d of %d: %w", len(r.ports)+1, n, err), r.close())
		default:
			taken = 0
			next = port.Local().Port()
			r.ports = append(r.ports, port)
			r.places[next] = uint16(len(r.ports))
			r.locals = append(r.locals, port.Local())
		}
		// Beyond the last port the kernel chooses where to go on.
		if next == math.MaxUint16 {
			next = 0
		} else {
			next++
		}
	}
	return r, nil
}

// place is where a local endpoint stands; false if it is none of these.
func (r *rotation) place(local netip.AddrPort) (int, bool) {
	n := r.places[local.Port()]
	return int(n) - 1, n > 0 && r.locals[n-1] == local
}

func (r *rotation) close() error {
	var errs []error
	for _, p := range r.ports {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
