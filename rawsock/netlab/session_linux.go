package netlab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// nameEnv tells the commands in a lab its name, hostEnv their host.
const (
	nameEnv = "TCPSCOPE_LAB"
	hostEnv = "TCPSCOPE_HOST"
)

// acceptPause keeps a process that is out of descriptors from asking for more
// as fast as it can.
const acceptPause = 10 * time.Millisecond

// Session is a running lab as its owner sees it: the process outside, in the
// namespaces that it was started in. The lab itself is another process of the
// same program, inside, which calls Serve.
//
// While the session is open, other processes of the same user (and root's)
// enter the lab by its name. Closing it, or the end of the owner in whatever
// way, ends the lab and everything that runs in it.
//
// Its methods may be called by several goroutines.
type Session struct {
	name     string
	listener *net.UnixListener
	control  *net.UnixConn
	ended    chan struct{} // closed after err is set
	err      error         // why the inside ended by itself

	closing sync.Once
}

// OpenSession starts inside, whose program must call Serve, and waits until
// the lab stands. The lab is called name, or name-2, name-3 ... while others
// bear that name. Standard input of inside is the session's; nothing else of
// it is touched, except that a nil Stderr becomes the caller's.
//
// What Serve could not do comes back as this function's error, and so does
// *ForbiddenError where the host doesn't allow namespaces.
func OpenSession(inside *Cmd, name string) (*Session, error) {
	// The address belongs to the network namespace where it is bound: it must
	// be this one, where those who enter are.
	name, listener, err := listenAs(name)
	if err != nil {
		return nil, err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		listener.Close()
		return nil, err
	}
	s := &Session{name: name, listener: listener, control: ours, ended: make(chan struct{})}
	if err := s.start(inside, theirs); err != nil {
		s.Close()
		return nil, err
	}
	go s.accept()
	return s, nil
}

// start runs the inside and waits until it is ready.
func (s *Session) start(inside *Cmd, theirs *net.UnixConn) error {
	stdin, err := theirs.File()
	theirs.Close()
	if err != nil {
		close(s.ended)
		return err
	}
	inside.Stdin = stdin
	if inside.Stderr == nil {
		inside.Stderr = os.Stderr
	}
	inside.Env = append(inside.Env, nameEnv+"="+s.name)
	go func() {
		status, err := inside.Run()
		if err == nil && status != 0 {
			err = fmt.Errorf("lab %s ended with exit status %d", s.name, status)
		}
		s.err = err
		close(s.ended)
		// The last copy of its end: whoever waits for a message of the inside
		// learns that there will be none.
		stdin.Close()
	}()
	m, _, err := receive(s.control, 0)
	switch {
	case err == nil && m.Ready:
		return nil
	case err == nil && m.Error != "":
		return errors.New(m.Error)
	}
	s.control.Close() // for an inside that talks, but not sense
	<-s.ended
	if s.err != nil {
		return s.err
	}
	return fmt.Errorf("lab %s ended before it was ready", s.name)
}

// accept hands over those who want to enter, until the session is closed. The
// check stands here because user IDs inside mean other users.
func (s *Session) accept() {
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptPause)
			continue
		}
		if err := checkPeer(conn, os.Getuid()); err != nil {
			_ = send(conn, message{Error: fmt.Sprintf("lab %s: %v", s.name, err)})
		} else {
			_ = s.hand(conn, false)
		}
		// Whatever went wrong, the client sees its connection closed.
		conn.Close()
	}
}

// hand passes a client's socket to the inside. The caller closes its own.
func (s *Session) hand(conn *net.UnixConn, owner bool) error {
	f, err := conn.File()
	if err != nil {
		return err
	}
	defer f.Close()
	return send(s.control, message{Connection: &connectionMessage{Owner: owner}}, f)
}

// connect makes a connection to the lab's own inside.
func (s *Session) connect(owner bool) (*net.UnixConn, error) {
	client, server, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer server.Close()
	if err := s.hand(server, owner); err != nil {
		client.Close()
		return nil, fmt.Errorf("lab %s has ended: %w", s.name, err)
	}
	return client, nil
}

// Name is what the lab is called by those who enter it.
func (s *Session) Name() string { return s.name }

// Run runs a command in a host with the streams of p as they are and returns
// its exit status, 128+n if signal n ended it. The command stays in the
// caller's process group, so that Ctrl-C and job control of the calling shell
// work as for any command; signals that only the caller gets are passed on.
func (s *Session) Run(p Process) (int, error) {
	conn, err := s.connect(true)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return runStreams(conn, s.name, p, true)
}

// Enter is like the function Enter on this lab.
func (s *Session) Enter(p Process) (int, error) {
	conn, err := s.connect(false)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return enter(conn, s.name, p)
}

// Close ends the lab and all that runs in it, and waits until it is gone.
func (s *Session) Close() error {
	s.closing.Do(func() {
		s.listener.Close()
		s.control.Close()
	})
	<-s.ended
	return nil
}
