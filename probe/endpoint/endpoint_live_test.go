//go:build linux

package endpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/endpoint"
	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/route"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

func TestMain(m *testing.M) { netlab.TestMain(m) }

// patience is for what must happen, on a machine that may stall.
const patience = 30 * time.Second

// brief is a TIME-WAIT for tests that are about something else.
const brief = 100 * time.Millisecond

// forbidden is a port that apple's firewall rejects.
const forbidden = 82

// world is a host of a laboratory as an endpoint sees it.
type world struct {
	t    testing.TB
	host *netlab.Node
}

func (w world) Path(dst netip.Addr) (path link.Path, err error) {
	err = w.host.Do(func() error {
		var routes route.Resolver
		defer routes.Close()
		p, err := routes.Lookup(dst, route.Options{})
		path = link.Path(p)
		return err
	})
	return path, err
}

func (w world) Reserve(src netip.Addr, port uint16) (p link.Port, err error) {
	err = w.host.Do(func() error {
		q, err := rawsock.ReserveQuietPort(src, port)
		p = q
		return err
	})
	return p, err
}

func (w world) Open(c link.Config) (l link.Link, err error) {
	err = w.host.Do(func() error {
		conn, err := rawsock.Open(rawsock.Config{Local: c.Local, NoTransmitStamps: c.NoTransmitStamps})
		l = conn
		return err
	})
	return l, err
}

