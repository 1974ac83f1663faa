package wire

import (
	"errors"
	"net/netip"
)

// ICMPError is an ICMP message that quotes the datagram it is about
// (RFC 792, RFC 1122 Section 3.2.2).
type ICMPError struct {
	Type, Code uint8
	Checksum   uint16
	// Rest is the second word of the header: the next hop's MTU for
	// type 3 code 4, the gateway for a redirect, a pointer for type 12.
	Rest uint32
	// Original is the quoted datagram: at least its header and eight octets.
	Original []byte
}

// ParseICMPError reads an ICMP error; other ICMP messages give ErrNotICMPError.
func ParseICMPError(b []byte) (ICMPError, error) { return ICMPError{}, errors.ErrUnsupported }

// ErrNotICMPError reports an ICMP message that quotes no datagram.
var ErrNotICMPError = errors.New("not an ICMP error")

// Quote is what an ICMP error's original datagram says about the TCP segment
// it is about. Routers need quote no more than these eight octets.
type Quote struct {
	Header           Header
	SrcPort, DstPort uint16
	Seq              Seq
}

// ParseQuote reads an original datagram, which may be cut short after eight
// octets of TCP header.
func ParseQuote(b []byte) (Quote, error) { return Quote{}, errors.ErrUnsupported }

var _ netip.Addr
