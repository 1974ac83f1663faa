package wire

import "encoding/binary"

// OptionKind is a TCP option's kind octet, as IANA lists them.
type OptionKind uint8

// The kinds that this package reads and writes by name; all others are kept
// verbatim.
const (
	OptEnd           OptionKind = 0
	OptNOP           OptionKind = 1
	OptMSS           OptionKind = 2
	OptWindowScale   OptionKind = 3
	OptSACKPermitted OptionKind = 4
	OptSACK          OptionKind = 5
	OptTimestamps    OptionKind = 8
	OptMD5           OptionKind = 19
	OptAO            OptionKind = 29
	OptFastOpen      OptionKind = 34
	OptExperiment1   OptionKind = 253
	OptExperiment2   OptionKind = 254
)

// fastOpenMagic is the experiment identifier under which Fast Open went
// before it had a kind of its own (RFC 7413, Appendix A).
const fastOpenMagic = 0xf989

// Option is one TCP option.
type Option struct {
	Kind OptionKind
	// Data is what follows the length octet; for OptEnd the padding after it;
	// for a malformed option everything after the kind octet, verbatim.
	Data []byte
	// Offset is the kind octet's place, counted from the first option octet.
	// Encoding ignores it.
	Offset int
	// Malformed says that the length octet is missing, below 2, or points
	// past the header. Such an option is always the last.
	Malformed bool
}

// SACKBlock is one contiguous stretch of received octets (RFC 2018,
// Section 3).
type SACKBlock struct {
	// Left is the block's first sequence number, Right the one just after its
	// last.
	Left, Right Seq
}

// NOP returns the one-octet filler.
func NOP() Option { return Option{Kind: OptNOP} }

// MSS returns a maximum segment size option, in octets.
func MSS(size uint16) Option {
	return Option{Kind: OptMSS, Data: binary.BigEndian.AppendUint16(nil, size)}
}

// WindowScale returns a window scale option (RFC 7323, Section 2.2).
func WindowScale(shift uint8) Option { return Option{Kind: OptWindowScale, Data: []byte{shift}} }

// SACKPermitted returns the option of RFC 2018, Section 2.
func SACKPermitted() Option { return Option{Kind: OptSACKPermitted} }

// SACK returns the option of RFC 2018, Section 3. A header has room for four
// blocks, or for three beside timestamps.
func SACK(blocks ...SACKBlock) Option {
	data := make([]byte, 0, 8*len(blocks))
	for _, k := range blocks {
		data = binary.BigEndian.AppendUint32(data, uint32(k.Left))
		data = binary.BigEndian.AppendUint32(data, uint32(k.Right))
	}
	return Option{Kind: OptSACK, Data: data}
}

// Timestamps returns the option of RFC 7323, Section 3.2.
func Timestamps(val, ecr uint32) Option {
	data := binary.BigEndian.AppendUint32(make([]byte, 0, 8), val)
	return Option{Kind: OptTimestamps, Data: binary.BigEndian.AppendUint32(data, ecr)}
}

// MD5 returns the signature option of RFC 2385, Section 3.0. Computing the
// digest is the caller's business.
func MD5(digest [16]byte) Option { return Option{Kind: OptMD5, Data: digest[:]} }

// AO returns the authentication option of RFC 5925, Section 2.2. Computing
// the MAC is the caller's business.
func AO(keyID, rnextKeyID uint8, mac []byte) Option {
	return Option{Kind: OptAO, Data: append([]byte{keyID, rnextKeyID}, mac...)}
}

// FastOpen returns the option of RFC 7413, Section 4.1.1, with a cookie, or
// asking for one if cookie is empty. It keeps cookie.
func FastOpen(cookie []byte) Option { return Option{Kind: OptFastOpen, Data: cookie} }

// FastOpenExperiment is FastOpen in its form before standardisation: kind 254
// with the experiment identifier f989 (RFC 7413, Appendix A).
func FastOpenExperiment(cookie []byte) Option {
	data := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(cookie)), fastOpenMagic)
	return Option{Kind: OptExperiment2, Data: append(data, cookie...)}
}

