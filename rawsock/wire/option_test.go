package wire

import (
	"bytes"
	"reflect"
	"testing"
)

func TestOptionOctets(t *testing.T) {
	for _, c := range []struct {
		option Option
		octets string
	}{
		{NOP(), "01"},
		{MSS(1460), "020405b4"},
		{WindowScale(14), "03030e"},
		{SACKPermitted(), "0402"},
		{SACK(SACKBlock{1, 0x10002}, SACKBlock{3, 0xfffffffe}), "0512 00000001 00010002 00000003 fffffffe"},
		{Timestamps(0x01020304, 0xa0b0c0d0), "080a 01020304 a0b0c0d0"},
		{MD5([16]byte{0: 1, 15: 2}), "1312 01000000 00000000 00000000 00000002"},
		{AO(7, 9, []byte{0xaa, 0xbb, 0xcc}), "1d07 07 09 aabbcc"},
		{FastOpen(nil), "2202"},
		{FastOpen([]byte{1, 2, 3, 4}), "220601020304"},
		{FastOpenExperiment(nil), "fe04f989"},
		{FastOpenExperiment([]byte{1, 2}), "fe06f9890102"},
		{Option{Kind: OptEnd, Data: []byte{9, 9}}, "000909"},
		{Option{Kind: 77}, "4d02"},
		{Option{Kind: 77, Data: []byte{200}, Malformed: true}, "4dc8"},
	} {
		want := octetsOf(t, c.octets)
		got := c.option.appendTo(nil)
		if !bytes.Equal(got, want) {
			t.Errorf("%v: got %x, want %x", c.option, got, want)
		}
		if n := c.option.encodedLen(); n != len(want) {
			t.Errorf("%v: length %d, want %d", c.option, n, len(want))
		}
		parsed := appendParsedOptions(nil, want)
		if len(parsed) != 1 || parsed[0].Kind != c.option.Kind || !bytes.Equal(parsed[0].Data, c.option.Data) || parsed[0].Malformed != c.option.Malformed {
			t.Errorf("%x: parsed %+v", want, parsed)
		}
	}
}

func TestParseOptions(t *testing.T) {
	for _, c := range []struct {
		name, octets string
		want         []Option
	}{
		{"none", "", nil},
		{"located", "01 0303 07 4d02 4e03ff", []Option{
			{Kind: OptNOP}, {Kind: OptWindowScale, Data: []byte{7}, Offset: 1},
			{Kind: 77, Data: []byte{}, Offset: 4}, {Kind: 78, Data: []byte{0xff}, Offset: 6},
		}},
		{"options behind the end are padding", "00 020405b4", []Option{{Kind: OptEnd, Data: []byte{2, 4, 5, 0xb4}}}},
		{"length missing", "01 08", []Option{{Kind: OptNOP}, {Kind: OptTimestamps, Data: []byte{}, Offset: 1, Malformed: true}}},
		{"length 0", "08 00 01", []Option{{Kind: OptTimestamps, Data: []byte{0, 1}, Malformed: true}}},
		{"length 1", "08 01 01", []Option{{Kind: OptTimestamps, Data: []byte{1, 1}, Malformed: true}}},
		{"one octet short", "01 0204 05", []Option{{Kind: OptNOP}, {Kind: OptMSS, Data: []byte{4, 5}, Offset: 1, Malformed: true}}},
		{"length 255", "4d ff 00", []Option{{Kind: 77, Data: []byte{0xff, 0}, Malformed: true}}},
	} {
		if got := appendParsedOptions(nil, octetsOf(t, c.octets)); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

func TestOptionAccessors(t *testing.T) {
	if size, ok := MSS(1460).MSS(); !ok || size != 1460 {
		t.Errorf("mss: %d, %t", size, ok)
	}
	if shift, ok := WindowScale(14).WindowScale(); !ok || shift != 14 {
		t.Errorf("window scale: %d, %t", shift, ok)
	}
	if val, ecr, ok := Timestamps(3, 4).Timestamps(); !ok || val != 3 || ecr != 4 {
		t.Errorf("timestamps: %d, %d, %t", val, ecr, ok)
	}
	blocks := []SACKBlock{{1, 2}, {0xffffffff, 7}, {8, 9}, {10, 11}}
	if got, ok := SACK(blocks...).SACKBlocks(); !ok || !reflect.DeepEqual(got, blocks) {
		t.Errorf("blocks: %v, %t", got, ok)
	}
	if got, ok := SACK().SACKBlocks(); !ok || len(got) != 0 {
		t.Errorf("no blocks: %v, %t", got, ok)
	}
	digest := [16]byte{1, 2, 3, 15: 9}
	if got, ok := MD5(digest).MD5(); !ok || got != digest {
		t.Errorf("md5: %x, %t", got, ok)
	}
	if key, next, mac, ok := AO(1, 2, []byte{3, 4}).AO(); !ok || key != 1 || next != 2 || !bytes.Equal(mac, []byte{3, 4}) {
		t.Errorf("ao: %d, %d, %x, %t", key, next, mac, ok)
	}
	for _, o := range []Option{FastOpen([]byte{1, 2, 3, 4}), FastOpenExperiment([]byte{1, 2, 3, 4}), {Kind: OptExperiment1, Data: []byte{0xf9, 0x89, 1, 2, 3, 4}}} {
		if cookie, ok := o.FastOpen(); !ok || !bytes.Equal(cookie, []byte{1, 2, 3, 4}) {
			t.Errorf("%v: cookie %x, %t", o, cookie, ok)
		}
	}
}

// TestOptionAccessorsRefuse gives every accessor what is not its own.
func TestOptionAccessorsRefuse(t *testing.T) {
	accepted := func(o Option) (by []string) {
		note := func(name string, ok bool) {
			if ok {
				by = append(by, name)
			}
		}
		_, ok := o.MSS()
		note("mss", ok)
		_, ok = o.WindowScale()
		note("wscale", ok)
		_, _, ok = o.Timestamps()
		note("TS", ok)
		_, ok = o.SACKBlocks()
		note("sack", ok)
		_, ok = o.MD5()
		note("md5", ok)
		_, _, _, ok = o.AO()
		note("ao", ok)
		_, ok = o.FastOpen()
		note("tfo", ok)
		return by
	}
	for kind := range 256 {
		for n := range 20 {
			if by := accepted(Option{Kind: OptionKind(kind), Data: make([]byte, n), Malformed: true}); by != nil {
				t.Errorf("malformed kind %d of %d octets accepted by %v", kind, n, by)
			}
			by := accepted(Option{Kind: OptionKind(kind), Data: make([]byte, n)})
			want := []string(nil)
			switch k := OptionKind(kind); {
			case k == OptMSS && n == 2:
				want = []string{"mss"}
			case k == OptWindowScale && n == 1:
				want = []string{"wscale"}
			case k == OptTimestamps && n == 8:
				want = []string{"TS"}
			case k == OptSACK && n%8 == 0:
				want = []string{"sack"}
			case k == OptMD5 && n == 16:
				want = []string{"md5"}
			case k == OptAO && n >= 2:
				want = []string{"ao"}
			case k == OptFastOpen:
				want = []string{"tfo"}
			}
			if !reflect.DeepEqual(by, want) {
				t.Errorf("kind %d of %d octets accepted by %v, want %v", kind, n, by, want)
			}
		}
	}
}
