package report

import (
	"testing"
	"time"
)

func TestAppendTime(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0 us"},
		{33 * time.Microsecond, "33 us"}, // stamps that tell no more
		{33100 * time.Nanosecond, "33.1 us"},
		{999 * time.Microsecond, "999 us"},
		{time.Millisecond, "1.000 ms"},
		{1500 * time.Microsecond, "1.500 ms"},
		{time.Second, "1.000 s"},
	} {
		if got := string(appendTime(nil, c.d)); got != c.want {
			t.Errorf("%v: %q, want %q", c.d, got, c.want)
		}
	}
}
