package wire

// Seq is a TCP sequence or acknowledgement number: an octet's place in a
// stream, modulo 2^32 (RFC 9293, Section 3.4). The zero value is a valid
// sequence number. Comparing two Seqs with < is almost always a mistake; use
// Before and After.
type Seq uint32

// Add returns the sequence number n octets after s.
func (s Seq) Add(n uint32) Seq { return s + Seq(n) }

// Sub returns the signed distance from t to s in octets: positive if s comes
// after t. It is exact while the two are less than 2^31 apart.
func (s Seq) Sub(t Seq) int32 { return int32(s - t) }

// Before reports whether s comes before t.
func (s Seq) Before(t Seq) bool { return s.Sub(t) < 0 }

// After reports whether s comes after t.
func (s Seq) After(t Seq) bool { return s.Sub(t) > 0 }

// InWindow reports whether s is one of the size octets that begin at first.
func (s Seq) InWindow(first Seq, size uint32) bool { return uint32(s-first) < size }
