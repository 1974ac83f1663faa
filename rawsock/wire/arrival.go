package wire

import "time"

// Arrival is one IPv4 datagram as a socket handed it over.
type Arrival struct {
	// Datagram begins with the IPv4 header. It is valid until the next
	// Receive on the same link.
	Datagram []byte
	// At is the kernel's receive stamp (for Outgoing ones: transmit stamp).
	At time.Time
	// Outgoing marks a datagram that this host sent.
	Outgoing bool
	// Checksum is what the socket knows about the TCP checksum.
	Checksum Checksum
	// Lost counts the datagrams that the kernel dropped for want of room
	// since the last arrival.
	Lost int
	// Interface is the index of the device it was seen on; zero if unknown.
	Interface int
}

// Departure is one IPv4 datagram on its way out.
type Departure struct {
	// Datagram begins with the IPv4 header.
	Datagram []byte
	// At is when it left, filled in by Send.
	At time.Time
	// KernelStamp says that At was taken by the kernel; otherwise it was read
	// from the user's clock just before the system call.
	KernelStamp bool
	// Err is why the kernel refused this datagram; nil if it was sent. A
	// local firewall's refusal satisfies errors.Is(Err, os.ErrPermission).
	Err error
}
