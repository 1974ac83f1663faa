//go:build linux

package rawsock_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

func TestConnReplies(t *testing.T) {
	for name, layer3 := range map[string]bool{"veth": false, "layer 3": true} {
		t.Run(name, func(t *testing.T) { connReplies(t, layer3) })
	}
}

func connReplies(t *testing.T, layer3 bool) {
	topology := netlab.Pair()
	topology.Links[0].Layer3 = layer3
	topology.Hosts[1].Firewall.Rules = []netlab.Rule{{Hook: netlab.Input, From: 82, Action: netlab.RejectAdminProhibited}}
	lab := netlab.Start(t, topology)
	ant, apple := lab.Host("ant"), lab.Host("apple")
	for _, device := range []string{"", "apple"} {
		local := quiet(t, ant)
		c := open(t, ant, rawsock.Config{Local: []netip.AddrPort{local}, Interface: device})
		for port, want := range map[uint16]wire.Flags{80: wire.SYN | wire.ACK, 81: wire.RST | wire.ACK, 82: 0} {
			before := time.Now()
			sent := send(t, c, syn(t, local, endpoint(apple, port), 1000))[0]
			got := receive(t, c, count(1))[0]
			after := time.Now()

			if want != 0 && (got.segment.Flags != want || got.segment.Ack != 1001) {
				t.Errorf("port %d: %v", port, got)
			}
			if want == 0 && (got.icmp.Type != wire.ICMPUnreachable || got.icmp.Code != 13) {
				t.Errorf("port %d: ICMP %d %d", port, got.icmp.Type, got.icmp.Code)
			}
			if !sent.KernelStamp {
				t.Errorf("port %d: no transmit stamp", port)
			}
			if !(before.Before(sent.At) && sent.At.Before(got.At) && got.At.Before(after)) {
				t.Errorf("port %d: stamps %v %v %v %v", port, before, sent.At, got.At, after)
			}
			if got.Interface == 0 || got.Outgoing || got.Lost != 0 {
				t.Errorf("port %d: %+v", port, got.Arrival)
			}
		}
	}
}

// A Conn may leave what arrives by one device to others. It hears the rest.
func TestConnExcept(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	local := []netip.AddrPort{quiet(t, ant), {}}
	within(t, ant, func() error {
		q, err := rawsock.ReserveQuietPort(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
		if err == nil {
			t.Cleanup(func() { q.Close() })
			local[1] = q.Local()
		}
		return err
	})
	all := open(t, ant, rawsock.Config{Local: local})
	send(t, all, syn(t, local[0], endpoint(apple, 81), 1))
	device := receive(t, all, count(1))[0].Interface

	some := open(t, ant, rawsock.Config{Local: local, Except: device})
	send(t, all, syn(t, local[0], endpoint(apple, 81), 2))
	receive(t, all, count(1))
	send(t, all, syn(t, local[1], netip.AddrPortFrom(local[1].Addr(), 81), 3))
	if got := receive(t, some, count(1))[0]; got.Interface == device || got.segment.Ack != 4 {
		t.Errorf("heard %v from device %d", got, got.Interface)
	}
}

// On the loopback device a raw socket sees what this host sends, too; the
// filter keeps our own SYN out.
func TestConnLoopback(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	apple := lab.Host("apple")
	for _, addr := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), apple.Addr()} {
		within(t, apple, func() error {
			q, err := rawsock.ReserveQuietPort(addr, 0)
			if err != nil {
				return err
			}
			defer q.Close()
			c := open(t, apple, rawsock.Config{Local: []netip.AddrPort{q.Local()}})
			send(t, c, syn(t, q.Local(), netip.AddrPortFrom(addr, 80), 1), syn(t, q.Local(), netip.AddrPortFrom(addr, 81), 1))
			got := receive(t, c, count(2))
			if got[0].segment.Flags != wire.SYN|wire.ACK || got[1].segment.Flags != wire.RST|wire.ACK {
				t.Errorf("%v: %v", addr, got)
			}
			return nil
		})
	}
}

