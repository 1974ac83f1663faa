//go:build linux

package flow_test

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// stage is a laboratory in which no segment arrives by itself. Between ant
// and the rest stands a host that does not forward: the test does, one segment
// at a time, so that the world holds still between two of them.
type stage struct {
	t          *testing.T
	ant, apple *netlab.Node
	router     *netlab.Node // between the wire and apple; nil if there is none
	lanes      [2]lane      // by the side that sends into it
	port       uint16       // the last that was used
}

// lane takes the segments of one side, and hands over those of the other.
type lane struct {
	conn  *rawsock.PacketConn
	queue []parcel
}

// parcel is a segment that has left its sender and not arrived.
type parcel struct {
	header  wire.Header
	segment wire.Segment
}

// newStage builds ant, 10.0.1.2, and apple, 10.0.2.2; with a router apple is
// 10.0.3.2. The function may change the topology before it is built.
func newStage(t *testing.T, routed bool, change func(*netlab.Topology)) *stage {
	t.Helper()
	gateway := func(addr string) []netlab.Route {
		return []netlab.Route{{To: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr(addr)}}
	}
	link := func(a, addrA, b, addrB string) netlab.Link {
		return netlab.Link{A: netlab.End{Host: a, Addr: netip.MustParsePrefix(addrA)}, B: netlab.End{Host: b, Addr: netip.MustParsePrefix(addrB)}}
	}
	topology := netlab.Topology{
		Name: "stage",
		Hosts: []netlab.Host{
			{Name: "ant", Routes: gateway("10.0.1.1")}, {Name: "wire"}, {Name: "apple", Routes: gateway("10.0.2.1")},
		},
		Links: []netlab.Link{link("ant", "10.0.1.2/24", "wire", "10.0.1.1/24"), link("wire", "10.0.2.1/24", "apple", "10.0.2.2/24")},
	}
	far := "apple"
	if routed {
		far = "router"
		topology.Hosts[2].Routes = gateway("10.0.3.1")
		topology.Hosts = append(topology.Hosts, netlab.Host{Name: far, Router: true, Routes: gateway("10.0.2.1")})
		topology.Links[1] = link("wire", "10.0.2.1/24", far, "10.0.2.2/24")
		topology.Links = append(topology.Links, link(far, "10.0.3.1/24", "apple", "10.0.3.2/24"))
	}
	if change != nil {
		change(&topology)
	}
	for i := range topology.Hosts {
		h := &topology.Hosts[i]
		if h.Sysctl == nil {
			h.Sysctl = map[string]string{}
		}
		// What is sent again is as long as it was: scripts know it by that.
		h.Sysctl["net.ipv4.tcp_retrans_collapse"] = "0"
	}
	lab := netlab.Start(t, topology)
	s := &stage{t: t, ant: lab.Host("ant"), apple: lab.Host("apple"), router: lab.Host("router"), port: 4000}
	s.lanes[flow.Client].conn = s.open(lab.Host("wire"), s.ant)
	s.lanes[flow.Server].conn = s.open(lab.Host("wire"), lab.Host(far))
	return s
}

// open opens the device of the host in the middle that leads to a neighbour.
func (s *stage) open(middle, neighbour *netlab.Node) *rawsock.PacketConn {
	s.t.Helper()
	config := rawsock.PacketConfig{Interface: neighbour.Name(), IncomingOnly: true, Immediate: true}
	must(s.t, neighbour.Do(func() error {
		device, err := net.InterfaceByName(middle.Name())
		if err == nil {
			config.Destination = device.HardwareAddr
		}
		return err
	}))
	var conn *rawsock.PacketConn
	must(s.t, middle.Do(func() (err error) {
		conn, err = rawsock.OpenPacket(config)
		return err
	}))
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// pump takes in what both sides have sent, and waits a moment for it if there
// is nothing.
func (s *stage) pump(wanted func(parcel) bool) {
	s.t.Helper()
	arrivals := make([]wire.Arrival, 16)
	for side := range s.lanes {
		l := &s.lanes[side]
		for {
			n, err := l.conn.Poll(100*time.Microsecond, arrivals)
			must(s.t, err)
			for _, a := range arrivals[:n] {
				if p, ok := unpack(s.t, a.Datagram); ok && wanted(p) {
					l.queue = append(l.queue, p)
				}
			}
			if n == 0 {
				break
			}
		}
	}
}

// unpack copies a datagram that carries TCP.
func unpack(t *testing.T, datagram []byte) (p parcel, ok bool) {
	t.Helper()
	h, payload, err := wire.ParseHeader(slices.Clone(datagram))
	if err != nil || h.Protocol != wire.ProtocolTCP {
		return p, false
	}
	g, err := wire.ParseSegment(payload)
	must(t, err)
	return parcel{h, g}, true
}

// deliver hands a segment to the other side. The checksum, which the sender
// leaves to its device, is computed.
func (s *stage) deliver(from flow.Side, p parcel) {
	s.t.Helper()
	p.segment.KeepChecksum, p.header.KeepChecksum = false, false
	datagram, err := wire.AppendDatagram(nil, p.header, p.segment)
	must(s.t, err)
	batch := []wire.Departure{{Datagram: datagram}}
	must(s.t, s.lanes[from.Peer()].conn.Send(batch))
	must(s.t, batch[0].Err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
