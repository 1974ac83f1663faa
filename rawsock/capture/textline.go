package capture

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// parse reads a packet's whole line. Nothing of the Text changes on an error.
func (t *Text) parse(text string) (Line, error) {
	left, right, ok := strings.Cut(text, flagsMark)
	switch {
	case ok:
	case strings.Contains(text, ": tcp "):
		return Line{}, errQuiet
	default:
		return Line{}, errors.New("no TCP flags")
	}
	gap := strings.LastIndex(left, " > ")
	if gap < 0 {
		return Line{}, errors.New("no addresses")
	}
	before, src := left[:gap], left[:gap]
	if blank := strings.LastIndexByte(before, ' '); blank >= 0 {
		before, src = before[:blank+1], before[blank+1:]
	} else {
		before = ""
	}
	s, rest, stamped := cutStamp(before)
	if stamped && !strings.Contains(rest, "IP") && !strings.Contains(rest, "ip: ") { // the latter: -e of raw links
		return Line{}, errors.New("no IP behind the stamp")
	}
	l := Line{Header: wire.Header{Protocol: wire.ProtocolTCP}}
	l.setDevice(rest)
	err := l.setVerbose(rest)
	if err == nil {
		err = t.setEndpoints(&l, src, strings.TrimSpace(left[gap+3:]))
	}
	if err == nil {
		err = t.setFields(&l, right)
	}
	if err == nil {
		err = l.setLengths()
	}
	if err != nil {
		return Line{}, err
	}
	if l.At, l.Stamp, ok = t.clock.time(s); !ok {
		return Line{}, fmt.Errorf("%q is no time", s.time)
	}
	t.options = l.Segment.Options
	return l, nil
}

// setDevice reads what stands between the stamp and the protocol: of a
// capture of several devices, which it was and which way.
func (l *Line) setDevice(text string) {
	words := strings.Fields(text)
	for i, word := range words[:min(len(words), 2)] {
		switch word {
		case "In", "B", "M":
			l.Direction = Inbound
		case "Out":
			l.Direction = Outbound
		case "P", "?": // promiscuously; unknown
		default:
			continue
		}
		if i == 1 {
			l.Device = words[0]
		}
		return
	}
}

// setVerbose reads the IPv4 header of tcpdump -v, if there is one.
func (l *Line) setVerbose(text string) error {
	_, text, l.Verbose = strings.Cut(text, "(tos 0x")
	if !l.Verbose {
		return nil
	}
	tos, text, _ := strings.Cut(text, ",")
	n, err := strconv.ParseUint(tos, 16, 8)
	l.Header.TOS = uint8(n)
	if _, flags, ok := strings.Cut(text, "flags ["); ok {
		flags, _, _ = strings.Cut(flags, "]")
		l.Header.DF = strings.Contains(flags, "DF")
		l.Header.MF = strings.Contains(flags, "+")
		l.Header.Evil = strings.Contains(flags, "rsvd")
	}
	for field := range strings.SplitSeq(text, ", ") {
		if err != nil {
			return fmt.Errorf("IPv4 header: %w", err)
		}
		key, value, _ := strings.Cut(strings.TrimSpace(field), " ")
		switch key {
		case "ttl":
			l.Header.TTL, err = small[uint8](value)
		case "id":
			l.Header.ID, err = small[uint16](value)
		case "offset":
			var octets uint16
			octets, err = small[uint16](value)
			l.Header.FragOffset = octets / 8
		case "options":
			return errors.New("IPv4 header: options are not read")
		}
	}
	return err
}

// small reads a decimal number that a field has room for.
func small[T uint8 | uint16 | uint32](text string) (T, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n > uint64(^T(0)) {
		return 0, fmt.Errorf("%q is not a number from 0 to %d", text, ^T(0))
	}
	return T(n), nil
}

func (t *Text) setEndpoints(l *Line, src, dst string) (err error) {
	if l.Header.Src, l.Segment.SrcPort, l.SrcName, err = t.endpoint(src); err != nil {
		return err
	}
	l.Header.Dst, l.Segment.DstPort, l.DstName, err = t.endpoint(dst)
	return err
}

// maxNames bounds what a text may hold in memory by naming hosts.
const maxNames = 1 << 16

