package capture

import (
	"encoding/binary"
	"fmt"
)

// nextBlock reads blocks until one holds a packet.
func (r *Reader) nextBlock(f *Frame) error {
	for {
		kind, body, err := r.readBlock()
		if err != nil {
			return err
		}
		switch kind {
		case blockSection:
			err = r.section(body)
		case blockInterface:
			err = r.addInterface(body)
		case blockEnhanced:
			return r.enhanced(f, body)
		case blockPacket:
			return r.obsolete(f, body)
		case blockSimple:
			return r.simple(f, body)
		}
		if err != nil {
			return err
		}
	}
}

// readBlock returns the next block's type and body; no body for blocks that
// hold nothing for us, which may be of any length. A section header sets the
// byte order.
func (r *Reader) readBlock() (kind uint32, body []byte, err error) {
	head, err := r.begin(blockFraming)
	if err != nil {
		return 0, nil, err
	}
	if binary.LittleEndian.Uint32(head) == blockSection { // reads alike in both orders
		switch {
		case binary.LittleEndian.Uint32(head[8:]) == byteOrder:
			r.order = binary.LittleEndian
		case binary.BigEndian.Uint32(head[8:]) == byteOrder:
			r.order = binary.BigEndian
		default:
			return 0, nil, fmt.Errorf("%w: section of unknown byte order", ErrFormat)
		}
	}
	kind, length := r.order.Uint32(head), r.order.Uint32(head[4:])
	if length < blockFraming || length%4 != 0 {
		return 0, nil, fmt.Errorf("%w: a block of %d octets", ErrFormat, length)
	}
	if !holdsSomething(kind) {
		if err := r.skip(int64(length) - 4); err != nil {
			return 0, nil, err
		}
		body, err = r.read(4)
	} else {
		if length > maxBlock {
			return 0, nil, fmt.Errorf("%w: a block of %d octets", ErrFormat, length)
		}
		body, err = r.read(int(length))
	}
	if err != nil {
		return 0, nil, err
	}
	if trailer := r.order.Uint32(body[len(body)-4:]); trailer != length {
		return 0, nil, fmt.Errorf("%w: a block of %d octets ends as one of %d", ErrFormat, length, trailer)
	}
	if len(body) < blockFraming {
		return kind, nil, nil
	}
	return kind, body[8 : length-4], nil
}

// holdsSomething reports whether blocks of the type are read.
func holdsSomething(kind uint32) bool {
	switch kind {
	case blockSection, blockInterface, blockPacket, blockSimple, blockEnhanced:
		return true
	}
	return false
}

// section begins a section: it has interfaces of its own.
func (r *Reader) section(b []byte) error {
	if len(b) < 16 {
		return short("a section", b)
	}
	if major := r.order.Uint16(b[4:]); major != 1 {
		return fmt.Errorf("%w: pcapng version %d", ErrFormat, major)
	}
	r.interfaces = r.interfaces[:0]
	return nil
}

// Bounds of what a file of interface blocks alone may hold in memory.
const (
	maxInterfaces = 1 << 16
	maxDevice     = 255
)

func (r *Reader) addInterface(b []byte) error {
	if len(b) < 8 {
		return short("an interface", b)
	}
	i := iface{link: LinkType(r.order.Uint16(b)), snapshot: r.order.Uint32(b[4:])}
	exponent, binary, offset := uint8(6), false, int64(0)
	for options := b[8:]; ; {
		code, value, rest, ok := r.option(options)
		if !ok {
			break
		}
		switch {
		case code == optDevice:
			i.device = string(value[:min(len(value), maxDevice)])
		case code == optTSResol && len(value) == 1:
			exponent, binary = value[0]&0x7f, value[0]&0x80 != 0
		case code == optTSOffset && len(value) == 8:
			offset = int64(r.order.Uint64(value))
		}
		options = rest
	}
	if exponent > 19 && !binary || exponent > 63 {
		return fmt.Errorf("%w: a clock finer than a 64-bit stamp can hold", ErrFormat)
	}
	if binary {
		i.clock = clock{exponent: exponent, binary: true}
	} else {
		i.clock = newClock(exponent)
	}
	i.clock.offset = offset
	if len(r.interfaces) >= maxInterfaces {
		return fmt.Errorf("%w: more than %d interfaces", ErrFormat, maxInterfaces)
	}
	r.interfaces = append(r.interfaces, i)
	return nil
}

func (r *Reader) enhanced(f *Frame, b []byte) error {
	if len(b) < 20 {
		return short("an enhanced packet", b)
	}
	return r.packet(f, r.order.Uint32(b), b[4:])
}

// obsolete reads the packet block that enhanced ones have replaced; only the
// interface field is different.
func (r *Reader) obsolete(f *Frame, b []byte) error {
	if len(b) < 20 {
		return short("a packet", b)
	}
	return r.packet(f, uint32(r.order.Uint16(b)), b[4:])
}

// packet reads stamp, lengths, frame and options.
func (r *Reader) packet(f *Frame, index uint32, b []byte) error {
	i, err := r.iface(index)
	if err != nil {
		return err
	}
	ticks := uint64(r.order.Uint32(b))<<32 | uint64(r.order.Uint32(b[4:]))
	captured, original := r.order.Uint32(b[8:]), r.order.Uint32(b[12:])
	b = b[16:]
	if uint64(captured) > uint64(len(b)) {
		return fmt.Errorf("%w: a packet of %d octets in a block of %d", ErrFormat, captured, len(b))
	}
	f.At, f.Interface = i.clock.time(ticks), int(index)
	for options := b[min(len(b), int(captured)+int(-captured&3)):]; ; {
		code, value, rest, ok := r.option(options)
		if !ok {
			break
		}
		switch {
		case code == optComment && f.Comment == nil:
			f.Comment = value
		case code == optFlags && len(value) == 4:
			if d := Direction(r.order.Uint32(value) & 3); d <= Outbound {
				f.Direction = d
			}
		}
		options = rest
	}
	f.fill(i, b[:captured], original)
	return nil
}

// simple reads a simple packet block, which has neither stamp nor options.
func (r *Reader) simple(f *Frame, b []byte) error {
	if len(b) < 4 {
		return short("a simple packet", b)
	}
	i, err := r.iface(0)
	if err != nil {
		return err
	}
	original := r.order.Uint32(b)
	captured := min(original, uint32(len(b)-4))
	if i.snapshot != 0 {
		captured = min(captured, i.snapshot)
	}
	f.fill(i, b[4:4+captured], original)
	return nil
}

// short reports a block that is whole, but too small for what it is.
func short(kind string, body []byte) error {
	return fmt.Errorf("%w: %s block of %d octets", ErrFormat, kind, blockFraming+len(body))
}

func (r *Reader) iface(index uint32) (*iface, error) {
	if uint64(index) >= uint64(len(r.interfaces)) {
		return nil, fmt.Errorf("%w: a packet of interface %d, which no block describes", ErrFormat, index)
	}
	return &r.interfaces[index], nil
}

// option returns the first option and what is behind it; false at the end of
// the options, and at one that does not fit.
func (r *Reader) option(b []byte) (code uint16, value, rest []byte, ok bool) {
	if len(b) < 4 {
		return 0, nil, nil, false
	}
	code, length := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
	if code == optEnd || length > len(b)-4 {
		return 0, nil, nil, false
	}
	return code, b[4 : 4+length], b[min(len(b), 4+length+(-length&3)):], true
}
