package rawsock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Conntrack returns how many connections this network namespace tracks, and
// how many it can, where a limit of zero is none; both are zero where
// connections are not tracked.
func Conntrack() (used, limit int, err error) {
	if used, err = readCount("/proc/sys/net/netfilter/nf_conntrack_count"); err == nil {
		limit, err = readCount("/proc/sys/net/netfilter/nf_conntrack_max")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	return used, limit, err
}

func readCount(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}
