package rtt

import (
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// Stats are the samples of one target in figures. Its memory does not grow
// with their number.
type Stats struct {
	// Sent counts probes that left and whose fate is known; Received those
	// answered in time, Resets those of them that were by RST, ICMP those that
	// an ICMP error answered; NotSent those that never left.
	Sent, Received, Resets, ICMP, NotSent uint64
	// Late and Duplicates count replies that are no samples.
	Late, Duplicates uint64
	// ...
}

// Digits is the precision of a histogram.
//
// NewStats returns empty Stats for times up to longest. With many targets a
// coarser histogram saves memory: digits is 2 or 3 significant decimal digits.
func NewStats(longest time.Duration, digits int) *Stats

// Add takes in a sample. It allocates nothing.
func (s *Stats) Add(x *Sample)

// Merge adds what another target, or another run, has measured. Jitter
// between the two is not counted.
func (s *Stats) Merge(other *Stats) error

// Loss is the share of the probes sent that were not answered in time; zero
// if none was sent.
func (s *Stats) Loss() float64

// Quantile is the time that a share q of the samples stayed within, by
// nearest rank; zero without samples.
func (s *Stats) Quantile(q float64) time.Duration

func (s *Stats) Min() time.Duration
func (s *Stats) Max() time.Duration
func (s *Stats) Mean() time.Duration
func (s *Stats) Deviation() time.Duration
func (s *Stats) Jitter() time.Duration

// Bins is the histogram for people: at most most bars.
func (s *Stats) Bins(most int) []finding.Record

// Summary is the target's rtt-summary object, but for what Stats do not know:
// error_us, failed, detail.
func (s *Stats) Summary(t Target) finding.Record
