package report

import (
	"fmt"
	"net/netip"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// ipv4 takes a datagram apart that begins at an offset. quoted names the
// message that quotes it, "" for none: then it may end anywhere.
func (d *dissection) ipv4(b []byte, at int, quoted string) {
	ip, payload, _ := wire.ParseHeader(versionFour(b))
	length := min(len(b), 20)
	if n := 4 * int(ip.IHL); n >= 20 && n <= len(b) {
		length = n
	}
	name, layer := "IPv4 header", "IPv4"
	if quoted != "" {
		name, layer = "Quoted "+name, "quoting "+layer
	}
	d.layers = append(d.layers, layer)
	h := d.header(name, "RFC 791, Section 3.1", at, b[:length])
	h.versionAndLengths(&ip, len(b), quoted != "")
	h.fragmentation(&ip)
	h.lifetime(&ip, quoted != "")
	h.headerChecksum(b)
	h.field(32, "Source Address", "source", address)
	h.field(32, "Destination Address", "destination", address)
	if length > 20 {
		h.ipOptions(b[20:length])
	}
	if len(b) < 20 {
		h.note("The octets end here, within the header.")
		return
	}
	total := int(ip.TotalLen)
	if total >= length && total < len(b) {
		d.remain("Behind the datagram, perhaps padding", at+total, b[total:])
	}
	d.carried(&ip, b, payload, at+len(b)-len(b[length:]), quoted)
}

// versionFour returns a header with the version that it should have, so that
// it can be read whatever it has.
func versionFour(b []byte) []byte {
	if len(b) == 0 || b[0]>>4 == 4 {
		return b
	}
	return append([]byte{4<<4 | b[0]&0xf}, b[1:]...)
}

// carried goes on with what a datagram carries.
func (d *dissection) carried(ip *wire.Header, datagram, payload []byte, at int, quoted string) {
	complete := len(datagram) >= int(ip.TotalLen)
	switch {
	case ip.FragOffset != 0:
		d.layers = append(d.layers, "a later fragment")
		d.remain("The fragment's part of "+carriedName(ip.Protocol), at, payload)
	case ip.Protocol == wire.ProtocolTCP:
		d.tcp(payload, at, carrier{ip: ip, datagram: datagram, whole: complete, quoted: quoted})
	case ip.Protocol == wire.ProtocolICMP && quoted == "":
		checksum := wire.Unverified
		if complete && !ip.MF {
			checksum = wire.VerifyICMP(payload)
		}
		d.icmp(payload, at, checksum)
	default:
		d.layers = append(d.layers, carriedName(ip.Protocol))
		d.remain(carriedName(ip.Protocol)+", not looked into", at, payload)
	}
}

// versionAndLengths takes the first word.
func (h *header) versionAndLengths(ip *wire.Header, there int, quoted bool) {
	h.field(4, "Version", "version", justNumber)
	if len(h.octets) > 0 && h.octets[0]>>4 != 4 {
		h.fault("not 4, so this is no IPv4 header, or none begins here")
	}
	h.field(4, "IHL", "header length", func(v uint64) (string, string) {
		return "", sentence(fmt.Sprintf("%d words: %d octets", v, 4*v), optionRoom(4*int(v)-20))
	})
	n := 4 * int(ip.IHL)
	switch {
	case len(h.octets) < 1:
	case n < 20:
		h.fault("a header has 5 words at least; read as if it had")
	case n > there && there >= 20:
		h.fault("only %s there", Plural(int64(there), "octet")+are(there))
	}
	h.typeOfService()
	h.field(16, "Total Length", "total length", func(v uint64) (string, string) {
		return "", sentence(fmt.Sprintf("%d octets", v), carries(int(v), n))
	})
	switch total := int(ip.TotalLen); {
	case len(h.octets) < 4:
	case total == 0:
		h.fault("zero: the device was to cut this into segments and fill it in, or it was lost")
	case total < n:
		h.fault("less than the header's %d", n)
	case total > there && !quoted:
		h.fault("only %s there: cut short by the capture, or when it was copied", Plural(int64(there), "octet")+are(there))
	}
}

func are(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}

func optionRoom(octets int) string {
	if octets <= 0 {
		return ""
	}
	return fmt.Sprintf("%d of them options", octets)
}

func carries(total, header int) string {
	if total < header {
		return ""
	}
	return fmt.Sprintf("%d behind this header", total-header)
}

// typeOfService is one octet in the picture of RFC 791, and two fields since
// RFC 2474 and RFC 3168.
func (h *header) typeOfService() {
	v, ok := h.draw(8, "Type of Service")
	if !ok {
		return
	}
	h.boxes[len(h.boxes)-1].value = fmt.Sprintf("0x%02x", v)
	dscp, ecn := v>>2, v&3
	bits := func(from, n int, v uint64) string {
		if !h.verbose {
			return ""
		}
		return pattern(from, n, v)
	}
	raw := h.octets[1:2]
	h.lines = append(h.lines,
		line{at: h.at + 1, raw: raw, name: "DSCP", text: bits(0, 6, dscp) + className(dscp)},
		line{at: h.at + 1, raw: raw, name: "ECN", text: bits(6, 2, ecn) + [...]string{
			"0: not ECN-capable", "1: ECT(1)", "2: ECT(0), ECN-capable", "3: CE, congestion experienced",
		}[ecn]})
}

// className names a differentiated services code point as its RFC does.
func className(dscp uint64) string {
	switch class, drop := dscp>>3, dscp>>1&3; {
	case dscp == 0:
		return "0: best effort"
	case dscp == 4:
		return "4: low delay, as the octet was read of old (RFC 1349)"
	case dscp == 2:
		return "2: high throughput, as the octet was read of old (RFC 1349)"
	case dscp == 46:
		return "46: EF, expedited forwarding (RFC 3246)"
	case dscp == 44:
		return "44: voice admit (RFC 5865)"
	case dscp == 1:
		return "1: LE, lower effort (RFC 8622)"
	case dscp&7 == 0:
		return fmt.Sprintf("%d: CS%d, class selector (RFC 2474)", dscp, class)
	case dscp&1 == 0 && class >= 1 && class <= 4 && drop > 0:
		return fmt.Sprintf("%d: AF%d%d, assured forwarding (RFC 2597)", dscp, class, drop)
	}
	return fmt.Sprint(dscp)
}

// fragmentation takes the second word.
func (h *header) fragmentation(ip *wire.Header) {
	h.field(16, "Identification", "identification", func(v uint64) (string, string) {
		meaning := ""
		switch {
		case ip.MF || ip.FragOffset != 0:
			meaning = "the same in all fragments"
		case v == 0 && ip.DF:
			meaning = "as in SYN-ACKs and resets of Linux"
		case ip.DF:
			meaning = "without meaning, as nothing may be fragmented (RFC 6864)"
		}
		return fmt.Sprintf("0x%04x", v), sentence(fmt.Sprintf("0x%04x (%d)", v, v), meaning)
	})
	_, ok := h.draw(1, "0")
	h.draw(1, "DF")
	h.draw(1, "MF")
	if ok {
		h.lines = append(h.lines, line{at: h.at + 6, raw: h.octets[6:7], name: "flags", text: h.fragmentFlags(ip)})
		if ip.Evil {
			h.fault("the reserved bit is set (RFC 3514 calls it evil)")
		}
	}
	h.field(13, "Fragment Offset", "fragment offset", func(v uint64) (string, string) {
		switch {
		case v > 0:
			return "", fmt.Sprintf("%d eights: from octet %d of what was cut up", v, 8*v)
		case ip.MF:
			return "", "0: the first fragment; more follow"
		}
		return "", "0: not a fragment"
	})
}

func (h *header) fragmentFlags(ip *wire.Header) string {
	set := "none"
	switch {
	case ip.DF && ip.MF:
		set = "DF, don't fragment; MF, more fragments: a contradiction"
	case ip.DF:
		set = "DF: don't fragment"
	case ip.MF:
		set = "MF: more fragments follow"
	}
	if h.verbose {
		return pattern(0, 3, uint64(h.octets[6]>>5)) + set
	}
	return set
}

// lifetime takes TTL and protocol.
func (h *header) lifetime(ip *wire.Header, quoted bool) {
	h.field(8, "Time to Live", "time to live", func(v uint64) (string, string) {
		if quoted {
			return "", fmt.Sprintf("%d, as it reached the sender of the message", v)
		}
		return "", fmt.Sprintf("%d; %s", v, ttlHint(int(v)))
	})
	h.field(8, "Protocol", "protocol", func(v uint64) (string, string) {
		return "", fmt.Sprintf("%d: %s", v, protocolName(uint8(v)))
	})
}

// ttlHint guesses from a TTL how far the sender is: systems begin with 64,
// 128 or 255, and few paths are longer than 32 hops.
func ttlHint(ttl int) string {
	if ttl == 0 {
		return "nobody may pass it on"
	}
	for _, first := range []struct {
		ttl int
		who string
	}{{32, ""}, {64, " (Linux, BSD, macOS)"}, {128, " (Windows)"}, {255, " (routers, Solaris)"}} {
		switch hops := first.ttl - ttl; {
		case hops == 0:
			return fmt.Sprintf("no router on its way yet, if sent with %d%s", first.ttl, first.who)
		case hops > 0:
			return fmt.Sprintf("%s on its way, if sent with %d%s", Plural(int64(hops), "router"), first.ttl, first.who)
		}
	}
	return ""
}

// carriedName names what a datagram carries.
func carriedName(protocol uint8) string {
	if name := protocolName(protocol); name != "unknown" {
		return name
	}
	return fmt.Sprintf("protocol %d", protocol)
}

// headerChecksum says whether it is right, and what it should be.
func (h *header) headerChecksum(b []byte) {
	state := wire.VerifyHeader(b)
	h.field(16, "Header Checksum", "checksum", func(v uint64) (string, string) {
		return fmt.Sprintf("0x%04x", v), fmt.Sprintf("0x%04x: %v", v, state)
	})
	if state == wire.Invalid {
		_, want := wire.HeaderChecksum(h.octets)
		h.fault("want 0x%04x", want)
	}
}

// address says what kind of address it is, where that is not any.
func address(v uint64) (value, text string) {
	a := netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	kind := ""
	switch {
	case a.IsUnspecified():
		kind = ", no address"
	case a.IsLoopback():
		kind = ", loopback"
	case a.IsPrivate():
		kind = ", private (RFC 1918)"
	case a.IsMulticast():
		kind = ", multicast: TCP has no such peers"
	case a.IsLinkLocalUnicast():
		kind = ", link-local (RFC 3927)"
	case v == 0xffffffff:
		kind = ", broadcast: TCP has no such peers"
	case v>>22 == 0x64400000>>22:
		kind = ", shared by customers behind a carrier's NAT (RFC 6598)"
	}
	return a.String(), a.String() + kind
}

// ipOptions takes the options (RFC 791, Section 3.1; IANA's numbers).
func (h *header) ipOptions(b []byte) {
	for at := 0; at < len(b); {
		kind, length := b[at], 1
		malformed := false
		if kind > 1 {
			malformed = at+1 >= len(b) || b[at+1] < 2 || at+int(b[at+1]) > len(b)
			if length = len(b) - at; !malformed {
				length = int(b[at+1])
			}
		} else if kind == 0 {
			length = len(b) - at
		}
		option := b[at : at+length]
		name := string(appendIPOptionName(nil, kind))
		h.drawOption(name, option)
		h.lines = append(h.lines, line{at: h.at + 20 + at, raw: option, name: "option", text: fmt.Sprintf("kind %d, length %d: %s", kind, length, ipOptionMeaning(kind))})
		if malformed {
			h.fault("its length does not fit into the header")
		}
		at += length
	}
}

// drawOption puts an option into the picture: its kind, its length where it
// has one, and its data to the end of each word.
func (h *header) drawOption(name string, option []byte) {
	h.draw(8, name)
	if option[0] <= 1 { // no-operation, or the end and what pads it
		if len(option) > 1 {
			h.drawOctets("padding", option[1:])
		}
		return
	}
	if len(option) > 1 {
		h.draw(8, "length")
		h.drawOctets("data", option[2:])
	}
}

// drawOctets puts octets into the picture that are no number.
func (h *header) drawOctets(title string, octets []byte) {
	for len(octets) > 0 {
		n := min(len(octets), (wordBits-h.bit%wordBits)/8)
		h.draw(8*n, title)
		h.boxes[len(h.boxes)-1].value = fmt.Sprintf("%x", octets[:n])
		octets, title = octets[n:], ""
	}
}

// ipOptionMeaning says what an option is for.
func ipOptionMeaning(kind byte) string {
	switch kind {
	case ipOptEnd:
		return "the list ends"
	case ipOptNOP:
		return "filler"
	case ipOptRecordRoute:
		return "routers note their addresses"
	case ipOptTimestamp:
		return "routers note the time"
	case ipOptTraceroute:
		return "traceroute (RFC 1393)"
	case ipOptSecurity:
		return "security (RFC 1108)"
	case ipOptLooseRoute:
		return "loose source route"
	case ipOptStrictRoute:
		return "strict source route"
	case ipOptRouterAlert:
		return "router alert (RFC 2113)"
	}
	return "unknown"
}
