package probe

import (
	"errors"
	"net/netip"
	"strconv"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// SegmentRecord describes a datagram that carries a TCP segment, or an ICMP
// error about one, as a segment object. Of a malformed one it has what stands
// before the fault, and of one that was cut short, or carries something else,
// what there is. The record keeps datagram.
func SegmentRecord(datagram []byte) finding.Record {
	record := finding.New("segment")
	record.Datagram = datagram
	header, payload, err := wire.ParseHeader(datagram)
	missing := 0
	var fault *wire.ParseError
	switch {
	case err == nil:
	case errors.As(err, &fault) && fault.Truncated && 4*int(header.IHL) <= len(datagram) && len(datagram) >= 20:
		missing = int(header.TotalLen) - len(datagram)
	case header.TotalLen == 0 && header.IHL >= 5: // a device is to cut it into segments
	default:
		return record
	}
	record = record.Set("ttl", header.TTL).Set("ip_id", header.ID)
	if header.Protocol == wire.ProtocolTCP && header.FragOffset == 0 {
		return ofSegment(record, header.Src, header.Dst, payload, missing).Set("checksum", wire.VerifyTCP(datagram).String())
	}
	record = record.Set("from", header.Src.String()).Set("to", header.Dst.String())
	if header.Protocol == wire.ProtocolICMP && header.FragOffset == 0 {
		if icmp, err := wire.ParseICMPError(payload); err == nil {
			record = record.Set("icmp", finding.ICMP(icmp.Type, icmp.Code))
		}
	}
	return record
}

// BareSegmentRecord is SegmentRecord for a TCP segment that no IPv4 header
// stands before.
func BareSegmentRecord(segment []byte) finding.Record {
	return ofSegment(finding.New("segment"), netip.Addr{}, netip.Addr{}, segment, 0).Set("checksum", wire.Unverified.String())
}

// ofSegment describes the octets of a segment, of which some may be missing
// at the end.
func ofSegment(record finding.Record, src, dst netip.Addr, octets []byte, missing int) finding.Record {
	segment, _ := wire.ParseSegment(octets)
	if len(octets) < 4 {
		return record.Set("from", addressOf(src)).Set("to", addressOf(dst))
	}
	record = record.Set("from", endpointOf(src, segment.SrcPort)).Set("to", endpointOf(dst, segment.DstPort))
	if len(octets) >= 8 {
		record = record.Set("seq", uint32(segment.Seq))
	}
	if len(octets) < 20 {
		return record
	}
	record = record.
		Set("flags", segment.Flags.String()).
		Set("window", segment.Window).
		Set("options", words(segment.Options))
	if segment.Flags&wire.ACK != 0 {
		record = record.Set("ack", uint32(segment.Ack))
	}
	if segment.Flags&wire.URG != 0 {
		record = record.Set("urgent", segment.Urgent)
	}
	if length := len(octets) + missing - 4*int(segment.DataOffset); length >= 0 && segment.DataOffset >= 5 {
		record = record.Set("len", length)
	}
	return record
}

// endpointOf writes ADDRESS:PORT; the port alone, behind the colon, where there
// is no address.
func endpointOf(addr netip.Addr, port uint16) string {
	return addressOf(addr) + ":" + strconv.Itoa(int(port))
}

// addressOf is "" for none.
func addressOf(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}
