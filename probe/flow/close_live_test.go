//go:build linux

package flow_test

import (
	"testing"

	"github.com/tcpscope/tcpscope/probe/flow"
)

// scripted is a connection that two kernels have on a stage: how it ends, and
// who closed first.
type scripted struct {
	name, script string
	close        flow.Close
	first        string
}

// playAll plays scripts, each after a handshake.
func playAll(t *testing.T, s *stage, scripts []scripted) {
	for _, c := range scripts {
		t.Run(c.name, func(t *testing.T) {
			a := newAct(t, s)
			a.stand()
			a.play(c.script)
			a.closed(c.close, c.first)
		})
	}
}

// closed checks what is said of the close at the end.
func (a *act) closed(want flow.Close, first string) {
	a.t.Helper()
	c := a.last.Connection
	if c.Close() != want {
		a.t.Errorf("close %v, want %v", c.Close(), want)
	}
	who := map[[2]bool]string{{true, true}: "both", {true, false}: "client", {false, true}: "server"}[[2]bool{c.ClosedFirst(flow.Client), c.ClosedFirst(flow.Server)}]
	if who != first {
		a.t.Errorf("%q closed first, want %q", who, first)
	}
}

// Every kind of close, with the world held still after each segment: the
// states are those that both kernels have at that moment.
func TestCloseLive(t *testing.T) {
	t.Parallel()
	playAll(t, newStage(t, false, nil), []scripted{
		{"four segments", `
			client shut
			> F. = close-1/4 / fin-wait-1 close-wait
			< . = close-2/4 / fin-wait-2 close-wait
			server close
			< F. = close-3/4 / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.FourWay, "client"},
		{"four segments, by the server", `
			server close
			< F. = close-1/4 / close-wait fin-wait-1
			> . = close-2/4 / close-wait fin-wait-2
			client close
			> F. = close-3/4 / last-ack time-wait
			< . = close-4/4 / closed time-wait`, flow.FourWay, "server"},
		{"three segments", `
			client close
			> F. = close-1/4 / fin-wait-1 close-wait
			server close
			< F. = close-2/4 close-3/4 / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.ThreeSegment, "client"},
		{"three segments, by the server", `
			server close
			< F. = close-1/4 / close-wait fin-wait-1
			client close
			> F. = close-2/4 close-3/4 / last-ack time-wait
			< . = close-4/4 / closed time-wait`, flow.ThreeSegment, "server"},
		{"both at once", `
			client close
			server close
			> F. held = close-1/4 / fin-wait-1 close-wait
			< F. = close-2/4 simultaneous-close / closing fin-wait-1
			> release
			> . = close-3/4 / closing time-wait
			< . = close-4/4 / time-wait time-wait`, flow.Simultaneous, "both"},
		{"half-close", `
			client shut
			> F. = close-1/4 / fin-wait-1 close-wait
			< . = close-2/4 / fin-wait-2 close-wait
			server write 50
			< . +50 = data half-closed / fin-wait-2 close-wait
			> . ack 51 = ack / fin-wait-2 close-wait
			server write 20
			< . +20 = data half-closed / fin-wait-2 close-wait
			server shut
			< F. = close-3/4 / time-wait last-ack
			> . ack 72 = close-4/4 / time-wait closed`, flow.FourWay, "client"},
		{"data carries the ACK of the FIN", `
			client shut
			> F. = close-1/4 / fin-wait-1 close-wait
			server write 30
			server close
			< . +30 = data close-2/4 half-closed / fin-wait-2 close-wait
			< F. = close-3/4 / time-wait last-ack
			> . ack 32 = close-4/4 / time-wait closed`, flow.FourWay, "client"},
		{"FINs with data", `
			client cork
			client write 5
			client shut
			> F. +5 = data close-1/4 / fin-wait-1 close-wait
			server read 5
			server cork
			server write 7
			server shut
			< F. +7 = data close-2/4 close-3/4 half-closed / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.ThreeSegment, "client"},
		{"the FIN overtakes data", `
			client write 10
			client shut
			> F. overtakes = close-1/4 hole / fin-wait-1 established
			> . +10 = data out-of-order / fin-wait-1 close-wait
			< . ack 12 = close-2/4 / fin-wait-2 close-wait
			server read 10
			server close
			< F. = close-3/4 / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.FourWay, "client"},
	})
}

