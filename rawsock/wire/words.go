package wire

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
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
		return fmt.Sprintf("unknown-%d", uint8(k))
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
func (o Option) Words(base Seq) string {
	if o.Malformed {
		return "[bad opt]"
	}
	if words, ok := o.value(base); ok {
		return o.Kind.String() + words
	}
	return fmt.Sprintf("%v%s[len %d]", o.Kind, octets(o.Data), 2+len(o.Data))
}

// value returns what stands behind the kind's name; false if the data are not
// of a length that suits the kind.
func (o Option) value(base Seq) (words string, ok bool) {
	d := o.Data
	switch o.Kind {
	case OptEnd, OptNOP:
		return "", true
	case OptSACKPermitted:
		return "", len(d) == 0
	case OptMSS:
		size, ok := o.MSS()
		return fmt.Sprintf(" %d", size), ok
	case OptWindowScale:
		shift, ok := o.WindowScale()
		return fmt.Sprintf(" %d", shift), ok
	case OptSACK:
		return sackWords(o, base), true
	case optEcho, optEchoReply, optCC, optCCNew, optCCEcho:
		if len(d) != 4 {
			return "", false
		}
		return fmt.Sprintf(" %d", binary.BigEndian.Uint32(d)), true
	case OptTimestamps:
		val, ecr, ok := o.Timestamps()
		return fmt.Sprintf(" val %d ecr %d", val, ecr), ok
	case OptMD5:
		return " " + hex.EncodeToString(d), len(d) == 16
	case optSCPS:
		if len(d) != 2 {
			return "", false
		}
		return fmt.Sprintf(" cap %02x id %d", d[0], d[1]), true
	case OptAO:
		return aoWords(o), true
	case optUTO:
		return utoWords(d)
	case OptFastOpen:
		return " " + fastOpenWords(d), true
	case OptExperiment2:
		return experimentWords(o)
	default:
		return octets(d), true
	}
}

func octets(d []byte) string {
	if len(d) == 0 {
		return ""
	}
	return " 0x" + hex.EncodeToString(d)
}

func sackWords(o Option, base Seq) string {
	blocks, ok := o.SACKBlocks()
	if !ok {
		return " invalid sack"
	}
	var w strings.Builder
	fmt.Fprintf(&w, " %d ", len(blocks))
	for _, k := range blocks {
		fmt.Fprintf(&w, "{%d:%d}", k.Left-base, k.Right-base)
	}
	return w.String()
}

func aoWords(o Option) string {
	keyID, rnextKeyID, mac, ok := o.AO()
	if !ok {
		return " (invalid)"
	}
	words := fmt.Sprintf(" keyid %d rnextkeyid %d", keyID, rnextKeyID)
	if len(mac) > 0 {
		words += " mac" + octets(mac)
	}
	return words
}

// utoWords shows a user timeout: the field, and its value in seconds
// (RFC 5482, Section 3).
func utoWords(d []byte) (string, bool) {
	if len(d) != 2 {
		return "", false
	}
	field := binary.BigEndian.Uint16(d)
	seconds := int(field & 0x7fff)
	if field&0x8000 != 0 {
		seconds *= 60
	}
	return fmt.Sprintf(" 0x%x %d", field, seconds), true
}

// fastOpenWords shows a cookie. RFC 7413 allows 4 to 16 octets, an even
// number.
func fastOpenWords(cookie []byte) string {
	switch n := len(cookie); {
	case n == 0:
		return " cookiereq"
	case n%2 != 0 || n < 4 || n > 16:
		return " (invalid)"
	default:
		return " cookie " + hex.EncodeToString(cookie)
	}
}

func experimentWords(o Option) (string, bool) {
	if len(o.Data) < 2 {
		return "", false
	}
	if cookie, ok := o.FastOpen(); ok {
		return "-tfo" + fastOpenWords(cookie), true
	}
	return fmt.Sprintf("-%04x", binary.BigEndian.Uint16(o.Data)), true
}
