package endpoint

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// FuzzArrive lets a hostile peer say anything at any time, near the numbers
// that matter or anywhere. Nothing panics, memory stays bounded, and no octet
// from outside the window is taken.
func FuzzArrive(f *testing.F) {
	f.Add([]byte{4, 0x02, 0, 0, 0, 1, 0, 0, 1, 5, 5, 5, 5}, true)
	f.Add([]byte("\x00\x12\x00\x00\x00\x01\x00\x10\x00ABCDEFGHIJKLMNOPQRSTUVWXYZ"), false)
	f.Add(pattern(400, 3), true)
	f.Fuzz(func(t *testing.T, script []byte, active bool) {
		cfg := Config{ISN: FixedISN(testISS), Window: 3000, SendBuffer: 4000, TimeWait: time.Second}
		c := newConn(cfg, antAddr, appleAddr)
		if active {
			c.open(epoch)
			g := seg(sa, 0, 1, "", wire.SACKPermitted(), wire.MSS(200), wire.Timestamps(0, 0))
			c.hears(g)
		} else {
			c = passive(cfg, wire.SACKPermitted(), wire.WindowScale(14), wire.MSS(0))
		}
		for len(script) >= 9 {
			var op [9]byte
			script = script[copy(op[:], script):]
			c.out = c.out[:0]
			switch now := c.now.Add(time.Duration(op[8]) * time.Millisecond); op[0] % 8 {
			case 0:
				c.write(now, make([]byte, int(op[1])*16))
			case 1:
				c.read(now, make([]byte, int(op[1])*8))
			case 2:
				if !c.deadline.IsZero() {
					c.expire(c.deadline)
				}
			case 3:
				if op[1] == 7 {
					c.closeWrite(now)
				}
			default:
				before, edge := c.rcvNxt, c.edge
				g := hostile(c, op)
				c.arrive(now, &wire.Header{}, &g)
				if c.state != flow.Closed && before != 0 && c.rcvNxt.After(edge.Add(1)) {
					t.Fatalf("RCV.NXT %d is beyond the window's end %d", c.rcvNxt, edge)
				}
			}
			checkInvariants(t, c)
			for _, d := range c.out {
				if len(d.Segment.Payload) > 1 && c.state != flow.Closed && d.Segment.Seq.Add(uint32(len(d.Segment.Payload))).After(c.nxt) {
					t.Fatal("sent beyond SND.NXT")
				}
				if _, err := wire.AppendDatagram(nil, d.Header, d.Segment); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// hostile makes a segment of nine octets: its numbers lie near our own.
func hostile(c *conn, op [9]byte) wire.Segment {
	near := func(base wire.Seq, b [2]byte) wire.Seq {
		return base.Add(uint32(int32(int16(binary.BigEndian.Uint16(b[:])))) / 8)
	}
	g := wire.Segment{
		Seq:     near(c.rcvNxt, [2]byte{op[2], op[3]}),
		Ack:     near(c.una, [2]byte{op[4], op[5]}),
		Flags:   wire.Flags(op[1]),
		Window:  uint16(op[6]) << 4,
		Payload: make([]byte, int(op[7])*4),
	}
	if op[0]&8 != 0 {
		g.Ack = c.nxt
	}
	if op[0]&16 != 0 {
		g.Seq = c.rcvNxt
	}
	if op[0]&32 != 0 {
		g.Options = append(g.Options, wire.SACK(
			wire.SACKBlock{Left: near(c.una, [2]byte{op[4], op[6]}), Right: near(c.una, [2]byte{op[5], op[7]})},
			wire.SACKBlock{Left: c.una.Add(uint32(op[5])), Right: c.una.Add(uint32(op[5]) + uint32(op[6]))}))
	}
	if op[0]&64 != 0 {
		g.Options = append(g.Options, wire.Timestamps(c.tsRecent+uint32(int8(op[7])), 0))
	}
	if op[0]&128 != 0 {
		g.Options = append(g.Options, wire.Option{Kind: wire.OptMSS, Data: []byte{op[7]}}, wire.WindowScale(op[6]))
	}
	return g
}
