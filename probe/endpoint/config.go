package endpoint

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

const (
	defaultWindow     = 1 << 20
	maxWindow         = 1 << 30
	defaultSendBuffer = 1 << 20
	defaultMTU        = 1500
	defaultTTL        = 64
	defaultTick       = time.Millisecond
	defaultTimeWait   = 2 * time.Second
	defaultGiveUp     = 100 * time.Second // R2 of RFC 9293, Section 3.8.3
	// headers are those of IP and TCP, without options.
	headers = 40
	// leastMSS is the smallest segment that we make, whatever the peer says:
	// all options and a little data, as Linux' TCP_MIN_SND_MSS.
	leastMSS = 88
	maxScale = 14
)

// Config says how our end of a connection behaves. The zero value is a usual
// end: all options on, a window of 1 MiB.
type Config struct {
	// Local is where to speak from. The zero Addr leaves the address to
	// routing, port zero the port to the kernel.
	Local netip.AddrPort
	// Remote is the peer. Listen ignores it.
	Remote netip.AddrPort

	// ISN chooses the initial sequence number; nil draws one. It is called
	// once for each connection.
	ISN func() wire.Seq
	// MSS is what our SYN announces, in octets; zero means MTU less 40.
	// NoMSS leaves the option out.
	MSS   uint16
	NoMSS bool
	// MTU bounds the datagrams that we send, in octets; zero means the path's.
	MTU int
	// Window is how many received octets may wait to be read, and so the
	// largest window that we announce, in octets; zero means 1 MiB, and the
	// most is 1 GiB.
	Window uint32
	// WindowScale is the shift count that our SYN announces; zero means the
	// least with which Window can be announced. NoWindowScale leaves the
	// option out, so that more than 65,535 octets cannot be announced.
	WindowScale   uint8
	NoWindowScale bool
	// NoSACK and NoTimestamps leave these options out.
	NoSACK       bool
	NoTimestamps bool
	// TSval is the timestamp of the connection's first segment. It grows by
	// one each TSTick; zero means 1 ms, and below zero it never grows.
	TSval  uint32
	TSTick time.Duration
	// TTL is that of all our datagrams; zero means 64. DSCP is the upper six
	// bits of their TOS octet.
	TTL  uint8
	DSCP uint8

	// CongestionWindow is how many octets may be under way, whatever is lost;
	// zero means what RFC 5681 lets us. It is for laboratories: on a network of
	// others it takes their share.
	CongestionWindow int
	// SendBuffer is how many written octets may wait for acknowledgement;
	// zero means 1 MiB.
	SendBuffer int
	// TimeWait is how long the TIME-WAIT state lasts; zero means 2 s, or three
	// retransmission timeouts where that is longer.
	TimeWait time.Duration
	// GiveUp is how long the peer may leave segments unanswered; zero means
	// 100 s.
	GiveUp time.Duration
	// Script is what befalls the connection's first segments. See Conn.Script.
	Script []Rule
	// Log, if not nil, is told of every segment that was sent or received. It
	// must not call methods of the connection or its Endpoint. What it gets is
	// valid until it returns.
	Log func(Passage)
}

// Passage is a segment that was sent or received.
type Passage struct {
	At       time.Time
	Outgoing bool
	Header   *wire.Header
	Segment  *wire.Segment
	// Err is why the kernel refused to send it.
	Err error
}

// Validate reports the first field that no connection could have.
func (c Config) Validate() error {
	switch {
	case c.Window > maxWindow:
		return fmt.Errorf("window %d: the most is %d", c.Window, maxWindow)
	case c.WindowScale > maxScale:
		return fmt.Errorf("window scale %d: the most is %d", c.WindowScale, maxScale)
	case c.NoWindowScale && c.WindowScale != 0:
		return fmt.Errorf("window scale %d, and yet no window scale", c.WindowScale)
	case c.Window>>c.WindowScale == 0 && c.Window != 0:
		return fmt.Errorf("window %d: with window scale %d it would always be announced as zero", c.Window, c.WindowScale)
	case c.DSCP > 63:
		return fmt.Errorf("DSCP %d: the most is 63", c.DSCP)
	case c.MTU != 0 && (c.MTU < headers+leastMSS || c.MTU > 65535):
		return fmt.Errorf("MTU %d: must be from %d to 65535", c.MTU, headers+leastMSS)
	case c.SendBuffer < 0 || c.SendBuffer > maxWindow:
		return fmt.Errorf("send buffer %d: must be from 0 to %d", c.SendBuffer, maxWindow)
	case c.CongestionWindow < 0 || c.CongestionWindow > maxWindow:
		return fmt.Errorf("congestion window %d: must be from 0 to %d", c.CongestionWindow, maxWindow)
	case c.NoMSS && c.MSS != 0:
		return fmt.Errorf("MSS %d, and yet no MSS", c.MSS)
	case c.TimeWait < 0 || c.GiveUp < 0:
		return fmt.Errorf("a time below zero")
	}
	return nil
}

// resolved fills in what was left to us.
func (c Config) resolved() Config {
	zero(&c.MTU, defaultMTU)
	c.MTU = min(c.MTU, 0xffff) // loopback's is one more than a datagram can have
	zero(&c.MSS, uint16(c.MTU-headers))
	zero(&c.Window, defaultWindow)
	zero(&c.TTL, defaultTTL)
	zero(&c.TSTick, defaultTick)
	zero(&c.SendBuffer, defaultSendBuffer)
	zero(&c.GiveUp, defaultGiveUp)
	if c.ISN == nil {
		c.ISN = randomISN
	}
	for !c.NoWindowScale && c.WindowScale < maxScale && c.Window>>c.WindowScale > 0xffff {
		c.WindowScale++
	}
	return c
}

// zero replaces a zero value.
func zero[T comparable](field *T, value T) {
	var none T
	if *field == none {
		*field = value
	}
}

// randomISN cannot be guessed by who does not see our segments (RFC 6528).
func randomISN() wire.Seq {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return wire.Seq(binary.BigEndian.Uint32(b[:]))
}

// FixedISN returns an ISN function for a number of the caller's choice.
func FixedISN(isn wire.Seq) func() wire.Seq { return func() wire.Seq { return isn } }
