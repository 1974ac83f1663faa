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

// namer puts a host's name where a record has only its address.
type namer func(finding.Record) finding.Record

// nameless leaves records as they are.
func nameless(r finding.Record) finding.Record { return r }

const (
	// lookUps is how many names are looked up at a time.
	lookUps = 32
	// lookUpTime is how long all of them may take.
	lookUpTime = 5 * time.Second
)

// reverseNames looks up the names of a scope's addresses. That happens before
// the scan: a scan that waits for a name server would take its own delay for
// silence.
func reverseNames(ctx context.Context, scope probe.Scope) namer {
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	var (
		mu    sync.Mutex
		names = map[netip.Addr]string{}
		tasks = make(chan netip.Addr)
		all   sync.WaitGroup
	)
	for range lookUps {
		all.Go(func() {
			for addr := range tasks {
				found, err := net.DefaultResolver.LookupAddr(ctx, addr.String())
				if err == nil && len(found) > 0 {
					mu.Lock()
					names[addr] = strings.TrimSuffix(found[0], ".")
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
	return func(r finding.Record) finding.Record {
		addr := r.Addr("addr")
		if name := names[addr]; name != "" && r.Text("target") == addr.String() {
			return r.Set("target", name)
		}
		return r
	}
}
