package route

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// readBuffers reads the settings of the calling thread's network namespace.
func readBuffers() (buffers, error) {
	var b buffers
	var least, scaling int
	if err := readSetting("ipv4/tcp_rmem", &least, &b.initial, &b.max); err != nil {
		return b, err
	}
	if err := readSetting("ipv4/tcp_window_scaling", &scaling); err != nil {
		return b, err
	}
	b.scaling = scaling != 0
	// Older kernels don't show this one in namespaces. It rarely matters:
	// tcp_rmem allows far more as a rule.
	if err := readSetting("core/rmem_max", &b.coreMax); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	return b, nil
}

// readSetting reads the numbers in a file of /proc/sys/net.
func readSetting(name string, numbers ...*int) error {
	path := "/proc/sys/net/" + name
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	into := make([]any, len(numbers))
	for i, n := range numbers {
		into[i] = n
	}
	if _, err := fmt.Sscan(string(text), into...); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
