package capture

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"
)

// nextBlock reads blocks until one holds an IPv4 datagram.
func (r *Reader) nextBlock() (Packet, error) {
	for {
		kind, body, err := r.readBlock()
		if err != nil {
			return Packet{}, err
		}
		var p Packet
		var found bool
		switch kind {
		case blockInterface:
			err = r.addInterface(body)
		case blockEnhanced:
			p, found, err = r.enhanced(body)
		case blockPacket:
			p, found, err = r.obsolete(body)
		case blockSimple:
			p, found, err = r.simple(body)
		}
		if found || err != nil {
			return p, err
		}
	}
}

// readBlock returns the next block's type and body. A section header sets the
// byte order and forgets the interfaces.
func (r *Reader) readBlock() (kind uint32, body []byte, err error) {
	head, err := r.in.Peek(blockFraming)
	if len(head) == 0 {
		return 0, nil, err
	}
	if err != nil {
		return 0, nil, unexpected(err)
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
		r.interfaces = r.interfaces[:0]
	}
	kind, length := r.order.Uint32(head), r.order.Uint32(head[4:])
	if length < blockFraming || length > maxBlock || length%4 != 0 {
		return 0, nil, fmt.Errorf("%w: a block of %d octets", ErrFormat, length)
	}
	b, err := r.read(int(length))
	if err != nil {
		return 0, nil, err
	}
	if trailer := r.order.Uint32(b[length-4:]); trailer != length {
		return 0, nil, fmt.Errorf("%w: a block of %d octets ends as one of %d", ErrFormat, length, trailer)
	}
	return kind, b[8 : length-4], nil
}

func (r *Reader) addInterface(b []byte) error {
	if len(b) < 8 {
		return short("an interface", b)
	}
	f := iface{link: r.order.Uint16(b), snapshot: r.order.Uint32(b[4:]), clock: clock{exponent: 6}}
	r.options(b[8:], func(code uint16, value []byte) {
		switch {
		case code == optTSResol && len(value) == 1:
			f.clock.exponent, f.clock.binary = value[0]&0x7f, value[0]&0x80 != 0
		case code == optTSOffset && len(value) == 8:
			f.clock.offset = int64(r.order.Uint64(value))
		}
	})
	if f.clock.exponent > 19 && !f.clock.binary || f.clock.exponent > 63 {
		return fmt.Errorf("%w: a clock finer than a 64-bit stamp can hold", ErrFormat)
	}
	if len(r.interfaces) >= maxInterfaces {
		return fmt.Errorf("%w: more than %d interfaces", ErrFormat, maxInterfaces)
	}
	r.interfaces = append(r.interfaces, f)
	return nil
}

// maxInterfaces bounds what a file of interface blocks alone may hold in memory.
const maxInterfaces = 1 << 16

func (r *Reader) enhanced(b []byte) (Packet, bool, error) {
	if len(b) < 20 {
		return Packet{}, false, short("an enhanced packet", b)
	}
	return r.packet(r.order.Uint32(b), b[4:])
}

// obsolete reads the packet block that enhanced ones have replaced; only the
// interface field is different.
func (r *Reader) obsolete(b []byte) (Packet, bool, error) {
	if len(b) < 20 {
		return Packet{}, false, short("a packet", b)
	}
	return r.packet(uint32(r.order.Uint16(b)), b[4:])
}

// packet reads stamp, lengths, frame and options.
func (r *Reader) packet(index uint32, b []byte) (Packet, bool, error) {
	f, err := r.iface(index)
	if err != nil {
		return Packet{}, false, err
	}
	ticks := uint64(r.order.Uint32(b))<<32 | uint64(r.order.Uint32(b[4:]))
	captured, original := r.order.Uint32(b[8:]), r.order.Uint32(b[12:])
	b = b[16:]
	if uint64(captured) > uint64(len(b)) {
		return Packet{}, false, fmt.Errorf("%w: a packet of %d octets in a block of %d", ErrFormat, captured, len(b))
	}
	p := Packet{At: f.clock.time(ticks), Missing: missing(captured, original)}
	options := min(len(b), int(captured)+int(-captured&3))
	r.options(b[options:], func(code uint16, value []byte) {
		switch {
		case code == optComment && p.Comment == "":
			p.Comment = string(value)
		case code == optFlags && len(value) == 4:
			if d := Direction(r.order.Uint32(value) & 3); d <= Outbound {
				p.Direction = d
			}
		}
	})
	return p, r.unwrap(&p, f.link, b[:captured]), nil
}

// simple reads a simple packet block, which has neither stamp nor options.
func (r *Reader) simple(b []byte) (Packet, bool, error) {
	if len(b) < 4 {
		return Packet{}, false, short("a simple packet", b)
	}
	f, err := r.iface(0)
	if err != nil {
		return Packet{}, false, err
	}
	original := r.order.Uint32(b)
	captured := min(original, uint32(len(b)-4))
	if f.snapshot != 0 {
		captured = min(captured, f.snapshot)
	}
	p := Packet{Missing: missing(captured, original)}
	return p, r.unwrap(&p, f.link, b[4:4+captured]), nil
}

// short reports a block that is whole, but too small for what it is.
func short(kind string, body []byte) error {
	return fmt.Errorf("%w: %s block of %d octets", ErrFormat, kind, blockFraming+len(body))
}

func (r *Reader) iface(index uint32) (iface, error) {
	if uint64(index) >= uint64(len(r.interfaces)) {
		return iface{}, fmt.Errorf("%w: a packet of interface %d, which no block describes", ErrFormat, index)
	}
	return r.interfaces[index], nil
}

// options calls each for every option; it ends at the first that does not fit.
func (r *Reader) options(b []byte, each func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, length := r.order.Uint16(b), int(r.order.Uint16(b[2:]))
		if code == optEnd || length > len(b)-4 {
			return
		}
		each(code, b[4:4+length])
		b = b[min(len(b), 4+length+(-length&3)):]
	}
}

// time turns ticks since 1970 into a time.
func (c clock) time(ticks uint64) time.Time {
	if c.binary {
		hi, lo := bits.Mul64(ticks&(1<<c.exponent-1), 1e9)
		ns := hi<<(64-c.exponent) | lo>>c.exponent
		return time.Unix(int64(ticks>>c.exponent)+c.offset, int64(ns))
	}
	unit := pow10(c.exponent)
	seconds, rest := ticks/unit, ticks%unit
	if c.exponent <= nanoseconds {
		rest *= pow10(nanoseconds - c.exponent)
	} else {
		rest /= pow10(c.exponent - nanoseconds)
	}
	return time.Unix(int64(seconds)+c.offset, int64(rest))
}

// pow10 returns 10 to the n; n is at most 19.
func pow10(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}
