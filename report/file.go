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

// SameFile reports whether two names stand for one regular file. What is none,
// such as a device, may be written by as many as like.
func SameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return infoA.Mode().IsRegular() && os.SameFile(infoA, infoB)
	}
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absA == absB
}

// wholeFile is a file that appears under its name when it is closed, or not
// at all.
type wholeFile struct {
	*os.File
	name   string
	temp   string // the name until then; "" if it has none
	failed bool
}

// createWhole opens a file that takes the place of name when it is closed, and
// has the permissions of what it replaces. What is no regular file, such as a
// device or a pipe, is written to directly, and so is what this process has
// open already; of a symbolic link the target is replaced.
func createWhole(name string) (io.WriteCloser, error) {
	if isDescriptor(name) {
		return os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	old, err := os.Stat(name)
	switch {
	case err == nil && !old.Mode().IsRegular():
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
	f := &wholeFile{name: name}
	if f.File, err = openNameless(filepath.Dir(name)); err != nil {
		f.File, f.temp, err = openBeside(name)
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		path.Path = name // the user has never heard of the other
	}
	if err != nil {
		return nil, err
	}
	if old != nil {
		if err := imitate(f.File, old); err != nil {
			f.failed = true
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

// isDescriptor reports whether a name stands for what this process has open,
// which may be a file that others write to as well.
func isDescriptor(name string) bool {
	dir, base := filepath.Split(filepath.Clean(name))
	return dir == "/dev/fd/" || dir == "/proc/self/fd/" || dir == "/dev/" && base == "stderr"
}

// openBeside creates a hidden file in the directory of name.
func openBeside(name string) (f *os.File, temp string, err error) {
	for {
		temp = nameBeside(name)
		// Not os.CreateTemp, whose files are 0600 whatever the umask.
		f, err = os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, temp, err
		}
	}
}

// nameBeside returns the name of a hidden file in the directory of name.
func nameBeside(name string) string {
	dir, base := filepath.Split(name)
	return filepath.Join(dir, "."+base+"."+strconv.FormatUint(rand.Uint64(), 36))
}

func (f *wholeFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	f.failed = f.failed || err != nil
	return n, err
}

// Close puts the file in its place; if writing has failed it removes it.
func (f *wholeFile) Close() error {
	var err error
	if f.temp == "" && !f.failed {
		// A link cannot replace a file, a rename can.
		temp := nameBeside(f.name)
		if err = linkNameless(f.File, temp); err == nil {
			f.temp = temp
		}
	}
	err = errors.Join(err, f.File.Close())
	if f.temp == "" {
		return err
	}
	if err == nil && !f.failed {
		err = os.Rename(f.temp, f.name)
	}
	if err != nil || f.failed {
		return errors.Join(err, os.Remove(f.temp))
	}
	return nil
}
