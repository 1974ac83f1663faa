//go:build linux

package flow_test

import (
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// dscp marks what the client sends: a kernel's reset bears the same mark, a
// firewall's none.
var dscp = option{unix.IPPROTO_IP, unix.IP_TOS, 0x28}

// Resets that the kernels themselves make.
func TestResetLive(t *testing.T) {
	t.Parallel()
	s := newStage(t, false, nil)
	for _, c := range []struct {
		name, script string
		from         flow.Side
		shape        flow.Shape
	}{
		{"linger zero", `
			server abort
			< R. = reset / closed closed`, flow.Server, flow.Active},
		{"linger zero of the client", `
			client abort
			> R. = reset / closed closed`, flow.Client, flow.Active},
		{"unread data", `
			client write 5
			> . +5 = data / established established
			< . ack 6 = ack / established established
			server close
			< R. = reset / closed closed`, flow.Server, flow.Active},
		{"linger zero, data in flight", `
			server write 5
			< . +5 lost = data / established established
			server abort
			< R. = reset / closed closed`, flow.Server, flow.Active},
		{"linger zero after the peer has closed", `
			client shut
			> F. = close-1/4 / fin-wait-1 close-wait
			< . = close-2/4 / fin-wait-2 close-wait
			server abort
			< R. = reset / closed closed`, flow.Server, flow.Active},
		{"linger zero after it has closed", `
			client shut
			> F. = close-1/4 / fin-wait-1 close-wait
			< . = close-2/4 / fin-wait-2 close-wait
			client abort
			> R. = reset / closed closed`, flow.Client, flow.Active},
		{"data after close", `
			server close
			< F. = close-1/4 / close-wait fin-wait-1
			> . = close-2/4 / close-wait fin-wait-2
			client write 9
			> . +9 = data half-closed / close-wait fin-wait-2
			< R = reset / closed closed`, flow.Server, flow.StatelessACK},
		{"the server lost the connection", `
			server abort
			< R. gone
			client write 9
			> . +9 = data / established established
			< R = reset / closed closed`, flow.Server, flow.StatelessACK},
		{"the server lost the connection, resets that are alike", `
			server abort
			< R. gone
			client write 9
			client write 9
			> . +9 = data / established established
			> . +9 = data / established established
			< R = reset / closed closed
			< R = reset / closed closed`, flow.Server, flow.StatelessACK},
		{"the reset is lost", `
			server abort
			< R. lost = reset / closed closed
			client write 9
			> . +9 = data / established closed
			< R = reset / closed closed`, flow.Server, flow.StatelessACK},
		{"data in flight meets the reset", `
			client write 9
			server abort
			< R. held = reset / closed closed
			> . +9 = data / established closed
			< R = reset / closed closed
			< release`, flow.Server, flow.StatelessACK},
		{"the server lost the connection, FIN", `
			server abort
			< R. gone
			client close
			> F. = close-1/4 / fin-wait-1 close-wait
			< R = reset / closed closed`, flow.Server, flow.StatelessACK},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAct(t, s)
			a.stand(dscp)
			a.play(c.script)
			a.resetBy(c.from, c.shape)
		})
	}
	t.Run("closed port", func(t *testing.T) {
		a := newAct(t, s)
		a.connect(dscp)
		a.play(refused)
		a.resetBy(flow.Server, flow.StatelessNoACK)
	})
}

// The server's process ends, or closes its listener, before it has accepted.
func TestResetBeforeAcceptLive(t *testing.T) {
	t.Parallel()
	a := newAct(t, newStage(t, false, nil))
	a.listen()
	a.connect()
	a.play(handshake)
	a.listener.close()
	a.play("< R. = reset / closed closed")
	a.resetBy(flow.Server, flow.Active)
}

// The server has no room for another TIME-WAIT: it forgets the connection,
// whose client sends its FIN again because the last ACK got lost.
func TestTimeWaitOverflowLive(t *testing.T) {
	t.Parallel()
	a := newAct(t, newStage(t, false, func(topology *netlab.Topology) {
		for i := range topology.Hosts {
			topology.Hosts[i].Sysctl = map[string]string{"net.ipv4.tcp_max_tw_buckets": "0"}
		}
	}))
	a.stand()
	a.play(`
		server close
		< F. = close-1/4 / close-wait fin-wait-1`)
	a.apart = true // nobody can see that it has forgotten
	a.play(`
		client close
		> F. = close-2/4 close-3/4 / last-ack time-wait
		< . gone
		+200ms > F. again = retransmission / last-ack time-wait
		< R = reset / closed closed`)
	a.resetBy(flow.Server, flow.StatelessACK)
}

// refused is what becomes of a SYN that meets a reset.
const refused = `
	> S = handshake-1/3 / syn-sent unknown
	< R. = reset / closed closed
`

