package probe

import (
	"net/netip"

	"github.com/tcpscope/tcpscope/probe/link"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// unspecified stands in templates for the addresses that vary.
var unspecified = netip.IPv4Unspecified()

// Template returns the SYN of the preset's system that leaves on path. Of the
// path only MSS, Window and WindowScale matter.
func (p Preset) Template(path link.Path) (*wire.Template, error) {
	return wire.NewTemplate(p.look(path, false))
}

// look returns the headers of a SYN that leaves on path, as the preset's
// system would send it. The caller fills in addresses, ports, numbers and the
// timestamp's value.
func (p Preset) look(path link.Path, plain bool) (wire.Header, wire.Segment) {
	header := wire.Header{DF: true, TTL: 64, Protocol: wire.ProtocolTCP, Src: unspecified, Dst: unspecified}
	segment := wire.Segment{Flags: wire.SYN, Window: path.Window}
	switch {
	case p == Windows:
		// Windows 10 and 11 use no timestamps unless told to.
		header.TTL = 128
		segment.Window = 64240
		segment.Options = []wire.Option{wire.MSS(path.MSS), wire.NOP(), wire.WindowScale(8), wire.NOP(), wire.NOP(), wire.SACKPermitted()}
	case p == Bare:
	case plain:
		// What Linux sends with net.ipv4.tcp_timestamps=0.
		segment.Options = []wire.Option{wire.MSS(path.MSS), wire.NOP(), wire.NOP(), wire.SACKPermitted(), wire.NOP(), wire.WindowScale(path.WindowScale)}
	default:
		// The order of tcp_options_write.
		segment.Options = []wire.Option{wire.MSS(path.MSS), wire.SACKPermitted(), wire.Timestamps(0, 0), wire.NOP(), wire.WindowScale(path.WindowScale)}
	}
	return header, segment
}

// timestamps reports whether the preset's SYNs carry the option.
func (p Preset) timestamps() bool { return p == Linux }
