// Package endpoint is a TCP endpoint in user space (RFC 9293), every number and
// option of which its user chooses: for diagnostics that need a connection of
// which the kernel knows nothing.
//
// The heart is a state machine without sockets, goroutines or a clock: segments,
// calls and the time in, segments and the time of the next timer out. Around it
// an Endpoint owns a link and the quiet ports on which its connections live.
//
// What it is made of: RFC 9293 (segments, states, windows), RFC 5961 (challenge
// ACKs), RFC 7323 (timestamps, PAWS, window scale), RFC 6298 (retransmission
// timeout), RFC 5681, RFC 6582 and RFC 6675 (congestion and recovery), RFC 2018
// and RFC 2883 (SACK). It does not delay small segments (Nagle), and makes no
// use of urgent pointers: urgent octets are read in their place.
package endpoint
