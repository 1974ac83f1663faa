//go:build !linux

package rawsock

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// linuxOnly is what every operation returns here.
func linuxOnly(what string) error {
	return fmt.Errorf("%s: Linux only: %w", what, errors.ErrUnsupported)
}

// Conn sends IPv4 datagrams and hears the replies. Linux only.
type Conn struct{}

// Open opens a Conn. Linux only.
func Open(Config) (*Conn, error) { return nil, linuxOnly("raw sockets") }

// Send sends a batch. Linux only.
func (*Conn) Send([]wire.Departure) error { return linuxOnly("raw sockets") }

// Receive receives a batch. Linux only.
func (*Conn) Receive(context.Context, []wire.Arrival) (int, error) {
	return 0, linuxOnly("raw sockets")
}

// Pending reports whether anything waits to be received. Linux only.
func (*Conn) Pending() bool { return false }

// Drops counts what was lost. Linux only.
func (*Conn) Drops() uint64 { return 0 }

// Close closes the sockets. Linux only.
func (*Conn) Close() error { return nil }

// PacketConn sees what passes a device. Linux only.
type PacketConn struct{}

// OpenPacket opens a PacketConn. Linux only.
func OpenPacket(PacketConfig) (*PacketConn, error) { return nil, linuxOnly("packet sockets") }

// Send sends a batch. Linux only.
func (*PacketConn) Send([]wire.Departure) error { return linuxOnly("packet sockets") }

// Receive receives a batch. Linux only.
func (*PacketConn) Receive(context.Context, []wire.Arrival) (int, error) {
	return 0, linuxOnly("packet sockets")
}

// Poll receives what is there soon. Linux only.
func (*PacketConn) Poll(time.Duration, []wire.Arrival) (int, error) {
	return 0, linuxOnly("packet sockets")
}

// Pending tells whether anything has arrived. Linux only.
func (*PacketConn) Pending() bool { return false }

// Drops counts what was lost. Linux only.
func (*PacketConn) Drops() uint64 { return 0 }

// Close closes the sockets. Linux only.
func (*PacketConn) Close() error { return nil }

// QuietPort is a TCP port for which the kernel gives no answers. Linux only.
type QuietPort struct{}

// ReserveQuietPort takes a port. Linux only.
func ReserveQuietPort(netip.Addr, uint16) (*QuietPort, error) { return nil, linuxOnly("quiet ports") }

// Local returns the address and the port. Linux only.
func (*QuietPort) Local() netip.AddrPort { return netip.AddrPort{} }

// Close gives the port back. Linux only.
func (*QuietPort) Close() error { return nil }

// Connect connects to a remote endpoint. Linux only.
func Connect(context.Context, ConnectConfig) (Connected, error) {
	return Connected{}, linuxOnly("connect by the kernel's TCP")
}

// CurrentPrivileges reads the effective capabilities. Linux only.
func CurrentPrivileges() (Privileges, error) { return Privileges{}, linuxOnly("capabilities") }

// DropPrivileges gives up every capability. Linux only.
func DropPrivileges() error { return linuxOnly("capabilities") }

// Conntrack returns how many connections are tracked. Linux only.
func Conntrack() (used, limit int, err error) { return 0, 0, linuxOnly("connection tracking") }
