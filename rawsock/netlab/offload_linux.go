package netlab

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtoolValue is the kernel's struct ethtool_value: a command and a zero,
// which turns off what the command is about.
type ethtoolValue struct{ command, _ uint32 }

// ethtoolRequest is a struct ifreq that points to one (netdevice(7)).
type ethtoolRequest struct {
	name  [unix.IFNAMSIZ]byte
	value *ethtoolValue
	_     [16]byte
}

// offloadsOff makes a device of the calling thread's namespace send what a
// real wire would carry: no segments larger than its MTU, and finished
// checksums.
func offloadsOff(device string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	for _, command := range []uint32{unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_SGRO, unix.ETHTOOL_STXCSUM} {
		value := ethtoolValue{command: command}
		request := ethtoolRequest{value: &value}
		copy(request.name[:unix.IFNAMSIZ-1], device)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
		runtime.KeepAlive(&value)
		// A device that has no such offload need not turn it off.
		if errno != 0 && errno != unix.EOPNOTSUPP {
			return os.NewSyscallError("ioctl SIOCETHTOOL "+device, errno)
		}
	}
	return nil
}