// endpoint reads ADDRESS.PORT, either of which may be a name.
func (t *Text) endpoint(text string) (addr netip.Addr, port uint16, name string, err error) {
	dot := strings.LastIndexByte(text, '.')
	if dot <= 0 || strings.ContainsAny(text, " ,") {
		return addr, 0, "", fmt.Errorf("%q is not an address with a port", text)
	}
	host, service := text[:dot], text[dot+1:]
	if port, err = small[uint16](service); err != nil {
		ok := false
		if t.cfg.Port != nil {
			port, ok = t.cfg.Port(service)
		}
		if !ok {
			return addr, 0, "", fmt.Errorf("%q is not a port", service)
		}
	}
	if addr, err = netip.ParseAddr(host); err == nil {
		if !addr.Is4() {
			return addr, 0, "", errOtherProtocol
		}
		return addr, port, "", nil
	}
	if !isName(host) {
		return addr, 0, "", fmt.Errorf("%q is neither an address nor a name", host)
	}
	number, ok := t.names[host]
	if !ok {
		if len(t.names) >= maxNames {
			return addr, 0, "", fmt.Errorf("more than %d names of hosts", maxNames)
		}
		number = uint32(len(t.names) + 1)
		t.names[strings.Clone(host)] = number
	}
	return netip.AddrFrom4([4]byte{0, byte(number >> 16), byte(number >> 8), byte(number)}), port, host, nil
}

// isName reports whether a host may be called so. Without a letter it would be
// a piece of an address.
func isName(host string) bool {
	letters := false
	for _, r := range host {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			letters = true
		case r != '-' && r != '_' && r != '.' && (r < '0' || r > '9'):
			return false
		}
	}
	return letters
}

