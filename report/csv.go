package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// csvWriter writes RFC 4180. Objects of different kinds have different
// fields, so the columns are kind and every field of the command's kinds, in
// the table's order; a field that an object lacks is empty.
type csvWriter struct {
	out     *csv.Writer
	file    io.Closer
	columns []string
	row     []string
}

// newCSV returns a writer for those kinds of objects. The header is left out
// where the file has it already, and otherwise comes with the first row.
func newCSV(w io.WriteCloser, kinds []string, header bool) (*csvWriter, error) {
	c := &csvWriter{out: csv.NewWriter(w), file: w, columns: csvColumns(kinds)}
	c.out.UseCRLF = true
	c.row = make([]string, len(c.columns))
	if !header {
		return c, nil
	}
	return c, c.out.Write(c.columns)
}

// csvColumns returns the header.
func csvColumns(kinds []string) []string {
	columns := []string{"kind"}
	for _, spec := range finding.Table() {
		if !slices.Contains(kinds, spec.Kind) {
			continue
		}
		for _, f := range spec.Fields {
			if !slices.Contains(columns, f.Name) {
				columns = append(columns, f.Name)
			}
		}
	}
	return columns
}

func (c *csvWriter) Write(r finding.Record) error {
	clear(c.row)
	c.row[0] = r.Kind
	for _, f := range r.Fields {
		i := slices.Index(c.columns, f.Name)
		if i < 0 {
			return fmt.Errorf("csv: no column for %s of %s", f.Name, r.Kind)
		}
		c.row[i] = csvValue(f.Value)
	}
	if err := c.out.Write(c.row); err != nil {
		return err
	}
	return c.flush()
}

func (c *csvWriter) flush() error {
	c.out.Flush()
	return c.out.Error()
}

func (c *csvWriter) Close() error { return closing(nil, c.flush, c.file.Close) }

// csvValue writes a value in one cell. Lists are separated by semicolons, for
// TCP options have commas of their own.
func csvValue(v any) string {
	switch v := v.(type) {
	case string:
		return csvText(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return string(appendNumber(nil, v))
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return v.UTC().Format(rfc3339)
	case netip.Addr:
		return v.String()
	case []string:
		return csvText(strings.Join(v, ";"))
	case []finding.Count:
		counts := make([]string, len(v))
		for i, c := range v {
			counts[i] = c.Name + "=" + strconv.FormatInt(c.N, 10)
		}
		return csvText(strings.Join(counts, ";"))
	}
	return csvText(string(appendJSONValue(nil, v)))
}

// csvText escapes s, and keeps a spreadsheet from taking it for a formula by
// an apostrophe, as OWASP advises.
func csvText(s string) string {
	s = Escape(s)
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}
