package endpoint

import (
	"strings"
	"testing"

	"github.com/tcpscope/tcpscope/probe/flow"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// A window that is older than the one we know does not count (RFC 9293, Section
// 3.10.7.4, fifth: SND.WL1 and SND.WL2).
func TestOldWindow(t *testing.T) {
	c := in(t, flow.Established)
	news, old := seg(a, 11, 1, "x"), seg(a, 1, 1, "abc")
	news.Window, old.Window = 5000, 10
	c.hears(news, old)
	if c.wnd != 5000 {
		t.Errorf("window %d", c.wnd)
	}
}

// A FIN must have room in the window, and comes again if it has none.
func TestFINBehindWindow(t *testing.T) {
	c := in(t, flow.Established)
	full := seg(fa, 1, 1, strings.Repeat("x", 5000))
	c.hears(full)
	lines(t, c, "Flags [.], seq 1, ack 5001, win 0")
	if c.state != flow.Established {
		t.Error(c.state)
	}
	if n, ended := c.read(c.now, make([]byte, 9000)); n != 5000 || ended {
		t.Errorf("%d %v", n, ended)
	}
	c.said()
	c.hears(seg(fa, 5001, 1, ""))
	lines(t, c, "Flags [.], seq 1, ack 5002, win 4999")
	if n, ended := c.read(c.now, make([]byte, 1)); n != 0 || !ended || c.state != flow.CloseWait {
		t.Errorf("%d %v %v", n, ended, c.state)
	}
}

// A FIN before octets that have arrived is not believed, nor are octets behind
// a FIN that was.
func TestFINInTheMiddle(t *testing.T) {
	c := in(t, flow.Established)
	c.hears(seg(a, 11, 1, "late"), seg(fa, 1, 1, ""))
	if c.state != flow.Established || c.finKnown {
		t.Error(c.state)
	}
	c = in(t, flow.Established)
	c.hears(seg(fa, 4, 1, ""), seg(a, 1, 1, "abcdef"))
	b := make([]byte, 9)
	if n, ended := c.read(c.now, b); string(b[:n]) != "abc" || !ended {
		t.Errorf("%q %v", b[:n], ended)
	}
}

// A receiver that has dropped what it had acknowledged selectively gets it
// again, after the second timeout (RFC 2018, Section 8).
func TestReneging(t *testing.T) {
	c := newConn(Config{ISN: FixedISN(testISS), NoTimestamps: true, NoWindowScale: true}, antAddr, appleAddr)
	c.open(epoch)
	syn := seg(sa, 0, 1, "", wire.SACKPermitted(), wire.MSS(1000))
	syn.Window = 9000
	c.hears(syn)
	c.write(c.now, make([]byte, 2000))
	c.said()
	sack := func(ack int32) wire.Segment {
		return seg(a, 1, ack, "", wire.SACK(wire.SACKBlock{Left: testISS.Add(1001), Right: testISS.Add(2001)}))
	}
	c.hears(sack(1))
	c.wake()
	lines(t, c, "Flags [.], seq 1:1001, ack 1, win 65535")
	c.wake()
	lines(t, c, "Flags [.], seq 1:1001, ack 1, win 65535")
	c.hears(seg(a, 1, 1001, ""))
	lines(t, c, "Flags [P.], seq 1001:2001, ack 1, win 65535")
}

// A chosen congestion window stays what it is.
func TestFixedCongestionWindow(t *testing.T) {
	cfg := plainConfig()
	cfg.CongestionWindow = 2500
	c := newConn(cfg, antAddr, appleAddr)
	c.open(epoch)
	syn := seg(sa, 0, 1, "", wire.MSS(1000))
	syn.Window = 0xffff
	c.hears(syn)
	c.said()
	c.write(c.now, make([]byte, 4000))
	lines(t, c, "Flags [.], seq 1:1001, ack 1, win 5000", "Flags [.], seq 1001:2001, ack 1, win 5000")
	c.wake()
	lines(t, c, "Flags [.], seq 1:1001, ack 1, win 5000", "Flags [.], seq 1001:2001, ack 1, win 5000")
}
