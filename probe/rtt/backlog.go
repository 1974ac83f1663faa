package rtt

import "time"

// maxBehind bounds how long a probe is not given up because something, perhaps
// its answer, is always waiting to be read.
const maxBehind = time.Second

// backlog says how much of what has arrived is taken in. It tells a process
// that cannot keep up from one that was kept from running: what came meanwhile
// waits to be read, and will be. The zero value is up to date.
type backlog struct {
	// until is a time before which everything that arrived is taken in.
	until time.Duration
	// looked is when it was last known whether anything waits, and behind how
	// long something always has. An absence counts as a moment.
	looked, behind time.Duration
}

// look takes note of whether anything waits by now.
func (b *backlog) look(now time.Duration, waiting bool) {
	if waiting {
		b.behind += min(now-b.looked, slack)
		if b.behind > maxBehind {
			b.until = max(b.until, now-maxBehind)
		}
	} else {
		b.behind, b.until = 0, now
	}
	b.looked = now
}

// pass takes note that nobody needs to know by now.
func (b *backlog) pass(now time.Duration) { b.looked, b.behind = now, 0 }
