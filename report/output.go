package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Format is one of the forms that a report has.
type Format string

// The formats.
const (
	FormatText  Format = "text"
	FormatJSON  Format = "json"
	FormatJSONL Format = "jsonl"
	FormatCSV   Format = "csv"
	FormatHTML  Format = "html"
	FormatSVG   Format = "svg"
)

// Formats returns the names of the formats that every command has, and then
// those that one has besides.
func Formats(extra ...Format) []string {
	names := []string{string(FormatText), string(FormatJSON), string(FormatJSONL), string(FormatCSV)}
	for _, f := range extra {
		names = append(names, string(f))
	}
	return names
}

// Whole reports whether a file of the format is of use only when nothing is
// missing, so that it appears under its name when it is closed.
func (f Format) Whole() bool { return f == FormatJSON || f == FormatHTML || f == FormatSVG }

// Output says what is to be written where. The zero value of File means
// standard output.
type Output struct {
	Format Format
	File   string
}

// String returns the output as -o takes it.
func (o Output) String() string {
	if o.File == "" {
		return string(o.Format)
	}
	return string(o.Format) + "=" + o.File
}

// OutputError reports an output that cannot be: a mistake of the user's,
// found before anything is sent.
type OutputError struct {
	Problem string
	// Hint is advice for a line of its own; "" if there is none.
	Hint string
	// Err is the system's error, if that is the problem.
	Err error
}

// Error returns the problem in one line.
func (e *OutputError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Problem, e.Err)
	}
	return e.Problem
}

// Unwrap returns the system's error.
func (e *OutputError) Unwrap() error { return e.Err }

// ParseOutput reads FORMAT or FORMAT=FILE; the files - and /dev/stdout are
// standard output. The formats are those of Formats.
// Errors are of type *OutputError.
func ParseOutput(s string, extra ...Format) (Output, error) {
	name, file, named := strings.Cut(s, "=")
	o := Output{Format: Format(name), File: file}
	formats := Formats(extra...)
	last := len(formats) - 1
	switch {
	case !slices.Contains(formats, name):
		return Output{}, &OutputError{
			Problem: fmt.Sprintf("-o %q: unknown format %q; need %s or %s", s, name, strings.Join(formats[:last], ", "), formats[last]),
			Hint:    meant(s, name, formats),
		}
	case named && file == "":
		return Output{}, &OutputError{Problem: fmt.Sprintf("-o %q: no file name behind the =", s)}
	case file == "-", file == "/dev/stdout":
		o.File = ""
	}
	return o, nil
}

// meant guesses what the user had in mind who gave a file name, or a format
// in other letters.
func meant(s, name string, formats []string) string {
	if lower := strings.ToLower(name); slices.Contains(formats, lower) {
		return "did you mean -o " + lower + strings.TrimPrefix(s, name) + "?"
	}
	if strings.Contains(s, "=") {
		return ""
	}
	ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(s)), ".")
	switch ext {
	case "ndjson":
		ext = string(FormatJSONL)
	case "txt", "log":
		ext = string(FormatText)
	case "htm":
		ext = string(FormatHTML)
	}
	if !slices.Contains(formats, ext) {
		return ""
	}
	return "did you mean -o " + ext + "=" + s + "?"
}

// arrange checks that at most one output goes to standard output and none to
// the file of another, and adds text on standard output if nothing else goes
// there.
func arrange(outputs []Output) ([]Output, error) {
	var stdout []string
	for i, o := range outputs {
		if o.File == "" {
			stdout = append(stdout, o.String())
			continue
		}
		if slices.ContainsFunc(outputs[:i], func(before Output) bool { return before.File != "" && SameFile(before.File, o.File) }) {
			return nil, &OutputError{Problem: fmt.Sprintf("-o %q: another output goes to the same file", o)}
		}
	}
	switch len(stdout) {
	case 0:
		return append([]Output{{Format: FormatText}}, outputs...), nil
	case 1:
		return outputs, nil
	}
	return nil, &OutputError{
		Problem: fmt.Sprintf("-o %s and -o %s both go to standard output", stdout[0], stdout[1]),
		Hint:    fmt.Sprintf("give one of them a file: -o %s=FILE", stdout[1]),
	}
}
