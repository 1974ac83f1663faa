//go:build linux

package netlab_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// The commands that tests run in labs are this binary too: "self play NAME".
const (
	self    = "/proc/self/exe"
	playArg = "play"
)

// played are the arguments of a command of playCommand.
func played(name string, args ...string) []string {
	return append([]string{self, playArg, name}, args...)
}

// playCommand is the main function of a command; it returns the exit status.
func playCommand(name string, args []string) int {
	switch name {
	case "status":
		return 7
	case "killed":
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	case "output":
		fmt.Println("out")
		fmt.Fprintln(os.Stderr, "err")
		return 0
	case "input":
		return finish(io.Copy(os.Stdout, os.Stdin))
	case "devices":
		return playDevices()
	case "environment":
		return finish(fmt.Println(os.Getenv("TCPSCOPE_HOST"), "in", os.Getenv("TCPSCOPE_LAB")))
	case "hostname":
		return finish(printed(os.Hostname()))
	case "directory":
		return finish(printed(os.Getwd()))
	case "note":
		return playNote()
	case "count":
		return playCount()
	case "stubborn":
		return playStubborn()
	case "sleep":
		return sleep()
	case "job":
		fmt.Println("started")
		return sleep()
	case "unread":
		return playUnread(args[0])
	case "around":
		return playAround(args)
	}
	return 99
}

func printed(s string, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return fmt.Println(s)
}

// finish is the exit status of a command whose last step may have failed.
func finish[N int | int64](_ N, err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// sleep waits for a signal that ends the process.
func sleep() int {
	for {
		_ = unix.Pause()
	}
}

func playDevices() int {
	devices, err := net.Interfaces()
	for _, d := range devices {
		if d.Flags&net.FlagLoopback == 0 {
			fmt.Println(d.Name)
		}
	}
	return finish(0, err)
}

// playNote says which signal it gets, and ends.
func playNote() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGHUP)
	fmt.Println("ready")
	sig := <-signals
	fmt.Println("got", sig)
	if sig == unix.SIGTERM {
		return 3
	}
	return 4
}

// playCount counts interrupts until SIGTERM.
func playCount() int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	fmt.Println("ready")
	n := 0
	for sig := range signals {
		if sig == unix.SIGTERM {
			break
		}
		n++
		fmt.Println("interrupt", n)
	}
	fmt.Println("total", n)
	return 6
}

// playStubborn starts a child, and like it ends by SIGKILL only.
func playStubborn() int {
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGTERM)
	child := exec.Command(self, playArg, "sleep")
	child.Stdout = os.Stdout
	if err := child.Start(); err != nil {
		return finish(0, err)
	}
	fmt.Println("ready")
	return sleep()
}

// playUnread leaves what is typed unread until there is a file of that name.
func playUnread(name string) int {
	if _, err := term.MakeRaw(int(os.Stdin.Fd())); err != nil {
		return finish(0, err)
	}
	fmt.Println("ready")
	if !await(func() bool { _, err := os.Stat(name); return err == nil }) {
		return 1
	}
	return 4
}

// playAround runs another program and says whether the terminal is read line
// by line afterwards, as it was before.
func playAround(args []string) int {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		return finish(0, err)
	}
	settings, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS)
	if err == nil && settings.Lflag&unix.ICANON != 0 {
		fmt.Println("restored")
	}
	return cmd.ProcessState.ExitCode()
}

// playShell is an interactive shell with job control and four commands.
func playShell() int {
	// Taking the terminal back from a job must not stop the shell.
	signal.Ignore(unix.SIGTTOU)
	prompt := func() { fmt.Print(os.Getenv("PS1")) }
	prompt()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); prompt() {
		switch lines.Text() {
		case "size":
			fmt.Println(windowSize())
		case "resized":
			if await(func() bool { return windowSize() == "44 122" }) {
				fmt.Println("now", windowSize())
			}
		case "job":
			fmt.Println("by", foreground(exec.Command(self, playArg, "job")))
		case "exit":
			return 5
		}
	}
	return 99
}

func windowSize() string {
	size, err := unix.IoctlGetWinsize(int(os.Stdin.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(size.Row, size.Col)
}

// foreground runs a job in a process group of its own, which has the terminal
// meanwhile, and returns the signal that ended it.
func foreground(job *exec.Cmd) syscall.Signal {
	job.Stdin, job.Stdout, job.Stderr = os.Stdin, os.Stdout, os.Stderr
	job.SysProcAttr = &syscall.SysProcAttr{Foreground: true, Ctty: int(os.Stdin.Fd())}
	_ = job.Run()
	if err := unix.IoctlSetPointerInt(int(os.Stdin.Fd()), unix.TIOCSPGRP, unix.Getpgrp()); err != nil {
		fmt.Println(err)
	}
	return job.ProcessState.Sys().(syscall.WaitStatus).Signal()
}
