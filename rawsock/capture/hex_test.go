package capture

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// hexForms are one datagram as programs show it.
func hexForms() map[string]string {
	return map[string]string{
		"bare":           "450000240000400040060000" + "0a0001020a000202" + "4142204344ff7c454647be202020ab6f",
		"upper case":     "45000024 00004000 40060000 0A000102 0A000202 41422043 44FF7C45 4647BE20 2020AB6F",
		"colons":         "45:00:00:24:00:00:40:00:40:06:00:00:0a:00:01:02:0a:00:02:02:\n41:42:20:43:44:ff:7c:45:46:47:be:20:20:20:ab:6f",
		"0x":             "0x450000240000400040060000 0x0a0001020a000202 0x4142204344ff7c454647be202020ab6f",
		"escaped string": "\"\\x45\\x00\\x00\\x24\\x00\\x00\\x40\\x00\\x40\\x06\\x00\\x00\\x0a\\x00\\x01\\x02\" \\\n\"\\x0a\\x00\\x02\\x02\\x41\\x42\\x20\\x43\\x44\\xff\\x7c\\x45\\x46\\x47\\xbe\\x20\\x20\\x20\\xab\\x6f\"",
		"tcpdump -X": `17:35:43.707223 IP 10.0.1.2 > 10.0.2.2: [|tcp]
	0x0000:  4500 0024 0000 4000 4006 0000 0a00 0102  E..$..@.@.......
	0x0010:  0a00 0202 4142 2043 44ff 7c45 4647 be20  ....AB.CD.|EFG..
	0x0020:  2020 ab6f                                ...o
`,
		"tcpdump -x, CRLF": "\t0x0000:  4500 0024 0000 4000 4006 0000 0a00 0102\r\n\t0x0010:  0a00 0202 4142 2043 44ff 7c45 4647 be20\r\n\t0x0020:  2020 ab6f\r\n",
		"blanks collapsed": "0x0000: 4500 0024 0000 4000 4006 0000 0a00 0102 E..$..@.@.......\n0x0010: 0a00 0202 4142 2043 44ff 7c45 4647 be20 ....AB.CD.|EFG..\n0x0020: 2020 ab6f ...o",
		"Wireshark": `0000   45 00 00 24 00 00 40 00 40 06 00 00 0a 00 01 02   E..$..@.@.......
0010   0a 00 02 02 41 42 20 43 44 ff 7c 45 46 47 be 20   ....AB CD.|EFG. 
0020   20 20 ab 6f                                         .o
`,
		"hexdump -C": `00000000  45 00 00 24 00 00 40 00  40 06 00 00 0a 00 01 02  |E..$..@.@.......|
00000010  0a 00 02 02 41 42 20 43  44 ff 7c 45 46 47 be 20  |....AB CD.|EFG. |
00000020  20 20 ab 6f                                       |  .o|
00000024
`,
		"quoted in mail": "> > \t0x0000:  4500 0024 0000 4000 4006 0000 0a00 0102\n> > \t0x0010:  0a00 0202 4142 2043 44ff 7c45 4647 be20\n> > \t0x0020:  2020 ab6f\n",
		"xxd": `00000000: 4500 0024 0000 4000 4006 0000 0a00 0102  E..$..@.@.......
00000010: 0a00 0202 4142 2043 44ff 7c45 4647 be20  ....AB CD.|EFG. 
00000020: 2020 ab6f                                  .o
`,
		"list": "[0x45, 0x00, 0x00, 0x24, 0x0, 0x0, 0x40, 0x00, 0x40, 0x06, 0x00, 0x00, 0x0a, 0x00, 0x01, 0x02,\n0x0a, 0x00, 0x02, 0x02, 0x41, 0x42, 0x20, 0x43, 0x44, 0xff, 0x7c, 0x45, 0x46, 0x47, 0xbe, 0x20, 0x20, 0x20, 0xab, 0x6f]",
		"C array": `/* Frame (36 octets) */
static const unsigned char pkt1[36] = {
0x45, 0x00, 0x00, 0x24, 0x0, 0x0, 0x40, 0x00, /* E..$..@. */
0x40, 0x06, 0x00, 0x00, 0x0a, 0x00, 0x01, 0x02, // {comments}
0x0a, 0x00, 0x02, 0x02, 0x41, 0x42, 0x20, 0x43,
0x44, 0xff, 0x7c, 0x45, 0x46, 0x47, 0xbe, 0x20,
0x20, 0x20, 0xab, 0x6f
};
`,
	}
}

