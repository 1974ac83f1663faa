//go:build linux

package flow_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// both stand.
const both = " / established established\n"

// What goes wrong with data while a connection stands.
func TestDataLive(t *testing.T) {
	t.Parallel()
	s := newStage(t, false, nil)
	for name, script := range map[string]string{
		"nothing": `
			client write 10
			> . +10 = data` + both + `
			server write 7
			< . +7 ack 11 = data` + both + `
			> . ack 8 = ack` + both,
		"lost, seen": `
			client write 10
			> . +10 lost = data` + both + `
			> . +10 again = retransmission` + both + `
			< . ack 11 = ack` + both,
		"lost": `
			client write 10
			> . +10 gone
			> . +10 again = data` + both + `
			< . ack 11 = ack` + both,
		"the ACK is lost, seen": `
			client write 10
			> . +10 = data` + both + `
			< . ack 11 lost = ack` + both + `
			> . +10 again = retransmission spurious` + both + `
			< . ack 11 = duplicate-ack` + both,
		"the ACK is lost": `
			client write 10
			> . +10 = data` + both + `
			< . ack 11 gone
			> . +10 again = retransmission` + both + `
			< . ack 11 = ack` + both,
		"out of order": `
			client write 10
			client write 20
			> . +20 overtakes = data hole` + both + `
			< . ack 1 = duplicate-ack` + both + `
			> . +10 = data out-of-order` + both + `
			< . ack 31 = ack` + both,
		"lost among others, seen": burst("lost = data"+both) + `
			> . +10 again = retransmission` + both + `
			< . ack 61 = ack` + both,
		"lost among others": burst("gone") + `
			> . +10 again = data retransmission` + both + `
			< . ack 61 = ack` + both,
	} {
		t.Run(name, func(t *testing.T) {
			a := newAct(t, s)
			a.stand()
			a.play(script)
		})
	}
}

// burst is five segments, of which the first meets a fate.
func burst(fate string) string {
	script := `
		client write 10
		client write 11
		client write 12
		client write 13
		client write 14
		> . +10 ` + fate + "\n"
	hole := " hole"
	if fate != "gone" {
		hole = ""
	}
	for _, size := range []string{"11", "12", "13", "14"} {
		script += "> . +" + size + " = data" + hole + both + "< . ack 1 = duplicate-ack" + both
		hole = ""
	}
	return script
}

// A keepalive is answered, then none is, and the connection dies of it.
func TestKeepaliveLive(t *testing.T) {
	t.Parallel()
	a := newAct(t, newStage(t, false, nil))
	a.stand(
		option{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1}, option{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 1},
		option{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 1}, option{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 1})
	a.play(`
		+1s > . = keepalive` + both + `
		< . = keepalive-answer` + both + `
		+1s > . lost = keepalive` + both + `
		+1s > R. = reset / closed closed`)
	a.resetBy(flow.Client, flow.Active)
}

// resetBy checks who reset the connection, and by what.
func (a *act) resetBy(side flow.Side, shape flow.Shape) {
	a.t.Helper()
	if r, ok := a.last.Connection.Reset(); !ok || r.From != side || r.Shape != shape {
		a.t.Errorf("reset by the %v, %v; want the %v, %v", r.From, r.Shape, side, shape)
	}
	if got := a.last.Connection.Close(); got != flow.ByReset {
		a.t.Errorf("close %v", got)
	}
}

// The server reads nothing until its window is closed, and then everything.
func TestZeroWindowLive(t *testing.T) {
	t.Parallel()
	a := newAct(t, newStage(t, false, nil))
	a.listen(option{unix.SOL_SOCKET, unix.SO_RCVBUF, 4096})
	a.connect()
	a.play(handshake)
	a.accept()
	written := a.flood()
	a.play(`
		+1s > . = zero-window-probe` + both + `
		< . = zero-window zero-window-answer` + both)
	a.far.read(written)
	a.play(`
		+1s < . = window-update` + both)
}

// flood writes until the server's window is closed, and lets everything
// through. It returns how many octets the server has got.
func (a *act) flood() (octets int) {
	a.t.Helper()
	for w := uint32(1); w > 0; w, _ = a.last.Connection.End(flow.Server).Window() {
		a.near.write(500)
		a.line(line{from: flow.Client, any: true})
		octets += len(a.lastSegment.segment.Payload)
		a.line(line{from: flow.Server, any: true})
	}
	return octets
}

// What no kernel sends by itself: another's segments, made up by someone who
// sees the numbers or guesses. The kernels' answers are their own.
func TestChallengeLive(t *testing.T) {
	t.Parallel()
	s := newStage(t, false, nil)
	for _, c := range []struct {
		name, line, states string
		forge              func(*wire.Segment)
	}{
		{"a SYN", "> S = stray-syn", " / unknown established\n", func(g *wire.Segment) { g.Flags, g.Seq, g.Ack = wire.SYN, g.Seq+5000, 0 }},
		{"a reset in the window", "> R = stray-reset", both, func(g *wire.Segment) { g.Flags, g.Seq = wire.RST, g.Seq+100 }},
		{"an ACK of what was never sent", "> . = unacceptable-ack", both, func(g *wire.Segment) { g.Ack += 1 << 30 }},
		{"a segment far from the window", "> . = out-of-window", both, func(g *wire.Segment) { g.Seq += 1 << 30 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAct(t, s)
			a.stand()
			a.play(`
				client write 10
				> . +10 = data` + both + `
				< . = ack` + both + `
				server write 10
				< . +10 = data` + both + `
				> . = ack` + both)
			p := a.lastSegment
			p.segment.Options, p.segment.DataOffset, p.header.TotalLen = nil, 0, 0 // without timestamps
			c.forge(&p.segment)
			a.stage.lanes[flow.Client].queue = []parcel{p}
			a.play(c.line + c.states + "< . = challenge-ack" + c.states)
		})
	}
}
