//go:build linux

package netlab_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpscope/tcpscope/rawsock/netlab"
)

// play is the main function of a role; it returns the exit status.
func play(role string) int {
	switch role {
	case "outer":
		return playOuter()
	case "status":
		return 42
	case "killed":
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	case "identity":
		fmt.Println(os.Getuid(), os.Getgid(), netlab.Inside(), os.Getppid())
		return 0
	case "signals":
		return playSignals()
	case "lab":
		return playLab()
	case "sleeper":
		fmt.Println("ready")
		for {
			_ = unix.Pause()
		}
	case "orphanage":
		return playOrphanage()
	case "parent":
		return playParent()
	case "orphan":
		if !await(func() bool { return os.Getppid() == 1 }) {
			return 1
		}
		return 0
	case "forbidden":
		return playForbidden()
	}
	return 99
}

func playOuter() int {
	cmd, err := netlab.Command(context.Background())
	if err == nil {
		cmd.Env = append(cmd.Env, roleEnv+"="+os.Getenv(innerEnv))
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		var status int
		if status, err = cmd.Run(); err == nil {
			return status
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 98
}

// playSignals prints the signals that it gets; SIGTERM ends it.
func playSignals() int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGUSR1, unix.SIGTERM)
	fmt.Println("ready")
	for sig := range signals {
		fmt.Println(sig)
		if sig == unix.SIGTERM {
			return 7
		}
	}
	return 97
}

// playLab builds a laboratory and starts programs in it, one of them in a
// session of its own, then waits for ever.
func playLab() int {
	topology := netlab.Pair()
	topology.Links[0].AtoB.Delay = time.Millisecond
	lab, err := netlab.Build(topology)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for _, own := range []bool{false, true} {
		cmd := role("sleeper")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: own}
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = lab.Host("apple").Start(cmd)
		}
		if err == nil {
			_, err = bufio.NewReader(out).ReadString('\n')
		}
		if err != nil {
			fmt.Println(err)
			return 1
		}
	}
	fmt.Println("ready")
	for {
		_ = unix.Pause()
	}
}

// playOrphanage leaves a grandchild to the init process and waits until that
// has reaped it: a zombie would still be there to be signalled.
func playOrphanage() int {
	out, err := role("parent").Output()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if !await(func() bool { return unix.Kill(pid, 0) == unix.ESRCH }) {
		return 2
	}
	return 0
}

// playParent starts a child that outlives it.
func playParent() int {
	cmd := role("orphan")
	if err := cmd.Start(); err != nil {
		return 1
	}
	fmt.Println(cmd.Process.Pid)
	return 0
}

// playForbidden forbids user namespaces in its own and runs a live test.
func playForbidden() int {
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
		fmt.Println(err)
		return 1
	}
	cmd := role("")
	cmd.Args = append(cmd.Args, "-test.run=^TestPair$")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err == nil {
		return 2
	}
	return cmd.ProcessState.ExitCode()
}

// role is this test binary as another program, outside of any laboratory.
func role(name string) *exec.Cmd {
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "TCPSCOPE_NETLAB=", roleEnv+"="+name)
	return cmd
}

// outer is the test binary that runs another role inside.
func outer(inner string) *exec.Cmd {
	cmd := role("outer")
	cmd.Env = append(cmd.Env, innerEnv+"="+inner)
	return cmd
}

// await polls until condition holds; false if it does not within ten seconds.
func await(condition func() bool) bool {
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(time.Millisecond) {
		if condition() {
			return true
		}
	}
	return false
}
