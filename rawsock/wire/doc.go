// Package wire turns octets into TCP/IPv4 values and values into octets.
//
// It is pure: no sockets, no clocks, no goroutines, no allocation on the hot
// paths. Everything that arrives is hostile until it has been parsed here, so
// no function panics on input, and a parser that meets a fault returns all
// that stands before it together with an error that names the place.
//
// Encoding a parsed value gives the same octets back, faults included: what a
// middlebox mangled must be shown as it came.
package wire
