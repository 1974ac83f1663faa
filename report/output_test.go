package report

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tcpscope/tcpscope/probe/finding"
)

func TestParseOutput(t *testing.T) {
	for in, want := range map[string]Output{
		"text":            {Format: FormatText},
		"json=-":          {Format: FormatJSON},
		"csv=/dev/stdout": {Format: FormatCSV},
		"jsonl=a=b":       {Format: FormatJSONL, File: "a=b"},
		"csv=dir/x.csv":   {Format: FormatCSV, File: "dir/x.csv"},
	} {
		if got, err := ParseOutput(in); err != nil || got != want {
			t.Errorf("ParseOutput(%q) = %+v, %v", in, got, err)
		}
	}
	for in, want := range map[string][2]string{
		"x.json":     {`-o "x.json": unknown format "x.json"; need text, json, jsonl or csv`, "did you mean -o json=x.json?"},
		"x.ndjson":   {`-o "x.ndjson": unknown format "x.ndjson"; need text, json, jsonl or csv`, "did you mean -o jsonl=x.ndjson?"},
		"out.txt":    {`-o "out.txt": unknown format "out.txt"; need text, json, jsonl or csv`, "did you mean -o text=out.txt?"},
		"JSON=x":     {`-o "JSON=x": unknown format "JSON"; need text, json, jsonl or csv`, "did you mean -o json=x?"},
		"yaml=x.csv": {`-o "yaml=x.csv": unknown format "yaml"; need text, json, jsonl or csv`, ""},
		"x.html":     {`-o "x.html": unknown format "x.html"; need text, json, jsonl or csv`, ""},
		"":           {`-o "": unknown format ""; need text, json, jsonl or csv`, ""},
		"json=":      {`-o "json=": no file name behind the =`, ""},
	} {
		_, err := ParseOutput(in)
		var oe *OutputError
		if !errors.As(err, &oe) || oe.Error() != want[0] || oe.Hint != want[1] {
			t.Errorf("ParseOutput(%q): %v, hint %q", in, err, oe.Hint)
		}
	}
}

