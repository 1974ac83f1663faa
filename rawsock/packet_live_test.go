//go:build linux

package rawsock_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// The kernel's own handshake, seen in both directions.
func TestPacketBothDirections(t *testing.T) {
	for name, config := range map[string]rawsock.PacketConfig{
		"ring":      {Interface: "apple"},
		"every one": {},
		"immediate": {Interface: "apple", Immediate: true},
	} {
		t.Run(name, func(t *testing.T) {
			lab := netlab.Start(t, netlab.Pair())
			ant, apple := lab.Host("ant"), lab.Host("apple")
			c := openPacket(t, ant, config)
			before := time.Now()
			within(t, ant, func() error {
				conn, err := net.Dial("tcp4", endpoint(apple, 80).String())
				if err != nil {
					return err
				}
				return conn.Close()
			})
			got := receive(t, c, count(3))
			after := time.Now()
			for i, want := range []wire.Flags{wire.SYN, wire.SYN | wire.ACK, wire.ACK} {
				h := got[i]
				if h.segment.Flags != want || h.Outgoing != (i != 1) || h.Interface == 0 || h.Lost != 0 {
					t.Errorf("segment %d: %v %+v", i, h, h.Arrival)
				}
				// Both ends of a veth pair leave the checksum to each other.
				if h.Checksum != wire.Offloaded || wire.VerifyTCP(h.Datagram) != wire.Offloaded {
					t.Errorf("segment %d: checksum %v, %v", i, h.Checksum, wire.VerifyTCP(h.Datagram))
				}
				if h.At.Before(before) || h.At.After(after) {
					t.Errorf("segment %d: stamped %v, between %v and %v", i, h.At, before, after)
				}
				before = h.At
			}
		})
	}
}

func TestPacketIncomingOnly(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	for _, immediate := range []bool{false, true} {
		local := quiet(t, ant)
		c := openPacket(t, ant, rawsock.PacketConfig{Interface: "apple", IncomingOnly: true, Immediate: immediate})
		raw := open(t, ant, rawsock.Config{Local: []netip.AddrPort{local}})
		send(t, raw, syn(t, local, endpoint(apple, 81), 1))
		if got := receive(t, c, count(1))[0]; got.Outgoing || got.segment.Flags != wire.RST|wire.ACK {
			t.Errorf("%v", got)
		}
	}
}

// Frames begin at the link-layer header, and ARP is among them; cut to Snap.
func TestPacketFrames(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	for i, immediate := range []bool{false, true} {
		c := openPacket(t, ant, rawsock.PacketConfig{Interface: "apple", Frames: true, Snap: 30, Immediate: immediate})
		raw := open(t, ant, rawsock.Config{})
		nobody := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(100 + i)}), 80)
		send(t, raw, syn(t, endpoint(ant, 4000), nobody, 1), syn(t, endpoint(ant, 4000), endpoint(apple, 81), 1))
		kinds := map[string]bool{}
		batch := make([]wire.Arrival, 1)
		for len(kinds) < 2 {
			if _, err := c.Receive(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			frame := batch[0].Datagram
			if len(frame) > 30 {
				t.Fatalf("%d octets", len(frame))
			}
			kinds[string(frame[12:14])] = true
		}
		if !kinds["\x08\x00"] || !kinds["\x08\x06"] {
			t.Errorf("EtherTypes %v", kinds)
		}
	}
}

// A filter sees the datagram at offset zero, behind the check for IPv4.
func TestPacketFilter(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	local := quiet(t, ant)
	program, err := wire.ConversationFilter(local)
	if err != nil {
		t.Fatal(err)
	}
	c := openPacket(t, ant, rawsock.PacketConfig{Interface: "apple", Filter: program})
	raw := open(t, ant, rawsock.Config{})
	send(t, raw, syn(t, endpoint(ant, 1), endpoint(apple, 81), 1), syn(t, local, endpoint(apple, 81), 2))
	got := receive(t, c, count(2))
	if got[0].segment.Seq != 2 || !got[0].Outgoing || got[1].segment.Ack != 3 || got[1].Outgoing {
		t.Errorf("%v", got)
	}
}

// What a PacketConn sends passes the firewall by; datagrams get a link-layer
// header from the kernel, frames bring their own.
func TestPacketSend(t *testing.T) {
	topology := netlab.Pair()
	topology.Hosts[0].Firewall.Rules = []netlab.Rule{{Hook: netlab.Output, Action: netlab.Drop}}
	lab := netlab.Start(t, topology)
	ant, apple := lab.Host("ant"), lab.Host("apple")
	var from, to net.HardwareAddr
	within(t, ant, func() (err error) { from, err = hardwareAddr("apple"); return err })
	within(t, apple, func() (err error) { to, err = hardwareAddr("ant"); return err })

	for name, c := range map[string]struct {
		config rawsock.PacketConfig
		header []byte
	}{
		"datagram": {rawsock.PacketConfig{Interface: "apple", Destination: to}, nil},
		"frame":    {rawsock.PacketConfig{Interface: "apple", Frames: true}, slices.Concat(to, from, []byte{8, 0})},
	} {
		local := quiet(t, ant)
		octets := append(c.header, syn(t, local, endpoint(apple, 80), 1)...)
		raw := open(t, ant, rawsock.Config{Local: []netip.AddrPort{local}})
		packet := openPacket(t, ant, c.config)
		before := time.Now()
		d := send(t, packet, octets)[0]
		if d.At.Before(before) || d.At.After(time.Now()) {
			t.Errorf("%s: left at %v", name, d.At)
		}
		if got := receive(t, raw, count(1))[0]; got.segment.Flags != wire.SYN|wire.ACK {
			t.Errorf("%s: %v", name, got)
		}
		batch := []wire.Departure{{Datagram: make([]byte, 5000)}, {Datagram: octets}}
		if err := packet.Send(batch); err != nil || !errors.Is(batch[0].Err, syscall.EMSGSIZE) || batch[1].Err != nil {
			t.Errorf("%s: %v, %v, %v", name, err, batch[0].Err, batch[1].Err)
		}
		raw.Close()
	}
	blind := openPacket(t, ant, rawsock.PacketConfig{})
	if err := blind.Send(make([]wire.Departure, 1)); !errors.Is(err, syscall.EDESTADDRREQ) {
		t.Errorf("without an interface: %v", err)
	}
}

