// Package rtt measures handshake latency: the time from a SYN to the SYN-ACK
// or RST that answers it, by stamps that the kernel takes.
//
// Every try is a sample of its own. A probe is never sent twice, each leaves
// from a port that no earlier one can still be using, and what may be the
// answer to a retransmission is counted apart, so that loss never hides in
// the times.
//
//	Spec -> Plan -> Session -> Sample -> Stats -> finding.Record
package rtt
