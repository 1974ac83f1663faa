//go:build linux

package endpoint_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/endpoint"
	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
)

// Every kind of close, and where it leads both ends at each step.
func TestLiveCloses(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*laboratory, *endpoint.Conn, *net.TCPConn){
		"we first": func(l *laboratory, c *endpoint.Conn, peer *net.TCPConn) {
			c.CloseWrite()
			l.peerState(c, sockdiag.CloseWait)
			l.ourState(c, flow.FinWait2)
			peer.Close()
			l.peerState(c, sockdiag.Closed)
			c.Close()
		},
		"the peer first": func(l *laboratory, c *endpoint.Conn, peer *net.TCPConn) {
			peer.CloseWrite()
			l.peerState(c, sockdiag.FinWait2)
			l.ourState(c, flow.CloseWait)
			c.Close()
			l.ourState(c, flow.Closed)
			l.peerState(c, sockdiag.TimeWait)
		},
		"both at once": func(l *laboratory, c *endpoint.Conn, peer *net.TCPConn) {
			c.Script(endpoint.Rule{Incoming: true, Do: endpoint.Hold, Times: -1}, endpoint.Rule{Do: endpoint.Hold, Times: -1})
			peer.CloseWrite()
			l.peerState(c, sockdiag.FinWait1)
			c.CloseWrite()
			l.ourState(c, flow.FinWait1)
			c.Release(false)
			l.peerState(c, sockdiag.Closing)
			l.ourState(c, flow.FinWait1)
			c.Release(true)
			l.peerState(c, sockdiag.TimeWait)
			c.Close()
		},
		"our last ACK is lost": func(l *laboratory, c *endpoint.Conn, peer *net.TCPConn) {
			c.CloseWrite()
			l.peerState(c, sockdiag.CloseWait)
			l.ourState(c, flow.FinWait2)
			c.Script(endpoint.Rule{Do: endpoint.Drop})
			peer.Close()
			l.peerState(c, sockdiag.Closed) // after its FIN was answered the second time
			c.Close()
		},
		"octets after our FIN": func(l *laboratory, c *endpoint.Conn, peer *net.TCPConn) {
			c.Write([]byte("GET"))
			c.CloseWrite()
			l.peerState(c, sockdiag.CloseWait)
			want := octets(300_000, 7)
			var writing sync.WaitGroup
			writing.Go(func() {
				io.ReadAll(peer) // a kernel that closes with unread octets resets
				peer.Write(want)
				peer.Close()
			})
			got, err := io.ReadAll(c)
			if err != nil || string(got) != string(want) {
				l.t.Errorf("%d octets, %v", len(got), err)
			}
			writing.Wait()
			l.peerState(c, sockdiag.Closed)
			c.Close()
		},
		"we reset": func(l *laboratory, c *endpoint.Conn, peer *net.TCPConn) {
			c.Abort()
			l.peerState(c, sockdiag.Closed)
			if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				l.t.Error(err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				l.t.Error(err)
			}
		},
		"the peer resets": func(l *laboratory, c *endpoint.Conn, peer *net.TCPConn) {
			peer.SetLinger(0)
			peer.Close()
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				l.t.Error(err)
			}
			l.ourState(c, flow.Closed)
		},
		"with octets that were not read": func(l *laboratory, c *endpoint.Conn, peer *net.TCPConn) {
			peer.Write([]byte("unread"))
			until(l.t, "something to read", func() bool {
				_, next := c.Next()
				return next != l.first
			})
			c.Close()
			l.peerState(c, sockdiag.Closed)
			if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				l.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := start(t)
			wait := brief
			if name == "we first" || name == "our last ACK is lost" {
				wait = 0 // as long as it is for users
			}
			c, peer := l.join(endpoint.Config{TimeWait: wait})
			_, l.first = c.Next()
			run(l, c, peer)
			peer.Close()
			l.over(c)
		})
	}
}

