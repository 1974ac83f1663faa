package wire

import "testing"

func TestSeqOrder(t *testing.T) {
	for _, c := range []struct {
		s, t          Seq
		sub           int32
		before, after bool
	}{
		{0, 0, 0, false, false},
		{1, 0, 1, false, true},
		{0, 1, -1, true, false},
		{0, 0xffffffff, 1, false, true},
		{0xffffffff, 0, -1, true, false},
		{0x80000000, 1, 0x7fffffff, false, true},
		{1, 0x80000000, -0x7fffffff, true, false},
		{0x7fffffff, 0xffffffff, -0x80000000, true, false},
	} {
		if got := c.s.Sub(c.t); got != c.sub {
			t.Errorf("%#x.Sub(%#x) = %d, want %d", c.s, c.t, got, c.sub)
		}
		if got := c.s.Before(c.t); got != c.before {
			t.Errorf("%#x.Before(%#x) = %t", c.s, c.t, got)
		}
		if got := c.s.After(c.t); got != c.after {
			t.Errorf("%#x.After(%#x) = %t", c.s, c.t, got)
		}
	}
}

func TestSeqWindow(t *testing.T) {
	for _, c := range []struct {
		s, first Seq
		size     uint32
		want     bool
	}{
		{10, 10, 1, true},
		{10, 10, 0, false},
		{11, 10, 1, false},
		{9, 10, 100, false},
		{0, 0xfffffff0, 0x11, true},
		{0, 0xfffffff0, 0x10, false},
		{0xffffffff, 0xfffffff0, 0x10, true},
	} {
		if got := c.s.InWindow(c.first, c.size); got != c.want {
			t.Errorf("%#x.InWindow(%#x, %d) = %t", c.s, c.first, c.size, got)
		}
	}
	if got := Seq(0xfffffffe).Add(5); got != 3 {
		t.Errorf("Add wraps to %d, want 3", got)
	}
}
