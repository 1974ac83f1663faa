package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrOutside reports that Build was called by a process that is not inside
// namespaces of its own.
var ErrOutside = errors.New("not inside namespaces made by netlab.Command or netlab.TestMain")

// Lab is a topology made real. It exists inside this process only, and ends
// with it.
type Lab struct {
	topology  Topology
	nodes     map[string]*Node
	listeners []net.Listener
	hangUp    context.CancelFunc // ends what the listeners accepted
	closing   sync.Once
	// wires are the forwarders of the shaped links, by their ends in the
	// topology's order.
	wires map[[2]string]*forwarder
	// backstage are the namespaces that belong to no host.
	backstage []int
}

// Build makes a topology real, inside the namespaces that Command or TestMain
// made. When it returns, all links carry traffic and all listeners listen.
func Build(t Topology) (*Lab, error) {
	if !Inside() {
		return nil, fmt.Errorf("lab %s: %w", t.Name, ErrOutside)
	}
	if err := t.Validate(); err != nil {
		return nil, fmt.Errorf("lab %s: %w", t.Name, err)
	}
	ctx, hangUp := context.WithCancel(context.Background())
	lab := &Lab{
		topology: t,
		nodes:    make(map[string]*Node, len(t.Hosts)),
		hangUp:   hangUp,
		wires:    make(map[[2]string]*forwarder),
	}
	if err := lab.build(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("lab %s: %w", t.Name, err), lab.Close())
	}
	return lab, nil
}

// build makes the hosts, joins them, and only then opens their ears: no
// datagram meets a host without its firewall. Connections are served until ctx
// ends.
func (lab *Lab) build(ctx context.Context) error {
	for _, h := range lab.topology.Hosts {
		if err := lab.addHost(h); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	for i, l := range lab.topology.Links {
		if err := lab.addLink(i, l); err != nil {
			return fmt.Errorf("link %v: %w", l, err)
		}
	}
	for _, h := range lab.topology.Hosts {
		if err := lab.finishHost(ctx, h); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	return nil
}

// addHost makes a namespace with its settings and filters, and no links yet.
func (lab *Lab) addHost(h Host) error {
	fd, err := newNamespace()
	if err != nil {
		return err
	}
	lab.nodes[h.Name] = &Node{name: h.Name, nsfd: fd}
	if err := setSysctls(fd, hostSysctls(h.Router)); err != nil {
		return err
	}
	if err := applyFirewall(fd, h.Firewall); err != nil {
		return err
	}
	if h.NAT.Toward != "" {
		if err := applyNAT(fd, h.NAT, h.NAT.Toward); err != nil {
			return err
		}
	}
	general, _ := splitSysctls(h.Sysctl)
	return setSysctls(fd, general)
}

// finishHost does what needs the links: the devices' settings, routes and
// listeners.
func (lab *Lab) finishHost(ctx context.Context, h Host) error {
	node := lab.nodes[h.Name]
	_, ofDevices := splitSysctls(h.Sysctl)
	if err := setSysctls(node.nsfd, ofDevices); err != nil {
		return err
	}
	if err := node.Do(func() error { return addRoutes(h.Routes, node.tunnels) }); err != nil {
		return err
	}
	for _, port := range h.Listen {
		l, err := node.Listen(port)
		if err != nil {
			return err
		}
		lab.listeners = append(lab.listeners, l)
		go serve(ctx, l)
	}
	return nil
}

// hostSysctls are the settings that a new namespace would otherwise inherit
// from whatever machine the laboratory runs on, and no IPv6: its neighbour
// discovery would show up in every capture.
func hostSysctls(router bool) map[string]string {
	forward := "0"
	if router {
		forward = "1"
	}
	settings := map[string]string{
		"net.ipv4.ip_forward":                    forward,
		"net.ipv4.conf.all.rp_filter":            "0",
		"net.ipv4.conf.default.rp_filter":        "0",
		"net.ipv4.conf.all.send_redirects":       "0",
		"net.ipv4.conf.default.send_redirects":   "0",
		"net.ipv4.conf.all.accept_redirects":     "0",
		"net.ipv4.conf.default.accept_redirects": "0",
	}
	const noIPv6 = "net.ipv6.conf.default.disable_ipv6"
	if _, err := os.Stat(sysctlPath(noIPv6)); err == nil {
		settings[noIPv6] = "1"
	}
	return settings
}

// splitSysctls tells the settings of single devices, which exist only after
// the links, from all others.
func splitSysctls(settings map[string]string) (general, ofDevices map[string]string) {
	general, ofDevices = make(map[string]string), make(map[string]string)
	for name, value := range settings {
		parts := strings.Split(name, ".")
		if len(parts) > 4 && (parts[2] == "conf" || parts[2] == "neigh") && parts[3] != "all" && parts[3] != "default" {
			ofDevices[name] = value
		} else {
			general[name] = value
		}
	}
	return general, ofDevices
}

// Host returns a host by name, or nil if the topology has none of that name.
func (lab *Lab) Host(name string) *Node { return lab.nodes[name] }

// Topology returns what the laboratory was built from.
func (lab *Lab) Topology() Topology { return lab.topology }

// Counters returns what became of the datagrams from one host to another over
// the shaped link between them; zero if there is no such link, or a plain one.
func (lab *Lab) Counters(from, to string) Counters {
	if w := lab.wires[[2]string{from, to}]; w != nil {
		return w.counters(fromA)
	}
	if w := lab.wires[[2]string{to, from}]; w != nil {
		return w.counters(fromB)
	}
	return Counters{}
}

// Passages returns the last datagrams, both ways, of the link between two
// hosts, in the order they left it; as many as the link's Log allows.
func (lab *Lab) Passages(a, b string) []Passage {
	for _, ends := range [][2]string{{a, b}, {b, a}} {
		if w := lab.wires[ends]; w != nil {
			return w.passages()
		}
	}
	return nil
}

// Close takes the laboratory down. Programs started in its hosts must have
// ended. Closing twice is no error.
func (lab *Lab) Close() (err error) {
	lab.closing.Do(func() { err = lab.close() })
	return err
}

func (lab *Lab) close() error {
	lab.hangUp()
	var errs []error
	for _, l := range lab.listeners {
		errs = append(errs, l.Close())
	}
	for _, w := range lab.wires {
		errs = append(errs, w.stop())
	}
	for _, n := range lab.nodes {
		errs = append(errs, os.NewSyscallError("close", unix.Close(n.nsfd)))
	}
	for _, fd := range lab.backstage {
		errs = append(errs, os.NewSyscallError("close", unix.Close(fd)))
	}
	return errors.Join(errs...)
}