// Two SYNs cross.
func TestLiveSimultaneousOpen(t *testing.T) {
	t.Parallel()
	l := start(t)
	remote := netip.AddrPortFrom(l.apple.Addr(), 7777)
	e, err := endpoint.Open(l.world, endpoint.Setup{Toward: remote.Addr(), Local: make([]netip.AddrPort, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c, err := e.Start(endpoint.Config{Remote: remote, TimeWait: brief, Script: []endpoint.Rule{{Do: endpoint.Hold, Times: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	var connecting sync.WaitGroup
	connecting.Go(func() {
		var peer net.Conn
		err := l.apple.Do(func() (err error) {
			dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(remote), Timeout: patience}
			peer, err = dialer.Dial("tcp4", c.LocalAddr().String())
			return err
		})
		if err != nil {
			t.Error(err)
			return
		}
		defer peer.Close()
		io.Copy(peer, peer)
	})
	l.ourState(c, flow.SynReceived)
	l.peerState(c, sockdiag.SynSent)
	c.Release(false)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Handshake(ctx); err != nil {
		t.Fatal(err)
	}
	l.peerState(c, sockdiag.Established)
	c.Write([]byte("crossed"))
	c.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "crossed" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	connecting.Wait()
	c.Close()
	if err := e.Wait(ctx); err != nil {
		t.Error(err)
	}
	if n := resets(t, l.ant); n != l.quiet {
		t.Errorf("ant's kernel has sent resets: %s, before %s", n, l.quiet)
	}
}

// Two hundred connections live on one link, made by us and made by others.
func TestLiveMany(t *testing.T) {
	t.Parallel()
	const many = 200
	l := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	kernel, remote := l.listen()
	var running sync.WaitGroup
	defer running.Wait()
	echo := func(c net.Conn) {
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		io.Copy(c, c)
	}
	running.Go(func() {
		for range many {
			c, err := kernel.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			running.Go(func() { echo(c) })
		}
	})
	e, err := endpoint.Open(l.world, endpoint.Setup{Toward: remote.Addr(), Local: make([]netip.AddrPort, many+1)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	listener, err := e.Listen(endpoint.Config{TimeWait: brief})
	if err != nil {
		t.Fatal(err)
	}
	running.Go(func() {
		for range many {
			c, err := listener.Accept(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			running.Go(func() { echo(c) })
		}
	})
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			c, err := e.Dial(ctx, endpoint.Config{Remote: remote, TimeWait: brief})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			say(t, c, uint64(i))
		})
		all.Go(func() {
			var c net.Conn
			err := l.apple.Do(func() (err error) {
				c, err = net.DialTimeout("tcp4", listener.Addr().String(), patience)
				return err
			})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			say(t, c.(stream), uint64(i))
		})
	}
	all.Wait()
	listener.Close()
	if err := e.Wait(ctx); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if n := resets(t, l.ant); n != l.quiet {
		t.Errorf("ant's kernel has sent resets: %s, before %s", n, l.quiet)
	}
}

// say sends octets to one who echoes them, and closes.
func say(t *testing.T, c stream, seed uint64) {
	want := octets(2000, seed)
	c.Write(want)
	c.CloseWrite()
	if got, err := io.ReadAll(c); err != nil || string(got) != string(want) {
		t.Errorf("%d octets, %v", len(got), err)
	}
}

// What a connect() would be told, Dial is.
func TestLiveRefusals(t *testing.T) {
	t.Parallel()
	l := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	closed := netip.AddrPortFrom(l.apple.Addr(), 9)
	if _, err := endpoint.Dial(ctx, l.world, endpoint.Config{Remote: closed}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("closed port: %v", err)
	}
	rejected := netip.AddrPortFrom(l.apple.Addr(), forbidden)
	if _, err := endpoint.Dial(ctx, l.world, endpoint.Config{Remote: rejected}); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("firewall: %v", err)
	}
	_, remote := l.listen()
	silent := []endpoint.Rule{{Do: endpoint.Drop, Times: -1}}
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	if _, err := endpoint.Dial(short, l.world, endpoint.Config{Remote: remote, Script: silent}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no time: %v", err)
	}
	if _, err := endpoint.Dial(ctx, l.world, endpoint.Config{Remote: remote, Script: silent, GiveUp: time.Second}); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("silence: %v", err)
	}
	unrouted := netip.MustParseAddrPort("192.0.2.1:80")
	if _, err := endpoint.Dial(ctx, l.world, endpoint.Config{Remote: unrouted}); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("no route: %v", err)
	}
}
