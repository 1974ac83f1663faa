package main

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/tcpscope/tcpscope/probe/link"
)

// Listen opens a port where the kernel accepts connections by itself, up to
// its backlog; nobody takes them.
func (w *world) Listen(src netip.Addr) (link.Port, error) {
	l, err := net.Listen("tcp4", netip.AddrPortFrom(src, 0).String())
	if err != nil {
		return nil, err
	}
	return listeningPort{l}, nil
}

// listeningPort is a listening socket as a link.Port.
type listeningPort struct{ net.Listener }

func (p listeningPort) Local() netip.AddrPort {
	addr, ok := p.Addr().(*net.TCPAddr)
	if !ok {
		panic(fmt.Sprintf("a TCP listener at %v", p.Addr()))
	}
	return addr.AddrPort()
}
