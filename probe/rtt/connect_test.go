package rtt

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/probe/link"
)

// fakeConnector connects as it is told.
type fakeConnector struct {
	// result of the nth call to a target; its Elapsed passes first.
	result func(n int) (link.Connected, error)
	n      atomic.Int64
	under  atomic.Int64
	most   atomic.Int64
}

func (c *fakeConnector) Listen(src netip.Addr) (link.Port, error) {
	return fakePort(netip.AddrPortFrom(src, 4711)), nil
}

func (c *fakeConnector) Connect(ctx context.Context, config link.ConnectConfig) (link.Connected, error) {
	if config.Remote.Addr().IsLoopback() {
		return link.Connected{At: time.Now(), Elapsed: 50 * time.Microsecond, RTT: 20 * time.Microsecond}, nil
	}
	under := c.under.Add(1)
	for most := c.most.Load(); under > most && !c.most.CompareAndSwap(most, under); most = c.most.Load() {
	}
	defer c.under.Add(-1)
	x, err := c.result(int(c.n.Add(1)))
	x.At = time.Now()
	select {
	case <-time.After(x.Elapsed):
		return x, err
	case <-ctx.Done():
		return link.Connected{}, ctx.Err()
	}
}

// prohibited is an ICMP error.
type prohibited struct{}

func (prohibited) Error() string                            { return "no route to host" }
func (prohibited) ICMP() (typ, code uint8, from netip.Addr) { return 3, 13, berry }

func TestConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results := []link.Connected{
			{Elapsed: 21 * ms, RTT: 20 * ms},
			{Elapsed: 22 * ms, Err: syscall.ECONNREFUSED},
			{Elapsed: 2 * time.Second, Err: syscall.ETIMEDOUT, Retransmits: 1},
			{Elapsed: 1020 * ms, RTT: 20 * ms, Retransmits: 1},
			{Elapsed: 23 * ms},
			{Elapsed: 5 * ms, Err: prohibited{}},
			{Err: syscall.EACCES},
			{},
		}
		c := &fakeConnector{result: func(n int) (link.Connected, error) {
			if n == len(results) {
				return link.Connected{}, syscall.EMFILE
			}
			return results[n-1], nil
		}}
		s := spec(t, len(results), 100*ms)
		s.Connect = true
		session := OpenConnect(t.Context(), c, plan(t, s))
		got := make(map[uint32]Sample)
		for x, err := range samplesOf(session, t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			x.At = time.Time{}
			got[x.N] = x
		}
		want := map[uint32]Sample{
			1: {N: 1, Reply: finding.SYNACK, RTT: 20 * ms, Clock: finding.TCPInfo, User: 21 * ms},
			2: {N: 2, Reply: finding.RST, RTT: 22 * ms, Clock: finding.UserClock, User: 22 * ms},
			3: {N: 3, Reply: finding.NoReply},
			4: {N: 4, Reply: finding.NoReply, Late: 1020 * ms},
			5: {N: 5, Reply: finding.SYNACK, RTT: 23 * ms, Clock: finding.UserClock, User: 23 * ms},
			6: {N: 6, Reply: finding.AdminProhibited, From: berry},
			7: {N: 7, Reply: finding.LocalRefusal},
			8: {N: 8, Reply: finding.LocalRefusal},
		}
		for n, x := range got {
			if refused := x.Refused != nil; refused != (n >= 7) {
				t.Errorf("probe %d refused: %v", n, x.Refused)
			}
			x.Refused = nil
			got[n] = x
		}
		if !maps.Equal(got, want) {
			t.Errorf("%+v", got)
		}
		errs := session.calibration.Errors
		if errs[finding.TCPInfo] != 30*time.Microsecond || errs[finding.UserClock] != 50*time.Microsecond {
			t.Errorf("%v", session.calibration)
		}
		record, _ := session.Summary(0, nil)
		if bar, _ := record.Number("error_us"); bar != 50 {
			t.Errorf("error bar %v us, not that of the least exact clock", bar)
		}
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
}

// However slow the answers, there are never more than so many calls at once,
// and none is left when the run is interrupted.
func TestConnectBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeConnector{result: func(int) (link.Connected, error) {
			return link.Connected{Elapsed: 2 * time.Second, Err: syscall.ETIMEDOUT}, nil
		}}
		s := spec(t, 0, ms)
		s.Connect = true
		session := OpenConnect(t.Context(), c, plan(t, s))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var last error
		for _, err := range samplesOf(session, ctx) {
			last = err
		}
		if !errors.Is(last, context.DeadlineExceeded) || c.most.Load() != maxConnecting || c.under.Load() != 0 {
			t.Errorf("%v; %d at once, %d left", last, c.most.Load(), c.under.Load())
		}
	})
}