// A duplicate of the last ACK comes to a server that has forgotten the
// connection.
func TestResetAfterCloseLive(t *testing.T) {
	t.Parallel()
	a := newAct(t, newStage(t, false, nil))
	a.stand()
	a.play(`
		client close
		> F. = close-1/4 / fin-wait-1 close-wait
		server close
		< F. = close-2/4 close-3/4 / time-wait last-ack
		> . = close-4/4 / time-wait closed`)
	a.stage.lanes[flow.Client].queue = []parcel{a.lastSegment}
	a.play(`
		> . unseen
		+3s < R = reset / closed closed`)
	a.closed(flow.ThreeSegment, "client")
}

// A firewall's resets: on the host itself and on a router, instead of the
// answer to a SYN and in the middle of a connection.
func TestFirewallResetLive(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"apple", "router"} {
		t.Run(where, func(t *testing.T) {
			s := newStage(t, true, nil)
			host, hook := s.apple, nftables.ChainHookInput
			if where == "router" {
				host, hook = s.router, nftables.ChainHookForward
			}
			a := newAct(t, s)
			a.stand(dscp)
			reject(t, host, hook, a.server.Port())
			a.play(`
				client write 9
				> . +9 = data / established established
				< R = reset / closed established`)
			a.resetBy(flow.Server, flow.Firewall)

			a = newAct(t, s)
			reject(t, host, hook, a.server.Port())
			a.listen()
			a.connect(dscp)
			a.play(`
				> S = handshake-1/3 / syn-sent unknown
				< R. = reset / closed unknown`)
			a.resetBy(flow.Server, flow.Firewall)
		})
	}
}

// Without a mark the router's reset is told by its TTL.
func TestFirewallResetByTTLLive(t *testing.T) {
	t.Parallel()
	s := newStage(t, true, nil)
	a := newAct(t, s)
	a.stand()
	reject(t, s.router, nftables.ChainHookForward, a.server.Port())
	a.play(`
		client write 9
		> . +9 = data / established established
		< R = reset / closed established`)
	a.resetBy(flow.Server, flow.Firewall)
	if r, _ := a.last.Connection.Reset(); r.TTL != 64 || r.EndTTL != 63 {
		t.Errorf("TTL %d, the server's %d", r.TTL, r.EndTTL)
	}
}

// The router resets the server, and the client learns of it by its next
// segment.
func TestFirewallResetsServerLive(t *testing.T) {
	t.Parallel()
	s := newStage(t, true, nil)
	a := newAct(t, s)
	a.stand(dscp)
	end := reject(t, s.router, nftables.ChainHookForward, a.client.Port())
	a.far.write(5)
	a.mute[flow.Server] = true
	a.awaitClosed()
	end() // it would swallow the server's reset too
	a.play(`
		client write 9
		> . +9 = data / established established
		< R = reset / closed closed`)
	a.resetBy(flow.Server, flow.StatelessACK)
}

// A SYN proxy answers for a server whose port is closed, and for one that
// listens: whose own kernel waits in SYN-RECEIVED for the first data.
func TestSYNProxyResetLive(t *testing.T) {
	t.Parallel()
	const port = 4500
	s := newStage(t, true, func(topology *netlab.Topology) {
		router := &topology.Hosts[len(topology.Hosts)-1]
		router.Firewall.Rules = []netlab.Rule{{Hook: netlab.Forward, From: port, To: port + 1, Action: netlab.SynProxy}}
	})
	a := actOn(t, s, port)
	a.apart = true
	a.connect()
	a.play(handshake + `
		< R. = reset / closed closed`)
	a.resetBy(flow.Server, flow.SYNProxy)

	a = actOn(t, s, port+1)
	a.listen()
	a.connect()
	a.apart = true
	a.play(handshake + `
		< . = window-update / established established`)
	a.play(`
		client write 9
		> . +9 = data / established established`)
	a.apart = false
	a.play("< . ack 10 = ack / established established")
}

// reject makes a host reset what goes to a port, and returns what ends that.
func reject(t *testing.T, host *netlab.Node, hook *nftables.ChainHook, port uint16) (end func()) {
	t.Helper()
	table := &nftables.Table{Name: "reject", Family: nftables.TableFamilyIPv4}
	must(t, host.Do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		conn.AddTable(table)
		chain := conn.AddChain(&nftables.Chain{
			Name: "reject", Table: table, Type: nftables.ChainTypeFilter, Priority: nftables.ChainPriorityFilter, Hooknum: hook,
		})
		conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
			&expr.Reject{Type: unix.NFT_REJECT_TCP_RST},
		}})
		return conn.Flush()
	}))
	return func() {
		must(t, host.Do(func() error {
			conn, err := nftables.New()
			if err != nil {
				return err
			}
			conn.DelTable(table)
			return conn.Flush()
		}))
	}
}
