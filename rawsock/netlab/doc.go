// Package netlab builds laboratories: networks of hosts, routers, links,
// firewalls and NATs, made of Linux namespaces inside one process, without
// root and without any other program.
//
// A process enters its own user, network, mount and PID namespaces first
// (Command, TestMain), so the initial namespaces are never touched and the
// kernel clears everything away when the process ends, however it ends.
//
// A Topology describes a laboratory as a value; Build makes it real. Hosts are
// network namespaces held by descriptors alone, without names that could be
// left over. Plain links are veth pairs. A link that delays, loses or tampers
// is two of them with a forwarder in between, which counts and, on demand,
// remembers every datagram; a layer-3 link is a VXLAN-GPE tunnel. In a test:
//
//	func TestMain(m *testing.M) { netlab.TestMain(m) }
//
//	func TestDial(t *testing.T) {
//		lab := netlab.Start(t, netlab.Pair())
//		err := lab.Host("ant").Do(func() error {
//			conn, err := net.Dial("tcp4", "10.0.0.2:80")
//			...
//		})
//	}
//
// Delays are exact to some microseconds while a processor is free: half of the
// datagrams leave within 3 us of their time, on two idle processors.
//
// A datagram that is sent into a layer-3 link by a packet socket gets lost:
// routes tell the tunnel where to go, and packet sockets use none. Raw sockets
// do.
package netlab
