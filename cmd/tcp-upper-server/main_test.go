package main

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		args string
		want settings
	}{
		{"", settings{netip.MustParseAddrPort("0.0.0.0:9999"), 100, true}},
		{"-i 10.0.2.2 --port 80", settings{netip.MustParseAddrPort("10.0.2.2:80"), 100, true}},
		{"-p=0 --backlog 1 --reuse-addr=false", settings{netip.MustParseAddrPort("0.0.0.0:0"), 1, false}},
	} {
		if got, err := parse(strings.Fields(test.args)); got != test.want || err != nil {
			t.Errorf("%q: %+v, %v", test.args, got, err)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for args, want := range map[string]string{
		"-i apple":             `invalid value "apple" for flag -i: need an IPv4 address`,
		"-i ::1":               `invalid value "::1" for flag -i: need an IPv4 address`,
		"--port 65536":         `invalid value "65536" for flag -port: need a number from 0 to 65535`,
		"-p http":              `invalid value "http" for flag -p: need a number from 0 to 65535`,
		"-p":                   `flag needs an argument: -p`,
		"--backlog 0":          `invalid value "0" for flag -backlog: need a number from 1 to 65535`,
		"--reuse-addr=perhaps": `invalid boolean value "perhaps" for -reuse-addr: parse error`,
		"--reuse-addr false":   `takes flags only, not "false"`,
		"--xyzzy":              `flag provided but not defined: -xyzzy`,
		"9999":                 `takes flags only, not "9999"`,
	} {
		var stdout, stderr bytes.Buffer
		status := run(context.Background(), strings.Fields(args), &stdout, &stderr)
		if want := "tcp-upper-server: error: " + want + "\n"; status != 2 || stdout.Len() > 0 || stderr.String() != want {
			t.Errorf("%s: status %d, %q, %q", args, status, &stdout, &stderr)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, flag := range []string{"-h", "--help"} {
		var stdout, stderr bytes.Buffer
		status := run(context.Background(), []string{flag}, &stdout, &stderr)
		if status != 0 || stderr.Len() > 0 || stdout.String() != usage || !strings.Contains(usage, "\n\nExamples:\n  tcp-upper-server  ") {
			t.Errorf("%s: status %d, %q, %q", flag, status, &stdout, &stderr)
		}
	}
}

// An address of no interface here: what fails is the operation.
func TestCannotListen(t *testing.T) {
	var stdout, stderr bytes.Buffer
	status := run(context.Background(), []string{"-i", "192.0.2.1"}, &stdout, &stderr)
	const want = "tcp-upper-server: error: listen tcp4 192.0.2.1:9999: bind: "
	if status != 3 || stdout.Len() > 0 || !strings.HasPrefix(stderr.String(), want) {
		t.Errorf("status %d, %q, %q", status, &stdout, &stderr)
	}
}

func TestUpper(t *testing.T) {
	for text, want := range map[string]string{
		"hello world!\n": "HELLO WORLD!\n",
		"`az{@AZ[":       "`AZ{@AZ[",
		"größe \xff":     "GRößE \xff",
	} {
		b := []byte(text)
		if upper(b); string(b) != want {
			t.Errorf("%q: %q, want %q", text, b, want)
		}
	}
}
