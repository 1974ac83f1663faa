package main

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/probe/finding"
)

// names are host names by address. The zero value knows none.
type names map[netip.Addr]string

// put makes the name of a record's address its target, where the user gave
// the address alone.
func (n names) put(r finding.Record) finding.Record {
	addr := r.Addr("addr")
	name := n[addr]
	if name == "" {
		return r
	}
	if target := r.Text("target"); target != "" && target != addr.String() {
		return r
	}
	return r.Set("target", name)
}

const (
	// lookUps is how many names are looked up at a time.
	lookUps = 32
	// lookUpTime is how long all of them may take.
	lookUpTime = 5 * time.Second
)

// reverseNames looks up the names of a scope's addresses. That happens before
// the scan: a scan that waits for a name server would take its own delay for
// silence.
func reverseNames(ctx context.Context, scope probe.Scope) names {
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	var (
		mu    sync.Mutex
		known = names{}
		tasks = make(chan netip.Addr)
		all   sync.WaitGroup
	)
	for range lookUps {
		all.Go(func() {
			for addr := range tasks {
				found, err := net.DefaultResolver.LookupAddr(ctx, addr.String())
				if err == nil && len(found) > 0 {
					mu.Lock()
					known[addr] = strings.TrimSuffix(found[0], ".")
					mu.Unlock()
				}
			}
		})
	}
	for i := range min(scope.Hosts(), manyAddresses) {
		if ctx.Err() != nil {
			break
		}
		addr, _ := scope.Host(i)
		tasks <- addr
	}
	close(tasks)
	all.Wait()
	return known
}

// lookUpHost returns the IPv4 addresses of a host that a filter names.
func lookUpHost(name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookUpTime)
	defer cancel()
	return net.DefaultResolver.LookupNetIP(ctx, "ip4", name)
}
