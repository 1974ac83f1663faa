package wire

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
)

// Option is one TCP option.
type Option struct {
	Kind OptionKind
	// Data is what follows the length octet; for OptEnd the padding after it;
	// for a malformed option everything after the kind octet, verbatim.
	Data []byte
	// Offset is the kind octet's place, counted from the first option octet.
	Offset int
	// Malformed says that the length octet is missing, below 2, or points
	// past the header. Such an option is always the last.
	Malformed bool
}

// String returns the option in tcpdump's words: "mss 1460", "sackOK",
// "TS val 1 ecr 0", "nop", "wscale 7", "eol".
func (o Option) String() string { return "" }

// MSS returns a maximum segment size option, in octets.
func MSS(size uint16) Option { return Option{} }

// WindowScale returns a window scale option (RFC 7323, Section 2.2).
func WindowScale(shift uint8) Option { return Option{} }

// SACKPermitted returns the option of RFC 2018, Section 2.
func SACKPermitted() Option { return Option{} }

// Timestamps returns the option of RFC 7323, Section 3.2.
func Timestamps(val, ecr uint32) Option { return Option{} }

// NOP returns the one-octet filler.
func NOP() Option { return Option{Kind: OptNOP} }
