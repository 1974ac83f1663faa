package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// ErrNoReader reports that nobody reads the only output any more, as when it
// is piped into head. It is a reason to end quietly.
var ErrNoReader = errors.New("nobody reads the output any more")

// Options say how records are shown. The zero value is good for tests only:
// Stdout must be set to write there.
type Options struct {
	// Version is the program's, for the JSON document.
	Version string
	// Kinds are the objects that the command emits: the columns of CSV.
	Kinds []string
	// Stdout is written to by the output without a file. It is not closed.
	Stdout io.Writer
	// Color colours the text on Stdout; text in files is plain.
	Color bool
	// Show lists the states of ports to report. Nil means all, of which text
	// collapses the commonest.
	Show []finding.State
	// Verbose adds to text what is usually left out; Quiet leaves out the
	// summary, and of latencies the single probes.
	Verbose, Quiet bool
	// Service returns the name of a port's usual service, or "". Nil names none.
	Service func(port uint16) string
	// Location is the time zone of segments in tcpdump's form; nil means the
	// local one.
	Location *time.Location
	// Views say how sights are shown; nil if there are none to come.
	Views *Views
}

func (o *Options) location() *time.Location {
	if o.Location == nil {
		return time.Local
	}
	return o.Location
}

// Open opens the outputs, and text on standard output unless another goes
// there. An output that cannot be opened is an *OutputError; nothing has been
// written then.
func Open(outputs []Output, o Options) (Viewer, error) {
	outputs, err := arrange(outputs)
	if err != nil {
		return nil, err
	}
	// All files are opened before any is written to.
	files := make([]io.WriteCloser, len(outputs))
	fresh := make([]bool, len(outputs))
	for i, out := range outputs {
		if files[i], fresh[i], err = open(out, o); err != nil {
			abandon(files[:i])
			return nil, &OutputError{Problem: fmt.Sprintf("-o %q", out), Err: err}
		}
	}
	m := &multi{show: o.Show, patient: o.Views != nil}
	for i, out := range outputs {
		g := &gate{WriteCloser: files[i]}
		w, err := start(out, g, fresh[i], o)
		if err != nil {
			abandon(files)
			return nil, fmt.Errorf("-o %q: %w", out, err)
		}
		m.outputs = append(m.outputs, output{w, g})
	}
	return m, nil
}

// open opens an output's file, and tells whether there is nothing in it yet.
func open(out Output, o Options) (f io.WriteCloser, fresh bool, err error) {
	switch {
	case out.File == "":
		return unclosed{o.Stdout}, true, nil
	case out.Format.Whole():
		f, err = createWhole(out.File)
		return f, true, err
	}
	file, fresh, err := openAppend(out.File)
	if err == nil && !fresh && out.Format == FormatCSV {
		if err = sameColumns(file, o.Kinds); err != nil {
			return nil, false, errors.Join(err, file.Close())
		}
	}
	return file, fresh, err
}

// abandon closes files that shall not be.
func abandon(files []io.WriteCloser) {
	for _, f := range files {
		if f, ok := f.(*wholeFile); ok {
			f.failed = true
		}
		_ = f.Close() // there is an error already that matters more
	}
}

// start makes the writer of an opened output.
func start(out Output, w io.WriteCloser, fresh bool, o Options) (recordWriter, error) {
	switch out.Format {
	case FormatJSON:
		return newJSON(w, o.Version)
	case FormatJSONL:
		return &jsonlWriter{WriteCloser: w}, nil
	case FormatCSV:
		return newCSV(w, o.Kinds, fresh)
	case FormatHTML, FormatSVG:
		if o.Views != nil {
			return newLadderPage(w, out.Format, o), nil
		}
		return newHTML(w, o)
	}
	o.Color = o.Color && out.File == ""
	if o.Views != nil {
		t := newTextView(w, o)
		t.shown = out.File == ""
		return t, nil
	}
	t := newText(w, o)
	t.shown = out.File == ""
	return t, nil
}

// sameColumns returns an error unless the rows of kinds fit the header that
// the file begins with.
func sameColumns(f *os.File, kinds []string) error {
	header, err := bufio.NewReader(io.NewSectionReader(f, 0, 1<<20)).ReadString('\n')
	if err != nil && err != io.EOF {
		return nil // not to be read, so not to be judged
	}
	if strings.TrimRight(header, "\r\n") != strings.Join(csvColumns(kinds), ",") {
		return errors.New("has other columns: give a new file")
	}
	return nil
}

// unclosed is standard output, which others use after us.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

// recordWriter is one output.
type recordWriter interface {
	Write(r finding.Record) error
	Close() error
}

// enough is how many octets a gate holds back at most.
const enough = 1 << 16

// gate holds back what is written while it is shut, until there is enough of
// it.
type gate struct {
	io.WriteCloser
	shut bool
	held []byte
}

func (g *gate) Write(b []byte) (int, error) {
	if !g.shut {
		return g.WriteCloser.Write(b)
	}
	g.held = append(g.held, b...)
	if len(g.held) < enough {
		return len(b), nil
	}
	return len(b), g.release()
}

// open lets everything through that was held back.
func (g *gate) open() error {
	g.shut = false
	return g.release()
}

func (g *gate) release() error {
	if len(g.held) == 0 {
		return nil
	}
	_, err := g.WriteCloser.Write(g.held)
	g.held = g.held[:0]
	return err
}

// output is a writer, and the gate that it writes through.
type output struct {
	recordWriter
	gate *gate
}

// multi writes to several outputs, and goes on with the others when one
// fails.
type multi struct {
	outputs []output
	show    []finding.State
	// patient says that what is written waits for Flush.
	patient bool
	lost    bool // a reader went away
}

func (m *multi) Write(records ...finding.Record) error {
	var errs []error
	for _, o := range m.outputs {
		o.gate.shut = m.patient || len(records) > 1
	}
	for _, r := range records {
		if err := r.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("report: %w", err))
			break
		}
		m.each(&errs, func(o output) error {
			if _, text := o.recordWriter.(*textWriter); !text && !shown(m.show, r) {
				return nil
			}
			return o.Write(r)
		})
	}
	m.each(&errs, func(o output) error {
		if m.patient {
			return nil
		}
		return o.gate.open()
	})
	return m.result(errs)
}

// result is what a method returns that has come upon errors.
func (m *multi) result(errs []error) error {
	if len(m.outputs) == 0 && m.lost && len(errs) > 0 {
		errs = append(errs, ErrNoReader)
	}
	return errors.Join(errs...)
}

// each calls f with every output, and drops those that fail.
func (m *multi) each(errs *[]error, f func(output) error) {
	m.outputs = slices.DeleteFunc(m.outputs, func(o output) bool {
		err := f(o)
		if err != nil {
			*errs = append(*errs, m.quiet(err))
			o.gate.shut = false
			_ = o.Close() // says the same once more
		}
		return err != nil
	})
}

func (m *multi) Close() error {
	var errs []error
	for _, o := range m.outputs {
		errs = append(errs, m.quiet(o.gate.open()), m.quiet(o.Close()))
	}
	m.outputs = nil
	return errors.Join(errs...)
}

// quiet forgets a broken pipe: its reader had enough.
func (m *multi) quiet(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		m.lost = true
		return nil
	}
	return err
}

// shown reports whether --show lets a record through; only ports are chosen.
// The text writer chooses by itself, because it counts the others.
func shown(show []finding.State, r finding.Record) bool {
	return show == nil || r.Kind != "port" || slices.Contains(show, finding.State(r.Text("state")))
}
