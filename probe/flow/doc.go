// Package flow follows TCP connections that others have: segments of both
// directions in, for each one the connection that it belongs to, what it does
// there, and the states of both ends (RFC 9293, Section 3.3.2) out.
//
// It stands beside the path and sees neither end. Two rules make states of
// what it sees. A segment says what its sender knew: an end that repeats its
// FIN has not had the acknowledgement, whatever was seen before. And a segment
// that was seen is taken to arrive, until its receiver's own segments say
// otherwise: then it never was in the state that it denies. Nothing is guessed
// over segments that the capture lacks: the states are Unknown until both ends
// have shown that they still send. Neither is anything made of a number that
// its receiver would not believe.
//
// A Table is one goroutine's. Following a known connection allocates nothing.
package flow