// Some commands have formats of their own.
func TestParseOutputOfOneCommand(t *testing.T) {
	if got, err := ParseOutput("html=x", FormatHTML); err != nil || got != (Output{FormatHTML, "x"}) {
		t.Errorf("%+v, %v", got, err)
	}
	for in, hint := range map[string]string{
		"x.html": "did you mean -o html=x.html?", "x.HTM": "did you mean -o html=x.HTM?", "Html": "did you mean -o html?", "yaml": "",
	} {
		_, err := ParseOutput(in, FormatHTML)
		var oe *OutputError
		want := fmt.Sprintf("-o %q: unknown format %q; need text, json, jsonl, csv or html", in, in)
		if !errors.As(err, &oe) || oe.Error() != want || oe.Hint != hint {
			t.Errorf("ParseOutput(%q): %v, hint %q", in, err, oe.Hint)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.csv")
	if err := os.WriteFile(other, []byte("kind,colour\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "no", "x.json")
	fresh := Output{FormatJSON, filepath.Join(dir, "fresh.json")}
	for _, c := range []struct {
		outputs    []Output
		want, hint string
	}{
		{[]Output{{Format: FormatJSON}, {Format: FormatCSV}}, "-o json and -o csv both go to standard output", "give one of them a file: -o csv=FILE"},
		{[]Output{{FormatJSON, "x"}, {FormatCSV, "./x"}}, `-o "csv=./x": another output goes to the same file`, ""},
		{[]Output{fresh, {FormatJSON, missing}}, `-o "json=` + missing + `": open ` + missing + `: no such file or directory`, ""},
		{[]Output{fresh, {FormatJSONL, missing}}, `-o "jsonl=` + missing + `": open ` + missing + `: no such file or directory`, ""},
		{[]Output{fresh, {FormatJSON, dir}}, `-o "json=` + dir + `": open ` + dir + `: is a directory`, ""},
		{[]Output{fresh, {FormatCSV, other}}, `-o "csv=` + other + `": has other columns: give a new file`, ""},
	} {
		_, err := Open(c.outputs, testOptions(&strings.Builder{}))
		var oe *OutputError
		if !errors.As(err, &oe) || oe.Error() != c.want || oe.Hint != c.hint {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// open opens outputs in an empty directory, with text on standard output.
func openFiles(t *testing.T, dir string, formats ...Format) (Writer, *strings.Builder) {
	t.Helper()
	var outputs []Output
	for _, f := range formats {
		outputs = append(outputs, Output{f, filepath.Join(dir, "x."+string(f))})
	}
	var stdout strings.Builder
	w, err := Open(outputs, testOptions(&stdout))
	if err != nil {
		t.Fatal(err)
	}
	return w, &stdout
}

// mustWrite writes to a Writer or to a recordWriter, one record at a time.
func mustWrite(t *testing.T, w any, records ...finding.Record) {
	t.Helper()
	for _, r := range records {
		var err error
		switch w := w.(type) {
		case Writer:
			err = w.Write(r)
		case recordWriter:
			err = w.Write(r)
		default:
			t.Fatalf("%T is no writer", w)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSeveralOutputs(t *testing.T) {
	dir := t.TempDir()
	all := []Format{FormatText, FormatJSON, FormatJSONL, FormatCSV}
	records := firewalled()[:4]
	for range 2 {
		w, stdout := openFiles(t, dir, all...)
		if _, err := os.Stat(filepath.Join(dir, "x.json")); err == nil {
			if err := os.Remove(filepath.Join(dir, "x.json")); err != nil {
				t.Fatal(err)
			}
		}
		mustWrite(t, w, records...)
		if _, err := os.Stat(filepath.Join(dir, "x.json")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the json file is there before it is whole: %v", err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if want := render(t, FormatText, nil, records...); stdout.String() != want {
			t.Errorf("standard output has\n%s", stdout)
		}
	}
	for _, f := range all {
		once := render(t, f, nil, records...)
		want := once + once
		switch f {
		case FormatJSON:
			want = once
		case FormatCSV: // the header stands once
			_, rows, _ := strings.Cut(once, "\n")
			want = once + rows
		}
		if got := contents(t, filepath.Join(dir, "x."+string(f))); got != want {
			t.Errorf("x.%s: got\n%s\nwant\n%s", f, got, want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != len(all) {
		t.Errorf("files: %v, %v", left, err)
	}
}

func TestLinesAppearAtOnce(t *testing.T) {
	dir := t.TempDir()
	w, _ := openFiles(t, dir, FormatJSONL, FormatCSV)
	mustWrite(t, w, firewalled()[:2]...)
	for name, lines := range map[string]int{"x.jsonl": 2, "x.csv": 3} {
		if got := strings.Count(contents(t, filepath.Join(dir, name)), "\n"); got != lines {
			t.Errorf("%s has %d lines, want %d", name, got, lines)
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestErrorsGoIntoTextFiles(t *testing.T) {
	dir := t.TempDir()
	w, stdout := openFiles(t, dir, FormatText)
	mustWrite(t, w, finding.New("error").Set("message", "no route to host"))
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if got := contents(t, filepath.Join(dir, "x.text")); got != "error: no route to host\n" || stdout.Len() != 0 {
		t.Errorf("file has %q, standard output %q", got, stdout)
	}
}

// What failed before anything was sent has no figures.
func TestNothingSent(t *testing.T) {
	failed := finding.New("summary").Set("hosts", 0).Set("sent", 0).Set("received", 0).Set("elapsed_ms", 0.1)
	if got := render(t, FormatText, nil, runRecord(), failed); got != "" {
		t.Errorf("%q", got)
	}
}

func TestWholeFileKeepsWhatItReplaces(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.json"), filepath.Join(dir, "link.json")
	if err := errors.Join(os.WriteFile(real, []byte("old"), 0o600), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	f, err := createWhole(link)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, real); got != "old" {
		t.Errorf("before Close: %q", got)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 || contents(t, real) != "new" {
		t.Errorf("after Close: %q, link %v, %v", contents(t, real), info.Mode(), err)
	}
	if info, err := os.Stat(real); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its permissions became %v, %v", info.Mode(), err)
	}
	for name, want := range map[string]bool{"/dev/fd/3": true, "/dev//stderr": true, "/dev/shm/x": false, "stdout": false} {
		if got := isDescriptor(name); got != want {
			t.Errorf("isDescriptor(%s) = %v", name, got)
		}
	}
	if err := writeDirectly(os.DevNull); err != nil {
		t.Errorf("a device: %v", err)
	}
}

// Until it is whole a file is not there, under any name; where the file system
// can do only with one, the file takes it away when it fails.
func TestWholeFileLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "x.json")
	hidden := func() io.WriteCloser {
		f, temp, err := openBeside(name)
		if err != nil {
			t.Fatal(err)
		}
		return &wholeFile{File: f, name: name, temp: temp}
	}
	ordinary := func() io.WriteCloser {
		f, err := createWhole(name)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, create := range []func() io.WriteCloser{ordinary, hidden} {
		abandon([]io.WriteCloser{create()})
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
	f := hidden()
	if _, err := f.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil || contents(t, name) != "new" {
		t.Errorf("%q, %v", contents(t, name), err)
	}
}

func TestSameFile(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(os.WriteFile(path("a"), nil, 0o600), os.WriteFile(path("b"), nil, 0o600),
		os.Symlink("a", path("soft")), os.Link(path("a"), path("hard")))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{path("a"), path("b"), false},
		{path("a"), path("soft"), true},
		{path("a"), path("hard"), true},
		{path("a"), path("new"), false},
		{path("new"), path("./new"), true},
		{os.DevNull, os.DevNull, false},
	} {
		if got := SameFile(c.a, c.b); got != c.want {
			t.Errorf("SameFile(%s, %s) = %v", c.a, c.b, got)
		}
	}
}

func writeDirectly(name string) error {
	f, err := createWhole(name)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte("x"))
	return errors.Join(err, f.Close())
}

// failing is a standard output on which nothing can be written.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: "stdout", Err: f.err}
}

func TestFailingOutput(t *testing.T) {
	for _, c := range []struct {
		err   error
		alone bool
		want  error
	}{
		{syscall.EPIPE, true, ErrNoReader},
		{syscall.EPIPE, false, nil},
		{syscall.ENOSPC, true, syscall.ENOSPC},
		{syscall.ENOSPC, false, syscall.ENOSPC},
	} {
		o := testOptions(nil)
		o.Stdout = failing{c.err}
		outputs := []Output{{Format: FormatJSONL}}
		file := filepath.Join(t.TempDir(), "x.json")
		if !c.alone {
			outputs = append(outputs, Output{FormatJSON, file})
		}
		w, err := Open(outputs, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(runRecord()); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%v, alone %v: Write gives %v", c.err, c.alone, err)
		}
		if err := errors.Join(w.Write(runRecord()), w.Close()); err != nil {
			t.Errorf("%v, alone %v: told twice: %v", c.err, c.alone, err)
		}
		if !c.alone && strings.Count(contents(t, file), `"run"`) != 2 {
			t.Error("the other output is not whole")
		}
	}
}
