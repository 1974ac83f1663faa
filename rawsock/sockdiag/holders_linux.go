package sockdiag

import (
	"cmp"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// FindHolders looks once through the descriptors of all processes that it may
// look into, in /proc. It needs no privilege for the user's own. Errors are
// *net.OpError; a process that ends meanwhile is none.
func FindHolders() (Holders, error) {
	found := Holders{ByInode: map[uint32][]Holder{}}
	names, err := list("/proc")
	if err != nil {
		return found, &net.OpError{Op: "sockdiag", Net: "tcp", Err: err}
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if err := found.look(pid, filepath.Join("/proc", name)); errors.Is(err, fs.ErrPermission) {
			found.Hidden++
		}
	}
	for _, holders := range found.ByInode {
		slices.SortFunc(holders, func(a, b Holder) int { return cmp.Or(a.PID-b.PID, a.FD-b.FD) })
	}
	return found, nil
}

// look adds the sockets of one process.
func (h *Holders) look(pid int, dir string) error {
	d, err := os.Open(filepath.Join(dir, "fd"))
	if err != nil {
		return err
	}
	defer d.Close()
	descriptors, err := d.Readdirnames(0)
	if err != nil {
		return err
	}
	name := ""
	var link [64]byte
	for _, text := range descriptors {
		n, err := unix.Readlinkat(int(d.Fd()), text, link[:])
		if errors.Is(err, syscall.EACCES) {
			return err // readable only for its owner, whatever the mode says
		}
		inode, ok := socketInode(string(link[:max(n, 0)]))
		fd, notNumber := strconv.Atoi(text)
		if err != nil || !ok || notNumber != nil {
			continue
		}
		if name == "" {
			b, _ := os.ReadFile(filepath.Join(dir, "comm"))
			name = strings.TrimSuffix(string(b), "\n")
		}
		h.ByInode[inode] = append(h.ByInode[inode], Holder{PID: pid, FD: fd, Name: name})
	}
	return nil
}

// socketInode reads what a socket's descriptor links to: "socket:[4711]".
func socketInode(link string) (uint32, bool) {
	number, ok := strings.CutPrefix(link, "socket:[")
	if !ok {
		return 0, false
	}
	inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 32)
	return uint32(inode), err == nil
}

func list(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(0)
}
