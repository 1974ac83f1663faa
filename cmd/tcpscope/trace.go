package main

import (
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/rawsock/wire"
	"github.com/tcpscope/tcpscope/report"
)

// tracer writes every segment in tcpdump's form. It is a capture.Sink.
type tracer struct {
	mu   sync.Mutex
	out  io.Writer
	line []byte
}

// Segment writes one line. That stderr may be gone is no reason to stop.
func (t *tracer) Segment(at time.Time, datagram []byte, _ bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line = append(report.AppendSegment(t.line[:0], at.Local(), datagram), '\n')
	_, _ = t.out.Write(t.line)
}

// comment names the probe that a recorded datagram belongs to.
func comment(datagram []byte, outgoing bool) string {
	header, payload, err := wire.ParseHeader(datagram)
	if err != nil {
		return ""
	}
	if header.Protocol == wire.ProtocolICMP {
		return icmpComment(payload)
	}
	segment, err := wire.ParseSegment(payload)
	if err != nil {
		return ""
	}
	switch {
	case !outgoing:
		return fmt.Sprintf("answer to probe %v", netip.AddrPortFrom(header.Src, segment.SrcPort))
	case segment.Flags == wire.RST:
		return fmt.Sprintf("probe %v: our reset, so that nothing is left half-open", netip.AddrPortFrom(header.Dst, segment.DstPort))
	}
	return fmt.Sprintf("probe %v", netip.AddrPortFrom(header.Dst, segment.DstPort))
}

func icmpComment(payload []byte) string {
	message, err := wire.ParseICMPError(payload)
	if err != nil {
		return ""
	}
	quote, err := wire.ParseQuote(message.Original)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s about probe %v", finding.ICMP(message.Type, message.Code), netip.AddrPortFrom(quote.Header.Dst, quote.DstPort))
}
