package capture

import (
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf8"
)

// bufferSize is how many octets a Writer gathers before it writes.
const bufferSize = 64 << 10

// Writer writes a pcapng file of raw IPv4 datagrams. It passes on whole
// blocks only, so that a file whose writer is killed ends after a packet, and
// within one only if the kernel was just writing it.
// A Writer may be used by one goroutine at a time.
type Writer struct {
	w   io.Writer
	buf []byte
}

// NewWriter returns a Writer whose first block names the application. Nothing
// is written before Flush is called or the buffer is full.
func NewWriter(w io.Writer, application string) *Writer {
	wr := &Writer{w: w, buf: make([]byte, 0, bufferSize+bufferSize/8)}
	start := wr.begin(blockSection)
	wr.buf = binary.LittleEndian.AppendUint32(wr.buf, byteOrder)
	wr.buf = binary.LittleEndian.AppendUint16(wr.buf, 1) // version 1.0
	wr.buf = binary.LittleEndian.AppendUint16(wr.buf, 0)
	wr.buf = binary.LittleEndian.AppendUint64(wr.buf, ^uint64(0)) // section length unknown
	wr.text(optUserAppl, application)
	wr.end(start, true)

	start = wr.begin(blockInterface)
	wr.buf = binary.LittleEndian.AppendUint16(wr.buf, uint16(LinkRaw))
	wr.buf = binary.LittleEndian.AppendUint16(wr.buf, 0)
	wr.buf = binary.LittleEndian.AppendUint32(wr.buf, maxSnapshot)
	wr.option(optTSResol, []byte{nanoseconds})
	wr.end(start, true)
	return wr
}

// Write adds a packet. It copies the datagram.
func (w *Writer) Write(p Packet) error {
	start := w.begin(blockEnhanced)
	at := uint64(0)
	if !p.At.IsZero() {
		at = uint64(p.At.UnixNano())
	}
	w.buf = binary.LittleEndian.AppendUint32(w.buf, 0) // the one interface
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(at>>32))
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(at))
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(len(p.Datagram)))
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(len(p.Datagram)+p.Missing))
	w.buf = append(w.buf, p.Datagram...)
	w.pad(len(p.Datagram))
	if p.Comment != "" {
		w.text(optComment, p.Comment)
	}
	if p.Direction != Unknown {
		w.option(optFlags, []byte{byte(p.Direction), 0, 0, 0})
	}
	w.end(start, p.Comment != "" || p.Direction != Unknown)
	if len(w.buf) >= bufferSize {
		return w.Flush()
	}
	return nil
}

// Flush passes on what is buffered. After an error the buffer is empty, and
// the file may end within a block.
func (w *Writer) Flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.w.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// begin starts a block, and returns where it does for end.
func (w *Writer) begin(kind uint32) int {
	start := len(w.buf)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, kind)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, 0)
	return start
}

// end closes the options, if any, and writes the block's length at both ends.
func (w *Writer) end(start int, options bool) {
	if options {
		w.buf = binary.LittleEndian.AppendUint32(w.buf, optEnd)
	}
	length := uint32(len(w.buf) - start + 4)
	binary.LittleEndian.PutUint32(w.buf[start+4:], length)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, length)
}

// text adds an option that must be UTF-8 and fit its length field.
func (w *Writer) text(code uint16, s string) {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) > maxOption {
		s = strings.ToValidUTF8(s[:maxOption], "")
	}
	w.option(code, []byte(s))
}

func (w *Writer) option(code uint16, value []byte) {
	w.buf = binary.LittleEndian.AppendUint16(w.buf, code)
	w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(len(value)))
	w.buf = append(w.buf, value...)
	w.pad(len(value))
}

// pad fills up to a multiple of four octets.
func (w *Writer) pad(length int) {
	w.buf = append(w.buf, make([]byte, -length&3)...)
}
