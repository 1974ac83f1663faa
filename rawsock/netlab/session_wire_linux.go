package netlab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// The session protocol: JSON messages on a SOCK_SEQPACKET Unix socket, one
// message each packet, descriptors beside them (SCM_RIGHTS).
//
//	client                                server
//	start + stdin, stdout, stderr   ->
//	signal (any number)             ->
//	                                <-    exit, or error
//
// Either side going away is the end: the server then hangs up on the command,
// the client says that the lab has ended.
//
// On the socket between a lab's owner and its inside the owner hands over
// connections, and the inside says once that it stands or why not:
//
//	owner                                 inside
//	                                <-    ready, or error
//	connection + its socket         ->

// maxMessage bounds a message in octets: the argument list and environment of
// a command are most of it.
const maxMessage = 192 << 10

// standardFiles is how many descriptors come with a start message.
const standardFiles = 3

// message is any packet of the protocol. One field is set.
type message struct {
	Start  *startMessage `json:"start,omitempty"`
	Signal int           `json:"signal,omitempty"`
	Exit   *int          `json:"exit,omitempty"`
	Error  string        `json:"error,omitempty"`

	Ready      bool               `json:"ready,omitempty"`
	Connection *connectionMessage `json:"connection,omitempty"`
}

// startMessage asks for a command in a host's namespace.
type startMessage struct {
	Host string `json:"host"`
	// Path is the command's file, looked up by the client; Args its argument
	// list from Args[0] on.
	Path string   `json:"path"`
	Args []string `json:"args"`
	Dir  string   `json:"dir"`
	Env  []string `json:"env"`
	// Shell asks for a prompt with the host's name.
	Shell bool `json:"shell,omitempty"`
	// Terminal makes standard input the controlling terminal of a new session.
	Terminal bool `json:"terminal,omitempty"`
}

// connectionMessage comes with a client's socket.
type connectionMessage struct {
	// Owner says that the client is the lab's own process: its command stays
	// in its process group, so that the terminal's Ctrl-C reaches it.
	Owner bool `json:"owner,omitempty"`
}

// send writes one message with the descriptors of files beside it.
func send(conn *net.UnixConn, m message, files ...*os.File) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(b) > maxMessage {
		return fmt.Errorf("command line and environment take %d octets, at most %d fit", len(b), maxMessage)
	}
	var oob []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		oob = unix.UnixRights(fds...)
	}
	_, _, err = conn.WriteMsgUnix(b, oob, nil)
	return err
}

// receive reads one message and exactly want descriptors. It returns io.EOF
// where the other side is gone.
func receive(conn *net.UnixConn, want int) (message, []*os.File, error) {
	b := make([]byte, maxMessage)
	oob := make([]byte, unix.CmsgSpace(4*standardFiles))
	n, oobn, flags, _, err := conn.ReadMsgUnix(b, oob)
	if err != nil {
		return message{}, nil, err
	}
	files, err := parseRights(oob[:oobn])
	if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = errors.New("message too long")
	}
	if err == nil && len(files) != want {
		err = fmt.Errorf("%d descriptors came with the message, not %d", len(files), want)
	}
	var m message
	if err == nil {
		err = json.Unmarshal(b[:n], &m)
	}
	if err != nil {
		closeAll(files)
		return message{}, nil, err
	}
	return m, files, nil
}

// parseRights takes the descriptors out of control messages. All of them are
// the caller's to close, whatever the error.
func parseRights(oob []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "passed descriptor"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// socketPair is two ends of a connection of the protocol.
func socketPair() (a, b *net.UnixConn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	files := []*os.File{os.NewFile(uintptr(fds[0]), "session"), os.NewFile(uintptr(fds[1]), "session")}
	defer closeAll(files)
	if a, err = unixConn(files[0]); err != nil {
		return nil, nil, err
	}
	if b, err = unixConn(files[1]); err != nil {
		a.Close()
		return nil, nil, err
	}
	return a, b, nil
}

// unixConn makes a connection of a file, which remains the caller's to close.
func unixConn(f *os.File) (*net.UnixConn, error) {
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("not a Unix socket")
	}
	if err := makeRoom(unixConn); err != nil {
		unixConn.Close()
		return nil, err
	}
	return unixConn, nil
}

// makeRoom lets a connection send messages of any size: each is one packet and
// needs room for all of itself.
func makeRoom(conn *net.UnixConn) error { return conn.SetWriteBuffer(maxMessage + 4096) }
