//go:build linux

package rawsock_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// A SYN-ACK to a quiet port draws no RST, from wherever it seems to come; to
// any other port it does.
func TestQuietPortIsQuiet(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	var filtered, signed *rawsock.QuietPort
	within(t, ant, func() (err error) {
		filtered, err = rawsock.ReserveQuietPort(ant.Addr(), 0)
		return err
	})
	defer filtered.Close()
	err := unprivileged(ant, func() (err error) {
		signed, err = rawsock.ReserveQuietPort(ant.Addr(), 0)
		return err
	}, unix.CAP_NET_ADMIN)
	if err != nil {
		t.Fatal(err)
	}
	defer signed.Close()
	for _, c := range []struct {
		name  string
		port  netip.AddrPort
		noise bool
	}{
		{"with a filter", filtered.Local(), false},
		{"with MINTTL and a key", signed.Local(), false},
		{"not reserved", endpoint(ant, 4000), true},
	} {
		for _, ttl := range []uint8{1, 64, 254, 255} {
			from := endpoint(apple, 5000)
			peer := open(t, apple, rawsock.Config{Local: []netip.AddrPort{from}})
			witness := open(t, ant, rawsock.Config{Local: []netip.AddrPort{c.port}})
			for _, flags := range []wire.Flags{wire.SYN | wire.ACK, wire.SYN, wire.ACK, wire.FIN | wire.ACK} {
				send(t, peer, segment(t, ttl, from, c.port, wire.Segment{Flags: flags, Seq: 1, Ack: 7, Window: 1024}))
				receive(t, witness, count(1))
			}
			// What the kernel answered is on its way before this is.
			send(t, witness, segment(t, 64, c.port, from, wire.Segment{Flags: wire.URG}))
			answers := receive(t, peer, func(h heard) bool { return h.segment.Flags == wire.URG })
			if noise := len(answers) > 1; noise != c.noise {
				t.Errorf("%s, TTL %d: %v", c.name, ttl, answers)
			}
			peer.Close()
			witness.Close()
		}
	}
}

func TestQuietPortIsTaken(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant := lab.Host("ant")
	within(t, ant, func() error {
		q, err := rawsock.ReserveQuietPort(ant.Addr(), 4000)
		if err != nil {
			return err
		}
		if q.Local() != endpoint(ant, 4000) {
			t.Errorf("Local = %v", q.Local())
		}
		_, err = rawsock.ReserveQuietPort(ant.Addr(), 4000)
		if !errors.Is(err, syscall.EADDRINUSE) || err.Error() != "reserve tcp4 10.0.0.1:4000: bind: address already in use" {
			t.Errorf("taken port: %v", err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		if err := q.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		again, err := rawsock.ReserveQuietPort(ant.Addr(), 4000)
		if err != nil {
			t.Errorf("after Close: %v", err)
			return nil
		}
		return again.Close()
	})
	for _, c := range []struct {
		src  netip.Addr
		want error
	}{
		{netip.MustParseAddr("10.0.0.77"), syscall.EADDRNOTAVAIL},
		{netip.MustParseAddr("::1"), syscall.EAFNOSUPPORT},
		{netip.Addr{}, syscall.EAFNOSUPPORT},
	} {
		within(t, ant, func() error {
			if _, err := rawsock.ReserveQuietPort(c.src, 0); !errors.Is(err, c.want) {
				t.Errorf("%v: %v, want %v", c.src, err, c.want)
			}
			return nil
		})
	}
	err := unprivileged(ant, func() error { _, err := rawsock.ReserveQuietPort(ant.Addr(), 1); return err }, unix.CAP_NET_BIND_SERVICE)
	if !errors.Is(err, syscall.EACCES) {
		t.Errorf("port 1 without CAP_NET_BIND_SERVICE: %v", err)
	}
}
