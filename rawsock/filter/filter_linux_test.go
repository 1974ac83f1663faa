package filter

import (
	"errors"
	"math/rand/v2"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestKernel runs the programs where they are meant to run: on datagrams between
// two local sockets, which anyone may filter. The kernel has to accept them all,
// and to pass what the virtual machine passes.
func TestKernel(t *testing.T) {
	packets := randomPackets(rand.New(rand.NewPCG(7, 8)), 300)
	for i := range 20 {
		packets = append(packets, packets[i][:2*i+1])
	}
	for _, text := range append(corpus(), "tcp[ip[8] * 16777216] = 0 or ip", "ip[0 - ip[8] * 4096] = 0 or ip") {
		raw := mustProgram(t, mustParse(t, text))
		vm := mustVM(t, raw)
		in, out := filteredPair(t, raw)
		for _, d := range packets {
			if got, want := arrives(t, in, out, d), passes(t, vm, d); got != want {
				t.Errorf("%s: the kernel passes %t, want %t: %x", text, got, want, d)
				break
			}
		}
		unix.Close(in)
		unix.Close(out)
	}
}

// filteredPair returns two sockets; the second has the filter.
func filteredPair(t *testing.T, raw []bpf.RawInstruction) (in, out int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	program := &unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0]))}
	if err := unix.SetsockoptSockFprog(pair[1], unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program); err != nil {
		t.Fatal(err)
	}
	return pair[0], pair[1]
}

// arrives sends a datagram and reports whether it is there, and whole.
func arrives(t *testing.T, in, out int, d []byte) bool {
	t.Helper()
	if _, err := unix.Write(in, d); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(d)+1)
	n, err := unix.Read(out, b)
	if errors.Is(err, unix.EAGAIN) {
		return false
	}
	if err != nil || n != len(d) {
		t.Fatalf("%d of %d octets arrived: %v", n, len(d), err)
	}
	return true
}
