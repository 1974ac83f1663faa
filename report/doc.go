// Package report writes records in the formats that tcpscope speaks: text
// for people, JSON, JSON lines and CSV for programs, HTML for people who were
// not there, and segments in tcpdump's form.
//
// Which fields an object has, and in which order, is package finding's to
// say. What came from the network is escaped before it reaches a terminal or
// a file that one might show on a terminal.
package report

import "github.com/tcpscope/tcpscope/probe/finding"

// Writer takes the records of a run, from the first, which is of kind run, to
// the last, the summary. It is for one goroutine at a time.
type Writer interface {
	// Write reports records, those of one call in as few system calls as
	// possible. An error is about the output, and comes once.
	Write(records ...finding.Record) error
	// Close ends the output so that it is whole and valid, whatever has been
	// written so far.
	Close() error
}
