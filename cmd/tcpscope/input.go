package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/tcpscope/tcpscope/probe"
	"github.com/tcpscope/tcpscope/rawsock/capture"
)

// input is one file of packets: a capture, or tcpdump's text.
type input struct {
	name   string
	file   io.Reader
	close  func() error
	slow   bool // reading may have to wait for somebody
	number int  // among the inputs

	frames  *capture.Reader // nil of text
	text    *capture.Text   // nil of captures
	devices *devices

	frame  capture.Frame
	line   textLine
	octets []byte // of the line's datagram
	packet packet // to be shown next
	ended  bool
	other  int64
	// failure is why reading came to an end before the file's.
	failure error
}

// inputs are the files of one run.
type inputs struct {
	files []*input
	// merged says that all have stamps that can be compared.
	merged bool
	taken  *input // whose packet next has returned
	// waits is called before reading has to wait; nil does nothing.
	waits func() error
	stop  context.CancelFunc // ends waiting
}

// openInputs opens files by their names. Errors are of usage.
func (p *program) openInputs(names []string) (*inputs, error) {
	all := &inputs{merged: true, stop: func() {}}
	for i, name := range names {
		in, err := p.openInput(name)
		if err == nil && name == "-" && slices.Contains(names[:i], "-") {
			err = misuse("-: standard input can be read once only")
		}
		if err != nil {
			all.close()
			return nil, err
		}
		in.number = i
		all.files = append(all.files, in)
	}
	return all, nil
}

func (p *program) openInput(name string) (*input, error) {
	if name == "-" {
		return &input{name: "standard input", file: p.stdin, slow: true, close: func() error { return nil }}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usageError{error: plainPath(err)}
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("is a directory")
	}
	if err != nil {
		f.Close()
		return nil, misuse("%s: %v", name, err)
	}
	return &input{name: name, file: f, slow: !info.Mode().IsRegular(), close: f.Close}, nil
}

// begin finds out what the files are, and reads the first packet of each. The
// end of ctx is the end of all of them.
func (all *inputs) begin(ctx context.Context) {
	ctx, all.stop = context.WithCancel(ctx)
	for _, in := range all.files {
		if in.slow {
			in.file = newPatient(ctx, in.file, func() error {
				if all.waits == nil {
					return nil
				}
				return all.waits()
			})
		}
		if err := in.begin(); err != nil {
			in.failure, in.ended = err, true
			continue
		}
		all.merged = all.merged && in.frames != nil
		in.advance()
	}
}

// close ends reading.
func (all *inputs) close() {
	all.stop()
	for _, in := range all.files {
		_ = in.close() // nothing was written
	}
}

// copies reports whether a segment may have been captured in several places:
// on several devices, or on its way in and on its way out. One device alone
// shows no segment both ways, unless it is lo.
func (all *inputs) copies() bool {
	return len(all.files) > 1 || slices.ContainsFunc(all.files, func(in *input) bool {
		return in.frames != nil && in.frames.Interfaces() != 1 || in.packet.directed || in.packet.way != ""
	})
}

// next returns the packet that comes next, valid until the call after; nil if
// there is none.
func (all *inputs) next() *packet {
	if all.taken != nil {
		all.taken.advance()
		all.taken = nil
	}
	for _, in := range all.files {
		switch {
		case in.ended:
		case all.taken == nil:
			all.taken = in
		case all.merged && in.packet.at.Before(all.taken.packet.at):
			all.taken = in
		}
	}
	if all.taken == nil {
		return nil
	}
	return &all.taken.packet
}

// tally counts what was no IPv4, or in text no TCP over it, as other, and lines
// and dumps that looked like segments and could not be read as unreadable.
func (all *inputs) tally() (other, unreadable int64) {
	for _, in := range all.files {
		other += in.other
		if in.text != nil {
			t := in.text.Tally()
			other += int64(t.Other)
			unreadable += int64(t.Unreadable + t.Dumps)
		}
	}
	return other, unreadable
}

