package probe

import (
	"slices"
	"strings"
	"testing"
)

func TestParsePorts(t *testing.T) {
	for _, tc := range []struct {
		in, want string
		len      int
	}{
		{"22", "22", 1},
		{"22,80,8000-8100", "22,80,8000-8100", 103},
		{"8000-8100,80,22", "22,80,8000-8100", 103},
		{"80,81,82", "80-82", 3},
		{"80,80,80", "80", 1},
		{"1-10,5-20,3", "1-20", 20},
		{"-", "1-65535", 65535},
		{"-100", "1-100", 100},
		{"60000-", "60000-65535", 5536},
		{"65535", "65535", 1},
		{"65534-65535,1", "1,65534-65535", 3},
		{" 22 , 8000 - 8100 ", "22,8000-8100", 102},
		{"080", "80", 1},
		{"http", "80", 1},
		{"SSH,Https", "22,443", 2},
		{"ms-wbt-server", "3389", 1},
		{"80-80", "80", 1},
	} {
		got, err := ParsePorts(tc.in)
		if err != nil {
			t.Errorf("ParsePorts(%q): %v", tc.in, err)
			continue
		}
		if got.String() != tc.want || got.Len() != tc.len {
			t.Errorf("ParsePorts(%q) = %v with %d ports, want %s with %d", tc.in, got, got.Len(), tc.want, tc.len)
		}
	}
}

func TestParsePortsErrors(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", `the list of ports is empty: give some, as in 22,80,8000-8100`},
		{"  ", `the list of ports is empty: give some, as in 22,80,8000-8100`},
		{"22,,80", `list of ports "22,,80" has an empty place: leave out the comma`},
		{"22,", `list of ports "22," has an empty place: leave out the comma`},
		{"0", `port 0 is out of range: ports are 1 to 65535`},
		{"65536", `port 65536 is out of range: ports are 1 to 65535`},
		{"0-100", `port 0 is out of range: ports are 1 to 65535`},
		{"1-65536", `port 65536 is out of range: ports are 1 to 65535`},
		{"99999999999999999999", `port 99999999999999999999 is out of range: ports are 1 to 65535`},
		{"90-80", `port range 90-80 is reversed: write 80-90`},
		{"1-2-3", `"2-3" is not a port: give a number or a service name`},
		{"--5", `"-5" is not a port: give a number or a service name`},
		{"+80", `"+80" is not a port: give a number or a service name`},
		{"22 80", `"22 80" is not a port: give a number or a service name`},
		{"8٠", `"8٠" is not a port: give a number or a service name`},
		{"8\x1b[2J", `unknown service "8\x1b[2J": give the port's number`},
		{"htpp", `unknown service "htpp": did you mean "http"?`},
		{"hhtps", `unknown service "hhtps": did you mean "https"?`},
		{"postgre", `unknown service "postgre": did you mean "postgres"?`},
		{"no-such-service", `unknown service "no-such-service": give the port's number`},
		{"T:80", `unknown service "T:80": give the port's number`},
		{strings.Repeat("x", 100), `unknown service "` + strings.Repeat("x", 80) + `"...: give the port's number`},
		{strings.Repeat("9", 100), `port ` + strings.Repeat("9", 80) + `... is out of range: ports are 1 to 65535`},
	} {
		got, err := ParsePorts(tc.in)
		if err == nil || err.Error() != tc.want {
			t.Errorf("ParsePorts(%q) = %v, %v\nwant error %s", tc.in, got, err, tc.want)
		}
	}
}

