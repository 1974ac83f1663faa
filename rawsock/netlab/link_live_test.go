//go:build linux

package netlab_test

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// shaped is Pair with its link changed.
func shaped(change func(*netlab.Link)) netlab.Topology {
	topology := netlab.Pair()
	change(&topology.Links[0])
	return topology
}

// connect opens n connections from ant to apple, one after another, and
// returns how long the slowest handshake took.
func connect(t *testing.T, lab *netlab.Lab, n int) time.Duration {
	t.Helper()
	var slowest time.Duration
	err := lab.Host("ant").Do(func() error {
		for range n {
			start := time.Now()
			conn, err := net.DialTimeout("tcp4", lab.Host("apple").Addr().String()+":80", 5*time.Second)
			if err != nil {
				return err
			}
			slowest = max(slowest, time.Since(start))
			conn.Close()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slowest
}

func TestLinks(t *testing.T) {
	const delay = 10 * time.Millisecond
	for _, test := range []struct {
		name   string
		change func(*netlab.Link)
		rtt    time.Duration
	}{
		{"plain", func(*netlab.Link) {}, 0},
		{"logged", func(l *netlab.Link) { l.Log = 100 }, 0},
		{"delayed", func(l *netlab.Link) { l.AtoB.Delay, l.BtoA.Delay = delay, delay }, 2 * delay},
		{"layer 3", func(l *netlab.Link) { l.Layer3 = true }, 0},
		{"layer 3 logged", func(l *netlab.Link) { l.Layer3, l.Log = true, 100 }, 0},
		{"layer 3 delayed", func(l *netlab.Link) {
			l.Layer3, l.AtoB.Delay, l.BtoA.Delay = true, delay, delay
		}, 2 * delay},
	} {
		t.Run(test.name, func(t *testing.T) {
			lab := netlab.Start(t, shaped(test.change))
			took := connect(t, lab, 3)
			if took < test.rtt {
				t.Errorf("handshake took %v, want at least %v", took, test.rtt)
			}
			for _, p := range lab.Passages("apple", "ant") {
				h, payload, err := wire.ParseHeader(p.Datagram)
				if err != nil {
					t.Fatal(err)
				}
				if got := wire.VerifyTCP(p.Datagram); got != wire.Valid {
					t.Errorf("%v > %v: checksum %v on the wire", h.Src, h.Dst, got)
				}
				if _, err := wire.ParseSegment(payload); err != nil {
					t.Errorf("%v > %v: %v", h.Src, h.Dst, err)
				}
			}
		})
	}
}

// Bulk data crosses a shaped link whole: nothing is larger than the MTU.
func TestBulk(t *testing.T) {
	lab := netlab.Start(t, shaped(func(l *netlab.Link) { l.AtoB.Delay = time.Millisecond }))
	const size = 4 << 20
	listener, err := lab.Host("apple").Listen(9000)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	received := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			received <- err
			return
		}
		defer conn.Close()
		n, err := io.Copy(io.Discard, conn)
		if err == nil && n != size {
			err = fmt.Errorf("%d octets, want %d", n, size)
		}
		received <- err
	}()
	err = lab.Host("ant").Do(func() error {
		conn, err := net.Dial("tcp4", "10.0.0.2:9000")
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write(make([]byte, size))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-received; err != nil {
		t.Fatal(err)
	}
	c := lab.Counters("ant", "apple")
	if c.Overrun != 0 || c.Unsent != 0 {
		t.Errorf("%+v", c)
	}
}
