package netlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stageEnv tells a re-executed process which of the two inside it is: the
// init of the PID namespace, or the program proper.
const (
	stageEnv    = "TCPSCOPE_NETLAB"
	stageInit   = "init"
	stageInside = "inside"
)

// The descriptors that the init process inherits besides the standard three.
const (
	parentFD = 3 + iota
	reportFD
)

// Cmd is this program, about to run again inside user, network, mount and PID
// namespaces of its own, where it is root. Set the standard streams, Env and
// Dir as for any exec.Cmd, then call Run; it can be used once.
type Cmd struct {
	*exec.Cmd
	report *os.File
}

// Command returns this program with other arguments, to be run inside
// namespaces of its own. It works for root and for an ordinary user.
//
// The program must call Init before it does anything else. When ctx ends, or
// the calling process ends in whatever way, the kernel kills everything
// inside.
func Command(ctx context.Context, args ...string) (*Cmd, error) {
	// A descriptor of ourselves, not PR_SET_PDEATHSIG: that signal comes when
	// the thread that forked ends, and Go's threads do.
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return nil, forbidden(os.NewSyscallError("pidfd_open", err))
	}
	parent := os.NewFile(uintptr(pidfd), "pidfd")
	report, inner, err := os.Pipe()
	if err != nil {
		parent.Close()
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), stageEnv+"="+stageInit)
	cmd.ExtraFiles = []*os.File{parent, inner}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
	}
	mapIDs(cmd.SysProcAttr)
	return &Cmd{Cmd: cmd, report: report}, nil
}

// Run runs the program and returns its exit status, 128+n if signal n ended
// it. Signals that reach only this process are passed on meanwhile. If the
// host does not let an ordinary user make namespaces, the error is a
// *ForbiddenError.
func (c *Cmd) Run() (status int, err error) {
	defer c.report.Close()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, relayed...)
	defer signal.Stop(signals)
	err = c.Start()
	for _, f := range c.ExtraFiles {
		f.Close()
	}
	if err != nil {
		return 0, forbidden(err)
	}
	go relay(signals, c.Process)
	failure, _ := io.ReadAll(c.report)
	err = c.Wait()
	// No signal may find the channel closed.
	signal.Stop(signals)
	close(signals)
	if len(failure) > 0 {
		return 0, forbidden(parseReport(string(failure)))
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	return exitStatus(c.ProcessState.Sys().(syscall.WaitStatus)), nil
}

// exitStatus is a process's end as a shell would put it.
func exitStatus(ws syscall.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// Inside reports whether this process runs in namespaces that Command made,
// so that Build may work.
func Inside() bool { return os.Getenv(stageEnv) == stageInside && ownUserNamespace() }

// ownUserNamespace reports whether this process lives in another user
// namespace than the initial one, whose inode is always the same
// (PROC_USER_INIT_INO). The variable alone could be set by hand, and must not
// make root turn the machine's own namespaces into a laboratory.
func ownUserNamespace() bool {
	const initialUserNS = 0xEFFFFFFD
	var st unix.Stat_t
	return unix.Stat("/proc/self/ns/user", &st) == nil && st.Ino != initialUserNS
}

// mapIDs maps root inside to the caller outside. Who may map more, root, maps
// every ID to itself, so that programs inside can become other users.
func mapIDs(attr *syscall.SysProcAttr) {
	uids, uidErr := extents("/proc/self/uid_map")
	gids, gidErr := extents("/proc/self/gid_map")
	if uidErr == nil && gidErr == nil && os.Geteuid() == 0 && maySetIDs() {
		attr.UidMappings, attr.GidMappings = uids, gids
		attr.GidMappingsEnableSetgroups = maySetGroups()
		return
	}
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
}

// extents reads the IDs that exist in this user namespace (user_namespaces(7))
// and maps each to itself.
func extents(path string) ([]syscall.SysProcIDMap, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var ids []syscall.SysProcIDMap
	for line := range strings.Lines(string(text)) {
		var first, outside, size int
		if _, err := fmt.Sscan(line, &first, &outside, &size); err != nil {
			return nil, err
		}
		ids = append(ids, syscall.SysProcIDMap{ContainerID: first, HostID: first, Size: size})
	}
	return ids, nil
}

// maySetGroups reports whether setgroups(2) is allowed in this user namespace:
// one below an ordinary user's cannot allow it again.
func maySetGroups() bool {
	text, err := os.ReadFile("/proc/self/setgroups")
	return err == nil && strings.TrimSpace(string(text)) == "allow"
}

// maySetIDs reports whether this process may write ID maps of any size.
func maySetIDs() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	const need = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	return data[0].Effective&need == need
}

// formatReport is what the init process reports when it fails:
// "ERRNO operation".
func formatReport(err error) string {
	var sys *os.SyscallError
	var errno syscall.Errno
	if errors.As(err, &sys) && errors.As(sys.Err, &errno) {
		return strconv.Itoa(int(errno)) + " " + sys.Syscall
	}
	return "0 " + err.Error()
}

// parseReport turns a report back into an error.
func parseReport(s string) error {
	number, operation, _ := strings.Cut(s, " ")
	errno, err := strconv.Atoi(number)
	if err != nil || errno == 0 {
		return errors.New(operation)
	}
	return os.NewSyscallError(operation, syscall.Errno(errno))
}
