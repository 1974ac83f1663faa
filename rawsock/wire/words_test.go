package wire

import "testing"

// wordCases are options in our words, and in tcpdump's where it differs: our
// comparison with tcpdump itself uses the same table.
var wordCases = []struct {
	name    string
	option  Option
	want    string
	tcpdump string
}{
	{name: "eol", option: Option{Kind: OptEnd}, want: "eol"},
	{name: "padding", option: Option{Kind: OptEnd, Data: []byte{40, 1, 2}}, want: "eol"},
	{name: "nop", option: NOP(), want: "nop"},
	{name: "mss", option: MSS(1460), want: "mss 1460"},
	{name: "wscale", option: WindowScale(7), want: "wscale 7"},
	{name: "sackOK", option: SACKPermitted(), want: "sackOK"},
	{name: "one block", option: SACK(SACKBlock{1, 5}), want: "sack 1 {1:5}"},
	{name: "two blocks", option: SACK(SACKBlock{1, 5}, SACKBlock{10, 20}), want: "sack 2 {1:5}{10:20}"},
	{name: "no block", option: SACK(), want: "sack 0 "},
	{name: "half a block", option: Option{Kind: OptSACK, Data: []byte{1, 2, 3, 4}}, want: "sack invalid sack"},
	{name: "timestamps", option: Timestamps(4236541223, 398188058), want: "TS val 4236541223 ecr 398188058"},
	{
		name: "md5", option: MD5([16]byte{1, 2, 3, 0xff}), want: "md5 010203ff000000000000000000000000",
		tcpdump: "md5 shared secret not supplied with -M, can't check - 010203ff000000000000000000000000",
	},
	{name: "ao", option: AO(1, 2, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}), want: "tcp-ao keyid 1 rnextkeyid 2 mac 0x0102030405060708090a0b0c"},
	{name: "ao without mac", option: AO(1, 2, nil), want: "tcp-ao keyid 1 rnextkeyid 2"},
	{name: "short ao", option: Option{Kind: OptAO, Data: []byte{1}}, want: "tcp-ao (invalid)"},
	{name: "cookie request", option: FastOpen(nil), want: "tfo  cookiereq"},
	{name: "cookie", option: FastOpen([]byte{1, 2, 3, 4, 5, 6, 7, 8}), want: "tfo  cookie 0102030405060708"},
	{name: "odd cookie", option: FastOpen([]byte{1, 2, 3, 4, 5}), want: "tfo  (invalid)"},
	{name: "short cookie", option: FastOpen([]byte{1, 2}), want: "tfo  (invalid)"},
	{name: "experimental request", option: FastOpenExperiment(nil), want: "exp-tfo cookiereq"},
	{name: "experimental cookie", option: FastOpenExperiment([]byte{1, 2, 3, 4}), want: "exp-tfo cookie 01020304"},
	{name: "experimental odd cookie", option: FastOpenExperiment([]byte{1, 2, 3}), want: "exp-tfo (invalid)"},
	{name: "other experiment", option: Option{Kind: OptExperiment2, Data: []byte{0x0f, 0xd4, 1, 2}}, want: "exp-0fd4"},
	{name: "experiment 1", option: Option{Kind: OptExperiment1, Data: []byte{0xf9, 0x89}}, want: "unknown-253 0xf989"},
	{name: "unknown", option: Option{Kind: 77, Data: []byte{0xe2, 0xd4}}, want: "unknown-77 0xe2d4"},
	{name: "unknown and empty", option: Option{Kind: 77}, want: "unknown-77"},
	{name: "echo", option: Option{Kind: 6, Data: []byte{0, 0, 1, 2}}, want: "echo 258"},
	{name: "echo reply", option: Option{Kind: 7, Data: []byte{0, 0, 1, 2}}, want: "echoreply 258"},
	{name: "cc", option: Option{Kind: 11, Data: []byte{0, 0, 1, 2}}, want: "cc 258"},
	{name: "cc new", option: Option{Kind: 12, Data: []byte{0, 0, 1, 2}}, want: "ccnew 258"},
	{name: "cc echo", option: Option{Kind: 13, Data: []byte{0, 0, 1, 2}}, want: "ccecho 258", tcpdump: " 258"},
	{name: "scps", option: Option{Kind: 20, Data: []byte{0x80, 5}}, want: "scps cap 80 id 5"},
	{name: "user timeout, minutes", option: Option{Kind: 28, Data: []byte{0x80, 5}}, want: "uto 0x8005 300", tcpdump: "uto 0x8005 983160"},
	{name: "user timeout, seconds", option: Option{Kind: 28, Data: []byte{0, 5}}, want: "uto 0x5 5", tcpdump: "uto 0x5 120"},
	{name: "mptcp", option: Option{Kind: 30, Data: []byte{0x90, 1}}, want: "mptcp 0x9001", tcpdump: "mptcp 4 unknown"},

	{name: "mss, 1 octet", option: Option{Kind: OptMSS, Data: []byte{5}}, want: "mss 0x05[len 3]", tcpdump: "mss 1280[len 3]"},
	{name: "mss, 4 octets", option: Option{Kind: OptMSS, Data: []byte{5, 0xb4, 9, 9}}, want: "mss 0x05b40909[len 6]", tcpdump: "mss 1460[len 6]"},
	{name: "sackOK, 2 octets", option: Option{Kind: OptSACKPermitted, Data: []byte{5, 0xb4}}, want: "sackOK 0x05b4[len 4]", tcpdump: "sackOK[len 4]"},
	{name: "timestamps, 2 octets", option: Option{Kind: OptTimestamps, Data: []byte{5, 0xb4}}, want: "TS 0x05b4[len 4]", tcpdump: "TS[bad opt]"},
	{name: "wscale, no octet", option: Option{Kind: OptWindowScale}, want: "wscale[len 2]", tcpdump: "wscale 0[len 2]"},
	{name: "md5, 2 octets", option: Option{Kind: OptMD5, Data: []byte{5, 6}}, want: "md5 0x0506[len 4]", tcpdump: "md5[bad opt]"},
	{name: "cc, 1 octet", option: Option{Kind: 11, Data: []byte{5}}, want: "cc 0x05[len 3]", tcpdump: "cc[bad opt]"},
	{name: "scps, 1 octet", option: Option{Kind: 20, Data: []byte{5}}, want: "scps 0x05[len 3]", tcpdump: "scps cap 05 id 0[len 3]"},
	{name: "user timeout, 1 octet", option: Option{Kind: 28, Data: []byte{5}}, want: "uto 0x05[len 3]", tcpdump: "uto 0x500 640[len 3]"},
	{name: "experiment, 1 octet", option: Option{Kind: OptExperiment2, Data: []byte{5}}, want: "exp 0x05[len 3]", tcpdump: "exp[bad opt]"},

	{name: "length 0", option: Option{Kind: OptMSS, Data: []byte{0, 1, 2}, Malformed: true}, want: "[bad opt]"},
	{name: "length 1", option: Option{Kind: OptTimestamps, Data: []byte{1, 1, 2}, Malformed: true}, want: "[bad opt]"},
	{name: "length past the header", option: Option{Kind: 99, Data: []byte{40, 1, 2}, Malformed: true}, want: "[bad opt]"},
}

func TestOptionWords(t *testing.T) {
	for _, c := range wordCases {
		if got := c.option.String(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestOptionWordsRelative(t *testing.T) {
	o := SACK(SACKBlock{0xffffffff, 4}, SACKBlock{1010, 1020})
	if got, want := o.Words(0xfffffffe), "sack 2 {1:6}{1012:1022}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := MSS(536).Words(1000), "mss 536"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAppendWords(t *testing.T) {
	buf := make([]byte, 0, 200)
	for _, c := range wordCases {
		if got := string(c.option.AppendWords([]byte("x"), 0)); got != "x"+c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, "x"+c.want)
		}
		if n := testing.AllocsPerRun(10, func() { c.option.AppendWords(buf, 0) }); n > 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}
