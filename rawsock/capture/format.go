package capture

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrFormat reports a file that is neither pcap nor pcapng, or breaks the
// rules of its format.
var ErrFormat = errors.New("not a valid capture file")

// FileError says where in a file reading came to an end. It wraps ErrFormat,
// io.ErrUnexpectedEOF for a file that ends within something, or the error of
// the reader beneath.
type FileError struct {
	// Packet is the number of the packet that was to be read: one more than
	// those that were. Zero stands for the file's own header.
	Packet int
	// Offset is where that packet's record or block begins, in octets of the
	// file once it is decompressed.
	Offset int64
	Err    error
}

// Error names the packet, the octet and the problem.
func (e *FileError) Error() string {
	problem := e.Err.Error()
	if e.Err == io.ErrUnexpectedEOF {
		problem = "the file ends too soon"
	}
	if e.Packet == 0 {
		return fmt.Sprintf("file header: %s", problem)
	}
	return fmt.Sprintf("packet %d, at octet %d: %s", e.Packet, e.Offset, problem)
}

// Unwrap returns what is wrong.
func (e *FileError) Unwrap() error { return e.Err }

// Format is what a file begins as.
type Format uint8

// The formats of captures.
const (
	// FormatUnknown is everything else: text, perhaps, for NewText to read.
	FormatUnknown Format = iota
	FormatPcap
	FormatPcapng
)

// bufferedOctets is how much of a file is read at a time. Frames that fit in
// are not copied.
const bufferedOctets = 256 << 10

// Detect returns the format of what r gives, and a reader that gives all of
// it, decompressed if it was gzip's. An empty file is of unknown format; an
// error is the reader's or the decompressor's.
func Detect(r io.Reader) (Format, *bufio.Reader, error) {
	in := bufio.NewReaderSize(r, bufferedOctets)
	if head, _ := in.Peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b { // RFC 1952, Section 2.3.1
		plain, err := gzip.NewReader(in)
		if err != nil {
			return FormatUnknown, in, &FileError{Err: fmt.Errorf("gzip: %w", unexpected(err))}
		}
		in = bufio.NewReaderSize(plain, bufferedOctets)
	}
	head, err := in.Peek(4)
	if err != nil {
		if errors.Is(err, io.EOF) {
			return FormatUnknown, in, nil
		}
		return FormatUnknown, in, &FileError{Err: err}
	}
	if binary.LittleEndian.Uint32(head) == blockSection { // reads alike in both orders
		return FormatPcapng, in, nil
	}
	if _, ok := pcapOrder(head); ok {
		return FormatPcap, in, nil
	}
	return FormatUnknown, in, nil
}
