package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestPermute(t *testing.T) {
	for _, test := range []struct{ argv, want string }{
		{"syn 10.0.0.1", "syn -- 10.0.0.1"},
		{"10.0.0.1 syn -p 80", "syn --ports=80 -- 10.0.0.1"},
		{"-p 80 10.0.0.1 -q syn 10.0.0.2 --rate 5", "syn --ports=80 --quiet --rate=5 -- 10.0.0.1 10.0.0.2"},
		{"syn -qn a", "syn --quiet --n -- a"},
		{"syn -p- a", "syn --ports=- -- a"},
		{"syn -p - a", "syn --ports=- -- a"},
		{"syn -p80 a", "syn --ports=80 -- a"},
		{"syn -p=80 a", "syn --ports=80 -- a"},
		{"syn -qp80 a", "syn --quiet --ports=80 -- a"},
		{"syn -nqIeth0 a", "syn --n --quiet --interface=eth0 -- a"},
		{"syn -Ieth0 a", "syn --interface=eth0 -- a"},
		{"syn --ports=80,443 a", "syn --ports=80,443 -- a"},
		{"syn -o text -ojson=x a", "syn --output=text --output=json=x -- a"},
		{"syn --targets - a", "syn --targets=- -- a"},
		{"syn --rate -5 a", "syn --rate=-5 -- a"},
		{"syn a -- -q", "syn -- a -- -q"},
		{"-- syn", "-- -- syn"},
		{"lab run upper -- tcpscope syn -p 80 a", "lab run -- upper -- tcpscope syn -p 80 a"},
		{"lab -v run --host ant upper -- ls -l", "lab run --verbose --host=ant -- upper -- ls -l"},
		{"lab run -- ls -- -l", "lab run -- -- ls -- -l"},
		{"craft -c3 -i 10ms a:80", "craft --count=3 --interval=10ms -- a:80"},
		{"syn lab", "syn -- lab"},
		{"sockets -tanop", "sockets --tcp --all --n --timers --processes --"},
		{"sockets -tanpo state all", "sockets --tcp --all --n --processes --timers -- state all"},
		{"sockets -p -o json -l sport = :80", "sockets --processes --output=json --listening -- sport = :80"},
		{"-n -o json sockets -ltn", "sockets --n --output=json --listening --tcp --n --"},
		{"sockets -ojson -i 2 --watch", "sockets --output=json --interval=2 --watch --"},
		{"syn -qo json sockets", "syn --quiet --output=json -- sockets"},
		{"syn -qop sockets", "syn --quiet --output=p -- sockets"},
		{"", "--"},
	} {
		p := &program{}
		call, err := permute(p.app(), append([]string{"tcpscope"}, strings.Fields(test.argv)...))
		if got := strings.Join(call.argv, " "); err != nil || got != "tcpscope "+test.want {
			t.Errorf("%s: %q, %v; want %q", test.argv, got, err, test.want)
		}
	}
}

func TestPermuteFindsHelpAndVersion(t *testing.T) {
	for _, argv := range []string{"syn --help", "--help syn", "-h syn a", "syn a -qh"} {
		call, err := permute((&program{}).app(), append([]string{"tcpscope"}, strings.Fields(argv)...))
		if err != nil || !call.help || call.path != "syn" {
			t.Errorf("%s: %+v, %v", argv, call, err)
		}
	}
	call, err := permute((&program{}).app(), []string{"tcpscope", "--version"})
	if err != nil || !call.version {
		t.Errorf("--version: %+v, %v", call, err)
	}
}

// A flag may stand before its command, so its name alone must tell whether a
// value follows. Letters of a command's own count where it is named.
func TestFlagsHaveOneMeaning(t *testing.T) {
	takes := map[string]bool{}
	for _, f := range flagsFor((&program{}).app(), nil) {
		for _, name := range f.Names() {
			if before, known := takes[name]; known && before != takesValue(f) {
				t.Errorf("%s takes a value in one command and none in another", dashed(name))
			}
			takes[name] = takesValue(f)
		}
		if _, ok := f.(*cli.StringFlag); ok && !takesValue(f) {
			t.Errorf("%v: a text that takes no value", f.Names())
		}
	}
}

func TestClosest(t *testing.T) {
	words := []string{"syn", "craft", "completion", "rate", "resolve"}
	for word, want := range map[string]string{
		"sny": "syn", "synn": "syn", "crfat": "craft", "complete": "completion",
		"rat": "rate", "xyzzy": "", "": "", "resolv": "resolve",
	} {
		if got := closest(word, words); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"ports", "prots", 1}} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("%q %q: %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func TestContradictionsNameFlags(t *testing.T) {
	names := flagNames(allFlags((&program{}).app()))
	for _, pair := range contradictions() {
		for _, name := range pair[:2] {
			if name != "n" && !slices.Contains(names, name) {
				t.Errorf("no flag %s", dashed(name))
			}
		}
	}
}
