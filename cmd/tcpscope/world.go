package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/probe/rtt"
	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/route"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// world is the kernel as package probe and those below it want to see it: a
// link.World, link.Taps and link.Connector made of package rawsock and its
// neighbours.
type world struct {
	device string     // --interface; "" leaves it to routing
	source netip.Addr // --source; the zero Addr leaves it to routing
	// routes is shared with the world's Loopback: no two goroutines ask for
	// ways at a time.
	routes *route.Resolver
	// sinks are told of every segment that passes a link; by the tap, whose
	// stamps are better, once there is one.
	sinks  []capture.Sink
	tapped bool
	// ring is the size of a tap's ring in octets; zero leaves it to rawsock.
	ring int
	// opened is called when a link's sockets are open; nil calls nothing.
	opened func() error
}

// newWorld is the world as the user has chosen it, to be closed.
func newWorld(s settings) *world {
	return &world{device: s.device, source: s.source, routes: new(route.Resolver)}
}

// close closes what stays open between two questions. Links and taps are
// closed by those who open them.
func (w *world) close() { w.routes.Close() }

func (w *world) Path(dst netip.Addr) (link.Path, error) {
	path, err := w.routes.Lookup(dst, route.Options{Source: w.source, Interface: w.device})
	switch {
	case errors.Is(err, route.ErrBroadcast):
		err = fmt.Errorf("%v: %w: %w", dst, link.ErrBroadcast, syscall.EHOSTUNREACH)
	case err == nil && dst.IsLoopback() && !path.Local:
		err = fmt.Errorf("%v is this host's own, and not behind %s: %w", dst, path.Interface, syscall.EHOSTUNREACH)
	}
	return link.Path(path), err
}

func (w *world) Neighbors(index int) (map[netip.Addr]link.NeighborState, error) {
	known, err := route.Neighbors(index)
	states := make(map[netip.Addr]link.NeighborState, len(known))
	for addr, state := range known {
		states[addr] = link.NeighborState(state) // both list them alike
	}
	return states, err
}

func (w *world) IsLocal(addr netip.Addr) (bool, error) { return w.routes.IsLocal(addr) }

func (w *world) Reserve(src netip.Addr, port uint16) (link.Port, error) {
	return rawsock.ReserveQuietPort(src, port)
}

func (w *world) Owner(local, remote netip.AddrPort) (string, error) {
	socket, owned, err := sockdiag.Lookup(local, remote)
	if err != nil || !owned {
		return "", err
	}
	return socket.State.String(), nil
}

func (w *world) Conntrack() (used, limit int, err error) { return rawsock.Conntrack() }

// Open opens a raw socket, with whoever listens in on it.
func (w *world) Open(c link.Config) (link.Link, error) {
	conn, err := rawsock.Open(rawsock.Config{Local: c.Local, Interface: w.device, Except: c.Except, NoTransmitStamps: c.NoTransmitStamps})
	if err != nil {
		return nil, err
	}
	if w.opened != nil {
		if err := w.opened(); err != nil {
			conn.Close()
			return nil, err
		}
	}
	if len(w.sinks) == 0 || w.tapped {
		return conn, nil
	}
	return capture.NewTee(conn, w.sinks...), nil
}

// tapSnap is how much of a datagram a tap keeps: the longest headers of IP and
// TCP, and of an ICMP error that quotes as much.
const tapSnap = 256

// smallRing has room for what clocks are calibrated with.
const smallRing = 512 << 10

// Tap opens a packet socket with a ring, with whoever listens in on it.
func (w *world) Tap(device string, local ...netip.AddrPort) (link.Tap, error) {
	config := rawsock.PacketConfig{Interface: device, Snap: tapSnap, RingSize: w.ring}
	filter := wire.HandshakeFilter
	if len(w.sinks) > 0 { // who records wants all of it
		config.Snap, filter = 0, wire.ConversationFilter
	}
	var err error
	if config.Filter, err = filter(local...); err != nil {
		return nil, err
	}
	conn, err := rawsock.OpenPacket(config)
	if err != nil {
		return nil, err // and no interface around a nil pointer
	}
	w.tapped = true
	if len(w.sinks) == 0 {
		return conn, nil
	}
	return capture.NewEavesdrop(conn, local, w.sinks...), nil
}

// Loopback is where clocks are calibrated: the kernel without the user's
// choices, and with nobody who listens in.
func (w *world) Loopback() rtt.World { return &world{ring: smallRing, routes: w.routes} }

func (w *world) Connect(ctx context.Context, c link.ConnectConfig) (link.Connected, error) {
	if !c.Remote.Addr().IsLoopback() || w.source.IsLoopback() { // clocks are calibrated on loopback
		c.Source, c.Interface = w.source, w.device
	}
	connected, err := rawsock.Connect(ctx, rawsock.ConnectConfig(c))
	return link.Connected(connected), err
}
