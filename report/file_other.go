//go:build !linux

package report

import (
	"errors"
	"io/fs"
	"os"
)

func openNameless(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func linkNameless(*os.File, string) error { return errors.ErrUnsupported }

func imitate(f *os.File, old fs.FileInfo) error { return f.Chmod(old.Mode().Perm()) }
