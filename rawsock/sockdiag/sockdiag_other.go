//go:build !linux

package sockdiag

import (
	"errors"
	"fmt"
	"net/netip"
)

var errLinuxOnly = fmt.Errorf("socket diagnostics: Linux only: %w", errors.ErrUnsupported)

// Dump returns the TCP sockets. Linux only.
func Dump(...State) ([]Socket, error) { return nil, errLinuxOnly }

// Lookup returns the socket that owns a 4-tuple. Linux only.
func Lookup(local, remote netip.AddrPort) (Socket, bool, error) { return Socket{}, false, errLinuxOnly }
