package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/tcpscope/tcpscope/probe/rtt"
)

// What went wrong beside the end of a run is not lost with it.
func TestWithoutEnd(t *testing.T) {
	why := errors.New("signal")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	other := fmt.Errorf("%w: %w", os.ErrClosed, syscall.ENETDOWN)
	for _, test := range []struct{ err, want error }{
		{nil, nil},
		{why, nil},
		{context.Canceled, nil},
		{fmt.Errorf("receive: %w", why), nil},
		{errors.Join(context.Canceled, why), nil},
		{other, other},
	} {
		if got := withoutEnd(ctx, test.err); got != test.want {
			t.Errorf("%v: %v, want %v", test.err, got, test.want)
		}
	}
	if got := withoutEnd(ctx, errors.Join(errors.Join(why, other), context.Canceled)); !errors.Is(got, other) || errors.Is(got, why) || got.Error() != other.Error() {
		t.Errorf("joined: %v", got)
	}
}

func TestMeasurementVerdict(t *testing.T) {
	gone := &net.OpError{Op: "send", Err: os.NewSyscallError("sendmmsg", syscall.ENODEV)}
	for _, test := range []struct {
		name string
		m    *measurement
		want int
	}{
		{"all is well", &measurement{received: 1}, exitDone},
		{"no answer", &measurement{}, exitNegative},
		{"missed", &measurement{received: 1, failed: true}, exitNegative},
		{"not sent", &measurement{received: 1, untold: true}, exitInconclusive},
		{"not sent, and missed", &measurement{received: 1, untold: true, failed: true}, exitNegative},
		{"no way, and missed", &measurement{received: 1, failed: true, noWay: gone}, exitFailed},
	} {
		if got := exitStatus(test.m.verdict()); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
	for err, want := range map[error]bool{
		gone: true, syscall.ENETUNREACH: true, syscall.EHOSTUNREACH: true, syscall.ENETDOWN: true, syscall.EADDRNOTAVAIL: true,
		syscall.EMFILE: true, syscall.EPERM: false, syscall.ENOBUFS: false, nil: false,
	} {
		if noWay(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}

// A dry run counts what the run would send.
func TestProbesOf(t *testing.T) {
	for _, test := range []struct {
		spec rtt.Spec
		want int
	}{
		{rtt.Spec{Interval: 10}, 0},
		{rtt.Spec{Interval: 10, Count: 5}, 5},
		{rtt.Spec{Interval: 10, Duration: 30}, 3},
		{rtt.Spec{Interval: 10, Duration: 31}, 4},
		{rtt.Spec{Interval: 10, Duration: 31, Count: 9}, 4},
		{rtt.Spec{Interval: 10, Duration: 31, Count: 2}, 2},
	} {
		each, total := probesOf(rtt.Plan{Spec: test.spec, Targets: make([]rtt.Target, 3)})
		if each != test.want || total != 3*test.want {
			t.Errorf("%+v: %d, %d in all", test.spec, each, total)
		}
	}
}