func TestPorts(t *testing.T) {
	p, err := ParsePorts("22,80-82,65534-65535")
	if err != nil {
		t.Fatal(err)
	}
	want := []uint16{22, 80, 81, 82, 65534, 65535}
	if got := slices.Collect(p.All()); !slices.Equal(got, want) {
		t.Errorf("All = %v, want %v", got, want)
	}
	for i, port := range want {
		if got := p.At(i); got != port {
			t.Errorf("At(%d) = %d, want %d", i, got, port)
		}
		if !p.Contains(port) {
			t.Errorf("Contains(%d) = false", port)
		}
	}
	for _, port := range []uint16{0, 1, 21, 23, 79, 83, 65533} {
		if p.Contains(port) {
			t.Errorf("Contains(%d) = true", port)
		}
	}
	for range p.All() {
		break // must not go on after the loop has ended
	}
	for _, i := range []int{-1, len(want)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("At(%d) does not panic", i)
				}
			}()
			p.At(i)
		}()
	}
}

func TestPortsUnion(t *testing.T) {
	a, b := portSet(22, 80), portSet(81, 443)
	got := a.Union(b)
	if want := "22,80-81,443"; got.String() != want {
		t.Errorf("union = %v, want %s", got, want)
	}
	if a.String() != "22,80" || b.String() != "81,443" {
		t.Errorf("union changed its operands: %v and %v", a, b)
	}
	if !a.Union(b).Equal(b.Union(a)) || a.Equal(b) {
		t.Error("union depends on the order, or unequal sets are equal")
	}
	if none := Ports(nil).Union(nil); none.Len() != 0 || none.String() != "" || none.Contains(0) {
		t.Errorf("the union of nothing is %v", none)
	}
}

func TestServices(t *testing.T) {
	names := map[string]bool{}
	for i, s := range services {
		if names[s.name] {
			t.Errorf("the name %s stands for two ports", s.name)
		}
		names[s.name] = true
		if i > 0 && s.port < services[i-1].port {
			t.Errorf("%d %s is out of order", s.port, s.name)
		}
		if !strings.ContainsFunc(s.name, isLetter) || s.name != strings.ToLower(s.name) || strings.ContainsAny(s.name, ", :") {
			t.Errorf("%q cannot stand in a list of ports", s.name)
		}
		if port, ok := ServicePort(strings.ToUpper(s.name)); !ok || port != s.port {
			t.Errorf("ServicePort(%s) = %d, %v", s.name, port, ok)
		}
	}
	for port, want := range map[uint16]string{22: "ssh", 53: "domain", 80: "http", 443: "https", 4: "", 65535: ""} {
		if got := ServiceName(port); got != want {
			t.Errorf("ServiceName(%d) = %q, want %q", port, got, want)
		}
	}
}

func TestCommonPorts(t *testing.T) {
	p := CommonPorts()
	if p.Len() != 100 {
		t.Errorf("there are %d common ports", p.Len())
	}
	if !p.Equal(p.Union(nil)) {
		t.Errorf("%v is not in canonical form", p)
	}
	p[0].First = 1
	if CommonPorts().Contains(1) {
		t.Error("a caller can change the list of the next")
	}
}

func FuzzParsePorts(f *testing.F) {
	for _, s := range []string{"22,80,8000-8100", "-", "-100", "60000-", "http, SSH", "0", "65536", "90-80", "1-2-3", ",", "htpp"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePorts(s)
		if err != nil {
			checkOneLine(t, err)
			return
		}
		for i, r := range p {
			if r.First == 0 || r.First > r.Last || i > 0 && int(r.First) <= int(p[i-1].Last)+1 {
				t.Fatalf("%q gives %v, which is not in canonical form", s, p)
			}
		}
		again, err := ParsePorts(p.String())
		if err != nil || !again.Equal(p) {
			t.Fatalf("%q gives %v, which reads as %v, %v", s, p, again, err)
		}
	})
}

// checkOneLine holds an error to what a terminal can safely show. An error
// repeats at most two clipped texts, whose octets may take four characters
// each.
func checkOneLine(t *testing.T, err error) {
	t.Helper()
	if s := err.Error(); len(s) > 2*4*longestQuote+200 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		t.Fatalf("error %q is long or unprintable", s)
	}
}
