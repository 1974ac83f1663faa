//go:build !linux

package main

import "github.com/urfave/cli/v2"

func innerProcess() (status int, is bool) { return 0, false }

func topologyNames() []string { return nil }
func runningLabs() []string   { return nil }

func (p *program) labList(*cli.Context) error  { return errLinuxOnly }
func (p *program) labRun(*cli.Context) error   { return errLinuxOnly }
func (p *program) labShell(*cli.Context) error { return errLinuxOnly }
func (p *program) labEnter(*cli.Context) error { return errLinuxOnly }
func (p *program) labServe(*cli.Context) error { return errLinuxOnly }
func (p *program) demo(*cli.Context) error     { return errLinuxOnly }
