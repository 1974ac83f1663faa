//go:build linux

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// A command asks for its ways in the namespace where it runs, and leaves
// nothing open: one that follows in the same process may run in another.
func TestLiveCommandsEnd(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := descriptors()
	for _, test := range []struct{ host, line, want string }{
		{"ant", "syn --dry-run 10.0.0.2", "from 10.0.0.1 by apple"},
		{"apple", "syn --dry-run 10.0.0.2", "from 10.0.0.2 by lo"},
		{"ant", "rtt --dry-run 10.0.0.2:80", "from 10.0.0.1 by apple"},
		{"ant", "craft --dry-run 10.0.0.2:80", "10.0.0.1.0 > 10.0.0.2.80"},
		{"apple", "syn 192.0.2.1", "network is unreachable"},
		{"ant", "rtt -c 1 192.0.2.1:80", "network is unreachable"},
	} {
		err := lab.Host(test.host).Do(func() error {
			if _, stdout, stderr := call(t, test.line, ""); !strings.Contains(stdout+stderr, test.want) {
				t.Errorf("%s on %s: no %q in\n%s%s", test.line, test.host, test.want, stdout, stderr)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := descriptors(); got > before {
			t.Errorf("%s: %d descriptors more", test.line, got-before)
		}
	}
}
