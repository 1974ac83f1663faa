//go:build linux

package endpoint_test

import (
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/endpoint"
	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Calls give up in time, and octets wait meanwhile.
func TestLiveDeadlines(t *testing.T) {
	t.Parallel()
	l := start(t)
	c, peer := l.join(endpoint.Config{TimeWait: brief, SendBuffer: 1 << 16})
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	first, _ := c.Next()
	var n int
	var writing sync.WaitGroup
	writing.Go(func() {
		var err error
		n, err = c.Write(make([]byte, 64<<20)) // the peer does not read
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 {
			t.Errorf("write: %d, %v", n, err)
		}
	})
	until(t, "octets under way", func() bool { now, _ := c.Next(); return now != first })
	c.SetWriteDeadline(time.Now())
	writing.Wait()
	c.CloseWrite()
	if heard, err := io.Copy(io.Discard, peer); heard != int64(n) || err != nil {
		t.Errorf("%d octets arrived, %v; %d were taken", heard, err, n)
	}
	peer.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read: %v", err)
	}
	c.Close()
	l.over(c)
}

// The log holds every segment, as package flow needs them; ours bear what was
// chosen.
func TestLiveLog(t *testing.T) {
	t.Parallel()
	l := start(t)
	table := flow.New(flow.Config{})
	var syn wire.Segment
	var ttl, tos uint8
	c, peer := l.join(endpoint.Config{
		ISN: endpoint.FixedISN(0xfffffffe), MSS: 1000, TTL: 7, DSCP: 10, TimeWait: brief,
		Log: func(p endpoint.Passage) {
			if p.Segment.Flags == wire.SYN {
				syn, ttl, tos = *p.Segment, p.Header.TTL, p.Header.TOS
			}
			table.Add(p.At, p.Header, p.Segment, 0)
		},
	})
	c.Write([]byte("hello"))
	c.CloseWrite()
	if b, err := io.ReadAll(peer); string(b) != "hello" || err != nil {
		t.Errorf("%q %v", b, err)
	}
	peer.Write([]byte("goodbye"))
	peer.Close()
	io.ReadAll(c)
	c.Close()
	l.over(c)
	mss, _ := syn.Options[0].MSS()
	if syn.Seq != 0xfffffffe || mss != 1000 || ttl != 7 || tos != 40 {
		t.Errorf("SYN %+v, TTL %d, TOS %d", syn, ttl, tos)
	}
	known, _ := table.Find(addrPort(c.LocalAddr()), addrPort(c.RemoteAddr()))
	if known == nil {
		t.Fatal("no connection in the log")
	}
	if known.End(flow.Client).Octets() != 5 || known.End(flow.Server).Octets() != 7 || known.End(flow.Client).State() != flow.TimeWait {
		t.Errorf("%d and %d octets, %v", known.End(flow.Client).Octets(), known.End(flow.Server).Octets(), known.End(flow.Client).State())
	}
}
