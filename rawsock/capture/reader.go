package capture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Reader reads a pcap or pcapng file of either byte order, compressed by gzip
// or not. It takes memory for what has arrived only, and at most 16 MiB for
// a packet. A Reader may be used by one goroutine at a time.
type Reader struct {
	in      *bufio.Reader
	block   bytes.Buffer // what is larger than the buffer of in
	order   binary.ByteOrder
	next    func(f *Frame) error
	number  int
	skipped int

	offset int64 // of the record or block that is being read
	taken  int   // octets of in that are handed out, and not yet discarded
	begun  int64 // octets of the record or block that are discarded

	// pcap: one link type and resolution; pcapng: one for each interface of
	// the section.
	interfaces []iface
}

// iface is what an interface says about its packets.
type iface struct {
	link     LinkType
	snapshot uint32
	clock    clock
	device   string
}

// NewReader recognises the format by the first four octets. Its error is a
// *FileError: of ErrFormat if it does not, and of io.ErrUnexpectedEOF if r
// ends before the file's header does.
func NewReader(r io.Reader) (*Reader, error) {
	format, in, err := Detect(r)
	if err != nil {
		return nil, err
	}
	rd := &Reader{in: in}
	switch format {
	case FormatPcapng:
		rd.next = rd.nextBlock
		return rd, nil
	case FormatPcap:
		rd.next = rd.nextRecord
		return rd, rd.pcapHeader()
	}
	head, err := in.Peek(4)
	if err != nil {
		return nil, &FileError{Err: unexpected(err)}
	}
	return nil, &FileError{Err: fmt.Errorf("%w: it begins with % x", ErrFormat, head)}
}

// ReadFrame reads the next packet into f, of which nothing remains. At the
// end of the file it returns io.EOF. Any other error is a *FileError; what
// was read before is good, and nothing follows. One of io.ErrUnexpectedEOF
// is what a program leaves that was killed while it wrote.
//
// It does not allocate, except for packets larger than any before beyond
// 256 KiB.
func (r *Reader) ReadFrame(f *Frame) error {
	*f = Frame{Number: r.number + 1}
	err := r.next(f)
	switch {
	case err == nil:
		r.number++
		f.Offset = r.offset
		if _, ok := f.Datagram(); !ok {
			r.skipped++
		}
		return nil
	case err == io.EOF:
		return io.EOF
	}
	return &FileError{Packet: r.number + 1, Offset: r.offset, Err: err}
}

// Next returns the next IPv4 datagram; frames that carry none are counted and
// passed over. Errors are those of ReadFrame.
func (r *Reader) Next() (Packet, error) {
	var f Frame
	for {
		if err := r.ReadFrame(&f); err != nil {
			return Packet{}, err
		}
		if datagram, ok := f.Datagram(); ok {
			return Packet{
				Datagram: datagram, At: f.At, Direction: f.Direction,
				Comment: string(f.Comment), Missing: f.Missing(),
			}, nil
		}
	}
}

// Interfaces counts the interfaces that the file has told of so far. A pcap
// file has one.
func (r *Reader) Interfaces() int { return len(r.interfaces) }

// Skipped counts the frames so far that carried no IPv4 datagram, or had a
// link type that this package does not know.
func (r *Reader) Skipped() int { return r.skipped }

// begin starts a record or block, and returns its first n octets without going
// past them: io.EOF if there are none at all.
func (r *Reader) begin(n int) ([]byte, error) {
	if err := r.release(); err != nil {
		return nil, err
	}
	r.offset += r.begun
	r.begun = 0
	head, err := r.in.Peek(n)
	if err != nil && len(head) > 0 {
		err = unexpected(err)
	}
	return head, err
}

// read returns the next n octets, valid until the next call.
func (r *Reader) read(n int) ([]byte, error) {
	if err := r.release(); err != nil {
		return nil, err
	}
	if n <= bufferedOctets {
		b, err := r.in.Peek(n)
		r.taken = len(b)
		return b, unexpected(err)
	}
	r.block.Reset()
	copied, err := io.CopyN(&r.block, r.in, int64(n))
	r.begun += copied
	return r.block.Bytes(), unexpected(err)
}

// release discards what read has handed out.
func (r *Reader) release() error {
	n, err := r.in.Discard(r.taken)
	r.begun += int64(n)
	r.taken = 0
	return err
}

// skip goes past n octets, however many they are.
func (r *Reader) skip(n int64) error {
	if err := r.release(); err != nil {
		return err
	}
	skipped, err := io.CopyN(io.Discard, r.in, n)
	r.begun += skipped
	return unexpected(err)
}

// unexpected turns an end of file where there should be more into
// io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
