package wire

import (
	"strings"
	"testing"
)

func TestFlagsWords(t *testing.T) {
	for _, c := range []struct {
		flags         Flags
		letters, name string
	}{
		{0, "none", "none"},
		{SYN, "S", "SYN"},
		{SYN | ACK, "S.", "SYN,ACK"},
		{ACK, ".", "ACK"},
		{PSH | ACK, "P.", "PSH,ACK"},
		{FIN | ACK, "F.", "FIN,ACK"},
		{RST, "R", "RST"},
		{RST | ACK, "R.", "RST,ACK"},
		{FIN | PSH | URG, "FPU", "FIN,PSH,URG"},
		{SYN | ECE | CWR, "SEW", "SYN,ECE,CWR"},
		{0xff, "FSRP.UEW", "FIN,SYN,RST,PSH,ACK,URG,ECE,CWR"},
	} {
		if got := c.flags.String(); got != c.letters {
			t.Errorf("%08b: String %q, want %q", uint8(c.flags), got, c.letters)
		}
		if got := c.flags.Names(); got != c.name {
			t.Errorf("%08b: Names %q, want %q", uint8(c.flags), got, c.name)
		}
	}
}

func TestParseFlags(t *testing.T) {
	for f := range 256 {
		if got, err := ParseFlags(Flags(f).Names()); err != nil || got != Flags(f) {
			t.Errorf("%s: got %v, %v", Flags(f).Names(), got, err)
		}
	}
	for in, want := range map[string]Flags{
		"syn":           SYN,
		"Ack,sYn":       SYN | ACK,
		"SYN, ACK":      SYN | ACK,
		"FIN,FIN":       FIN,
		"None":          0,
		"cwr,ece,urg":   URG | ECE | CWR,
		"RST,PSH,ACK\t": RST | PSH | ACK,
	} {
		if got, err := ParseFlags(in); err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "SYN,", "SYNACK", "S", "SYN|ACK", "none,SYN"} {
		_, err := ParseFlags(in)
		if err == nil {
			t.Errorf("%q: no error", in)
			continue
		}
		if want := "want FIN,SYN,RST,PSH,ACK,URG,ECE,CWR, or none"; !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v does not say %q", in, err, want)
		}
	}
	if _, err := ParseFlags("SYN,FOO"); err == nil || !strings.HasPrefix(err.Error(), `unknown flag "FOO"`) {
		t.Errorf("got %v", err)
	}
}
