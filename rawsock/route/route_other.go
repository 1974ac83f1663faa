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

// Neighbors returns what ARP knows. Linux only.
func Neighbors(int) (map[netip.Addr]NeighborState, error) { return nil, errLinuxOnly }

// LookupInterface finds a device by name. Linux only.
func LookupInterface(string) (Interface, error) { return Interface{}, errLinuxOnly }
