package main

import (
	"net"
	"net/netip"

	"github.com/tcpscope/tcpscope/probe/link"
)

// Listen opens a port where the kernel accepts connections by itself, up to
// its backlog; nobody takes them.
func (w *world) Listen(src netip.Addr) (link.Port, error) {
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(src, 0)))
	if err != nil {
		return nil, err
	}
	local, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		l.Close()
		return nil, err
	}
	return listeningPort{l, local}, nil
}

// listeningPort is a listening socket as a link.Port.
type listeningPort struct {
	*net.TCPListener
	local netip.AddrPort
}

func (p listeningPort) Local() netip.AddrPort { return p.local }
