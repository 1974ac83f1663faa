//go:build linux && root

// These tests need to be started by root: they become another user, set file
// capabilities and make TUN devices.

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

const nobody = 65534

// TestLiveAsNobody: CAP_NET_RAW on the file is all that an ordinary user
// needs, wherever the target is.
func TestLiveAsNobody(t *testing.T) {
	program := capable(t)
	for _, place := range places() {
		t.Run(place.name, func(t *testing.T) {
			lab := netlab.Start(t, place.topology)
			cmd := command("syn -o json " + place.ports() + " " + place.target)
			cmd.Path, cmd.Args[0] = program, program
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := lab.Host("ant").Run(cmd); err != nil {
				t.Fatalf("%v\n%s", err, stderr.Bytes())
			}
			var s scanned
			if err := json.Unmarshal(stdout.Bytes(), &s); err != nil {
				t.Fatal(err)
			}
			place.check(t, s)
		})
	}
}

// capable copies the test binary, and gives the copy CAP_NET_RAW.
func capable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tcpscope")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "tcpscope")
	octets, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(program, octets, 0o755)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	// struct vfs_cap_data, with the effective bit.
	const revision2, effective = 0x02000000, 1
	data := binary.LittleEndian.AppendUint32(nil, revision2|effective)
	data = binary.LittleEndian.AppendUint32(data, 1<<unix.CAP_NET_RAW)
	data = append(data, make([]byte, 12)...)
	if err == nil {
		err = unix.Setxattr(program, "security.capability", data, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// TestLiveTUN: a device without link layer whose other end is a program.
func TestLiveTUN(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant := tun(t, lab.Host("ant"), "10.9.0.1/24")
	apple := tun(t, lab.Host("apple"), "10.9.0.2/24")
	go io.Copy(ant, apple)
	go io.Copy(apple, ant)
	place := place{name: "tun", target: "10.9.0.2", open: 80, ttl: 64}
	undisturbed(t, func() bool {
		s := scanFrom(t, lab.Host("ant"), "syn", place.ports(), place.target)
		// The path is this process. While it stands still, ant tries again.
		if found := s.ports(); found[place.open].Tries > 1 || found[7].Tries > 1 {
			return false
		}
		place.check(t, s)
		return true
	})
}

// tun makes a TUN device in a host and returns its other end.
func tun(t *testing.T, host *netlab.Node, addr string) *os.File {
	t.Helper()
	device := &netlink.Tuntap{
		LinkAttrs: netlink.LinkAttrs{Name: "tun0"},
		Mode:      netlink.TUNTAP_MODE_TUN, Flags: netlink.TUNTAP_NO_PI | netlink.TUNTAP_ONE_QUEUE, Queues: 1,
	}
	prefix := netip.MustParsePrefix(addr)
	err := host.Do(func() error {
		if err := netlink.LinkAdd(device); err != nil {
			return err
		}
		a, err := netlink.ParseAddr(prefix.String())
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(device, a); err != nil {
			return err
		}
		return netlink.LinkSetUp(device)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { device.Fds[0].Close() })
	return device.Fds[0]
}
