package netlab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// hangupGrace is how long a command may take to end after SIGHUP when its
// client is gone; then it is killed.
const hangupGrace = time.Second

// startTimeout is how long a client may take to say what it wants.
const startTimeout = 10 * time.Second

// Serve is what the program does inside that OpenSession started: it builds
// the topology and runs commands in it until the owner closes the session or
// is gone. The caller should exit then.
//
// A failure of Build is reported to the owner, and returned too.
func Serve(t Topology) error {
	control, err := unixConn(os.Stdin)
	if err != nil {
		return fmt.Errorf("standard input is not a session's: %w", err)
	}
	defer control.Close()
	// The terminal sends Ctrl-C to this process too, but it is for the command.
	// Caught, not ignored: ignoring would be passed on to the commands.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, append(relayed, unix.SIGPIPE)...)
	defer signal.Stop(signals)

	lab, err := Build(t)
	if err != nil {
		return errors.Join(err, send(control, message{Error: err.Error()}))
	}
	if err := send(control, message{Ready: true}); err != nil {
		return err
	}
	s := server{lab: lab, name: os.Getenv(nameEnv)}
	for {
		m, files, err := receive(control, 1)
		if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
			return nil
		}
		if err != nil {
			return err
		}
		conn, err := unixConn(files[0])
		closeAll(files)
		if err != nil {
			continue // The client sees its connection closed.
		}
		go s.attend(conn, m.Connection != nil && m.Connection.Owner)
	}
}

// server runs commands in the hosts of a lab.
type server struct {
	lab  *Lab
	name string
}

// attend serves one client: one command.
func (s server) attend(conn *net.UnixConn, owner bool) {
	defer conn.Close()
	c, err := s.startFor(conn, owner)
	if err != nil {
		// If the client is gone nobody needs the answer.
		_ = send(conn, message{Error: err.Error()})
		return
	}
	go c.obey(conn)
	status := c.wait()
	_ = send(conn, message{Exit: &status})
}

// startFor receives what the client wants and starts it.
func (s server) startFor(conn *net.UnixConn, owner bool) (*command, error) {
	if err := conn.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return nil, err
	}
	m, files, err := receive(conn, standardFiles)
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	if m.Start == nil {
		return nil, errors.New("the first message does not start a command")
	}
	if err := m.Start.validate(); err != nil {
		return nil, err
	}
	node, err := s.host(m.Start.Host)
	if err != nil {
		return nil, err
	}
	return s.start(node, m.Start, files, owner)
}

// validate refuses what the kernel would misunderstand.
func (m *startMessage) validate() error {
	switch {
	case len(m.Args) == 0:
		return errors.New("no command")
	case !filepath.IsAbs(m.Path):
		return fmt.Errorf("command %q: not an absolute path", m.Path)
	case !filepath.IsAbs(m.Dir):
		return fmt.Errorf("directory %q: not an absolute path", m.Dir)
	}
	for _, list := range [][]string{{m.Path, m.Dir}, m.Args, m.Env} {
		for _, s := range list {
			if strings.ContainsRune(s, 0) {
				return fmt.Errorf("%q contains a NUL octet", s)
			}
		}
	}
	return nil
}

// host finds a host by name; "" is the first.
func (s server) host(name string) (*Node, error) {
	hosts := s.lab.Topology().Hosts
	names := make([]string, len(hosts))
	for i, h := range hosts {
		if h.Name == name || name == "" {
			return s.lab.Host(h.Name), nil
		}
		names[i] = h.Name
	}
	return nil, fmt.Errorf("lab %s has no host %q: its hosts are %s", s.name, name, strings.Join(names, ", "))
}

// searchPath is the PATH of a command, with this program's own directory in
// front: who plays in a lab wants the build that made it.
func searchPath(env []string) string {
	const name = "PATH="
	path := name
	for _, e := range env {
		if strings.HasPrefix(e, name) {
			path = e
		}
	}
	self, err := os.Executable()
	if err != nil {
		return path
	}
	return name + filepath.Dir(self) + string(filepath.ListSeparator) + strings.TrimPrefix(path, name)
}

// start starts the command in a host's namespaces.
func (s server) start(node *Node, m *startMessage, files []*os.File, owner bool) (*command, error) {
	cmd := &exec.Cmd{
		Path: m.Path, Args: m.Args, Dir: m.Dir,
		Stdin: files[0], Stdout: files[1], Stderr: files[2],
		Env: append(m.Env, nameEnv+"="+s.name, hostEnv+"="+node.Name(), searchPath(m.Env)),
	}
	if m.Shell {
		// For shells without a start-up file; the others mostly show the host
		// name, which is set below.
		cmd.Env = append(cmd.Env, "PS1="+node.Name()+"# ")
	}
	group := true
	switch {
	case m.Terminal:
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	case !owner:
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	default:
		group = false
	}
	if err := startNamed(node, cmd); err != nil {
		return nil, err
	}
	return &command{cmd: cmd, group: group, ended: make(chan struct{})}, nil
}

// startNamed starts a program in a host whose name the program sees as that
// of the machine.
func startNamed(node *Node, cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		// Never unlocked: there is no way back from a new UTS namespace, so the
		// thread ends with this goroutine.
		runtime.LockOSThread()
		started <- node.Do(func() error {
			if err := unix.Unshare(unix.CLONE_NEWUTS); err != nil {
				return os.NewSyscallError("unshare", err)
			}
			if err := unix.Sethostname([]byte(node.Name())); err != nil {
				return os.NewSyscallError("sethostname", err)
			}
			return cmd.Start()
		})
	}()
	return <-started
}

// command is a running command of a client.
type command struct {
	cmd   *exec.Cmd
	group bool          // it leads a process group of its own
	ended chan struct{} // closed when it has ended

	mu     sync.Mutex
	reaped bool // its process ID may be another's
}

// wait waits for the command's end and returns its exit status.
func (c *command) wait() int {
	pid := c.cmd.Process.Pid
	// Not reaped yet: the number stays taken until the lock is held.
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	close(c.ended)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reaped = true
	// The error says what the status says too.
	_ = c.cmd.Wait()
	return exitStatus(c.cmd.ProcessState.Sys().(syscall.WaitStatus))
}

// obey sends the command the signals that its client asks for, and hangs up
// when the client is gone.
func (c *command) obey(conn *net.UnixConn) {
	for {
		m, _, err := receive(conn, 0)
		if err != nil {
			break
		}
		c.signal(syscall.Signal(m.Signal))
	}
	c.signal(unix.SIGHUP)
	// A stopped process ends only once it runs.
	c.signal(unix.SIGCONT)
	select {
	case <-c.ended:
	case <-time.After(hangupGrace):
		c.signal(unix.SIGKILL)
	}
}

// signal signals the command and its process group, while it exists.
func (c *command) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return
	}
	pid := c.cmd.Process.Pid
	if c.group {
		pid = -pid
	}
	// Nothing to be done about a process that we may not signal any more.
	_ = unix.Kill(pid, sig)
}
