package probe

import (
	"net/netip"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// SegmentRecord describes a datagram that carries a TCP segment, or an ICMP
// error about one, as a segment object. Of a malformed one it has what stands
// before the fault. The record keeps datagram.
func SegmentRecord(datagram []byte) finding.Record {
	record := finding.New("segment")
	record.Datagram = datagram
	header, payload, err := wire.ParseHeader(datagram)
	if err != nil {
		return record
	}
	record = record.Set("ttl", header.TTL).Set("ip_id", header.ID)
	if header.Protocol == wire.ProtocolICMP {
		record = record.Set("from", header.Src.String()).Set("to", header.Dst.String())
		if icmp, err := wire.ParseICMPError(payload); err == nil {
			record = record.Set("icmp", finding.ICMP(icmp.Type, icmp.Code))
		}
		return record
	}
	segment, err := wire.ParseSegment(payload)
	record = record.
		Set("from", netip.AddrPortFrom(header.Src, segment.SrcPort).String()).
		Set("to", netip.AddrPortFrom(header.Dst, segment.DstPort).String()).
		Set("flags", segment.Flags.String()).
		Set("seq", uint32(segment.Seq)).
		Set("len", len(segment.Payload)).
		Set("window", segment.Window).
		Set("options", words(segment.Options)).
		Set("checksum", wire.VerifyTCP(datagram).String())
	if err != nil {
		return record
	}
	if segment.Flags&wire.ACK != 0 {
		record = record.Set("ack", uint32(segment.Ack))
	}
	if segment.Flags&wire.URG != 0 {
		record = record.Set("urgent", segment.Urgent)
	}
	return record
}
