package probe

import (
	"strings"
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// What tcpdump prints for an option is what the user may type.
func TestParseOptionsReadsItsOwnWords(t *testing.T) {
	for _, words := range []string{
		"mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7",
		"nop,nop,TS val 4294967295 ecr 7",
		"nop,nop,sack 2 {1:5}{4294967290:12}",
		"tfo  cookiereq",
		"tfo  cookie 0123456789abcdef",
		"md5 000102030405060708090a0b0c0d0e0f",
		"unknown-77 0x0102",
		"unknown-77",
		"eol",
	} {
		options, err := ParseOptions(words)
		if err != nil {
			t.Errorf("%s: %v", words, err)
			continue
		}
		var again []string
		for _, o := range options {
			again = append(again, o.String())
		}
		if got := strings.Join(again, ","); got != words {
			t.Errorf("%s: came back as %s", words, got)
		}
	}
}

func TestParseOptionsRaw(t *testing.T) {
	options, err := ParseOptions(" MSS 9 , 30:0xAB , 1: ")
	if err != nil {
		t.Fatal(err)
	}
	want := []wire.Option{wire.MSS(9), {Kind: 30, Data: []byte{0xab}, Offset: 4}, {Kind: wire.OptNOP, Data: []byte{}, Offset: 7}}
	for i, o := range options {
		if o.Kind != want[i].Kind || string(o.Data) != string(want[i].Data) || o.Offset != want[i].Offset {
			t.Errorf("option %d is %+v, want %+v", i, o, want[i])
		}
	}
	if options, err := ParseOptions(" "); err != nil || options != nil {
		t.Errorf("no options: %v, %v", options, err)
	}
}

func TestParseOptionsRefuses(t *testing.T) {
	const words = "need mss N, wscale N, sackOK, sack N {LEFT:RIGHT}, TS val N ecr N, tfo, md5 HEX, nop, eol or KIND:HEX"
	for _, test := range []struct{ text, want string }{
		{"msss 1460", `TCP option "msss 1460": ` + words},
		{"nop,,nop", `TCP option "": ` + words},
		{"mss", `TCP option "mss": takes one number, from 0 to 65535`},
		{"mss 65536", `TCP option "mss 65536": "65536" is not a number from 0 to 65535`},
		{"wscale 256", `TCP option "wscale 256": "256" is not a number from 0 to 255`},
		{"nop 1", `TCP option "nop 1": takes no value`},
		{"sackOK 1", `TCP option "sackOK 1": takes no value`},
		{"TS 1 0", `TCP option "TS 1 0": timestamps are written TS val N ecr N`},
		{"TS val x ecr 0", `TCP option "TS val x ecr 0": "x" is not a number from 0 to 4294967295`},
		{"sack 2 {1:2}", `TCP option "sack 2 {1:2}": blocks are written sack N {LEFT:RIGHT}, with as many blocks as N says`},
		{"sack 1 {1}", `TCP option "sack 1 {1}": blocks are written sack N {LEFT:RIGHT}, with as many blocks as N says`},
		{"tfo x", `TCP option "tfo x": a Fast Open cookie is written tfo cookiereq or tfo cookie HEX`},
		{"md5 00", `TCP option "md5 00": a signature is written md5 HEX, of 16 octets`},
		{"256:00", `TCP option "256:00": kind "256" is not a number from 0 to 255`},
		{"30:0", `TCP option "30:0": "0" is not an even number of hexadecimal digits`},
		{"1:00", `TCP option "1:00": kind 1 is one octet and has no data`},
		{strings.Repeat("nop,", 40) + "nop", "TCP options of 41 octets: a header has room for 40"},
	} {
		if _, err := ParseOptions(test.text); err == nil || err.Error() != test.want {
			t.Errorf("%s:\n got %v\nwant %s", test.text, err, test.want)
		}
	}
}
