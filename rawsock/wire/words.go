package wire

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// Kinds that have a name in tcpdump, but no typed accessor here.
const (
	optEcho      OptionKind = 6
	optEchoReply OptionKind = 7
	optCC        OptionKind = 11
	optCCNew     OptionKind = 12
	optCCEcho    OptionKind = 13
	optSCPS      OptionKind = 20
	optUTO       OptionKind = 28
	optMPTCP     OptionKind = 30
)

// String returns the kind in tcpdump's words: "mss", "unknown-77".
func (k OptionKind) String() string {
	if name := k.name(); name != "" {
		return name
	}
	return string(k.appendTo(nil))
}

// appendTo appends what String returns.
func (k OptionKind) appendTo(b []byte) []byte {
	if name := k.name(); name != "" {
		return append(b, name...)
	}
	return strconv.AppendUint(append(b, "unknown-"...), uint64(k), 10)
}

// name returns "" for kinds without one.
func (k OptionKind) name() string {
	switch k {
	case OptEnd:
		return "eol"
	case OptNOP:
		return "nop"
	case OptMSS:
		return "mss"
	case OptWindowScale:
		return "wscale"
	case OptSACKPermitted:
		return "sackOK"
	case OptSACK:
		return "sack"
	case optEcho:
		return "echo"
	case optEchoReply:
		return "echoreply"
	case OptTimestamps:
		return "TS"
	case optCC:
		return "cc"
	case optCCNew:
		return "ccnew"
	case optCCEcho:
		return "ccecho"
	case OptMD5:
		return "md5"
	case optSCPS:
		return "scps"
	case optUTO:
		return "uto"
	case OptAO:
		return "tcp-ao"
	case optMPTCP:
		return "mptcp"
	case OptFastOpen:
		return "tfo"
	case OptExperiment2:
		return "exp"
	default:
		return ""
	}
}

// String returns the option in tcpdump's words: "mss 1460", "sackOK",
// "TS val 1 ecr 0", "nop", "wscale 7", "eol". SACK blocks have absolute
// sequence numbers; see Words.
func (o Option) String() string { return o.Words(0) }

// Words is String with SACK blocks relative to base, as tcpdump shows them
// once it knows the initial sequence number of the stream they are about.
//
// A malformed option is "[bad opt]". The words are those of tcpdump 4.99.3
// with these exceptions: an option whose length does not suit its kind is
// shown as octets with "[len N]" behind them, where tcpdump reads on in the
// next option; an MD5 digest is shown without the remark that the secret is
// unknown; a user timeout has its unit where RFC 5482 puts it; ccecho has a
// name; Multipath TCP (RFC 8684) is given as octets.
func (o Option) Words(base Seq) string { return string(o.AppendWords(nil, base)) }

// AppendWords appends what Words returns. It does not allocate if b has room.
func (o Option) AppendWords(b []byte, base Seq) []byte {
	if o.Malformed {
		return append(b, "[bad opt]"...)
	}
	b = o.Kind.appendTo(b)
	if o.suits() {
		return o.appendValue(b, base)
	}
	b = appendOctets(b, o.Data)
	b = appendNumber(b, "[len ", 2+uint32(len(o.Data)))
	return append(b, ']')
}

// suits reports whether the data are of a length that suits the kind.
func (o Option) suits() bool {
	switch n := len(o.Data); o.Kind {
	case OptSACKPermitted:
		return n == 0
	case OptWindowScale:
		return n == 1
	case OptMSS, optSCPS, optUTO:
		return n == 2
	case optEcho, optEchoReply, optCC, optCCNew, optCCEcho:
		return n == 4
	case OptTimestamps:
		return n == 8
	case OptMD5:
		return n == 16
	case OptExperiment2:
		return n >= 2
	default:
		return true
	}
}

// appendValue appends what stands behind the kind's name.
func (o Option) appendValue(b []byte, base Seq) []byte {
	be, d := binary.BigEndian, o.Data
	switch o.Kind {
	case OptEnd, OptNOP, OptSACKPermitted:
		return b
	case OptMSS:
		return appendNumber(b, " ", uint32(be.Uint16(d)))
	case OptWindowScale:
		return appendNumber(b, " ", uint32(d[0]))
	case OptSACK:
		return appendSACK(b, d, base)
	case optEcho, optEchoReply, optCC, optCCNew, optCCEcho:
		return appendNumber(b, " ", be.Uint32(d))
	case OptTimestamps:
		return appendNumber(appendNumber(b, " val ", be.Uint32(d)), " ecr ", be.Uint32(d[4:]))
	case OptMD5:
		return hex.AppendEncode(append(b, ' '), d)
	case optSCPS:
		return appendNumber(hex.AppendEncode(append(b, " cap "...), d[:1]), " id ", uint32(d[1]))
	case OptAO:
		return appendAO(b, o)
	case optUTO:
		return appendUTO(b, d)
	case OptFastOpen:
		return appendFastOpen(append(b, ' '), d)
	case OptExperiment2:
		return appendExperiment(b, o)
	default:
		return appendOctets(b, d)
	}
}

func appendNumber(b []byte, words string, n uint32) []byte {
	return strconv.AppendUint(append(b, words...), uint64(n), 10)
}

func appendOctets(b, d []byte) []byte {
	if len(d) == 0 {
		return b
	}
	return hex.AppendEncode(append(b, " 0x"...), d)
}

func appendSACK(b, d []byte, base Seq) []byte {
	if len(d)%8 != 0 {
		return append(b, " invalid sack"...)
	}
	b = append(appendNumber(b, " ", uint32(len(d)/8)), ' ')
	for ; len(d) >= 8; d = d[8:] {
		b = appendNumber(b, "{", binary.BigEndian.Uint32(d)-uint32(base))
		b = append(appendNumber(b, ":", binary.BigEndian.Uint32(d[4:])-uint32(base)), '}')
	}
	return b
}

func appendAO(b []byte, o Option) []byte {
	keyID, rnextKeyID, mac, ok := o.AO()
	if !ok {
		return append(b, " (invalid)"...)
	}
	b = appendNumber(appendNumber(b, " keyid ", uint32(keyID)), " rnextkeyid ", uint32(rnextKeyID))
	if len(mac) > 0 {
		b = appendOctets(append(b, " mac"...), mac)
	}
	return b
}

// appendUTO shows a user timeout: the field, and its value in seconds
// (RFC 5482, Section 3).
func appendUTO(b, d []byte) []byte {
	field := uint32(binary.BigEndian.Uint16(d))
	seconds := field & 0x7fff
	if field&0x8000 != 0 {
		seconds *= 60
	}
	return appendNumber(strconv.AppendUint(append(b, " 0x"...), uint64(field), 16), " ", seconds)
}

// appendFastOpen shows a cookie. RFC 7413 allows 4 to 16 octets, an even
// number.
func appendFastOpen(b, cookie []byte) []byte {
	switch n := len(cookie); {
	case n == 0:
		return append(b, " cookiereq"...)
	case n%2 != 0 || n < 4 || n > 16:
		return append(b, " (invalid)"...)
	default:
		return hex.AppendEncode(append(b, " cookie "...), cookie)
	}
}

func appendExperiment(b []byte, o Option) []byte {
	if cookie, ok := o.FastOpen(); ok {
		return appendFastOpen(append(b, "-tfo"...), cookie)
	}
	return hex.AppendEncode(append(b, '-'), o.Data[:2])
}
