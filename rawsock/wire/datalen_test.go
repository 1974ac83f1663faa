package wire

import "testing"

func TestDataLen(t *testing.T) {
	for _, c := range []struct {
		name   string
		header Header
		offset uint8
		want   uint32
	}{
		{"whole", Header{IHL: 5, TotalLen: 43}, 5, 3},
		{"options", Header{IHL: 6, TotalLen: 47}, 5, 3},
		{"the capture has cut it", Header{IHL: 5, TotalLen: 1500}, 8, 1448},
		{"a device is to split it", Header{IHL: 5}, 5, 3},
		{"lengths that cannot be", Header{IHL: 5, TotalLen: 39}, 5, 3},
		{"not parsed", Header{IHL: 5, TotalLen: 43}, 0, 3},
	} {
		if got := c.header.DataLen(&Segment{DataOffset: c.offset, Payload: make([]byte, 3)}); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