// Refused datagrams say why, and leave the stamps of the others in place: a
// ring in front of the device sees each datagram before its driver stamps it,
// and after the stamp of the one before.
func TestConnRefusals(t *testing.T) {
	topology := netlab.Pair()
	topology.Hosts[0].Firewall.Rules = []netlab.Rule{{Hook: netlab.Output, From: 7, To: 9, Action: netlab.Drop}}
	lab := netlab.Start(t, topology)
	ant, apple := lab.Host("ant"), lab.Host("apple")
	local := endpoint(ant, 4000)
	c := open(t, ant, rawsock.Config{})
	tap := openPacket(t, ant, rawsock.PacketConfig{Interface: "apple"})

	elsewhere := netip.MustParseAddrPort("203.0.113.1:80")
	tooLong := segment(t, 64, local, endpoint(apple, 80), wire.Segment{Payload: make([]byte, 1500)})
	var batch []wire.Departure
	var want []error
	for i := range 200 { // more than one system call takes
		seq := wire.Seq(i)
		d, errno := syn(t, local, endpoint(apple, 81), seq), error(nil)
		switch i % 7 {
		case 1, 2:
			d, errno = syn(t, local, endpoint(apple, 8), seq), syscall.EPERM
		case 3:
			d, errno = syn(t, local, elsewhere, seq), syscall.ENETUNREACH
		case 4:
			d, errno = tooLong, syscall.EMSGSIZE
		case 5:
			d, errno = []byte{0x45, 0}, syscall.EINVAL
		}
		batch, want = append(batch, wire.Departure{Datagram: d}), append(want, errno)
	}
	if err := c.Send(batch); err != nil {
		t.Fatal(err)
	}
	sent := 0
	for i, d := range batch {
		if !errors.Is(d.Err, want[i]) || (d.Err == nil) != (want[i] == nil) {
			t.Fatalf("datagram %d: %v, want %v", i, d.Err, want[i])
		}
		if d.Err == nil {
			sent++
		}
		if d.KernelStamp != (d.Err == nil) {
			t.Errorf("datagram %d: stamped %v", i, d.KernelStamp)
		}
	}
	if err := batch[1].Err; !errors.Is(err, os.ErrPermission) || err.Error() != "send ip4 10.0.0.2: sendmmsg: operation not permitted" {
		t.Errorf("refusal by the firewall: %v", err)
	}

	var seen []heard
	n := 0
	receive(t, tap, func(h heard) bool {
		if h.Outgoing && h.segment.Flags == wire.SYN {
			seen, n = append(seen, h), n+1
		}
		return n == sent && h.Outgoing == false
	})
	for i, h := range seen {
		d := batch[h.segment.Seq]
		if h.At.After(d.At) || i+1 < len(seen) && d.At.After(seen[i+1].At) {
			t.Errorf("datagram %d: tap %v, stamp %v", h.segment.Seq, h.At, d.At)
		}
	}
}

func TestConnNoTransmitStamps(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	c := open(t, ant, rawsock.Config{NoTransmitStamps: true})
	before := time.Now()
	d := send(t, c, syn(t, endpoint(ant, 4000), endpoint(apple, 81), 1))[0]
	if d.KernelStamp || d.At.Before(before) || d.At.After(time.Now()) {
		t.Errorf("%+v", d)
	}
}

// While others flood the host, a new Conn hears nothing but replies.
func TestConnFilterFirst(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	noise, local := endpoint(ant, 5000), endpoint(ant, 4000)
	witness := open(t, ant, rawsock.Config{Local: []netip.AddrPort{noise}})
	flooder := open(t, apple, rawsock.Config{NoTransmitStamps: true})
	wanted := open(t, apple, rawsock.Config{})
	flood := segment(t, 64, endpoint(apple, 1), noise, wire.Segment{Flags: wire.RST})
	reply := segment(t, 64, endpoint(apple, 1), local, wire.Segment{Flags: wire.RST})

	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		batch := make([]wire.Departure, 16)
		for i := range batch {
			batch[i].Datagram = flood
		}
		for {
			select {
			case <-stop:
				return
			default:
				_ = flooder.Send(batch)
			}
		}
	})
	defer wg.Wait()
	defer close(stop)

	arrivals := make([]wire.Arrival, 64)
	for range 50 {
		if _, err := witness.Receive(t.Context(), arrivals); err != nil {
			t.Fatal(err)
		}
		c := open(t, ant, rawsock.Config{Local: []netip.AddrPort{local}})
		if _, err := witness.Receive(t.Context(), arrivals); err != nil {
			t.Fatal(err)
		}
		send(t, wanted, reply)
		for _, h := range receive(t, c, count(1)) {
			if h.segment.DstPort != local.Port() {
				t.Fatalf("unfiltered: %v", h)
			}
		}
		c.Close()
	}
}

func TestConnDrops(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	local := endpoint(ant, 4000)
	c := open(t, ant, rawsock.Config{Local: []netip.AddrPort{local}, ReceiveBuffer: 4096})
	from := open(t, apple, rawsock.Config{})
	flood := segment(t, 64, endpoint(apple, 1), local, wire.Segment{Flags: wire.RST})
	const sent = 2000
	for range sent / 50 {
		batch := make([][]byte, 50)
		for i := range batch {
			batch[i] = flood
		}
		send(t, from, batch...)
	}
	mark := segment(t, 64, endpoint(apple, 1), local, wire.Segment{Flags: wire.SYN})
	got, lost := drain(t, c, func() { _ = from.Send([]wire.Departure{{Datagram: mark}}) })
	if got+lost < sent || lost == 0 {
		t.Errorf("%d received and %d lost of %d", got, lost, sent)
	}
	if drops := c.Drops(); drops < uint64(lost) {
		t.Errorf("Drops = %d, arrivals said %d", drops, lost)
	}
	before := c.Drops()
	c.Close()
	if after := c.Drops(); after < before {
		t.Errorf("Drops went from %d to %d by Close", before, after)
	}
}

