package flow

// Vouch notes that a segment of one side was seen whole, with a checksum that
// covers it. From then on one whose checksum is wrong is damaged or forged, and
// its receiver drops it (RFC 9293, Section 3.1). Before, wrong checksums may
// mean nothing: a file whose addresses were changed has no others.
func (c *Connection) Vouch(s Side) { c.vouched[s] = true }

// Vouched reports whether Vouch was called for a side.
func (c *Connection) Vouched(s Side) bool { return c.vouched[s] }