// setFields reads the line from its flags on, up to the payload's length.
func (t *Text) setFields(l *Line, text string) error {
	g := &l.Segment
	flags, text, ok := strings.Cut(text, "]")
	if !ok || !l.setFlags(flags) {
		return fmt.Errorf("%q are not TCP flags", flags)
	}
	g.Options = t.options[:0]
	for {
		var field string
		if text, ok = strings.CutPrefix(text, ", "); !ok {
			return errors.New("it does not go on to the length")
		}
		key, rest, _ := strings.Cut(text, " ")
		if key == "options" {
			if field, text, ok = strings.Cut(rest, "], length "); !ok {
				return t.setCutOptions(l, strings.TrimPrefix(rest, "["))
			}
			if err := t.setOptions(l, strings.TrimPrefix(field, "[")); err != nil {
				return err
			}
			text = ", length " + text
			continue
		}
		if key == "length" {
			digits := rest[:decimal(rest)]
			length, err := small[uint16](digits)
			l.Length = int(length)
			if err == nil && len(digits) < len(rest) && !strings.ContainsRune(" :,[(*<\"'`)", rune(rest[len(digits)])) && rest[len(digits)] < 0x80 {
				err = errors.New("its length is no number")
			}
			return err
		}
		field, text = rest, ""
		if comma := strings.Index(rest, ", "); comma >= 0 {
			field, text = rest[:comma], rest[comma:]
		}
		if err := l.setField(key, field); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
}

// decimal returns how many decimal digits s begins with.
func decimal(s string) int {
	return len(s) - len(strings.TrimLeft(s, "0123456789"))
}

// setFlags reads flags as wire.Flags writes them. Newer tcpdumps show the
// first of the reserved bits too, which RFC 9768 has named AE.
func (l *Line) setFlags(letters string) bool {
	if letters == wire.Flags(0).String() {
		return true
	}
	for _, letter := range letters {
		if letter == 'e' {
			l.Segment.Reserved |= 1
			continue
		}
		bit := wire.FIN
		for bit != 0 && bit.String() != string(letter) {
			bit <<= 1
		}
		if bit == 0 {
			return false
		}
		l.Segment.Flags |= bit
	}
	return letters != ""
}

func (l *Line) setField(key, value string) (err error) {
	g := &l.Segment
	switch key {
	case "seq":
		first, last, ranged := strings.Cut(value, ":")
		var n, end uint32
		if n, err = small[uint32](first); err == nil && ranged {
			end, err = small[uint32](last)
			l.seqRange, l.seqLength = true, int(end-n)
		}
		g.Seq, l.SeqOrigin, l.seqShown = wire.Seq(n), OriginAbsolute, true
	case "ack":
		var n uint32
		n, err = small[uint32](value)
		g.Ack, l.AckOrigin = wire.Seq(n), OriginAbsolute
	case "win":
		g.Window, err = small[uint16](value)
	case "urg":
		g.Urgent, err = small[uint16](value)
	case "cksum":
		word, _, _ := strings.Cut(value, " ")
		var n uint64
		n, err = strconv.ParseUint(word, 0, 16)
		g.Checksum, g.KeepChecksum = uint16(n), true
	default:
		return errors.New("no such field")
	}
	return err
}

// setOptions reads tcpdump's list of options.
func (t *Text) setOptions(l *Line, list string) error {
	g, size := &l.Segment, 0
	for words := range strings.SplitSeq(list, ",") {
		words = strings.TrimSpace(words)
		var options []wire.Option
		err := errors.ErrUnsupported
		if t.cfg.Options != nil {
			options, err = t.cfg.Options(words)
		}
		if err != nil {
			l.Unread = append(l.Unread, words)
			continue
		}
		for _, o := range options {
			o.Offset = size
			if size++; o.Kind != wire.OptNOP && o.Kind != wire.OptEnd {
				size += 1 + len(o.Data)
			}
			g.Options = append(g.Options, o)
		}
	}
	// tcpdump shows of the padding its first octet, and we may lack options.
	if padding := -size & 3; padding > 0 {
		if n := len(g.Options); n > 0 && g.Options[n-1].Kind == wire.OptEnd {
			g.Options[n-1].Data = make([]byte, padding)
		} else {
			g.Options = append(g.Options, wire.Option{Kind: wire.OptEnd, Data: make([]byte, padding-1), Offset: size})
		}
		size += padding
	}
	if size > 40 {
		return fmt.Errorf("options of %d octets: a header has room for 40", size)
	}
	g.DataOffset = uint8(size / 4)
	return nil
}

// setCutOptions reads options of which the last was not captured, or is
// malformed. tcpdump then shows no length; the sequence numbers tell it.
func (t *Text) setCutOptions(l *Line, list string) error {
	end := max(strings.Index(list, "[|tcp]"), strings.Index(list, "[bad opt]"))
	if end < 0 {
		return errors.New("its options do not end")
	}
	l.Length = l.seqLength
	known := max(strings.LastIndexByte(list[:end], ','), 0)
	l.Unread = append(l.Unread, strings.Trim(list[known:], ", >"))
	if known == 0 {
		return nil
	}
	return t.setOptions(l, list[:known])
}

// setLengths fills in the lengths of both headers, and holds those that the
// line shows to each other.
func (l *Line) setLengths() error {
	g := &l.Segment
	if l.seqRange && l.seqLength != l.Length {
		return fmt.Errorf("sequence numbers of %d octets, but a length of %d", l.seqLength, l.Length)
	}
	g.DataOffset += 5
	l.Header.IHL = 5
	total := 20 + 4*int(g.DataOffset) + l.Length
	if total > 0xffff {
		return fmt.Errorf("length of %d: a datagram has no room for it", l.Length)
	}
	l.Header.TotalLen = uint16(total)
	return nil
}

// setOctets takes the segment from a hex dump; false if it is not the line's.
// tcpdump -xx shows the link header too, which is not told from the line.
func (l *Line) setOctets(dump []byte, options *[]wire.Option) bool {
	for _, link := range [...]int{0, 14, 16, 18, 20, 22, 4} {
		d := behind(dump, link)
		if len(d) == 0 || d[0]>>4 != 4 {
			continue
		}
		d = trim(d)
		h, payload, err := wire.ParseHeader(d)
		if fault := (*wire.ParseError)(nil); err != nil && (!errors.As(err, &fault) || !fault.Truncated) && h.TotalLen != 0 {
			continue
		}
		if !l.isFrom(&h) || len(payload) < 20 {
			continue
		}
		g := wire.Segment{Options: (*options)[:0]}
		err = g.Parse(payload)
		if err != nil || g.SrcPort != l.Segment.SrcPort || g.DstPort != l.Segment.DstPort || g.Flags != l.Segment.Flags {
			continue
		}
		*options = g.Options
		if h.TotalLen != 0 {
			l.Length = int(h.TotalLen) - 4*int(h.IHL) - 4*int(g.DataOffset)
		}
		l.Header, l.Segment, l.Datagram, l.Unread = h, g, d, nil
		l.SeqOrigin, l.AckOrigin = OriginAbsolute, OriginNone
		if g.Flags&wire.ACK != 0 {
			l.AckOrigin = OriginAbsolute
		}
		return true
	}
	return false
}

// isFrom reports whether the header has the line's addresses, as far as those
// are no names.
func (l *Line) isFrom(h *wire.Header) bool {
	return h.Protocol == wire.ProtocolTCP &&
		(l.SrcName != "" || h.Src == l.Header.Src) && (l.DstName != "" || h.Dst == l.Header.Dst)
}
