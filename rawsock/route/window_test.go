package route

import "testing"

func TestMSS(t *testing.T) {
	for mtu, want := range map[int]uint16{0: 256, 68: 256, 296: 256, 297: 257, 1500: 1460, 9000: 8960, 65535: 65495, 65536: 65495} {
		if got := mss(mtu); got != want {
			t.Errorf("MTU %d: MSS %d, want %d", mtu, got, want)
		}
	}
}

func TestWindow(t *testing.T) {
	stock := buffers{initial: 131072, max: 6291456, coreMax: 212992, scaling: true}
	with := func(change func(*buffers)) buffers {
		b := stock
		change(&b)
		return b
	}
	for _, c := range []struct {
		name   string
		b      buffers
		mtu    int
		window uint16
		scale  uint8
	}{
		{"stock ethernet", stock, 1500, 64240, 7},
		{"stock loopback", stock, 65536, 65495, 7},
		{"vxlan", stock, 1450, 64860, 7},
		{"small buffers", buffers{initial: 4096, max: 4096, scaling: true}, 1500, 1460, 0},
		{"smaller than a segment", buffers{initial: 2000, max: 2000, scaling: true}, 1500, 1000, 0},
		{"core rules", with(func(b *buffers) { b.coreMax = 64 << 20 }), 1500, 64240, 11},
		{"core unreadable", with(func(b *buffers) { b.coreMax = 0 }), 1500, 64240, 7},
		{"just below a power of two", with(func(b *buffers) { b.max = 1<<22 - 1 }), 1500, 64240, 6},
		{"beyond the largest", with(func(b *buffers) { b.max = 1<<31 - 1 }), 1500, 64240, 14},
		{"scaling off", with(func(b *buffers) { b.scaling = false }), 1500, 64240, 0},
		{"large start", with(func(b *buffers) { b.initial = 4 << 20 }), 1500, 65535, 7},
		{"mtu unknown", stock, 0, 65535, 7},
	} {
		if got := c.b.window(mss(c.mtu)); got != c.window {
			t.Errorf("%s: window %d, want %d", c.name, got, c.window)
		}
		if got := c.b.scale(); got != c.scale {
			t.Errorf("%s: scale %d, want %d", c.name, got, c.scale)
		}
	}
}
