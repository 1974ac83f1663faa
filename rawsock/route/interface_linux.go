package route

import (
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// LookupInterface finds a device by name. Its error satisfies errors.Is with
// syscall.ENODEV where there is none.
func LookupInterface(name string) (Interface, error) {
	var r Resolver
	defer r.Close()
	if err := r.open(); err != nil {
		return Interface{}, &net.OpError{Op: "interface", Net: name, Err: err}
	}
	return r.lookupInterface(name)
}

// lookupInterface is LookupInterface for a Resolver that is open.
func (r *Resolver) lookupInterface(name string) (Interface, error) {
	device, err := r.handle.LinkByName(name)
	if err != nil {
		return Interface{}, &net.OpError{Op: "interface", Net: name, Err: missing(err)}
	}
	return describe(device), nil
}

// device finds a device by its index.
func (r *Resolver) device(index int) (Interface, error) {
	device, err := r.handle.LinkByIndex(index)
	if err != nil {
		return Interface{}, missing(err)
	}
	return describe(device), nil
}

func describe(device netlink.Link) Interface {
	a := device.Attrs()
	return Interface{
		Name:      a.Name,
		Index:     a.Index,
		MTU:       a.MTU,
		Up:        a.RawFlags&unix.IFF_UP != 0,
		Running:   a.RawFlags&unix.IFF_UP != 0 && a.RawFlags&unix.IFF_RUNNING != 0,
		Loopback:  a.RawFlags&unix.IFF_LOOPBACK != 0,
		Neighbors: a.RawFlags&(unix.IFF_NOARP|unix.IFF_LOOPBACK|unix.IFF_POINTOPOINT) == 0,
	}
}

// missing turns the library's words for a device that isn't there into the
// kernel's.
func missing(err error) error {
	var notFound netlink.LinkNotFoundError
	if errors.As(err, &notFound) {
		err = syscall.ENODEV
	}
	return os.NewSyscallError("netlink", err)
}
