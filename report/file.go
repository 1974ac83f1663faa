package report

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// openAppend opens a file that grows, and tells whether it is empty.
func openAppend(name string) (f *os.File, empty bool, err error) {
	f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
	if errors.Is(err, fs.ErrPermission) {
		// A file that may be written but not read is good enough.
		f, err = os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0o666)
	}
	if err != nil {
		return nil, false, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, info.Size() == 0, nil
}

// wholeFile is a file that appears under its name when it is closed, or not
// at all.
type wholeFile struct {
	*os.File
	name   string
	failed bool
}

// createWhole opens a file beside name that takes its place when it is
// closed. What is no regular file, such as a device or a pipe, is written to
// directly; of a symbolic link the target is replaced.
func createWhole(name string) (io.WriteCloser, error) {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	switch info, err := os.Stat(name); {
	case err == nil && !info.Mode().IsRegular():
		return os.OpenFile(name, os.O_WRONLY, 0)
	case err == nil:
		// Renaming would get around a file's permissions.
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	dir, base := filepath.Split(name)
	for {
		// Not os.CreateTemp, whose files are 0600 whatever the umask.
		temp := filepath.Join(dir, "."+base+"."+strconv.FormatUint(rand.Uint64(), 36))
		f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		var perr *fs.PathError
		if errors.As(err, &perr) {
			perr.Path = name // the user has never heard of the other
		}
		if err != nil {
			return nil, err
		}
		return &wholeFile{File: f, name: name}, nil
	}
}

func (f *wholeFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	f.failed = f.failed || err != nil
	return n, err
}

// Close puts the file in its place; if writing has failed it removes it.
func (f *wholeFile) Close() error {
	temp := f.File.Name()
	err := f.File.Close()
	if err == nil && !f.failed {
		err = os.Rename(temp, f.name)
	}
	if err != nil || f.failed {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}