// Each segment of a close is lost: behind the capture, where it was seen, and
// before it, where it was not.
func TestCloseLossLive(t *testing.T) {
	t.Parallel()
	playAll(t, newStage(t, false, nil), []scripted{
		{"first FIN, seen", `
			client shut
			> F. lost = close-1/4 / fin-wait-1 close-wait
			+200ms > F. again = retransmission / fin-wait-1 close-wait
			< . = close-2/4 / fin-wait-2 close-wait
			server close
			< F. = close-3/4 / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.FourWay, "client"},
		{"first FIN", `
			client shut
			> F. gone
			+200ms > F. again = close-1/4 / fin-wait-1 close-wait
			< . = close-2/4 / fin-wait-2 close-wait
			server close
			< F. = close-3/4 / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.FourWay, "client"},
		{"ACK of the first, seen", `
			client shut
			> F. = close-1/4 / fin-wait-1 close-wait
			< . lost = close-2/4 / fin-wait-2 close-wait
			+200ms > F. again = retransmission spurious / fin-wait-1 close-wait
			< . = duplicate-ack / fin-wait-2 close-wait
			server close
			< F. = close-3/4 / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.FourWay, "client"},
		{"ACK of the first", `
			client shut
			> F. = close-1/4 / fin-wait-1 close-wait
			< . gone
			+200ms > F. again = retransmission / fin-wait-1 close-wait
			< . = close-2/4 / fin-wait-2 close-wait
			server close
			< F. = close-3/4 / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.FourWay, "client"},
		{"ACK of the first, then the second FIN closes", `
			client shut
			> F. = close-1/4 / fin-wait-1 close-wait
			< . gone
			server close
			< F. = close-2/4 close-3/4 / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.ThreeSegment, "client"},
		{"second FIN, seen", `
			client shut
			> F. = close-1/4 / fin-wait-1 close-wait
			< . = close-2/4 / fin-wait-2 close-wait
			server close
			< F. lost = close-3/4 / time-wait last-ack
			+200ms < F. again = retransmission / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.FourWay, "client"},
		{"second FIN", `
			client shut
			> F. = close-1/4 / fin-wait-1 close-wait
			< . = close-2/4 / fin-wait-2 close-wait
			server close
			< F. gone
			+200ms < F. again = close-3/4 / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.FourWay, "client"},
		{"last ACK, seen", `
			client shut
			> F. = close-1/4 / fin-wait-1 close-wait
			< . = close-2/4 / fin-wait-2 close-wait
			server close
			< F. = close-3/4 / time-wait last-ack
			> . lost = close-4/4 / time-wait closed
			+200ms < F. again = retransmission spurious / time-wait last-ack
			> . = duplicate-ack / time-wait closed`, flow.FourWay, "client"},
		{"last ACK", `
			client shut
			> F. = close-1/4 / fin-wait-1 close-wait
			< . = close-2/4 / fin-wait-2 close-wait
			server close
			< F. = close-3/4 / time-wait last-ack
			> . gone
			+200ms < F. again = retransmission / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.FourWay, "client"},
	})
}

// The same of a close by crossing FINs, and of one in three segments.
func TestOtherCloseLossLive(t *testing.T) {
	t.Parallel()
	playAll(t, newStage(t, false, nil), []scripted{
		{"three segments: the second, seen", `
			client close
			> F. = close-1/4 / fin-wait-1 close-wait
			server close
			< F. lost = close-2/4 close-3/4 / time-wait last-ack
			+200ms > F. again = retransmission spurious / fin-wait-1 last-ack
			+200ms < F. again = retransmission / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.ThreeSegment, "client"},
		{"three segments: the second", `
			client close
			> F. = close-1/4 / fin-wait-1 close-wait
			server close
			< F. gone
			+200ms < F. again = close-2/4 close-3/4 / time-wait last-ack
			> . = close-4/4 / time-wait closed`, flow.ThreeSegment, "client"},
		{"crossing: the client's FIN, seen", `
			client close
			server close
			> F. lost = close-1/4 / fin-wait-1 close-wait
			< F. = close-2/4 simultaneous-close / closing fin-wait-1
			> . = close-3/4 / closing time-wait
			+200ms > F. again = retransmission / closing time-wait
			< . = close-4/4 / time-wait time-wait`, flow.Simultaneous, "both"},
		{"crossing: the client's FIN", `
			client close
			server close
			> F. gone
			< F. = close-1/4 / close-wait fin-wait-1
			> . = close-2/4 hole / unknown unknown
			+200ms > F. again = close-3/4 / unknown time-wait
			< . = close-4/4 / unknown time-wait`, flow.NotKnown, "server"},
		{"crossing: the ACK of the client's FIN, seen", `
			client close
			server close
			> F. held = close-1/4 / fin-wait-1 close-wait
			< F. = close-2/4 simultaneous-close / closing fin-wait-1
			> release
			> . = close-3/4 / closing time-wait
			< . lost = close-4/4 / time-wait time-wait
			+200ms > F. again = retransmission spurious / closing time-wait
			< . = duplicate-ack / time-wait time-wait`, flow.Simultaneous, "both"},
		{"crossing: the ACK of the server's FIN, seen", `
			client close
			server close
			> F. held = close-1/4 / fin-wait-1 close-wait
			< F. = close-2/4 simultaneous-close / closing fin-wait-1
			> release
			> . lost = close-3/4 / closing time-wait
			< . = close-4/4 / time-wait time-wait
			+200ms < F. again = retransmission spurious / time-wait closing
			> . = duplicate-ack / time-wait time-wait`, flow.Simultaneous, "both"},
		{"crossing: the ACK of the server's FIN", `
			client close
			server close
			> F. held = close-1/4 / fin-wait-1 close-wait
			< F. = close-2/4 simultaneous-close / closing fin-wait-1
			> release
			> . gone
			< . = close-3/4 / time-wait closing
			+200ms < F. again = retransmission / time-wait closing
			> . = close-4/4 / time-wait time-wait`, flow.Simultaneous, "both"},
	})
}
