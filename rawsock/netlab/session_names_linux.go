package netlab

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNoLab is what Enter's error wraps where no lab of that name runs.
var ErrNoLab = errors.New("no such lab is running")

// socketPrefix begins the abstract socket address of every running lab:
// @tcpscope-lab-UID-NAME. An abstract socket has no file that could outlive
// the process, and its owner is known from the address.
const socketPrefix = "@tcpscope-lab-"

// maxName bounds a lab's name: with prefix and user it must fit sun_path.
const maxName = 64

// maxSameName is how many labs of one topology may run under names of their own.
const maxSameName = 99

// validName says what is wrong with a lab's name.
func validName(name string) error {
	switch {
	case name == "":
		return errors.New("a lab's name must not be empty")
	case len(name) > maxName:
		return fmt.Errorf("a lab's name has at most %d octets", maxName)
	case strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_.", r))
	}):
		return fmt.Errorf("lab name %q: letters, digits, '-', '_' and '.' only", name)
	}
	return nil
}

// socketAddress is where the lab of that name and user listens.
func socketAddress(uid int, name string) *net.UnixAddr {
	return &net.UnixAddr{Net: "unixpacket", Name: fmt.Sprintf("%s%d-%s", socketPrefix, uid, name)}
}

// listenAs takes the lab name, or where another lab has it name-2, name-3 ...
func listenAs(name string) (string, *net.UnixListener, error) {
	if err := validName(name); err != nil {
		return "", nil, err
	}
	for i := 1; i <= maxSameName; i++ {
		chosen := name
		if i > 1 {
			chosen = fmt.Sprintf("%s-%d", name, i)
		}
		l, err := net.ListenUnix("unixpacket", socketAddress(os.Getuid(), chosen))
		if err == nil {
			return chosen, l, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return "", nil, err
		}
	}
	return "", nil, fmt.Errorf("lab %s: %d of that name are running already", name, maxSameName)
}

// dialLab connects to a running lab: the caller's own, or where root asks and
// has none of that name, another user's.
func dialLab(name string) (*net.UnixConn, error) {
	if err := validName(name); err != nil {
		return nil, err
	}
	labs, err := runningLabs()
	if err != nil {
		return nil, err
	}
	uid := os.Getuid()
	if own := (labSocket{uid, name}); !slices.Contains(labs, own) {
		if i := slices.IndexFunc(labs, func(l labSocket) bool { return l.name == name && uid == 0 }); i >= 0 {
			uid = labs[i].uid
		}
	}
	conn, err := net.DialUnix("unixpacket", nil, socketAddress(uid, name))
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%s: %w (%s)", name, ErrNoLab, describeRunning(labs))
	}
	if err != nil {
		return nil, err
	}
	if err = checkPeer(conn, uid); err == nil {
		err = makeRoom(conn)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("lab %s: %w", name, err)
	}
	return conn, nil
}

// Running returns the names of the labs that the caller may enter, sorted: its
// own, and for root everybody's. A lab is listed from before its network
// stands until its process has ended.
//
// The names are those of the caller's network namespace: inside a lab, the
// labs outside are out of reach.
func Running() ([]string, error) {
	labs, err := runningLabs()
	if err != nil {
		return nil, err
	}
	return labNames(labs), nil
}

// labSocket is what the address of a lab's socket says.
type labSocket struct {
	uid  int
	name string
}

// runningLabs reads the kernel's table of Unix sockets. It asks for the
// calling thread's: /proc/net is the main thread's, which may live elsewhere.
func runningLabs() ([]labSocket, error) {
	f, err := os.Open("/proc/thread-self/net/unix")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var labs []labSocket
	for lines := bufio.NewScanner(f); ; {
		if !lines.Scan() {
			return labs, lines.Err()
		}
		lab, ok := parseUnixLine(lines.Text())
		if ok && (lab.uid == os.Getuid() || os.Getuid() == 0) {
			labs = append(labs, lab)
		}
	}
}

// parseUnixLine finds a lab in a line of /proc/net/unix: "Num: RefCount
// Protocol Flags Type St Inode Path", where Flags say whether it listens.
// Accepted connections bear the same address and don't count.
func parseUnixLine(line string) (labSocket, bool) {
	const listening = 0x10000 // __SO_ACCEPTCON, linux/net.h
	fields := strings.Fields(line)
	if len(fields) != 8 {
		return labSocket{}, false
	}
	flags, err := strconv.ParseUint(fields[3], 16, 32)
	if err != nil || flags&listening == 0 {
		return labSocket{}, false
	}
	rest, ok := strings.CutPrefix(fields[7], socketPrefix)
	if !ok {
		return labSocket{}, false
	}
	user, name, _ := strings.Cut(rest, "-")
	uid, err := strconv.Atoi(user)
	return labSocket{uid, name}, err == nil && validName(name) == nil
}

func labNames(labs []labSocket) []string {
	var names []string
	for _, l := range labs {
		names = append(names, l.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func describeRunning(labs []labSocket) string {
	if len(labs) == 0 {
		return "none is running"
	}
	return "running: " + strings.Join(labNames(labs), ", ")
}

// checkPeer refuses another user at the other end of a connection, except
// root: anybody may bind or dial an abstract address. The user of a listening
// socket is the one who made it listen.
func checkPeer(conn *net.UnixConn, uid int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if credErr != nil {
		return os.NewSyscallError("getsockopt", credErr)
	}
	if !mayEnter(cred.Uid, uid) {
		return fmt.Errorf("user %d is neither root nor user %d: %w", cred.Uid, uid, os.ErrPermission)
	}
	return nil
}

// mayEnter says whether a user may deal with the lab of an owner.
func mayEnter(user uint32, owner int) bool {
	return user == 0 || int64(user) == int64(owner)
}
