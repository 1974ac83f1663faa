package report

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tcpscope/tcpscope/probe/finding"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"plain, é 漢字 €":          "plain, é 漢字 €",
		"\x1b[31mred\x1b[0m":     `\x1b[31mred\x1b[0m`,
		"a\r\nb\tc\x00\x7f":      `a\x0d\x0ab\x09c\x00\x7f`,
		"\x9b31m \xff":           `\x9b31m \xff`,
		"\u009b31m":              `\u{9b}31m`,
		"evil\u202etxt.exe":      `evil\u{202e}txt.exe`,
		"a\u200bb\u2066c\ufeff":  `a\u{200b}b\u{2066}c\u{feff}`,
		"e\u0301":                `e\u{301}`,
		"\ufffd\u2028\U000e0041": `\u{fffd}\u{2028}\u{e0041}`,
		"nb\u00a0sp":             `nb\u{a0}sp`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

// hostile strings as a network or a command line may hold them.
var hostile = []string{
	"\x1b]0;title\x07\x1b[2J", "a\nport 22 open", "\xff\xfe\x80", "x\u202ey\u2066z\u200b", "\u009b31m", "\U0001f600\U000e0041",
	"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", `"quoted",;'`, "</script>", strings.Repeat("w", 300), "\x7f\x00",
}

// Whatever stands in a record, no format lets out anything that a terminal
// would act upon, and each stays well-formed.
func TestHostileTextInEveryFormat(t *testing.T) {
	for _, s := range hostile {
		records := []finding.Record{
			finding.New("run").Set("version", s).Set("args", []string{s, s}).Set("interface", s),
			finding.New("port").Set("target", "a"+s).Set("addr", apple).Set("port", 80).Set("state", finding.State(s)).
				Set("reason", finding.Reason(s)).Set("options", []string{s}).Set("window", 1).Set("detail", s),
			finding.New("host-status").Set("addr", ant).Set("target", "a"+s).Set("status", finding.HostStatus(s)).Set("detail", s),
			finding.New("segment").Set("explanation", s),
			finding.New("error").Set("message", s),
			finding.New("summary").Set("limited_by", s).Set("counts", []finding.Count{{Name: s, N: 1}}),
		}
		for _, format := range Formats() {
			out := render(t, Format(format), func(o *Options) {
				o.Verbose, o.Kinds = true, append(o.Kinds, "segment")
				o.Service = func(uint16) string { return s }
			}, records...)
			if !utf8.ValidString(out) || strings.ContainsFunc(out, func(r rune) bool { return !harmless(r) && r != '\n' && r != '\r' }) {
				t.Errorf("%s lets %q through:\n%q", format, s, out)
			}
			checkForm(t, Format(format), out, s)
		}
	}
}

// checkForm parses a program's format, and looks for s in it.
func checkForm(t *testing.T, format Format, out, s string) {
	t.Helper()
	want := string([]rune(s)) // every octet that is no UTF-8 is a U+FFFD
	switch format {
	case FormatJSON:
		var doc struct{ Objects []map[string]any }
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if got := doc.Objects[1]["detail"]; got != want {
			t.Errorf("json: %q comes back as %q", s, got)
		}
	case FormatJSONL:
		for line := range strings.Lines(out) {
			if !json.Valid([]byte(line)) {
				t.Errorf("jsonl: %s", line)
			}
		}
	case FormatCSV:
		rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		cell := rows[2][slices.Index(rows[0], "detail")]
		if strings.ContainsAny(cell[:1], "=+-@\t\r") {
			t.Errorf("csv: %q is a formula", cell)
		}
	}
}
