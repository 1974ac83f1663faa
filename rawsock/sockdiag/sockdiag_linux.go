package sockdiag

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"net"
	"net/netip"
	"syscall"
)

// Sockets yields the TCP sockets that q asks for, of IPv4 and then of IPv6,
// in no order. It asks when it is ranged over, in the network namespace of the
// thread that does so, and anew each time. An error is the last that it
// yields.
//
// The kernel tells as fast as it is listened to, so that not all sockets are
// in memory at once. While sockets come and go, one may be missing or appear
// twice.
func Sockets(q Query) iter.Seq2[Socket, error] {
	return func(yield func(Socket, error) bool) {
		if n := len(q.Filter.program); n > maxProgram {
			yield(Socket{}, opError(fmt.Errorf("filter of %d octets is longer than %d: %w", n, maxProgram, syscall.E2BIG)))
			return
		}
		for _, family := range []uint8{familyIPv4, familyIPv6} {
			r := request{family: family, states: q.mask(), details: q.Details, filter: q.Filter}
			for s, err := range ask(r, syscall.NLM_F_DUMP) {
				if !yield(s, opError(err)) || err != nil {
					return
				}
			}
		}
	}
}

// maxProgram is the longest filter that fits in an attribute.
const maxProgram = math.MaxUint16&^3 - 4

// Dump returns the TCP sockets that are in one of the states, or all of them,
// as Sockets yields them.
func Dump(states ...State) ([]Socket, error) {
	var all []Socket
	for s, err := range Sockets(Query{States: states}) {
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Lookup returns the socket that owns the 4-tuple exactly, whatever its
// state; false if none does. A listening socket does not own the 4-tuples of
// connections that it has yet to accept: until then it is the embryo, in
// SYN-RECEIVED.
func Lookup(local, remote netip.AddrPort) (Socket, bool, error) {
	if !local.Addr().Is4() || !remote.Addr().Is4() {
		return Socket{}, false, opError(syscall.EAFNOSUPPORT)
	}
	s, found, err := lookupOn(0, local, remote)
	if found || err != nil {
		return s, found, err
	}
	// A socket bound to a device is found only by those who name the device.
	devices, err := net.Interfaces()
	if err != nil {
		return Socket{}, false, opError(err)
	}
	for _, d := range devices {
		s, found, err := lookupOn(uint32(d.Index), local, remote)
		if found || err != nil {
			return s, found, err
		}
	}
	return Socket{}, false, nil
}

// lookupOn asks for the socket that a segment arriving on the device would
// be for.
func lookupOn(device uint32, local, remote netip.AddrPort) (Socket, bool, error) {
	r := request{family: familyIPv4, states: allStates, local: local, remote: remote, device: device}
	for s, err := range ask(r, 0) {
		if errors.Is(err, syscall.ENOENT) {
			// The kernel says the same where it has no module for the
			// question; then it cannot dump either.
			break
		}
		if err != nil {
			return Socket{}, false, opError(err)
		}
		if s.Local == local && s.Remote == remote && s.State != Listen {
			return s, true, nil
		}
		return Socket{}, false, nil
	}
	for _, err := range ask(request{family: familyIPv4}, syscall.NLM_F_DUMP) {
		return Socket{}, false, opError(err)
	}
	return Socket{}, false, nil
}

func opError(err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: "sockdiag", Net: "tcp", Err: err}
}
