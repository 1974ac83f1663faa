package capture

import (
	"math/bits"
	"time"
)

// clock turns a file's stamps into times.
type clock struct {
	exponent uint8  // a tick is 10 to the minus exponent seconds
	binary   bool   // or 2 to the minus exponent
	offset   int64  // seconds
	unit     uint64 // ticks in a second, if decimal
	scale    uint64 // between ticks and nanoseconds, if decimal
}

// newClock returns a decimal clock; exponent is at most 19.
func newClock(exponent uint8) clock {
	c := clock{exponent: exponent, unit: pow10(exponent)}
	if exponent <= nanoseconds {
		c.scale = pow10(nanoseconds - exponent)
	} else {
		c.scale = pow10(exponent - nanoseconds)
	}
	return c
}

// split is for stamps that have the seconds in a word of their own.
func (c *clock) split(seconds, ticks uint32) time.Time {
	return time.Unix(int64(seconds), int64(ticks)*int64(c.scale))
}

// time turns ticks since 1970 into a time.
func (c *clock) time(ticks uint64) time.Time {
	if c.binary {
		hi, lo := bits.Mul64(ticks&(1<<c.exponent-1), 1e9)
		ns := hi<<(64-c.exponent) | lo>>c.exponent
		return time.Unix(int64(ticks>>c.exponent)+c.offset, int64(ns))
	}
	seconds, rest := ticks/c.unit, ticks%c.unit
	if c.exponent <= nanoseconds {
		rest *= c.scale
	} else {
		rest /= c.scale
	}
	return time.Unix(int64(seconds)+c.offset, int64(rest))
}

// pow10 returns 10 to the n; n is at most 19.
func pow10(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}