func TestReadHex(t *testing.T) {
	want, err := hex.DecodeString(hexForms()["bare"])
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range hexForms() {
		got, err := ReadHex(text)
		if err != nil || len(got) != 1 || !bytes.Equal(got[0], want) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	dump := hexForms()["tcpdump -X"]
	if got, err := ReadHex(dump + dump); err != nil || len(got) != 2 || !bytes.Equal(got[1], want) {
		t.Errorf("two dumps: %x, %v", got, err)
	}
	array := hexForms()["C array"]
	if got, err := ReadHex(array + array); err != nil || len(got) != 2 || !bytes.Equal(got[1], want) {
		t.Errorf("two arrays: %x, %v", got, err)
	}
}

// Rows that repeat may be left out.
func TestReadHexSqueezed(t *testing.T) {
	want := bytes.Repeat([]byte{0xab}, 100)
	row := " " + strings.Repeat(" ab", 16) + "\n"
	for name, text := range map[string]string{
		"in the middle":     "00000000" + row + "*\n00000060  ab ab ab ab\n00000064\n",
		"before a row":      "00000000" + row + "*\n00000050" + row + "00000060  ab ab ab ab\n",
		"twice":             "00000000" + row + "*\n00000020" + row + "*\n00000060  ab ab ab ab\n",
		"up to the last":    "00000000" + row + "*\n00000060\n",
		"a dump's, not two": "00000000" + row + "*\n00000060  ab ab ab ab\n00000000" + row,
	} {
		got, err := ReadHex(text)
		if err != nil || len(got) == 0 || !bytes.HasPrefix(want, got[0]) || len(got[0]) < 96 {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for _, text := range []string{"00000000" + row + "*\nffffffff  ab\n", "00000000  ab ab\n*\n00000010  ab\n", "00000000" + row + "*\n00000015  ab\n"} {
		if got, err := ReadHex(text); err == nil {
			t.Errorf("%q: %x", text, got)
		}
	}
}

func TestReadHexErrors(t *testing.T) {
	for _, c := range []struct {
		text, want string
		octets     int
	}{
		{"", "line 1: no hexadecimal digits", 0},
		{" \n-", "line 1: no hexadecimal digits", 0},
		{"4500 00g4", "line 1, column 8: 'g' is not a hexadecimal digit", 3},
		{"45 00\n00 2é", "line 2, column 5: 'é' is not a hexadecimal digit", 3},
		{"4500 003", "line 1, column 8: an odd number of hexadecimal digits", 2},
		{"0x", "line 1, column 3: an odd number of hexadecimal digits", 0},
		{"{ 0x45,\n 0xzz }", "line 2, column 4: 'z' is not a hexadecimal digit", 1},
		{"0x0000:  ", "line 1: no hexadecimal digits", 0},
		{"{}", "line 1: no hexadecimal digits", 0},
		{"{ 0x45", "", 1},
		{"0x0000:  4500 0024\n0x0010:  0a00", "line 2, column 1: offset 0x0010 where 0x0004 should follow", 4},
		{"\t0x0000:  4500 0o24 0000 4000 4006 0000 0a00 0102  E..$..@.@.......", "line 1, column 17: 'o' is not a hexadecimal digit", 2},
		{"IP 10.0.1.2 > 10.0.2.2\n\t0x0010:  0a00 0202", "line 2, column 1: offset 0x0010: the rows before it are missing", 0},
		{"0000   45 00 0", "line 1, column 15: an odd number of hexadecimal digits", 2},
	} {
		got, err := ReadHex(c.text)
		n := 0
		for _, dump := range got {
			n += len(dump)
		}
		message := ""
		if err != nil {
			message = err.Error()
		}
		if message != c.want || n != c.octets {
			t.Errorf("%q: %d octets, error %q; want %d, %q", c.text, n, message, c.octets, c.want)
		}
	}
}

func FuzzReadHex(f *testing.F) {
	for _, text := range hexForms() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dumps, err := ReadHex(text)
		n := 0
		for _, dump := range dumps {
			if len(dump) == 0 {
				t.Fatal("a dump of nothing")
			}
			n += len(dump)
			again, err := ReadHex(fmt.Sprintf("%x", dump))
			if err != nil || len(again) != 1 || !bytes.Equal(again[0], dump) {
				t.Fatalf("%x reads as %x, %v", dump, again, err)
			}
		}
		if n > len(text) && !strings.Contains(text, "*") || n == 0 && err == nil {
			t.Fatalf("%d octets in a text of %d, error %v", n, len(text), err)
		}
	})
}
