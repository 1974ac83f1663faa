package report

import (
	"fmt"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// option takes a TCP option.
func (h *header) option(o wire.Option, g *wire.Segment) {
	at := h.bit / 8
	length := 2 + len(o.Data)
	if o.Malformed || o.Kind == wire.OptEnd || o.Kind == wire.OptNOP {
		length--
	}
	raw := h.octets[at : at+length]
	if o.Malformed || !h.drawTyped(o) {
		h.drawOption(o.Kind.String(), raw)
	}
	text := o.String()
	switch {
	case o.Malformed:
		text = o.Kind.String() + ", malformed"
	case o.Kind != wire.OptNOP && o.Kind != wire.OptEnd:
		text += fmt.Sprintf(" (length %d)", length)
	}
	if meaning := optionMeaning(o, g); meaning != "" {
		text += ": " + meaning
	}
	h.lines = append(h.lines, line{at: h.at + at, raw: raw, name: fmt.Sprintf("option kind %d", o.Kind), text: Escape(text)})
	switch {
	case o.Malformed && len(o.Data) == 0:
		h.fault("the header ends before its length")
	case o.Malformed && o.Data[0] < 2:
		h.fault("a length of %d cannot be; what follows is not read", o.Data[0])
	case o.Malformed:
		h.fault("a length of %d reaches beyond the header; what follows is not read", o.Data[0])
	}
}

// drawTyped puts an option into the picture whose data are numbers; false if
// they are not, or are not as they should be.
func (h *header) drawTyped(o wire.Option) bool {
	var fields []box
	_, isMSS := o.MSS()
	_, isScale := o.WindowScale()
	_, _, isTimestamps := o.Timestamps()
	blocks, isSACK := o.SACKBlocks()
	switch {
	case isMSS:
		fields = []box{{bits: 16, title: "Maximum Segment Size"}}
	case isScale:
		fields = []box{{bits: 8, title: "shift"}}
	case isTimestamps:
		fields = []box{{bits: 32, title: "TSval"}, {bits: 32, title: "TSecr"}}
	case isSACK:
		for range blocks {
			fields = append(fields, box{bits: 32, title: "left edge"}, box{bits: 32, title: "right edge"})
		}
	default:
		return false
	}
	h.draw(8, o.Kind.String())
	h.draw(8, "length")
	for _, f := range fields {
		h.draw(f.bits, f.title)
	}
	return true
}

// optionMeaning says what an option is for; "" where its words say all.
func optionMeaning(o wire.Option, g *wire.Segment) string {
	if o.Malformed {
		return ""
	}
	onlySYN := func(text string) string {
		if g.Flags&wire.SYN == 0 {
			return "but it means nothing without SYN"
		}
		return text
	}
	switch o.Kind {
	case wire.OptEnd:
		return sentence("the list ends", padding(len(o.Data)))
	case wire.OptNOP:
		return "filler"
	case wire.OptMSS:
		size, ok := o.MSS()
		if !ok {
			return ""
		}
		return onlySYN(fmt.Sprintf("send me no more in one segment; with both headers a datagram of %d", int(size)+40))
	case wire.OptWindowScale:
		shift, ok := o.WindowScale()
		switch {
		case !ok:
			return ""
		case shift > 14:
			return onlySYN("more than the 14 that it is taken for (RFC 7323)")
		}
		return onlySYN(fmt.Sprintf("my later windows count times %d, if both SYNs have this option", 1<<shift))
	case wire.OptSACKPermitted:
		return onlySYN("I understand selective acknowledgments")
	case wire.OptSACK:
		return sackMeaning(o, g)
	case wire.OptTimestamps:
		return timestampMeaning(o, g)
	case wire.OptMD5, wire.OptAO:
		return "signs the segment; the key is not here"
	case wire.OptFastOpen:
		if cookie, ok := o.FastOpen(); ok && len(cookie) == 0 {
			return "asks for a Fast Open cookie (RFC 7413)"
		}
		return "Fast Open (RFC 7413)"
	case optUTO:
		return "how long data may wait for an acknowledgment (RFC 5482)"
	case optMPTCP:
		return "Multipath TCP (RFC 8684)"
	}
	return ""
}

func padding(octets int) string {
	if octets == 0 {
		return ""
	}
	return Plural(int64(octets), "octet") + " of padding"
}

func sackMeaning(o wire.Option, g *wire.Segment) string {
	blocks, ok := o.SACKBlocks()
	switch {
	case !ok || len(blocks) == 0:
		return ""
	case blocks[0].Right.Sub(g.Ack) <= 0:
		return "the first block came twice (D-SACK, RFC 2883)"
	}
	return "these have arrived, but not all before them"
}

func timestampMeaning(o wire.Option, g *wire.Segment) string {
	_, ecr, ok := o.Timestamps()
	switch {
	case !ok:
		return ""
	case g.Flags&(wire.SYN|wire.ACK) == wire.SYN && ecr == 0:
		return "the sender's clock; nothing to echo yet"
	}
	return "the sender's clock, and the last of the peer's that it echoes"
}
