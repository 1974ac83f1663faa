package report

import (
	"io"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// lineScript follows segments, and makes sights of them as watch and read do.
type lineScript struct {
	table *flow.Table
	event flow.Event
	sight Sight
	h     wire.Header
	g     wire.Segment
}

func newLineScript() *lineScript { return &lineScript{table: flow.New(flow.Config{})} }

// see returns the sight of a datagram, valid until the next call.
func (k *lineScript) see(d []byte, ms int) *Sight {
	h, payload, err := wire.ParseHeader(d)
	k.h = h
	k.sight = Sight{N: k.sight.N + 1, At: noon.Add(time.Duration(ms) * time.Millisecond), Datagram: d, Header: &k.h}
	if err == nil && h.Protocol == wire.ProtocolTCP && k.g.Parse(payload) == nil {
		k.event = k.table.Add(k.sight.At, &k.h, &k.g, 0)
		k.sight.Segment, k.sight.Event = &k.g, &k.event
	}
	return &k.sight
}

// bulk is a connection's handshake, and a data segment with timestamps.
func bulk() (handshake [][]byte, data []byte) {
	const client, server = 47762, 9999
	stamps := []wire.Option{wire.NOP(), wire.NOP(), wire.Timestamps(4236725844, 398368775)}
	return [][]byte{
			tcp(ant, apple, wire.Segment{SrcPort: client, DstPort: server, Seq: 1386804287, Flags: wire.SYN, Window: 29200}),
			tcp(apple, ant, wire.Segment{SrcPort: server, DstPort: client, Seq: 401184951, Ack: 1386804288, Flags: wire.SYN | wire.ACK, Window: 28960}),
			tcp(ant, apple, wire.Segment{SrcPort: client, DstPort: server, Seq: 1386804288, Ack: 401184952, Flags: wire.ACK, Window: 229, Options: stamps}),
		}, tcp(ant, apple, wire.Segment{
			SrcPort: client, DstPort: server, Seq: 1386804288, Ack: 401184952, Flags: wire.ACK | wire.PSH, Window: 229, Options: stamps, Payload: make([]byte, 1448),
		})
}

func BenchmarkLines(b *testing.B) {
	for name, views := range map[string]Views{"relative": {}, "absolute": {Absolute: true}, "states": {States: true}, "fields": {Fields: true}, "hex": {Hex: true}} {
		b.Run(name, func(b *testing.B) {
			handshake, data := bulk()
			k := newLineScript()
			l := newLines(io.Discard, Options{Views: &views})
			for i, d := range handshake {
				if err := l.sight(k.see(d, i)); err != nil {
					b.Fatal(err)
				}
			}
			s := k.see(data, 3)
			b.ReportAllocs()
			for b.Loop() {
				if err := l.sight(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
