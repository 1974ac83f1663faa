package route

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// settings are the files that buffers are read from. The zero value opens them
// in the calling thread's network namespace, and there they stay.
type settings struct {
	receive, scaling, core setting
}

// setting is a file of /proc/sys/net; nil before it is open.
type setting struct{ file *os.File }

func (s *settings) read() (buffers, error) {
	var b buffers
	var least, scaling int
	if err := s.receive.read("ipv4/tcp_rmem", &least, &b.initial, &b.max); err != nil {
		return b, err
	}
	if err := s.scaling.read("ipv4/tcp_window_scaling", &scaling); err != nil {
		return b, err
	}
	b.scaling = scaling != 0
	// Older kernels don't show this one in namespaces. It rarely matters:
	// tcp_rmem allows far more as a rule.
	if err := s.core.read("core/rmem_max", &b.coreMax); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	return b, nil
}

func (s *settings) close() {
	for _, one := range []setting{s.receive, s.scaling, s.core} {
		if one.file != nil {
			one.file.Close()
		}
	}
}

// read reads the numbers that the setting of that name has now.
func (s *setting) read(name string, numbers ...any) (err error) {
	if s.file == nil {
		if s.file, err = os.Open("/proc/sys/net/" + name); err != nil {
			return err
		}
	}
	var text [64]byte // three numbers of at most 20 digits
	n, err := s.file.ReadAt(text[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if _, err := fmt.Fscan(bytes.NewReader(text[:n]), numbers...); err != nil {
		return fmt.Errorf("%s: %w", s.file.Name(), err)
	}
	return nil
}
