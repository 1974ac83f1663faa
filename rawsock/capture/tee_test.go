package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

var errSocket = errors.New("socket gone")

// fakeLink refuses the second datagram of a batch, and fails at the fourth.
type fakeLink struct{ closed bool }

func (l *fakeLink) Send(batch []wire.Departure) error {
	for i := range batch {
		switch i {
		case 1:
			batch[i].Err = os.ErrPermission
		case 3:
			return errSocket
		default:
			batch[i].At = time.Unix(int64(i), 0)
		}
	}
	return nil
}

func (l *fakeLink) Receive(_ context.Context, batch []wire.Arrival) (int, error) {
	batch[0] = wire.Arrival{Datagram: datagram("in"), At: time.Unix(10, 0)}
	batch[1] = wire.Arrival{Datagram: datagram("out"), At: time.Unix(11, 0), Outgoing: true}
	return 2, nil
}

func (l *fakeLink) Pending() bool { return true }
func (l *fakeLink) Drops() uint64 { return 7 }
func (l *fakeLink) Close() error  { l.closed = true; return nil }

type sinkFunc func(at time.Time, datagram []byte, outgoing bool)

func (f sinkFunc) Segment(at time.Time, datagram []byte, outgoing bool) { f(at, datagram, outgoing) }

func TestTee(t *testing.T) {
	var first, second []string
	note := func(log *[]string) Sink {
		return sinkFunc(func(at time.Time, d []byte, outgoing bool) {
			*log = append(*log, fmt.Sprintf("%d %s %v", at.Unix(), d[20:], outgoing))
		})
	}
	under := &fakeLink{}
	tee := NewTee(under, note(&first), note(&second))

	stale := time.Unix(99, 0)
	batch := make([]wire.Departure, 5)
	for i := range batch {
		batch[i] = wire.Departure{Datagram: datagram(fmt.Sprint("d", i)), At: stale, Err: io.EOF}
	}
	if err := tee.Send(batch); err != errSocket {
		t.Errorf("Send: %v", err)
	}
	if n, err := tee.Receive(t.Context(), make([]wire.Arrival, 4)); n != 2 || err != nil {
		t.Errorf("Receive: %d, %v", n, err)
	}
	want := []string{"0 d0 true", "2 d2 true", "10 in false", "11 out true"}
	if !reflect.DeepEqual(first, want) || !reflect.DeepEqual(second, want) {
		t.Errorf("sinks heard %q and %q, want %q", first, second, want)
	}
	if !tee.Pending() || tee.Drops() != 7 || tee.Close() != nil || !under.closed {
		t.Error("Pending, Drops and Close do not reach the link")
	}
}

func TestRecorder(t *testing.T) {
	name := filepath.Join(t.TempDir(), "run.pcapng")
	r, err := Create(name, "tcpscope test", func(d []byte, outgoing bool) string { return fmt.Sprintf("%s %v", d[20:], outgoing) })
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("created as %v, %v", info.Mode(), err)
	}
	const each = 500
	var group sync.WaitGroup
	for i := range 2 {
		group.Go(func() {
			for range each {
				r.Segment(time.Unix(1, 2), datagram("d"), i == 0)
			}
		})
	}
	group.Wait()
	if err := errors.Join(r.Err(), r.Close()); err != nil {
		t.Fatal(err)
	}
	r.Segment(time.Unix(1, 2), datagram("late"), true)
	if err := r.Close(); err != os.ErrClosed {
		t.Errorf("second Close: %v", err)
	}
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	packets, _, err := readAll(file)
	if err != io.EOF || len(packets) != 2*each {
		t.Fatalf("%d packets, error %v", len(packets), err)
	}
	for _, p := range packets {
		if out := p.Direction == Outbound; p.Comment != fmt.Sprintf("d %v", out) {
			t.Fatalf("%v packet has comment %q", p.Direction, p.Comment)
		}
	}
	if _, err := Create(filepath.Join(name, "x"), "", nil); err == nil {
		t.Error("created a file below a file")
	}
}

// limitedFile fails once it holds more than limit octets.
type limitedFile struct {
	bytes.Buffer
	limit  int
	closed int
}

var errFull = errors.New("no space left")

func (f *limitedFile) Write(b []byte) (int, error) {
	if f.Len()+len(b) > f.limit {
		return 0, errFull
	}
	return f.Buffer.Write(b)
}

func (f *limitedFile) Close() error { f.closed++; return nil }

func TestRecorderKeepsItsErrorForTheEnd(t *testing.T) {
	f := &limitedFile{limit: 1 << 10}
	r := NewRecorder(f, "tcpscope test", nil)
	for range 5000 {
		r.Segment(time.Unix(1, 2), datagram("d"), true)
	}
	if err := r.Err(); err != errFull {
		t.Errorf("Err: %v", err)
	}
	if err := r.Close(); err != errFull || f.closed != 1 {
		t.Errorf("Close: %v; file closed %d times", err, f.closed)
	}
	if _, _, err := readAll(f.Bytes()); err != io.EOF {
		t.Errorf("what was written is not a whole file: %v", err)
	}
}

func TestRecorderWritesWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &limitedFile{limit: 1 << 20}
		r := NewRecorder(f, "tcpscope test", nil)
		for n := 1; n <= 3; n++ {
			r.Segment(time.Now(), datagram("d"), true)
			time.Sleep(flushInterval)
			synctest.Wait()
			if packets, _, err := readAll(f.Bytes()); err != io.EOF || len(packets) != n {
				t.Errorf("after %d s: %d packets, error %v", n, len(packets), err)
			}
		}
		r.Segment(time.Now(), datagram("d"), true)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if packets, _, err := readAll(f.Bytes()); err != io.EOF || len(packets) != 4 {
			t.Errorf("after Close: %d packets, error %v", len(packets), err)
		}
	})
}

func BenchmarkRecorder(b *testing.B) {
	r := NewRecorder(nopCloser{io.Discard}, "tcpscope test", func([]byte, bool) string { return "SYN 1 of 3 to 10.0.2.2:80" })
	d, at := datagram("options and all that"), time.Unix(1, 2)
	b.ReportAllocs()
	for b.Loop() {
		r.Segment(at, d, true)
	}
	if err := r.Close(); err != nil {
		b.Error(err)
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
