package netlab

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestParseUnixLine(t *testing.T) {
	tests := []struct {
		line string
		want labSocket
		ok   bool
	}{
		{"Num       RefCount Protocol Flags    Type St Inode Path", labSocket{}, false},
		{"0000000000000000: 00000002 00000000 00010000 0005 01 24816 @tcpscope-lab-1000-upper", labSocket{1000, "upper"}, true},
		{"0000000000000000: 00000002 00000000 00010000 0005 01 24816 @tcpscope-lab-0-my-lab-2", labSocket{0, "my-lab-2"}, true},
		// An accepted connection.
		{"0000000000000000: 00000003 00000000 00000000 0005 03 24817 @tcpscope-lab-1000-upper", labSocket{}, false},
		{"0000000000000000: 00000002 00000000 00010000 0001 01 11111 /run/dbus/system_bus_socket", labSocket{}, false},
		{"0000000000000000: 00000003 00000000 00000000 0001 03 22222", labSocket{}, false},
		// Addresses are anybody's to choose.
		{"0000000000000000: 00000002 00000000 00010000 0005 01 24816 @tcpscope-lab-x-upper", labSocket{}, false},
		{"0000000000000000: 00000002 00000000 00010000 0005 01 24816 @tcpscope-lab-1000-", labSocket{}, false},
		{"0000000000000000: 00000002 00000000 00010000 0005 01 24816 @tcpscope-lab-1000-\x1b[31m", labSocket{}, false},
		{"0000000000000000: 00000002 00000000 00010000 0005 01 24816 @tcpscope-lab-1000-a b", labSocket{}, false},
	}
	for _, tt := range tests {
		got, ok := parseUnixLine(tt.line)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: %v, %v, want %v, %v", tt.line, got, ok, tt.want, tt.ok)
		}
	}
}

func TestMayEnter(t *testing.T) {
	tests := []struct {
		user  uint32
		owner int
		want  bool
	}{
		{1000, 1000, true}, {0, 1000, true}, {0, 0, true},
		{1001, 1000, false}, {1000, 0, false}, {65534, 1000, false},
	}
	for _, tt := range tests {
		if got := mayEnter(tt.user, tt.owner); got != tt.want {
			t.Errorf("user %d, lab of %d: %v, want %v", tt.user, tt.owner, got, tt.want)
		}
	}
}

// The check itself, on a connection whose other end is this process.
func TestCheckPeer(t *testing.T) {
	a, b, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	if err := checkPeer(a, os.Getuid()); err != nil {
		t.Error(err)
	}
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]string{
		"upper":                 "",
		"my.lab_2-x":            "",
		"":                      "a lab's name must not be empty",
		"a b":                   `lab name "a b": letters, digits, '-', '_' and '.' only`,
		"a\x00":                 `lab name "a\x00": letters, digits, '-', '_' and '.' only`,
		strings.Repeat("x", 65): "a lab's name has at most 64 octets",
		strings.Repeat("x", 64): "",
		"Ünicode":               `lab name "Ünicode": letters, digits, '-', '_' and '.' only`,
	} {
		got := ""
		if err := validName(name); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", strconv.Quote(name), got, want)
		}
	}
}

func TestStartMessageValidate(t *testing.T) {
	good := startMessage{Path: "/bin/sh", Args: []string{"sh"}, Dir: "/", Env: []string{"A=b"}}
	tests := []struct {
		name   string
		change func(*startMessage)
		want   string
	}{
		{"good", func(*startMessage) {}, ""},
		{"no command", func(m *startMessage) { m.Args = nil }, "no command"},
		{"relative command", func(m *startMessage) { m.Path = "sh" }, `command "sh": not an absolute path`},
		{"relative directory", func(m *startMessage) { m.Dir = "." }, `directory ".": not an absolute path`},
		{"NUL in an argument", func(m *startMessage) { m.Args = []string{"sh", "a\x00b"} }, `"a\x00b" contains a NUL octet`},
		{"NUL in the environment", func(m *startMessage) { m.Env = []string{"A=\x00"} }, `"A=\x00" contains a NUL octet`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := good
			tt.change(&m)
			got := ""
			if err := m.validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
