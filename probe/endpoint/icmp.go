package endpoint

import "syscall"

// fragmentationNeeded is a code of ICMP's destination unreachable.
const fragmentationNeeded = 4

// unreachable is what connect() would report (RFC 1122, Section 3.2.2.1;
// Linux: icmp_err_convert).
func unreachable(code uint8) error {
	switch code {
	case 2:
		return syscall.ENOPROTOOPT
	case 3:
		return syscall.ECONNREFUSED
	case 0, 6, 9, 11:
		return syscall.ENETUNREACH
	}
	return syscall.EHOSTUNREACH
}
