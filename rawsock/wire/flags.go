package wire

import (
	"fmt"
	"strings"
)

// Flags are the eight control bits of a TCP header (RFC 9293, Section 3.1),
// in their order on the wire.
type Flags uint8

// The control bits.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// flagLetters and flagNames are in the order of the bits, which is also
// tcpdump's.
const flagLetters = "FSRP.UEW"

var flagNames = [8]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"}

// noFlags stands for a segment without any, in tcpdump's form and in ours.
const noFlags = "none"

// String returns the flags in tcpdump's form: "S", "S.", "P.", "none".
func (f Flags) String() string { return string(f.AppendTo(nil)) }

// AppendTo appends what String returns. It does not allocate if b has room.
func (f Flags) AppendTo(b []byte) []byte {
	if f == 0 {
		return append(b, noFlags...)
	}
	for i := range len(flagLetters) {
		if f&(1<<i) != 0 {
			b = append(b, flagLetters[i])
		}
	}
	return b
}

// Names returns the flags by their names, as ParseFlags takes them:
// "SYN,ACK", "none".
func (f Flags) Names() string {
	if f == 0 {
		return noFlags
	}
	names := make([]string, 0, len(flagNames))
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// ParseFlags reads flags as Names writes them, in any order and in upper or
// lower case. Its error lists the names that there are.
func ParseFlags(s string) (Flags, error) {
	if strings.EqualFold(s, noFlags) {
		return 0, nil
	}
	var f Flags
	for name := range strings.SplitSeq(s, ",") {
		bit, err := parseFlag(strings.TrimSpace(name))
		if err != nil {
			return 0, err
		}
		f |= bit
	}
	return f, nil
}

func parseFlag(name string) (Flags, error) {
	for i, known := range flagNames {
		if strings.EqualFold(name, known) {
			return 1 << i, nil
		}
	}
	return 0, fmt.Errorf("unknown flag %q: want %s, or %s", name, strings.Join(flagNames[:], ","), noFlags)
}
