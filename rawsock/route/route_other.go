//go:build !linux

package route

import (
	"errors"
	"fmt"
	"net/netip"
)

var errLinuxOnly = fmt.Errorf("routes: Linux only: %w", errors.ErrUnsupported)

// Resolver asks for many ways. Linux only.
type Resolver struct{}

// Lookup asks the kernel for the way to dst. Linux only.
func (*Resolver) Lookup(dst netip.Addr, options Options) (Path, error) { return Lookup(dst, options) }

// IsLocal reports whether addr is an address of this host. Linux only.
func (*Resolver) IsLocal(addr netip.Addr) (bool, error) { return IsLocal(addr) }

// Close has nothing to close.
func (*Resolver) Close() {}

// Lookup asks the kernel for the way to dst. Linux only.
func Lookup(netip.Addr, Options) (Path, error) { return Path{}, errLinuxOnly }

// IsLocal reports whether addr is an address of this host. Linux only.
func IsLocal(netip.Addr) (bool, error) { return false, errLinuxOnly }

// Neighbors returns what ARP knows. Linux only.
func Neighbors(int) (map[netip.Addr]NeighborState, error) { return nil, errLinuxOnly }

// LookupInterface finds a device by name. Linux only.
func LookupInterface(string) (Interface, error) { return Interface{}, errLinuxOnly }
