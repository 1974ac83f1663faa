package sockdiag

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Dump returns the TCP sockets that are in one of the states, or all of them,
// of IPv4 and IPv6, in no order. While sockets come and go, one may be
// missing or appear twice.
func Dump(states ...State) ([]Socket, error) {
	var mask uint32
	for _, s := range states {
		mask |= 1 << s
		if s == SynReceived {
			mask |= 1 << newSynReceived
		}
	}
	if len(states) == 0 {
		mask = allStates
	}
	var all []Socket
	for _, family := range []uint8{familyIPv4, familyIPv6} {
		sockets, err := ask(request{family: family, states: mask}, unix.NLM_F_DUMP)
		if err != nil {
			return nil, opError(err)
		}
		all = append(all, sockets...)
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
	sockets, err := ask(r, 0)
	if errors.Is(err, syscall.ENOENT) {
		// The kernel says the same where it has no module for the question;
		// then it cannot dump either.
		_, err := ask(request{family: familyIPv4}, unix.NLM_F_DUMP)
		return Socket{}, false, opError(err)
	}
	if err != nil {
		return Socket{}, false, opError(err)
	}
	for _, s := range sockets {
		if s.Local == local && s.Remote == remote && s.State != Listen {
			return s, true, nil
		}
	}
	return Socket{}, false, nil
}

// ask puts one question to the kernel.
func ask(r request, flags int) ([]Socket, error) {
	req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, flags)
	req.AddRawData(r.encode())
	messages, err := req.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, os.NewSyscallError("netlink", err)
	}
	sockets := make([]Socket, 0, len(messages))
	for _, m := range messages {
		s, err := decode(m)
		if err != nil {
			return nil, err
		}
		sockets = append(sockets, s)
	}
	return sockets, nil
}

func opError(err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: "sockdiag", Net: "tcp", Err: err}
}
