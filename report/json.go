package report

import (
	"bufio"
	"io"
	"math"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// rfc3339 has all nine digits of the nanoseconds, so that times line up.
const rfc3339 = "2006-01-02T15:04:05.000000000Z"

// jsonWriter writes one document, {"tcpscope": VERSION, "objects": [...]}, an
// object a line. It keeps nothing but its buffers.
type jsonWriter struct {
	out   *bufio.Writer
	file  io.Closer
	buf   []byte
	comma bool
}

func newJSON(w io.WriteCloser, version string) (*jsonWriter, error) {
	j := &jsonWriter{out: bufio.NewWriter(w), file: w}
	head := append(appendJSONString([]byte(`{"tcpscope":`), version), `,"objects":[`...)
	_, err := j.out.Write(head)
	return j, err
}

func (j *jsonWriter) Write(r finding.Record) error {
	j.buf = j.buf[:0]
	if j.comma {
		j.buf = append(j.buf, ',')
	}
	j.comma = true
	j.buf = appendJSON(append(j.buf, '\n'), r)
	_, err := j.out.Write(j.buf)
	return err
}

func (j *jsonWriter) Close() error {
	_, err := j.out.WriteString("\n]}\n")
	return closing(err, j.out.Flush, j.file.Close)
}

// jsonlWriter writes an object a line, and every line at once.
type jsonlWriter struct {
	io.WriteCloser
	buf []byte
}

func (j *jsonlWriter) Write(r finding.Record) error {
	j.buf = append(appendJSON(j.buf[:0], r), '\n')
	_, err := j.WriteCloser.Write(j.buf)
	return err
}

// closing does every step and returns the first error.
func closing(err error, steps ...func() error) error {
	for _, step := range steps {
		if e := step(); err == nil {
			err = e
		}
	}
	return err
}

func appendJSON(b []byte, r finding.Record) []byte {
	b = appendJSONString(append(b, `{"kind":`...), r.Kind)
	for _, f := range r.Fields {
		b = appendJSONString(append(b, ','), f.Name)
		b = appendJSONValue(append(b, ':'), f.Value)
	}
	return append(b, '}')
}

func appendJSONValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendJSONString(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return appendNumber(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case time.Time:
		return v.UTC().AppendFormat(b, `"`+rfc3339+`"`)
	case netip.Addr:
		return appendJSONString(b, v.String())
	case []string:
		return appendJSONList(b, v, appendJSONString)
	case finding.Record:
		return appendJSON(b, v)
	case []finding.Record:
		return appendJSONList(b, v, appendJSON)
	case []finding.Count:
		b = append(b, '{')
		for i, c := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(append(appendJSONString(b, c.Name), ':'), c.N, 10)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

func appendJSONList[T any](b []byte, list []T, one func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, v)
	}
	return append(b, ']')
}

// appendNumber writes x without an exponent and without the noise behind the
// sixth decimal place. JSON has no word for what is not a number.
func appendNumber(b []byte, x float64) []byte {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, math.Round(x*1e6)/1e6, 'f', -1, 64)
}

// appendJSONString writes s so that it is safe on a terminal too: what Escape
// would touch becomes \uNNNN, which reads back as the same character. Octets
// that are no UTF-8 become U+FFFD.
func appendJSONString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	unit := func(r rune) {
		b = append(b, '\\', 'u', digits[r>>12&0xf], digits[r>>8&0xf], digits[r>>4&0xf], digits[r&0xf])
	}
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\t':
			b = append(b, '\\', 't')
		case harmless(r):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			unit(0xd800 + (r-0x10000)>>10)
			unit(0xdc00 + (r-0x10000)&0x3ff)
		default:
			unit(r)
		}
	}
	return append(b, '"')
}
