//go:build linux

package netlab_test

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

func TestPair(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	err := ant.Do(func() error {
		conn, err := net.Dial("tcp4", apple.Addr().String()+":80")
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A program started in a host sees that host's network, by /proc/self too.
func TestStart(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	cmd := exec.Command("/bin/cat", "/proc/net/dev")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := lab.Host("ant").Run(cmd); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "apple:") {
		t.Errorf("ant's devices:\n%s", &out)
	}
}
