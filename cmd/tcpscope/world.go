package main

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock"
	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/route"
	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// world is the kernel as package probe wants to see it. It joins package
// rawsock and its neighbours with the interfaces of package link.
type world struct {
	device string     // --interface; "" leaves it to routing
	source netip.Addr // --source; the zero Addr leaves it to routing
	sinks  []capture.Sink
}
