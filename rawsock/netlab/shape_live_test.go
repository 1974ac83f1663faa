//go:build linux

package netlab_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// send makes ant send n numbered UDP datagrams to apple and returns the
// numbers that arrive, in order, once the link has nothing left.
func send(t *testing.T, lab *netlab.Lab, n int) []int {
	t.Helper()
	ant, apple := lab.Host("ant"), lab.Host("apple")
	var receiver *net.UDPConn
	var sender net.Conn
	err := errors.Join(
		apple.Do(func() (err error) {
			receiver, err = net.ListenUDP("udp4", &net.UDPAddr{})
			return err
		}),
		ant.Do(func() (err error) {
			to := netip.AddrPortFrom(apple.Addr(), receiver.LocalAddr().(*net.UDPAddr).AddrPort().Port())
			sender, err = net.Dial("udp4", to.String())
			return err
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	defer sender.Close()
	before := lab.Counters("ant", "apple")
	var numbers []int
	buffer := make([]byte, 64)
	for i := range n {
		if _, err := sender.Write(binary.BigEndian.AppendUint32(nil, uint32(i))); err != nil {
			t.Fatal(err)
		}
	}
	if !await(func() bool { return settled(lab.Counters("ant", "apple"), before.Received+uint64(n)) }) {
		t.Fatalf("%+v", lab.Counters("ant", "apple"))
	}
	after := lab.Counters("ant", "apple")
	due := int(after.Forwarded-before.Forwarded) - int(after.Corrupted-before.Corrupted)
	for {
		limit := 5 * time.Second
		if len(numbers) >= due {
			limit = 10 * time.Millisecond // for what should not be there
		}
		receiver.SetReadDeadline(time.Now().Add(limit))
		m, err := receiver.Read(buffer)
		if err != nil {
			return numbers
		}
		if m == 4 {
			numbers = append(numbers, int(binary.BigEndian.Uint32(buffer)))
		}
	}
}

// settled reports whether all that was received has met its fate.
func settled(c netlab.Counters, received uint64) bool {
	return c.Received == received &&
		c.Received+c.Duplicated+c.Inserted == c.Lost+c.Dropped+c.Intercepted+c.Forwarded+c.Unsent
}

// What the counters say is what arrives, to the last datagram.
func TestCountersAreExact(t *testing.T) {
	// Few enough for a receive buffer of any size.
	const n = 150
	for _, layer3 := range []bool{false, true} {
		lab := netlab.Start(t, shaped(func(l *netlab.Link) {
			l.Layer3 = layer3
			l.AtoB = netlab.Shape{Delay: 2 * time.Millisecond, Loss: 0.1, Duplicate: 0.05, Reorder: 0.05, Seed: 3}
		}))
		numbers := send(t, lab, n)
		c := lab.Counters("ant", "apple")
		if c.Lost == 0 || c.Duplicated == 0 || c.Reordered == 0 || c.Overrun+c.Unsent != 0 {
			t.Errorf("layer 3 %v: %+v", layer3, c)
		}
		if len(numbers) != int(c.Forwarded) {
			t.Errorf("layer 3 %v: %d arrived, %+v", layer3, len(numbers), c)
		}
		if slices.IsSorted(numbers) {
			t.Errorf("layer 3 %v: nothing was reordered", layer3)
		}
		slices.Sort(numbers)
		if distinct := len(slices.Compact(numbers)); distinct != n-int(c.Lost) {
			t.Errorf("layer 3 %v: %d distinct ones arrived, %+v", layer3, distinct, c)
		}
		if back := lab.Counters("apple", "ant"); back.Lost+back.Dropped != 0 {
			t.Errorf("layer 3 %v: the way back suffers too: %+v", layer3, back)
		}
	}
}

// A corrupted datagram reaches the host, which counts and discards it.
func TestCorruption(t *testing.T) {
	lab := netlab.Start(t, shaped(func(l *netlab.Link) { l.AtoB.Corrupt = 1 }))
	if numbers := send(t, lab, 20); len(numbers) != 0 {
		t.Errorf("%d arrived whole", len(numbers))
	}
	if c := lab.Counters("ant", "apple"); c.Corrupted != 20 || c.Forwarded != 20 {
		t.Errorf("%+v", c)
	}
}

// The stamps tell how long a datagram really took, and that is what was asked
// for: never less, and not much more.
func TestDelay(t *testing.T) {
	const delay = 3 * time.Millisecond
	lab := netlab.Start(t, shaped(func(l *netlab.Link) { l.AtoB.Delay, l.Log = delay, 200 }))
	// One by one: what holds up a burst holds up all of it.
	const n = 20
	for range n {
		send(t, lab, 1)
	}
	var excess []time.Duration
	for _, p := range lab.Passages("ant", "apple") {
		if !p.FromA {
			continue
		}
		if p.Delay != delay || p.Fate != netlab.Forwarded {
			t.Errorf("asked for %v, %v", p.Delay, p.Fate)
		}
		excess = append(excess, p.Out.Sub(p.In)-delay)
	}
	slices.Sort(excess)
	if len(excess) != n || excess[0] < 0 {
		t.Fatalf("%d passages, the fastest %v too fast", len(excess), -excess[0])
	}
	// A loaded machine delays many of them, but hardly all.
	if excess[0] > 2*time.Millisecond {
		t.Errorf("%v late at best", excess[0])
	}
}

// A lesson can lose exactly the last ACK of the handshake.
func TestDropLastACK(t *testing.T) {
	lab := netlab.Start(t, shaped(func(l *netlab.Link) {
		l.Log = 100
		l.AtoB.Drop = []netlab.DropRule{{K: 1, Match: func(_ wire.Header, g wire.Segment) bool {
			return g.Flags == wire.ACK && len(g.Payload) == 0
		}}}
	}))
	if _, err := dial(lab.Host("ant"), netip.MustParseAddrPort("10.0.0.2:80"), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	dropped := func() (n int) {
		for _, p := range lab.Passages("ant", "apple") {
			if p.Fate == netlab.Dropped {
				n++
			}
		}
		return n
	}
	// Ant has sent it, but the link need not have got it yet.
	if !await(func() bool { return dropped() > 0 }) || dropped() != 1 {
		t.Errorf("%d dropped, by the journal", dropped())
	}
	if c := lab.Counters("ant", "apple"); c.Dropped != 1 {
		t.Errorf("%+v", c)
	}
}

// The forger's answers reach ant before the true one does, on either kind of
// link. Linux itself is deceived: it takes an ICMP error that quotes SND.NXT
// instead of SND.UNA (tcp_v4_err).
func TestBlindForgerOnPath(t *testing.T) {
	for _, layer3 := range []bool{false, true} {
		lab := netlab.Start(t, shaped(func(l *netlab.Link) {
			l.Layer3, l.Tamper, l.Log = layer3, netlab.BlindForger(), 100
		}))
		_, err := dial(lab.Host("ant"), netip.MustParseAddrPort("10.0.0.2:80"), 5*time.Second)
		if !errors.Is(err, unix.EHOSTUNREACH) {
			t.Errorf("layer 3 %v: %v", layer3, err)
		}
		const forgeries, segments = 28, 12
		if !await(func() bool { return lab.Counters("apple", "ant").Forwarded > forgeries }) {
			t.Fatalf("layer 3 %v: %+v", layer3, lab.Counters("apple", "ant"))
		}
		var back []string
		for _, p := range lab.Passages("ant", "apple") {
			if h, payload, err := wire.ParseHeader(p.Datagram); !p.FromA && err == nil && h.Protocol == wire.ProtocolTCP {
				back = append(back, describe(payload))
			}
		}
		if back[0] != "S." || slices.Index(back, "true S.") != segments {
			t.Errorf("layer 3 %v: %q", layer3, back)
		}
	}
}

// describe names the flags of a segment; true ones have options.
func describe(payload []byte) string {
	g, err := wire.ParseSegment(payload)
	if err != nil {
		return err.Error()
	}
	if len(g.Options) > 0 {
		return "true " + g.Flags.String()
	}
	return g.Flags.String()
}

// A host that crafts its answers: every port is closed, whatever apple says.
func TestCraftedHost(t *testing.T) {
	for _, layer3 := range []bool{false, true} {
		lab := netlab.Start(t, shaped(func(l *netlab.Link) {
			l.Layer3 = layer3
			l.Tamper = netlab.Answer(func(h wire.Header, g wire.Segment) ([][]byte, bool) {
				reset, err := netlab.Reply(h, g, wire.Segment{Flags: wire.RST | wire.ACK, Ack: g.Seq.Add(1)})
				return [][]byte{reset}, err == nil
			})
		}))
		_, err := dial(lab.Host("ant"), netip.MustParseAddrPort("10.0.0.2:80"), 5*time.Second)
		if !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("layer 3 %v: %v", layer3, err)
		}
		if c := lab.Counters("ant", "apple"); c.Intercepted != 1 {
			t.Errorf("layer 3 %v: %+v", layer3, c)
		}
	}
}

// A link with nothing to do needs no processor time, even when somebody has
// removed its device.
func TestIdle(t *testing.T) {
	for name, leave := range map[string]func() error{
		"whole": func() error { return nil },
		"cut": func() error {
			link, err := netlink.LinkByName("apple")
			if err != nil {
				return err
			}
			return netlink.LinkDel(link)
		},
	} {
		lab := netlab.Start(t, shaped(func(l *netlab.Link) { l.AtoB.Delay = time.Millisecond }))
		send(t, lab, 10)
		if err := lab.Host("ant").Do(leave); err != nil {
			t.Fatal(err)
		}
		if used := restless(t); used > 100*time.Millisecond {
			t.Errorf("%s: 300 ms of rest took %v of processor time", name, used)
		}
	}
}

// restless returns the processor time that 300 ms of doing nothing take.
func restless(t *testing.T) time.Duration {
	t.Helper()
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		t.Fatal(err)
	}
	<-time.After(300 * time.Millisecond)
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		t.Fatal(err)
	}
	return time.Duration(after.Utime.Nano()+after.Stime.Nano()) - time.Duration(before.Utime.Nano()+before.Stime.Nano())
}
