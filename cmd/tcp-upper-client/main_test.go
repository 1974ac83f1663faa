package main

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for args, want := range map[string]string{
		"":                   "127.0.0.1:9999",
		"-i 10.0.2.2":        "10.0.2.2:9999",
		"-i=10.0.2.2 -p 1":   "10.0.2.2:1",
		"--port 65535":       "127.0.0.1:65535",
		"-i 10.0.2.2 --":     "10.0.2.2:9999",
		"-p 1 -i 1.2.3.4 --": "1.2.3.4:1",
	} {
		if got, err := parse(strings.Fields(args)); got.String() != want || err != nil {
			t.Errorf("%q: %v, %v", args, got, err)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	for args, want := range map[string]string{
		"-i apple":     `invalid value "apple" for flag -i: need an IPv4 address`,
		"-i ::1":       `invalid value "::1" for flag -i: need an IPv4 address`,
		"-i":           `flag needs an argument: -i`,
		"--port 0":     `invalid value "0" for flag -port: need a number from 1 to 65535`,
		"-p 65536":     `invalid value "65536" for flag -p: need a number from 1 to 65535`,
		"--xyzzy":      `flag provided but not defined: -xyzzy`,
		"10.0.2.2 -p1": `takes flags only, not "10.0.2.2"`,
	} {
		var stdout, stderr bytes.Buffer
		status := run(strings.Fields(args), strings.NewReader(""), &stdout, &stderr)
		if want := "tcp-upper-client: error: " + want + "\n"; status != 2 || stdout.Len() > 0 || stderr.String() != want {
			t.Errorf("%s: status %d, %q, %q", args, status, &stdout, &stderr)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, flag := range []string{"-h", "--help"} {
		var stdout, stderr bytes.Buffer
		status := run([]string{flag}, strings.NewReader(""), &stdout, &stderr)
		if status != 0 || stderr.Len() > 0 || stdout.String() != usage || !strings.Contains(usage, "\n\nExamples:\n  tcp-upper-client  ") {
			t.Errorf("%s: status %d, %q, %q", flag, status, &stdout, &stderr)
		}
	}
}

// talkTo has a talk with a peer that answers every read by that function,
// until it returns nil and hangs up.
func talkTo(t *testing.T, stdin string, answer func([]byte) []byte) (stdout string, err error) {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer server.Close()
		buf := make([]byte, 16<<10)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			reply := answer(buf[:n])
			if reply == nil {
				return
			}
			// In two pieces, as TCP may deliver it.
			server.Write(reply[:len(reply)/2])
			server.Write(reply[len(reply)/2:])
		}
	}()
	var out bytes.Buffer
	err = talk(client, strings.NewReader(stdin), &out)
	client.Close()
	<-done
	return out.String(), err
}

func TestTalk(t *testing.T) {
	long := strings.Repeat("abcdefgh", 2000)
	for _, test := range []struct{ name, stdin, want string }{
		{"nothing", "", "> \n"},
		{"lines", "abc\nhello world!\n", "> ABC\n> HELLO WORLD!\n> \n"},
		{"an empty line", "\n", "> \n> \n"},
		{"no last line end", "abc", "> ABC\n"},
		{"longer than the buffer", long + "\nx\n", "> " + strings.ToUpper(long) + "\n> X\n> \n"},
	} {
		got, err := talkTo(t, test.stdin, bytes.ToUpper)
		if got != test.want || err != nil {
			t.Errorf("%s: %.50q, %v", test.name, got, err)
		}
	}
}

// A server that hangs up instead of answering.
func TestServerGone(t *testing.T) {
	const want = "the server has closed the connection"
	got, err := talkTo(t, "abc\n", func([]byte) []byte { return nil })
	if got != "> " || err == nil || err.Error() != want {
		t.Errorf("%q, %v", got, err)
	}
}

// Reading stdin can fail too.
func TestStdinFails(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	stdin, w := io.Pipe()
	w.CloseWithError(io.ErrNoProgress)
	if err := talk(client, stdin, io.Discard); err != io.ErrNoProgress {
		t.Error(err)
	}
}
