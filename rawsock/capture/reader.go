package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrFormat reports a file that is neither pcap nor pcapng, or breaks the
// rules of its format.
var ErrFormat = errors.New("not a valid capture file")

// Reader reads the IPv4 datagrams of a pcap or pcapng file of either byte
// order. A Reader may be used by one goroutine at a time.
type Reader struct {
	in      *bufio.Reader
	block   bytes.Buffer
	order   binary.ByteOrder
	next    func() (Packet, error)
	skipped int

	// pcap: one link type and resolution; pcapng: one for each interface of
	// the section.
	interfaces []iface
}

// iface is what an interface says about its packets.
type iface struct {
	link     uint16
	snapshot uint32
	clock    clock
}

// NewReader recognises the format by the first four octets. Its error is
// ErrFormat if it does not, and io.ErrUnexpectedEOF if r ends before them.
func NewReader(r io.Reader) (*Reader, error) {
	rd := &Reader{in: bufio.NewReader(r)}
	magic, err := rd.in.Peek(4)
	if err != nil {
		return nil, unexpected(err)
	}
	switch little, big := binary.LittleEndian.Uint32(magic), binary.BigEndian.Uint32(magic); {
	case little == blockSection:
		rd.next = rd.nextBlock
		return rd, nil
	case little == pcapMicro || little == pcapNano:
		rd.order = binary.LittleEndian
	case big == pcapMicro || big == pcapNano:
		rd.order = binary.BigEndian
	default:
		return nil, fmt.Errorf("%w: it begins with % x", ErrFormat, magic)
	}
	rd.next = rd.nextRecord
	return rd, rd.pcapHeader()
}

// Next returns the next IPv4 datagram; frames that carry none are counted and
// passed over. At the end of the file it returns io.EOF, within a packet
// io.ErrUnexpectedEOF: what was written by a program that was killed.
// Another error is ErrFormat, or the underlying reader's; no packet follows it.
func (r *Reader) Next() (Packet, error) { return r.next() }

// Skipped counts the frames so far that carried no IPv4 datagram, or had a
// link type that this package does not know.
func (r *Reader) Skipped() int { return r.skipped }

// read returns the next n octets, valid until the next call.
func (r *Reader) read(n int) ([]byte, error) {
	r.block.Reset()
	if _, err := io.CopyN(&r.block, r.in, int64(n)); err != nil {
		return nil, unexpected(err)
	}
	return r.block.Bytes(), nil
}

// unexpected turns an end of file where there should be more into
// io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// The magic numbers of pcap files with stamps in micro- and nanoseconds.
const (
	pcapMicro = 0xa1b2c3d4
	pcapNano  = 0xa1b23c4d
)

func (r *Reader) pcapHeader() error {
	b, err := r.read(24)
	if err != nil {
		return err
	}
	c := clock{exponent: 6}
	if r.order.Uint32(b) == pcapNano {
		c.exponent = nanoseconds
	}
	if major := r.order.Uint16(b[4:]); major != 2 {
		return fmt.Errorf("%w: pcap version %d", ErrFormat, major)
	}
	// The upper half of the last word says how long the frame check is.
	r.interfaces = []iface{{link: uint16(r.order.Uint32(b[20:])), clock: c}}
	return nil
}

func (r *Reader) nextRecord() (Packet, error) {
	for {
		if _, err := r.in.Peek(1); err != nil {
			return Packet{}, err
		}
		b, err := r.read(16)
		if err != nil {
			return Packet{}, err
		}
		f := &r.interfaces[0]
		at := f.clock.split(r.order.Uint32(b), r.order.Uint32(b[4:]))
		captured, original := r.order.Uint32(b[8:]), r.order.Uint32(b[12:])
		if captured > maxBlock {
			return Packet{}, fmt.Errorf("%w: a packet of %d octets", ErrFormat, captured)
		}
		frame, err := r.read(int(captured))
		if err != nil {
			return Packet{}, err
		}
		p := Packet{At: at, Missing: missing(captured, original)}
		if r.unwrap(&p, f.link, frame) {
			return p, nil
		}
	}
}

// unwrap puts the frame's datagram into p, or counts a frame without one.
func (r *Reader) unwrap(p *Packet, link uint16, frame []byte) bool {
	datagram, direction, ok := unwrap(link, frame)
	if !ok {
		r.skipped++
		return false
	}
	p.Datagram = datagram
	if p.Direction == Unknown {
		p.Direction = direction
	}
	return true
}

// missing is how much shorter a frame is than it was on the wire.
func missing(captured, original uint32) int {
	if original > captured && original-captured <= maxBlock {
		return int(original - captured)
	}
	return 0
}

// clock turns a file's stamps into times.
type clock struct {
	exponent uint8 // a tick is 10 to the minus exponent seconds
	binary   bool  // or 2 to the minus exponent
	offset   int64 // seconds
}

// split is for stamps that have the seconds in a word of their own.
func (c clock) split(seconds, ticks uint32) time.Time {
	return time.Unix(int64(seconds), int64(ticks)*int64(pow10(nanoseconds-c.exponent)))
}