// resets reads how many resets a host's kernel has sent.
func resets(t *testing.T, host *netlab.Node) (n string) {
	t.Helper()
	err := host.Do(func() error {
		b, err := os.ReadFile("/proc/thread-self/net/snmp")
		lines := strings.Split(string(b), "\n")
		for i, l := range lines {
			if names := strings.Fields(l); len(names) > 0 && names[0] == "Tcp:" && i+1 < len(lines) {
				for k, name := range names {
					if name == "OutRsts" {
						n = strings.Fields(lines[i+1])[k]
						return nil
					}
				}
			}
		}
		return errors.Join(err, errors.New("no OutRsts"))
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// laboratory is ant, with a userland endpoint, and apple, with its kernel.
type laboratory struct {
	t          *testing.T
	ant, apple *netlab.Node
	world      world
	quiet      string   // resets that ant's kernel had sent
	first      wire.Seq // RCV.NXT before anything was received
}

func start(t *testing.T, shape ...netlab.Shape) *laboratory {
	topology := netlab.Pair()
	// Kernels differ in what they use, and we are compared with RFC 5681's.
	topology.Hosts[1].Firewall.Rules = []netlab.Rule{{Hook: netlab.Input, From: forbidden, Action: netlab.RejectAdminProhibited}}
	for i := range topology.Hosts {
		topology.Hosts[i].Sysctl = map[string]string{"net.ipv4.tcp_congestion_control": "reno"}
	}
	if len(shape) == 2 {
		topology.Links[0].AtoB, topology.Links[0].BtoA = shape[0], shape[1]
	}
	lab := netlab.Start(t, topology)
	l := &laboratory{t: t, ant: lab.Host("ant"), apple: lab.Host("apple")}
	l.world = world{t, l.ant}
	l.quiet = resets(t, l.ant)
	return l
}

// listen opens a listener of apple's kernel.
func (l *laboratory) listen() (net.Listener, netip.AddrPort) {
	l.t.Helper()
	listener, err := l.apple.Listen(0)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { listener.Close() })
	port := listener.Addr().(*net.TCPAddr).Port
	return listener, netip.AddrPortFrom(l.apple.Addr(), uint16(port))
}

// join connects an endpoint to apple's kernel.
func (l *laboratory) join(cfg endpoint.Config) (*endpoint.Conn, *net.TCPConn) {
	l.t.Helper()
	listener, remote := l.listen()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	cfg.Remote = remote
	c, err := endpoint.Dial(ctx, l.world, cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	peer, err := listener.Accept()
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { peer.Close() })
	c.SetDeadline(time.Now().Add(patience))
	peer.SetDeadline(time.Now().Add(patience))
	return c, peer.(*net.TCPConn)
}

// kernels connects ant's kernel to apple's.
func (l *laboratory) kernels() (one, other *net.TCPConn) {
	l.t.Helper()
	listener, remote := l.listen()
	var dialled net.Conn
	err := l.ant.Do(func() (err error) {
		dialled, err = net.Dial("tcp4", remote.String())
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { dialled.Close() })
	accepted, err := listener.Accept()
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { accepted.Close() })
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// peerState waits until apple's kernel has its socket in a state; Closed means
// that there is none.
func (l *laboratory) peerState(c *endpoint.Conn, want sockdiag.State) {
	l.t.Helper()
	local, remote := addrPort(c.RemoteAddr()), addrPort(c.LocalAddr())
	var got sockdiag.State
	until(l.t, fmt.Sprintf("apple's socket in %v", want), func() bool {
		err := l.apple.Do(func() error {
			s, ok, err := sockdiag.Lookup(local, remote)
			if got = s.State; !ok {
				got = sockdiag.Closed
			}
			return err
		})
		if err != nil {
			l.t.Fatal(err)
		}
		return got == want
	})
}

func (l *laboratory) ourState(c *endpoint.Conn, want flow.State) {
	l.t.Helper()
	until(l.t, fmt.Sprintf("our end in %v", want), func() bool { return c.State() == want })
}

// over waits until nothing is left, and looks whether ant's kernel was quiet.
func (l *laboratory) over(all ...*endpoint.Conn) {
	l.t.Helper()
	for _, c := range all {
		select {
		case <-c.Done():
		case <-time.After(patience):
			l.t.Fatalf("something is left: %v", c.State())
		}
		local := addrPort(c.LocalAddr())
		port, err := l.world.Reserve(local.Addr(), local.Port())
		if err != nil {
			l.t.Fatalf("the port is leaked: %v", err)
		}
		port.Close()
	}
	if n := resets(l.t, l.ant); n != l.quiet {
		l.t.Errorf("ant's kernel has sent resets: %s, before %s", n, l.quiet)
	}
}

func addrPort(a net.Addr) netip.AddrPort { return a.(*net.TCPAddr).AddrPort() }

func octets(n int, seed uint64) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := 0; i+8 <= n; i += 8 {
		for k, v := 0, rng.Uint64(); k < 8; k, v = k+1, v>>8 {
			b[i+k] = byte(v)
		}
	}
	return b
}

// stream is what both kinds of connections can do.
type stream interface {
	io.ReadWriter
	CloseWrite() error
}

// exchange sends octets each way at once, and closes each way behind them.
func exchange(t *testing.T, one, other stream, n int) time.Duration {
	t.Helper()
	say := [2][]byte{octets(n, 1), octets(n, 2)}
	ends := [2]stream{one, other}
	begin := time.Now()
	var running sync.WaitGroup
	for i, end := range ends {
		running.Go(func() {
			if _, err := end.Write(say[i]); err != nil {
				t.Errorf("end %d: %v", i, err)
			}
			if err := end.CloseWrite(); err != nil {
				t.Errorf("end %d: %v", i, err)
			}
		})
		running.Go(func() {
			heard, err := io.ReadAll(end)
			if err != nil || !bytes.Equal(heard, say[1-i]) {
				t.Errorf("end %d: %d octets, not what was said, %v", i, len(heard), err)
			}
		})
	}
	running.Wait()
	return time.Since(begin)
}

// bad is the weather of the long transfers.
func bad(seed uint64) netlab.Shape {
	return netlab.Shape{Delay: time.Millisecond, Loss: .02, Reorder: .02, Duplicate: .02, Seed: seed}
}

// Over loss, reordering and duplication both ways all arrives, and about as fast
// as between two kernels with the same congestion control. Both transfers run at
// once, on links of their own, so that a busy machine hinders both.
func TestLiveTransfer(t *testing.T) {
	const n = 10 << 20
	k, l := start(t, bad(1), bad(2)), start(t, bad(1), bad(2))
	one, other := k.kernels()
	c, peer := l.join(endpoint.Config{TimeWait: brief})
	var kernels, ours time.Duration
	var running sync.WaitGroup
	running.Go(func() { kernels = exchange(t, one, other, n) })
	running.Go(func() { ours = exchange(t, c, peer, n) })
	running.Wait()
	c.Close()
	peer.Close()
	t.Logf("two kernels %v, we and a kernel %v", kernels, ours)
	if ours > 3*kernels+2*time.Second { // and two, for a machine that stalls
		t.Errorf("two kernels take %v, we and a kernel %v", kernels, ours)
	}
	l.over(c)
}

// An end whose numbers wrap, or whose segments are of another size, is nothing
// to a kernel.
func TestLiveKinds(t *testing.T) {
	t.Parallel()
	weather := netlab.Shape{Loss: .02, Reorder: .02, Duplicate: .02, Seed: 5}
	for name, c := range map[string]struct {
		cfg endpoint.Config
		n   int
	}{
		"numbers wrap":    {endpoint.Config{ISN: endpoint.FixedISN(0xffffff00)}, 1 << 20},
		"MSS 536":         {endpoint.Config{MSS: 536}, 1 << 20},
		"MSS 8960":        {endpoint.Config{MSS: 8960}, 1 << 20},
		"without options": {endpoint.Config{NoMSS: true, NoSACK: true, NoTimestamps: true, NoWindowScale: true}, 1 << 20},
		"timestamps wrap": {endpoint.Config{TSval: 0xfffffff0, NoSACK: true}, 1 << 20},
		"chosen window":   {endpoint.Config{CongestionWindow: 100_000}, 1 << 20},
		"window 1":        {endpoint.Config{Window: 1}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := start(t, weather, weather)
			c.cfg.TimeWait = brief
			conn, peer := l.join(c.cfg)
			exchange(t, conn, peer, c.n)
			conn.Close()
			peer.Close()
			l.over(conn)
		})
	}
}
