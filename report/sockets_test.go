package report

import (
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// socketsText is what text shows of sockets.
func socketsText(t *testing.T, o Options, records ...finding.Record) string {
	t.Helper()
	var b strings.Builder
	o.Stdout, o.Location, o.Kinds = &b, time.UTC, []string{"socket", "socket-summary"}
	w, err := Open(nil, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func socketRecord(state, local, peer string, receive int) finding.Record {
	return finding.New("socket").Set("state", state).Set("recv_q", receive).Set("send_q", 0).Set("local", local).Set("peer", peer)
}

func TestSocketsText(t *testing.T) {
	const fin = "close-wait: the peer has closed."
	records := []finding.Record{
		socketRecord("listen", "0.0.0.0:80", "", 0),
		socketRecord("established", "10.0.0.1:80", "10.0.0.2:40000", 5).
			Set("timer", "keepalive").Set("timer_ms", 7_199_000.0).Set("ino", 7),
		socketRecord("close-wait", "10.0.0.1:80", "10.0.0.2:40001", 1).Set("explanation", fin).
			Set("processes", []string{"nginx,pid=1,fd=5", "ng\x1b[31mx,pid=2,fd=5"}),
		socketRecord("close-wait", "10.0.0.1:80", "10.0.0.2:40002", 1).Set("explanation", fin),
		socketRecord("syn-sent", "10.0.0.1:5", "10.0.0.2:80", 0).
			Set("timer", "retransmit").Set("timer_ms", 3200.0).Set("retries", 2),
	}
	summary := func() finding.Record {
		return finding.New("socket-summary").Set("sockets", 5).Set("at", time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC)).
			Set("counts", []finding.Count{{Name: "listen", N: 1}, {Name: "close-wait", N: 2}})
	}
	want := strings.TrimPrefix(`
STATE       RECV-Q SEND-Q LOCAL       PEER           TIMER
listen           0      0 0.0.0.0:80  *
established      5      0 10.0.0.1:80 10.0.0.2:40000 keepalive 119min
close-wait       1      0 10.0.0.1:80 10.0.0.2:40001
      nginx,pid=1,fd=5; ng\x1b[31mx,pid=2,fd=5
close-wait       1      0 10.0.0.1:80 10.0.0.2:40002
syn-sent         0      0 10.0.0.1:5  10.0.0.2:80    retransmit 3.2s x2

5 sockets: 1 listen, 2 close-wait

2 close-wait: the peer has closed.
`, "\n")
	if got := socketsText(t, Options{}, append(records, summary())...); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	for _, test := range []struct {
		name, want string
		options    Options
		summary    finding.Record
	}{
		{"one of many looks", "01:02:03 5 sockets: 1 listen, 2 close-wait", Options{}, summary().Set("n", 2)},
		{"processes that are hidden", "not looked into, for want of permission: 3 of the processes", Options{}, summary().Set("hidden", 3)},
		{"more of each", "keepalive 119min\n      ino:7\n", Options{Verbose: true}, summary()},
		{"in colour", "\x1b[1mSTATE", Options{Color: true}, summary()},
	} {
		if got := socketsText(t, test.options, append(records, test.summary)...); !strings.Contains(got, test.want) {
			t.Errorf("%s: got\n%s", test.name, got)
		}
	}
	if got := socketsText(t, Options{Quiet: true}, append(records, summary())...); strings.Contains(got, "5 sockets") {
		t.Errorf("quiet: %s", got)
	}
	if got := socketsText(t, Options{}, finding.New("socket-summary").Set("sockets", 0)); got != "0 sockets\n" {
		t.Errorf("none: %q", got)
	}
}

// However long addresses are, a line has 80 columns.
func TestSocketsTextIsNarrow(t *testing.T) {
	const long = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"
	r := socketRecord("syn-received", long, long, 6291456).Set("send_q", 6291456).
		Set("timer", "retransmit").Set("timer_ms", 99999.0).Set("processes", []string{"a program,pid=4194304,fd=65535"})
	got := socketsText(t, Options{}, r, finding.New("socket-summary").Set("sockets", 1))
	for line := range strings.Lines(got) {
		if len(line) > pageWidth+1 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	if !strings.Contains(got, "to "+long) {
		t.Error(got)
	}
}

func TestTimeLeft(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ms", 204 * time.Millisecond: "204ms", 1250 * time.Millisecond: "1.2s", 2 * time.Second: "2s",
		59900 * time.Millisecond: "59s", 119*time.Minute + 59*time.Second: "119min",
	} {
		if got := left(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