func hardwareAddr(device string) (net.HardwareAddr, error) {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return nil, err
	}
	return link.Attrs().HardwareAddr, nil
}

// Every frame is either received or counted as lost, and the arrivals say how
// many were lost before them.
func TestPacketDrops(t *testing.T) {
	for name, config := range map[string]rawsock.PacketConfig{
		"ring":      {Interface: "apple", RingSize: 1},
		"immediate": {Interface: "apple", RingSize: 1 << 15, Immediate: true},
	} {
		t.Run(name, func(t *testing.T) {
			lab := netlab.Start(t, netlab.Pair())
			ant, apple := lab.Host("ant"), lab.Host("apple")
			c := openPacket(t, ant, config)
			raw := open(t, ant, rawsock.Config{NoTransmitStamps: true})
			// Large ones, with an ACK that draws RSTs of its own.
			big := segment(t, 64, endpoint(ant, 4000), endpoint(apple, 81), wire.Segment{Flags: wire.ACK, Payload: make([]byte, 1400)})
			batch := make([][]byte, 50)
			for i := range batch {
				batch[i] = big
			}
			const sent = 2000
			for range sent / len(batch) {
				send(t, raw, batch...)
			}
			got, lost := drain(t, c, func() {
				_ = raw.Send([]wire.Departure{{Datagram: syn(t, endpoint(ant, 4000), endpoint(apple, 81), 1)}})
			})
			if lost == 0 || got+lost < 2*sent || uint64(lost) > c.Drops() {
				t.Errorf("%d received, %d lost of %d; Drops says %d", got, lost, 2*sent, c.Drops())
			}
		})
	}
}

// drain receives until a SYN comes through that mark sends, and returns how
// many arrivals there were before it and how many were lost.
func drain(t *testing.T, c link, mark func()) (got, lost int) {
	t.Helper()
	seen := make(chan struct{})
	defer close(seen)
	go func() { // the mark may be lost too, until there is room
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-seen:
				return
			case <-tick.C:
				mark()
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	batch := make([]wire.Arrival, 16)
	for {
		n, err := c.Receive(ctx, batch)
		if err != nil {
			t.Fatalf("%v after %d and %d lost", err, got, lost)
		}
		for _, a := range batch[:n] {
			lost += a.Lost
			if _, payload, err := wire.ParseHeader(a.Datagram); err == nil && len(payload) > 13 && payload[13] == byte(wire.SYN) {
				return got, lost
			}
			got++
		}
	}
}

// A device that goes down says so once; one that comes up again is heard.
func TestPacketDeviceDown(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		lab := netlab.Start(t, netlab.Pair())
		ant := lab.Host("ant")
		program, err := wire.ConversationFilter(endpoint(ant, 4000))
		if err != nil {
			t.Fatal(err)
		}
		c := openPacket(t, ant, rawsock.PacketConfig{Interface: "apple", Filter: program, Immediate: immediate})
		within(t, ant, func() error { return setUp("apple", false) })
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, err := c.Receive(ctx, make([]wire.Arrival, 1)); !errors.Is(err, syscall.ENETDOWN) {
			t.Errorf("device down: %v", err)
		}
		batch := []wire.Departure{{Datagram: syn(t, endpoint(ant, 4000), endpoint(lab.Host("apple"), 81), 1)}}
		if err := c.Send(batch); err != nil || !errors.Is(batch[0].Err, syscall.ENETDOWN) {
			t.Errorf("sending: %v %v", err, batch[0].Err)
		}
		within(t, ant, func() error { return setUp("apple", true) })
		send(t, c, batch[0].Datagram)
		receive(t, c, count(1))
	}
}

func setUp(device string, up bool) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	if up {
		return netlink.LinkSetUp(link)
	}
	return netlink.LinkSetDown(link)
}

// Close takes the ring away from under a busy reader, who keeps what it has.
func TestPacketCloseUnderLoad(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	raw := open(t, ant, rawsock.Config{NoTransmitStamps: true})
	datagram := syn(t, endpoint(ant, 4000), endpoint(apple, 81), 1)
	for range 20 {
		c := openPacket(t, ant, rawsock.PacketConfig{Interface: "apple"})
		busy, result := make(chan struct{}), make(chan error)
		go func() {
			batch, seen := make([]wire.Arrival, 64), 0
			for {
				n, err := c.Receive(context.Background(), batch)
				if err != nil {
					result <- err
					return
				}
				if seen == 0 {
					close(busy)
				}
				for _, a := range batch[:n] {
					seen += len(bytes.TrimLeft(a.Datagram, "\x00"))
				}
				c.Drops()
			}
		}()
		for flooding := true; flooding; {
			send(t, raw, datagram, datagram, datagram, datagram)
			select {
			case <-busy:
				flooding = false
			default:
			}
		}
		send(t, raw, datagram, datagram, datagram, datagram)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := <-result; !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}
