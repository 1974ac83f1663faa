package finding

import (
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestTableIsWellFormed(t *testing.T) {
	name := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	kinds := map[string]bool{}
	for _, spec := range Table() {
		if kinds[spec.Kind] || spec.Meaning == "" {
			t.Errorf("object %q: listed twice, or without a meaning", spec.Kind)
		}
		kinds[spec.Kind] = true
		fields := map[string]bool{"kind": true}
		for _, f := range spec.Fields {
			if fields[f.Name] || !name.MatchString(f.Name) || f.Meaning == "" {
				t.Errorf("%s: field %q: listed twice, ill-named, or without a meaning", spec.Kind, f.Name)
			}
			fields[f.Name] = true
			if i := strings.LastIndexByte(f.Name, '_'); i >= 0 && f.Type == Number && f.Unit != f.Name[i+1:] {
				t.Errorf("%s: field %s has unit %q", spec.Kind, f.Name, f.Unit)
			}
			for _, w := range f.Words {
				if w.Name == "" || w.Meaning == "" {
					t.Errorf("%s: field %s: word %+v lacks something", spec.Kind, f.Name, w)
				}
			}
		}
	}
	if first, last := Table()[0].Kind, Table()[len(Table())-1].Kind; first != "run" || last != "summary" {
		t.Errorf("the table begins with %s and ends with %s", first, last)
	}
}

func TestSetKeepsTheTablesOrder(t *testing.T) {
	a := netip.MustParseAddr("10.0.0.1")
	r := New("port").Set("ttl", uint8(61)).Set("state", Open).Set("addr", a).Set("tries", 2).
		Set("port", uint16(80)).Set("tries", 3).Set("window", 0)
	want := []Field{{"addr", a}, {"port", int64(80)}, {"state", "open"}, {"ttl", int64(61)}, {"window", int64(0)}, {"tries", int64(3)}}
	if !reflect.DeepEqual(r.Fields, want) {
		t.Errorf("got  %v\nwant %v", r.Fields, want)
	}
	if err := r.Validate(); err != nil {
		t.Error(err)
	}
	if n, ok := r.Int("window"); !ok || n != 0 {
		t.Errorf("window = %d, %v: a zero is a value", n, ok)
	}
}

func TestSetLeavesAbsentValuesOut(t *testing.T) {
	r := New("port").Set("detail", "").Set("from", netip.Addr{}).Set("at", time.Time{}).
		Set("options", []string{}).Set("reason", Reason("")).Set("ttl", nil)
	if len(r.Fields) != 0 {
		t.Errorf("got %v", r.Fields)
	}
	if r = r.Set("ttl", 64).Set("ttl", nil); len(r.Fields) != 0 {
		t.Errorf("a field set to nil is still there: %v", r.Fields)
	}
	if r.Get("ttl") != nil || r.Text("detail") != "" || r.Addr("from").IsValid() || !r.Time("at").IsZero() || r.List("options") != nil {
		t.Error("an absent field has a value")
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		record Record
		want   string
	}{
		{"unknown kind", New("prot").Set("x", 1), `no object "prot" in the table`},
		{"unknown field", New("port").Set("colour", "red").Set("port", 1), `port: no field "colour" in the table`},
		{"wrong type", New("port").Set("port", "80"), "port: field port is integer, not string"},
		{"too large", New("run").Set("seed", uint64(1)<<63), "run: field seed is integer, not uint64"},
		{"good", New("summary").Set("counts", []Count{{"open", 1}}).Set("elapsed_ms", 1.5), ""},
	} {
		err := c.record.Validate()
		if c.want == "" && err == nil {
			continue
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestICMP(t *testing.T) {
	for _, c := range []struct {
		typ, code uint8
		want      Reason
	}{
		{3, 0, NetUnreachable}, {3, 1, HostUnreachable}, {3, 3, PortUnreachable}, {3, 9, NetProhibited},
		{3, 10, HostProhibited}, {3, 13, AdminProhibited}, {11, 0, TTLExceeded},
		{3, 2, "icmp-3-2"}, {11, 1, "icmp-11-1"}, {12, 0, "icmp-12-0"},
	} {
		if got := ICMP(c.typ, c.code); got != c.want {
			t.Errorf("ICMP(%d, %d) = %s, want %s", c.typ, c.code, got, c.want)
		}
	}
}