func TestConnReceiveEnds(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant := lab.Host("ant")
	for name, c := range map[string]link{
		"raw":       open(t, ant, rawsock.Config{}),
		"ring":      openPacket(t, ant, rawsock.PacketConfig{Interface: "apple", IncomingOnly: true}),
		"immediate": openPacket(t, ant, rawsock.PacketConfig{Interface: "apple", IncomingOnly: true, Immediate: true}),
	} {
		t.Run(name, func(t *testing.T) { receiveEnds(t, c) })
	}
}

func receiveEnds(t *testing.T, c link) {
	batch := make([]wire.Arrival, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.Receive(ctx, batch); err != context.DeadlineExceeded {
		t.Errorf("after a deadline: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := c.Receive(ctx, batch)
		result <- err
	}()
	cancel()
	if err := <-result; err != context.Canceled {
		t.Errorf("after a cancellation: %v", err)
	}
	go func() {
		_, err := c.Receive(context.Background(), batch)
		result <- err
	}()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := c.Send(make([]wire.Departure, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestConnErrors(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant := lab.Host("ant")
	err := unprivileged(ant, func() error { _, err := rawsock.Open(rawsock.Config{}); return err }, unix.CAP_NET_RAW)
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("without CAP_NET_RAW: %v", err)
	}
	err = unprivileged(ant, func() error { _, err := rawsock.OpenPacket(rawsock.PacketConfig{}); return err }, unix.CAP_NET_RAW)
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("packet socket without CAP_NET_RAW: %v", err)
	}
	err = ant.Do(func() error { _, err := rawsock.Open(rawsock.Config{Interface: "nowhere"}); return err })
	if !errors.Is(err, syscall.ENODEV) {
		t.Errorf("interface that isn't there: %v", err)
	}
	err = ant.Do(func() error { _, err := rawsock.OpenPacket(rawsock.PacketConfig{Interface: "nowhere"}); return err })
	if !errors.Is(err, syscall.ENODEV) {
		t.Errorf("packet socket on an interface that isn't there: %v", err)
	}
	// CAP_NET_RAW is enough.
	err = unprivileged(ant, func() error {
		c, err := rawsock.Open(rawsock.Config{Interface: "apple"})
		if err != nil {
			return err
		}
		return c.Close()
	}, unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN)
	if err != nil {
		t.Errorf("with CAP_NET_RAW alone: %v", err)
	}
}

// The allocations of the reader's goroutine count, too.
func TestReceiveAllocatesNothing(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	local := quiet(t, ant)
	c := open(t, ant, rawsock.Config{Local: []netip.AddrPort{local}})
	batch := []wire.Departure{{Datagram: syn(t, local, endpoint(apple, 81), 1)}}
	arrivals := make([]wire.Arrival, 8)
	if n := testing.AllocsPerRun(100, func() {
		if err := c.Send(batch); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Receive(t.Context(), arrivals); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per exchange", n)
	}
}

func TestSendAllocatesNothing(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	c := open(t, ant, rawsock.Config{})
	batch := make([]wire.Departure, 100)
	for i := range batch {
		batch[i].Datagram = syn(t, endpoint(ant, 4000), endpoint(apple, 81), wire.Seq(i))
	}
	if n := testing.AllocsPerRun(20, func() {
		if err := c.Send(batch); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per batch", n)
	}
}

func BenchmarkSend(b *testing.B) {
	lab := netlab.Start(b, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	for name, config := range map[string]rawsock.Config{"stamped": {}, "unstamped": {NoTransmitStamps: true}} {
		b.Run(name, func(b *testing.B) {
			c := open(b, ant, config)
			batch := make([]wire.Departure, 64)
			for i := range batch {
				batch[i].Datagram = syn(b, endpoint(ant, 4000), endpoint(apple, 81), wire.Seq(i))
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Send(batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/datagram")
		})
	}
}

// What nobody takes holds Send up once, not once for every datagram. A
// neighbour that does not answer, and much room to wait for it, stand for a
// device that takes nothing.
func TestSendCongested(t *testing.T) {
	topology := netlab.Pair()
	topology.Hosts[0].Sysctl = map[string]string{"net.ipv4.neigh.apple.unres_qlen_bytes": "67108864"}
	ant := netlab.Start(t, topology).Host("ant")
	c := open(t, ant, rawsock.Config{})
	nobody := netip.MustParseAddrPort("10.0.0.9:80")
	batch := make([]wire.Departure, 64)
	for i := range batch {
		batch[i].Datagram = syn(t, endpoint(ant, 4000), nobody, wire.Seq(i))
	}
	last := &batch[len(batch)-1]
	for range 1000 {
		if last.Err != nil {
			break
		}
		start := time.Now()
		if err := c.Send(batch); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("Send took %v", took)
		}
	}
	if !errors.Is(last.Err, syscall.EAGAIN) {
		t.Error(last.Err)
	}
}