// failures is why not all could be read; nil if all could.
func (all *inputs) failures() error {
	var errs []error
	for _, in := range all.files {
		err := in.failure
		if err == nil && in.text != nil {
			err = in.text.Problem()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", in.name, err))
		}
	}
	return errors.Join(errs...)
}

// begin finds out what the file is.
func (in *input) begin() error {
	format, buffered, err := capture.Detect(in.file)
	if err != nil {
		return err
	}
	in.devices = newDevices(false)
	if format != capture.FormatUnknown {
		in.frames, err = capture.NewReader(buffered)
		return err
	}
	head, _ := buffered.Peek(min(buffered.Buffered(), 1<<10))
	switch {
	case len(head) == 0:
		return errors.New("the file is empty")
	case slices.ContainsFunc(head, unprintable):
		return errors.New("neither pcap nor pcapng nor text")
	}
	in.text = capture.NewText(buffered, capture.TextConfig{Options: probe.ParseOptions, Port: probe.ServicePort})
	return nil
}

// unprintable reports whether an octet is in no text: a control character other
// than those that set lines, and those that terminals colour them with.
func unprintable(octet byte) bool {
	return octet < ' ' && (octet < '\b' || octet > '\r') && octet != '\x1b' || octet == 0x7f
}

// advance reads the next packet, or finds the end.
func (in *input) advance() {
	var err error
	if in.frames != nil {
		err = in.nextFrame()
	} else {
		err = in.nextLine()
	}
	if err == nil {
		return
	}
	in.ended = true
	if err != io.EOF {
		in.failure = err
	} else if in.text != nil && in.text.Tally() == (capture.Tally{Text: in.text.Tally().Text}) {
		in.failure = errors.New("no packet in it: neither pcap nor pcapng, nor a line of tcpdump's")
	}
}

func (in *input) nextFrame() error {
	f := &in.frame
	for {
		if err := in.frames.ReadFrame(f); err != nil {
			return err
		}
		datagram, ok := f.Datagram()
		if !ok {
			in.other++
			continue
		}
		in.packet = packet{
			at: f.At.Local(), datagram: datagram, missing: f.Missing(), device: f.Device, comment: f.Comment,
			directed: f.Direction != capture.Unknown, outgoing: f.Direction == capture.Outbound,
			place: ((in.number<<8|f.Interface&0xff)<<16|int(f.DeviceIndex&0xffff))<<2 | int(f.Direction),
		}
		switch f.Link {
		case capture.LinkSLL2:
			in.packet.device = in.devices.name(int(f.DeviceIndex))
			in.packet.prefix = in.packet.device
			fallthrough
		case capture.LinkSLL:
			in.packet.way = "?"
			if int(f.PacketType) < len(packetTypes) {
				in.packet.way = packetTypes[f.PacketType]
			}
		}
		return nil
	}
}

// packetTypes are those of cooked captures in tcpdump's words.
var packetTypes = [...]string{"In", "B", "M", "P", "Out"}

// ways are directions in tcpdump's words.
var ways = [...]string{capture.Unknown: "", capture.Inbound: "In", capture.Outbound: "Out"}

func (in *input) nextLine() error {
	line, err := in.text.Next()
	if err != nil {
		return err
	}
	in.line = textLine{line}
	// What a header has no room for is not shown; the text counts it.
	in.octets, err = line.AppendDatagram(in.octets[:0])
	if err != nil {
		return fmt.Errorf("line %d: %w", line.Row, err)
	}
	in.packet = packet{
		at: line.At, undated: line.Stamp != capture.StampDate && line.Stamp != capture.StampEpoch,
		datagram: in.octets, device: line.Device, prefix: line.Device,
		directed: line.Direction != capture.Unknown, outgoing: line.Direction == capture.Outbound,
		text: &in.line, place: in.number<<2 | int(line.Direction),
	}
	if line.Device != "" || line.Direction != capture.Unknown {
		in.packet.way = ways[line.Direction]
	}
	return nil
}
