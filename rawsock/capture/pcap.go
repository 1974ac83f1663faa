package capture

import (
	"encoding/binary"
	"fmt"
)

// The magic numbers of pcap files with stamps in micro- and nanoseconds.
const (
	pcapMicro = 0xa1b2c3d4
	pcapNano  = 0xa1b23c4d
)

// recordHeader is the length of what stands before each frame.
const recordHeader = 16

// pcapOrder tells the byte order of a file by its magic number.
func pcapOrder(magic []byte) (binary.ByteOrder, bool) {
	for _, order := range [...]binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if m := order.Uint32(magic); m == pcapMicro || m == pcapNano {
			return order, true
		}
	}
	return nil, false
}

// pcapHeader reads what stands before the first record.
func (r *Reader) pcapHeader() error {
	b, err := r.read(24)
	if err != nil {
		return &FileError{Err: err}
	}
	r.order, _ = pcapOrder(b)
	c := newClock(6)
	if r.order.Uint32(b) == pcapNano {
		c = newClock(nanoseconds)
	}
	if major := r.order.Uint16(b[4:]); major != 2 {
		return &FileError{Err: fmt.Errorf("%w: pcap version %d", ErrFormat, major)}
	}
	// The upper half of the last word says how long the frame check is.
	r.interfaces = []iface{{link: LinkType(r.order.Uint32(b[20:])), clock: c}}
	return nil
}

func (r *Reader) nextRecord(f *Frame) error {
	b, err := r.begin(recordHeader)
	if err != nil {
		return err
	}
	i := &r.interfaces[0]
	f.At = i.clock.split(r.order.Uint32(b), r.order.Uint32(b[4:]))
	captured, original := r.order.Uint32(b[8:]), r.order.Uint32(b[12:])
	if captured > maxBlock {
		return fmt.Errorf("%w: a packet of %d octets", ErrFormat, captured)
	}
	b, err = r.read(recordHeader + int(captured))
	if err != nil {
		return err
	}
	f.fill(i, b[recordHeader:], original)
	return nil
}

// fill sets what an interface and a frame's octets tell.
func (f *Frame) fill(i *iface, octets []byte, original uint32) {
	f.Captured, f.Original = len(octets), int(original)
	if original > maxBlock { // as no link has them
		f.Original = f.Captured
	}
	f.Link, f.Device = i.link, i.device
	f.unwrap(octets)
}
