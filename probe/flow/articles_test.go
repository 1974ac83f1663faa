package flow

import (
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// article is the display of one, and what is to be said of each of its lines:
// the direction, the relative sequence number, the steps, the states.
type article struct {
	name, file string
	absolute   bool
	want       []string
	check      func(*testing.T, *Connection)
}

func articles() []article {
	return []article{
		{
			// The four segments at the end are no four-way close: the
			// client's FIN does not acknowledge the server's.
			"FINs cross", "testdata/crossing.txt", true,
			[]string{
				"> 0 handshake-1/3 / syn-sent unknown",
				"< 0 handshake-2/3 / established syn-received",
				"> 1 handshake-3/3 / established established",
				"> 1 data / established established",
				"< 1 ack / established established",
				"< 1 data / established established",
				"< 2905 data / established established",
				"> 227 ack / established established",
				"> 227 data / established established",
				"< 3107 data / established established",
				"> 418 data / established established",
				"< 3158 ack / established established",
				"< 3158 data / established established",
				"< 6062 data / established established",
				"< 8966 data / established established",
				"< 11870 data / established established",
				"> 694 ack / established established",
				"> 694 data / established established",
				"< 12119 ack / established established",
				"< 12119 close-1/4 / close-wait fin-wait-1",
				"> 725 close-2/4 simultaneous-close / fin-wait-1 closing",
				"< 12120 close-3/4 / time-wait closing",
				"> 726 close-4/4 / time-wait time-wait",
			},
			checkCrossing,
		},
		{
			"reset after a clean close", "testdata/curl.txt", false,
			[]string{
				"> 0 handshake-1/3 / syn-sent unknown",
				"< 0 handshake-2/3 / established syn-received",
				"> 1 handshake-3/3 / established established",
				"> 1 data / established established",
				"< 1 ack / established established",
				"< 1 data / established established",
				"> 78 ack / established established",
				"> 78 close-1/4 / fin-wait-1 close-wait",
				"< 2782 close-2/4 / fin-wait-2 close-wait",
				"< 2782 close-3/4 / time-wait last-ack",
				"> 79 close-4/4 / time-wait closed",
				"< 2783 reset / closed closed",
			},
			checkCurl,
		},
		{
			// The article leaves out what lies between the first line that
			// was typed and the close: 28 octets each way.
			"lines left out", "../../rawsock/wire/testdata/upper.txt", false,
			[]string{
				"> 0 handshake-1/3 / syn-sent unknown",
				"< 0 handshake-2/3 / established syn-received",
				"> 1 handshake-3/3 / established established",
				"> 1 data / established established",
				"< 1 ack / established established",
				"< 1 data / established established",
				"> 5 ack / established established",
				"> 33 close-1/4 hole gap / unknown unknown",
				"< 33 close-2/4 close-3/4 gap / time-wait last-ack",
				"> 34 close-4/4 / time-wait closed",
			},
			checkUpper,
		},
	}
}

func checkCrossing(t *testing.T, c *Connection) {
	if c.Close() != Simultaneous || !c.ClosedFirst(Client) || !c.ClosedFirst(Server) {
		t.Errorf("close %v", c.Close())
	}
	if rtt, ok := c.HandshakeRTT(); !ok || rtt != 21834*time.Microsecond {
		t.Errorf("handshake took %v %v", rtt, ok)
	}
	if _, ok := c.CloseDelay(); ok {
		t.Error("FINs that cross have no delay")
	}
	if w, ok := c.End(Client).Window(); !ok || w != 16698<<2 {
		t.Errorf("window %d", w)
	}
	if up, down := c.End(Client).Octets(), c.End(Server).Octets(); up != 724 || down != 12118 {
		t.Errorf("%d octets up, %d down", up, down)
	}
}

// The SYN-ACK has eleven NOPs where a firewall has blanked options.
func checkCurl(t *testing.T, c *Connection) {
	if c.Close() != FourWay || !c.ClosedFirst(Client) || c.ClosedFirst(Server) {
		t.Errorf("close %v", c.Close())
	}
	if r, ok := c.Reset(); !ok || r.Shape != StatelessACK || r.From != Server {
		t.Errorf("reset %+v", r)
	}
	if d, ok := c.CloseDelay(); !ok || d.Combined || d.AfterACK != 65*time.Microsecond {
		t.Errorf("delay %+v", d)
	}
	if d := c.End(Client).Spent(TimeWait); d != 3011704*time.Microsecond {
		t.Errorf("the client was in TIME-WAIT for %v", d)
	}
	if iss, ok := c.End(Server).ISS(); !ok || iss != wire.Seq(2873299660) {
		t.Errorf("ISS %d", iss)
	}
}

func checkUpper(t *testing.T, c *Connection) {
	if c.Close() != ThreeSegment || !c.ClosedFirst(Client) {
		t.Errorf("close %v", c.Close())
	}
	for _, s := range []Side{Client, Server} {
		if e := c.End(s); e.Missing() != 28 || e.Octets() != 4 {
			t.Errorf("%v: %d octets, and %d missing", s, e.Octets(), e.Missing())
		}
	}
	if d, ok := c.CloseDelay(); !ok || !d.Combined || d.AfterFIN != 136*time.Microsecond {
		t.Errorf("delay %+v", d)
	}
}
