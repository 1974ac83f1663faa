package netlab

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
)

// Node is a host of a built laboratory. Its methods may be called
// concurrently until the laboratory is closed.
type Node struct {
	name string
	nsfd int
	addr netip.Addr // on the first link
	// tunnels are the layer-3 links, whose routes need more than a gateway.
	tunnels []tunnel
}

// Name returns the host's name.
func (n *Node) Name() string { return n.name }

// Addr returns the host's address on its first link; the zero Addr if it has
// none.
func (n *Node) Addr() netip.Addr { return n.addr }

// Do runs f with the calling goroutine inside the host: sockets that f opens
// and programs that it starts belong to the host, and stay there after Do
// returns. Goroutines that f starts are not inside; neither is what package
// net opens for host names, so give it literal addresses. Do may be nested,
// and f may panic or call testing's FailNow.
func (n *Node) Do(f func() error) error { return inNamespace(n.nsfd, f) }

// Start starts a program in the host. It must be waited for before the
// laboratory is closed, since it keeps the host alive.
func (n *Node) Start(cmd *exec.Cmd) error { return n.Do(cmd.Start) }

// Run starts a program in the host and waits for it.
func (n *Node) Run(cmd *exec.Cmd) error {
	if err := n.Start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

// Listen opens a TCP listener on every address of the host; port 0 picks one.
// Connections pile up in the kernel until the caller accepts them.
func (n *Node) Listen(port uint16) (net.Listener, error) {
	var l net.Listener
	err := n.Do(func() error {
		// Not Multipath TCP, the default for listeners: it answers with other
		// options than the stack under study.
		var config net.ListenConfig
		config.SetMultipathTCP(false)
		var err error
		l, err = config.Listen(context.Background(), "tcp4", ":"+strconv.Itoa(int(port)))
		return err
	})
	return l, err
}

// serve accepts connections until the listener is closed. It reads what comes,
// and closes when the peer does or ctx ends: a connection whose peer is gone
// would keep the host alive.
func serve(ctx context.Context, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			_, _ = io.Copy(io.Discard, conn)
		}()
	}
}
