//go:build !linux

package route

import (
	"errors"
	"fmt"
	"net/netip"
)

var errLinuxOnly = fmt.Errorf("routes: Linux only: %w", errors.ErrUnsupported)

// Lookup asks the kernel for the way to dst. Linux only.
func Lookup(netip.Addr, Options) (Path, error) { return Path{}, errLinuxOnly }

// IsLocal reports whether addr is an address of this host. Linux only.
func IsLocal(netip.Addr) (bool, error) { return false, errLinuxOnly }

// Unresolved reports whether a neighbour has not answered. Linux only.
func Unresolved(netip.Addr, int) (unresolved, failed bool, err error) {
	return false, false, errLinuxOnly
}

// LookupInterface finds a device by name. Linux only.
func LookupInterface(string) (Interface, error) { return Interface{}, errLinuxOnly }
