//go:build !unix

package main

import "errors"

func setReuseAddr(uintptr, bool) error { return errors.ErrUnsupported }

func setBacklog(uintptr, int) error { return errors.ErrUnsupported }