// MSS returns the maximum segment size in octets if o is that option, whole
// and of the right length.
func (o Option) MSS() (size uint16, ok bool) {
	if !o.is(OptMSS, 2) {
		return 0, false
	}
	return binary.BigEndian.Uint16(o.Data), true
}

// WindowScale returns the shift count if o is a window scale option. It is
// the octet as it came; receivers take anything above 14 for 14 (RFC 7323,
// Section 2.3).
func (o Option) WindowScale() (shift uint8, ok bool) {
	if !o.is(OptWindowScale, 1) {
		return 0, false
	}
	return o.Data[0], true
}

// Timestamps returns TSval and TSecr if o is a timestamps option.
func (o Option) Timestamps() (val, ecr uint32, ok bool) {
	if !o.is(OptTimestamps, 8) {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(o.Data), binary.BigEndian.Uint32(o.Data[4:]), true
}

// SACKBlocks returns the blocks, in the order in which they stand, if o is a
// SACK option of whole blocks. The slice is the caller's.
func (o Option) SACKBlocks() (blocks []SACKBlock, ok bool) {
	if o.Kind != OptSACK || o.Malformed || len(o.Data)%8 != 0 {
		return nil, false
	}
	for d := o.Data; len(d) > 0; d = d[8:] {
		blocks = append(blocks, SACKBlock{
			Left:  Seq(binary.BigEndian.Uint32(d)),
			Right: Seq(binary.BigEndian.Uint32(d[4:])),
		})
	}
	return blocks, true
}

// MD5 returns the digest if o is a signature option.
func (o Option) MD5() (digest [16]byte, ok bool) {
	if !o.is(OptMD5, 16) {
		return digest, false
	}
	return [16]byte(o.Data), true
}

// AO returns the key identifiers and the MAC if o is an authentication option.
// The MAC aliases o.Data.
func (o Option) AO() (keyID, rnextKeyID uint8, mac []byte, ok bool) {
	if o.Kind != OptAO || o.Malformed || len(o.Data) < 2 {
		return 0, 0, nil, false
	}
	return o.Data[0], o.Data[1], o.Data[2:], true
}

// FastOpen returns the cookie, empty for a request, if o is a Fast Open
// option in either form. The cookie aliases o.Data.
func (o Option) FastOpen() (cookie []byte, ok bool) {
	switch {
	case o.Malformed:
		return nil, false
	case o.Kind == OptFastOpen:
		return o.Data, true
	case (o.Kind == OptExperiment1 || o.Kind == OptExperiment2) && len(o.Data) >= 2 &&
		binary.BigEndian.Uint16(o.Data) == fastOpenMagic:
		return o.Data[2:], true
	default:
		return nil, false
	}
}

// is reports whether o is a whole option of that kind and that many octets of
// data.
func (o Option) is(kind OptionKind, n int) bool {
	return o.Kind == kind && !o.Malformed && len(o.Data) == n
}

// hasLength reports whether a length octet stands between o's kind and data.
func (o Option) hasLength() bool { return !o.Malformed && o.Kind != OptEnd && o.Kind != OptNOP }

func (o Option) encodedLen() int {
	if o.hasLength() {
		return 2 + len(o.Data)
	}
	return 1 + len(o.Data)
}

func (o Option) appendTo(b []byte) []byte {
	b = append(b, byte(o.Kind))
	if o.hasLength() {
		b = append(b, byte(2+len(o.Data)))
	}
	return append(b, o.Data...)
}

// appendParsedOptions appends the options in b, which Data aliases, to dst.
// Encoding them gives b back, whatever it holds.
func appendParsedOptions(dst []Option, b []byte) []Option {
	for at := 0; at < len(b); {
		o := Option{Kind: OptionKind(b[at]), Offset: at}
		rest := b[at+1:]
		switch {
		case o.Kind == OptNOP:
			at++
		case o.Kind == OptEnd:
			o.Data, at = rest, len(b)
		case len(rest) == 0 || rest[0] < 2 || int(rest[0]) > len(rest)+1:
			o.Data, o.Malformed, at = rest, true, len(b)
		default:
			n := int(rest[0])
			o.Data, at = rest[1:n-1], at+n
		}
		dst = append(dst, o)
	}
	return dst
}
