package report

import (
	"encoding/binary"
	base16 "encoding/hex"
	"strconv"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// Kinds of TCP options that tcpdump words in its own way, and those that it
// knows by name beside package wire's.
const (
	optEcho      wire.OptionKind = 6
	optEchoReply wire.OptionKind = 7
	optCC        wire.OptionKind = 11
	optCCNew     wire.OptionKind = 12
	optCCEcho    wire.OptionKind = 13
	optSCPS      wire.OptionKind = 20
	optUTO       wire.OptionKind = 28
	optMPTCP     wire.OptionKind = 30
)

// optionPrinter prints the options of one segment as tcpdump does. Package
// wire has words for single options; here are the ways of tcpdump with those
// that are odd: it reads as much as a kind is to have, whatever length the
// option claims, and goes on behind that.
type optionPrinter struct {
	// left is how many octets of options there are still; captured is what
	// there is of them and of all behind.
	left     int
	captured []byte
	flags    wire.Flags
	base     wire.Seq // that SACK blocks are relative to
	// whole says that the segment's payload has been captured.
	whole bool
	// dug says that tcpdump has been in its Multipath TCP printer, from which
	// it comes back with another protocol's name.
	dug bool
}

// appendTo returns false where tcpdump ends the line: where the capture does,
// and at an option whose length cannot be.
func (o *optionPrinter) appendTo(b []byte) ([]byte, bool) {
	if o.left == 0 {
		return b, true
	}
	b = append(b, ", options ["...)
	// Most segments have timestamps alone, aligned as RFC 7323, Appendix A
	// has them.
	const aligned = uint32(wire.OptNOP)<<24 | uint32(wire.OptNOP)<<16 | uint32(wire.OptTimestamps)<<8 | 10
	if o.left == 12 && len(o.captured) >= 12 && binary.BigEndian.Uint32(o.captured) == aligned {
		b = appendUint(append(b, "nop,nop,TS val "...), binary.BigEndian.Uint32(o.captured[4:]))
		b = appendUint(append(b, " ecr "...), binary.BigEndian.Uint32(o.captured[8:]))
		return append(b, ']'), true
	}
	for first := true; o.left > 0; first = false {
		if !first {
			b = append(b, ',')
		}
		kind, size, ok := o.next()
		if !ok {
			return o.appendCut(b), false
		}
		if size < 0 {
			return appendBadOption(b, first), false
		}
		var fault optionFault
		if b, fault = o.appendOption(b, kind, size); fault != noFault {
			switch fault {
			case badOption:
				b = appendBadOption(b, first)
			case cutOption:
				if b = o.appendCut(b); !first {
					b = append(b, '>')
				}
			}
			return b, false
		}
		if kind == wire.OptEnd {
			break
		}
	}
	return append(b, ']'), true
}

// optionFault is why reading ends within an option.
type optionFault uint8

const (
	noFault   optionFault = iota
	badOption             // its length cannot be
	cutOption             // the capture ends
)

// next reads the kind octet, and the length octet if there is one; size is
// negative if that cannot be, and ok is false where the capture ends.
func (o *optionPrinter) next() (kind wire.OptionKind, size int, ok bool) {
	if len(o.captured) == 0 {
		return 0, 0, false
	}
	kind = wire.OptionKind(o.captured[0])
	o.captured = o.captured[1:]
	if kind == wire.OptEnd || kind == wire.OptNOP {
		o.left--
		return kind, 1, true
	}
	if len(o.captured) == 0 {
		return 0, 0, false
	}
	size = int(o.captured[0])
	o.captured = o.captured[1:]
	if size < 2 || size > o.left {
		return kind, -1, true
	}
	o.left -= 2
	return kind, size, true
}

// dataLen returns how many octets of data tcpdump reads of an option.
func dataLen(kind wire.OptionKind, size int) int {
	switch kind {
	case wire.OptEnd, wire.OptNOP, wire.OptSACKPermitted:
		return 0
	case wire.OptWindowScale:
		return 1
	case wire.OptMSS, optSCPS, optUTO:
		return 2
	case optEcho, optEchoReply, optCC, optCCNew, optCCEcho:
		return 4
	case wire.OptTimestamps:
		return 8
	case wire.OptMD5:
		return 16
	}
	return size - 2
}

// appendOption appends an option, kind and length of which are read.
func (o *optionPrinter) appendOption(b []byte, kind wire.OptionKind, size int) ([]byte, optionFault) {
	n := dataLen(kind, size)
	if n > o.left {
		return appendOptionName(b, kind), badOption
	}
	data := o.captured[:min(n, len(o.captured))]
	o.captured, o.left = o.captured[len(data):], o.left-n
	var fault optionFault
	switch {
	case len(data) < n && !unreadable(kind, n):
		return o.appendPart(b, kind, n, data), cutOption
	case kind == optCCEcho: // has no name
		b = appendUint(append(b, ' '), binary.BigEndian.Uint32(data))
	case kind == optUTO:
		b = appendUTO(append(b, "uto"...), binary.BigEndian.Uint16(data))
	case kind == wire.OptMD5:
		b = append(b, "md5 "...)
		if o.whole {
			b = append(b, "shared secret not supplied with -M, "...)
		} else {
			b = append(b, "snaplen too short, "...)
		}
		b = base16.AppendEncode(append(b, "can't check - "...), data)
	case kind == optMPTCP:
		o.dug = true
		b, fault = appendMPTCP(append(b, "mptcp"...), data, o.flags)
	case kind == wire.OptExperiment2 && n < 2:
		return append(b, "exp"...), badOption
	case kind == wire.OptSACK && n%8 != 0:
		b = append(b, "sack invalid sack"...)
	default:
		b = wire.Option{Kind: kind, Data: data}.AppendWords(b, o.base)
	}
	if fault != noFault {
		return b, fault
	}
	if claimed := size - 2; kind != wire.OptEnd && kind != wire.OptNOP && claimed != n {
		b = append(appendInt(append(b, "[len "...), size), ']')
	}
	return b, noFault
}

// unreadable reports whether tcpdump does not look at an option's n octets.
func unreadable(kind wire.OptionKind, n int) bool {
	return kind == wire.OptSACK && n%8 != 0 || kind == wire.OptAO && n < 2
}

// appendOptionName appends a kind's name as tcpdump has it.
func appendOptionName(b []byte, kind wire.OptionKind) []byte {
	if kind == optCCEcho {
		return b
	}
	return append(b, kind.String()...)
}

// appendPart appends what was captured of an option's n octets of data. Of
// some kinds tcpdump shows what there is.
func (o *optionPrinter) appendPart(b []byte, kind wire.OptionKind, n int, data []byte) []byte {
	b = appendOptionName(b, kind)
	switch kind {
	case wire.OptSACK:
		b = append(appendInt(append(b, ' '), n/8), ' ')
		for ; len(data) >= 8; data = data[8:] {
			b = appendUint(append(b, '{'), binary.BigEndian.Uint32(data)-uint32(o.base))
			b = append(appendUint(append(b, ':'), binary.BigEndian.Uint32(data[4:])-uint32(o.base)), '}')
		}
	case wire.OptAO:
		if len(data) > 0 {
			b = appendInt(append(b, " keyid "...), int(data[0]))
		}
		if len(data) > 1 {
			b = appendInt(append(b, " rnextkeyid "...), int(data[1]))
			b = base16.AppendEncode(append(b, " mac 0x"...), data[2:])
		}
	case wire.OptMSS, wire.OptWindowScale, optEcho, optEchoReply, wire.OptTimestamps, optCC, optCCNew, optCCEcho,
		wire.OptMD5, optSCPS, optUTO, optMPTCP, wire.OptFastOpen, wire.OptExperiment2:
	default:
		b = base16.AppendEncode(append(b, " 0x"...), data)
	}
	return b
}

// appendUTO appends a user timeout. tcpdump takes the lowest bit for the
// granularity; it is the highest (RFC 5482, Section 3).
func appendUTO(b []byte, field uint16) []byte {
	b = strconv.AppendUint(append(b, " 0x"...), uint64(field), 16)
	seconds := uint32(field >> 1)
	if field&1 != 0 {
		seconds *= 60
	}
	return appendUint(append(b, ' '), seconds)
}

func appendBadOption(b []byte, first bool) []byte {
	b = append(b, "[bad opt]"...)
	if !first {
		b = append(b, ']')
	}
	return b
}

func (o *optionPrinter) appendCut(b []byte) []byte {
	if o.dug {
		return appendCut(b, "mptcp")
	}
	return appendCut(b, "tcp")
}
