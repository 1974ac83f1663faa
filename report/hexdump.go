package report

// appendHex appends octets in the layout of tcpdump -X, each line of 16 after
// a line feed.
func appendHex(b, octets []byte) []byte {
	const digits = "0123456789abcdef"
	const width = 16
	for offset := 0; offset < len(octets); offset += width {
		b = append(b, "\n\t0x"...)
		if offset > 0xffff { // of what a device is to cut into segments
			b = append(b, digits[offset>>16&0xf])
		}
		b = append(appendHex16(b, uint16(offset)), ": "...)
		line := octets[offset:min(offset+width, len(octets))]
		for i := range width {
			if i%2 == 0 {
				b = append(b, ' ')
			}
			if i < len(line) {
				b = append(b, digits[line[i]>>4], digits[line[i]&0xf])
			} else {
				b = append(b, ' ', ' ')
			}
		}
		b = append(b, ' ', ' ')
		for _, c := range line {
			if !graphic(c) {
				c = '.'
			}
			b = append(b, c)
		}
	}
	return b
}

// appendASCII appends octets as text, as tcpdump -A does, after a line feed.
// Blanks, tabs and line feeds stay; a carriage return is left out before a
// line feed and at the end.
func appendASCII(b, octets []byte) []byte {
	b = append(b, '\n')
	for i, c := range octets {
		rest := octets[i+1:]
		switch {
		case graphic(c), c == ' ', c == '\t', c == '\n':
			b = append(b, c)
		case c != '\r', len(rest) > 1 && rest[0] != '\n':
			b = append(b, '.')
		}
	}
	return b
}

// graphic reports whether c is ASCII and leaves ink.
func graphic(c byte) bool { return c > ' ' && c < 0x7f }
