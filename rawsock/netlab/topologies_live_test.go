//go:build linux

package netlab_test

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// errSilence is dial's error where nothing answers.
var errSilence = errors.New("no answer")

// dial connects from a host and returns the connection's address there.
func dial(host *netlab.Node, to netip.AddrPort, timeout time.Duration) (local netip.AddrPort, err error) {
	err = host.Do(func() error {
		conn, err := net.DialTimeout("tcp4", to.String(), timeout)
		if timedOut := (net.Error)(nil); errors.As(err, &timedOut) && timedOut.Timeout() {
			return errSilence
		}
		if err != nil {
			return err
		}
		local = conn.LocalAddr().(*net.TCPAddr).AddrPort()
		return conn.Close()
	})
	return local, err
}

// arrivingTTL returns the TTL with which a UDP datagram from one host reaches
// another.
func arrivingTTL(t *testing.T, from, to *netlab.Node) int {
	t.Helper()
	var receiver *net.UDPConn
	err := to.Do(func() (err error) {
		receiver, err = net.ListenUDP("udp4", &net.UDPAddr{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	raw, err := receiver.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_RECVTTL, 1)
	}); err != nil {
		t.Fatal(err)
	}
	port := receiver.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	err = from.Do(func() error {
		conn, err := net.Dial("udp4", netip.AddrPortFrom(to.Addr(), port).String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte("ttl?"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	oob := make([]byte, 64)
	receiver.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, n, _, _, err := receiver.ReadMsgUDP(make([]byte, 16), oob)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := syscall.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		t.Fatalf("control messages %v, %v", messages, err)
	}
	return int(messages[0].Data[0])
}

func TestUpper(t *testing.T) {
	lab := netlab.Start(t, netlab.Upper())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	if got := arrivingTTL(t, ant, apple); got != 61 {
		t.Errorf("ant's TTL at apple is %d, want 61", got)
	}
	if got := arrivingTTL(t, apple, ant); got != 61 {
		t.Errorf("apple's TTL at ant is %d, want 61", got)
	}
	local, err := dial(ant, netip.MustParseAddrPort("10.0.2.2:80"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if want := netip.MustParseAddr("10.0.1.2"); local.Addr() != want {
		t.Errorf("ant is %v, want %v", local.Addr(), want)
	}
}

func TestMasquerading(t *testing.T) {
	for _, ports := range []netlab.PortChoice{netlab.Plain, netlab.Random, netlab.FullyRandom} {
		t.Run(ports.String(), func(t *testing.T) {
			topology := netlab.Masquerading()
			topology.Hosts[1].NAT.Ports = ports
			lab := netlab.Start(t, topology)
			listener, err := lab.Host("apple").Listen(0)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			to := netip.AddrPortFrom(lab.Host("apple").Addr(), listener.Addr().(*net.TCPAddr).AddrPort().Port())
			inside, err := dial(lab.Host("ant"), to, 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			outside := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
			if want := netip.MustParseAddr("203.0.113.1"); outside.Addr() != want {
				t.Errorf("apple sees %v, want %v", outside.Addr(), want)
			}
			if ports == netlab.Plain && outside.Port() != inside.Port() {
				t.Errorf("apple sees port %d, want ant's own %d", outside.Port(), inside.Port())
			}
		})
	}
}

// want is what connect(2) says about a port (icmp_err_convert in the kernel).
func want(truth netlab.Truth) error {
	switch truth.Action {
	case netlab.Accept:
		if truth.Open {
			return nil
		}
		return syscall.ECONNREFUSED
	case netlab.Drop:
		return errSilence
	case netlab.RejectReset, netlab.RejectPortUnreachable:
		return syscall.ECONNREFUSED
	case netlab.RejectNetUnreachable, netlab.RejectNetProhibited:
		return syscall.ENETUNREACH
	}
	return syscall.EHOSTUNREACH
}

// The firewall laboratory does what its table says, on all of its ports and
// some above.
func TestFirewalled(t *testing.T) {
	lab := netlab.Start(t, netlab.Firewalled())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	var group sync.WaitGroup
	ports := make(chan uint16)
	for range 100 {
		group.Go(func() {
			for port := range ports {
				truth, timeout := netlab.TruthOf(port), 5*time.Second
				if truth.Action == netlab.Drop {
					timeout = 200 * time.Millisecond
				}
				_, err := dial(ant, netip.AddrPortFrom(apple.Addr(), port), timeout)
				if want := want(truth); !errors.Is(err, want) {
					t.Errorf("port %d: %v, want %v", port, err, want)
				}
			}
		})
	}
	for port := uint16(1); port <= 1010; port++ {
		ports <- port
	}
	close(ports)
	group.Wait()
}

// The table names the right source for every ICMP error.
func TestTruthSources(t *testing.T) {
	lab := netlab.Start(t, netlab.Firewalled())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	var icmp net.PacketConn
	err := ant.Do(func() (err error) {
		icmp, err = net.ListenPacket("ip4:icmp", "0.0.0.0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer icmp.Close()
	for _, truth := range netlab.Truths() {
		switch truth.Action {
		case netlab.Accept, netlab.Drop, netlab.RejectReset:
			continue
		}
		if _, err := dial(ant, netip.AddrPortFrom(apple.Addr(), truth.From), 5*time.Second); err == nil {
			t.Errorf("port %d is open", truth.From)
		}
		icmp.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, from, err := icmp.ReadFrom(make([]byte, 1500))
		if err != nil {
			t.Fatalf("port %d: %v", truth.From, err)
		}
		if from.String() != truth.Source.String() {
			t.Errorf("port %d: error from %v, want %v", truth.From, from, truth.Source)
		}
	}
}
