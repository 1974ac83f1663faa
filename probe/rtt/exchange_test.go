package rtt

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Stamps that cannot be true are not believed: not after the program had the
// answer, and not before the SYN left.
func TestExchangeRTT(t *testing.T) {
	const elapsed = 20 * ms
	for _, test := range []struct {
		ring  time.Duration
		want  time.Duration
		clock finding.Clock
	}{
		{elapsed, elapsed, finding.PacketRing},
		{0, 0, finding.PacketRing},
		{-time.Nanosecond, elapsed, finding.UserClock},
		{elapsed + step, elapsed + step, finding.PacketRing},
		{elapsed + step + 1, elapsed, finding.UserClock},
	} {
		x := exchange{n: 1, ring: stamps{1000, 1000 + int64(test.ring)}}
		x.user.left, x.user.heard = ms, ms+elapsed
		if got, clock := x.rtt(); got != test.want || clock != test.clock {
			t.Errorf("%v: %v by %v", test.ring, got, clock)
		}
	}
}

// 98 of 100 errors are within the error bar, of which there is always some.
func TestNewCalibration(t *testing.T) {
	var errs []time.Duration
	for n := range 100 {
		errs = append(errs, time.Duration(100-n)*time.Microsecond)
	}
	for _, test := range []struct {
		errs []time.Duration
		want time.Duration
	}{
		{errs, 98 * time.Microsecond},
		{errs[50:], 49 * time.Microsecond},
		{errs[:1], 100 * time.Microsecond},
		{[]time.Duration{3}, leastError},
	} {
		c := newCalibration(map[finding.Clock][]time.Duration{finding.PacketRing: slices.Clone(test.errs)}, nil)
		if c.Err != nil || c.Errors[finding.PacketRing] != test.want {
			t.Errorf("%+v, want %v", c, test.want)
		}
	}
	if c := newCalibration(nil, nil); c.Err == nil {
		t.Error("no error bar, and no word of why")
	}
}

// Many probes leave in rounds.
func TestRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFakeWorld()
		w.answer = func(h wire.Header, g wire.Segment) []fakeReply { return synAck(ms, h, g) }
		s := spec(t, 50, ms)
		s.Timeout = 100 * ms
		s.Scope = scope(t, netip.AddrPortFrom(apple, 80), netip.AddrPortFrom(apple, 81), netip.AddrPortFrom(apple, 82))
		measure(t, w, s)
		rounds := make(map[time.Time]int)
		for _, x := range w.segments(wire.SYN) {
			rounds[x.at]++
		}
		var before time.Time
		for i, at := range slices.SortedFunc(maps.Keys(rounds), time.Time.Compare) {
			if i > 0 && at.Sub(before) < roundTime {
				t.Errorf("round %d after %v", i+1, at.Sub(before))
			}
			before = at
		}
		if len(rounds) > 100 {
			t.Errorf("%d rounds", len(rounds))
		}
	})
}
