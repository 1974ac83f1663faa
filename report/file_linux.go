package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openNameless creates a file in dir that vanishes with the process unless it
// is given a name. Not every file system has such files (open(2), O_TMPFILE).
func openNameless(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_WRONLY|unix.O_TMPFILE, 0o666)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(descriptor(f)); err != nil { // there is no /proc
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// descriptor is a name for an open file.
func descriptor(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// linkNameless gives a nameless file its name. It goes by way of /proc, because
// AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH.
func linkNameless(f *os.File, name string) error {
	err := unix.Linkat(unix.AT_FDCWD, descriptor(f), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.LinkError{Op: "linkat", Old: descriptor(f), New: name, Err: err}
	}
	return nil
}

// imitate gives a file the permissions of the one that it will replace, and,
// where we may, its owner: sudo must not take a user's file away.
func imitate(f *os.File, old fs.FileInfo) error {
	if s, ok := old.Sys().(*syscall.Stat_t); ok {
		_ = f.Chown(int(s.Uid), int(s.Gid))
	}
	return f.Chmod(old.Mode().Perm())
}
