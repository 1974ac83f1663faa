//go:build !linux

package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
)

var errLinuxOnly = fmt.Errorf("laboratories: Linux only: %w", errors.ErrUnsupported)

func innerProcess() (status int, is bool) { return 0, false }

func topologyNames() []string { return nil }
func runningLabs() []string   { return nil }

func (p *program) labList(*cli.Context) error  { return errLinuxOnly }
func (p *program) labRun(*cli.Context) error   { return errLinuxOnly }
func (p *program) labShell(*cli.Context) error { return errLinuxOnly }
func (p *program) labEnter(*cli.Context) error { return errLinuxOnly }
func (p *program) labServe(*cli.Context) error { return errLinuxOnly }
func (p *program) labTalk(*cli.Context) error  { return errLinuxOnly }
func (p *program) demo(*cli.Context) error     { return errLinuxOnly }
