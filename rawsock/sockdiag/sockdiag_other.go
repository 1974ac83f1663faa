//go:build !linux

package sockdiag

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
)

var errLinuxOnly = fmt.Errorf("socket diagnostics: Linux only: %w", errors.ErrUnsupported)

// Sockets yields the TCP sockets. Linux only.
func Sockets(Query) iter.Seq2[Socket, error] {
	return func(yield func(Socket, error) bool) { yield(Socket{}, errLinuxOnly) }
}

// Dump returns the TCP sockets. Linux only.
func Dump(...State) ([]Socket, error) { return nil, errLinuxOnly }

// Lookup returns the socket that owns a 4-tuple. Linux only.
func Lookup(local, remote netip.AddrPort) (Socket, bool, error) { return Socket{}, false, errLinuxOnly }

// FindHolders finds who has sockets open. Linux only.
func FindHolders() (Holders, error) { return Holders{}, errLinuxOnly }
