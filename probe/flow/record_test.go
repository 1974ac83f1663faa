package flow

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// show writes a record's fields on one line, without those that have the
// names.
func show(t *testing.T, r finding.Record, without ...string) string {
	t.Helper()
	if err := r.Validate(); err != nil {
		t.Error(err)
	}
	var words []string
	for _, f := range r.Fields {
		switch v := f.Value.(type) {
		case finding.Record:
			words = append(words, f.Name+"=("+show(t, v, without...)+")")
		case []finding.Record:
			var each []string
			for _, r := range v {
				each = append(each, show(t, r))
			}
			words = append(words, f.Name+"=["+strings.Join(each, "; ")+"]")
		default:
			if !slices.Contains(without, f.Name) {
				words = append(words, fmt.Sprintf("%s=%v", f.Name, v))
			}
		}
	}
	return strings.Join(words, " ")
}

func TestRecord(t *testing.T) {
	const ends = "client=192.0.2.1:40000 server=198.51.100.2:80 "
	const counts = " missing_client=0 missing_server=0 retransmissions_client=0 retransmissions_server=0 "
	const opening = "duration_us=%d " + ends + "handshake_rtt_us=30000 "
	for _, c := range []struct{ name, script, want string }{
		{
			"open", handshake + "+70ms > P. 101+10 ack 301 = data / established established",
			fmt.Sprintf(opening, 100000) + "client_state=established server_state=established close=open segments=4 octets_client=10 octets_server=0" + counts +
				"states_client=[state=syn-sent spent_us=10000; state=established spent_us=90000] states_server=[state=syn-received spent_us=20000; state=established spent_us=70000]",
		},
		{
			"closed in four steps", handshake + `
				> F. 101 ack 301 = close-1/4 / fin-wait-1 close-wait
				+40ms < . 301 ack 102 = close-2/4 / fin-wait-2 close-wait
				+10ms < F. 301 ack 102 = close-3/4 / time-wait last-ack
				> . 102 ack 302 = close-4/4 / time-wait closed`,
			fmt.Sprintf(opening, 80000) + "client_state=time-wait server_state=closed close=four-way closed_first=client close_delay_us=50000 fin_ack_delay_us=10000 time_wait=client segments=7 octets_client=0 octets_server=0" + counts +
				"states_client=[state=syn-sent spent_us=10000; state=established spent_us=20000; state=fin-wait-1 spent_us=40000; state=fin-wait-2 spent_us=10000] " +
				"states_server=[state=syn-received spent_us=20000; state=close-wait spent_us=50000]",
		},
		{
			"closed in three segments", handshake + `
				< F. 301 ack 101 = close-1/4 / close-wait fin-wait-1
				+5ms > F. 101 ack 302 = close-2/4 close-3/4 / last-ack time-wait
				< . 302 ack 102 = close-4/4 / closed time-wait`,
			fmt.Sprintf(opening, 35000) + "client_state=closed server_state=time-wait close=three-segment closed_first=server close_delay_us=5000 time_wait=server segments=6 octets_client=0 octets_server=0" + counts +
				"states_client=[state=syn-sent spent_us=10000; state=established spent_us=20000; state=close-wait spent_us=5000] states_server=[state=syn-received spent_us=20000; state=fin-wait-1 spent_us=5000]",
		},
		{
			"closed by both at once", handshake + `
				< F. 301 ack 101 = close-1/4 / close-wait fin-wait-1
				> F. 101 ack 301 = close-2/4 simultaneous-close / fin-wait-1 closing
				< . 302 ack 102 = close-3/4 / time-wait closing
				> . 102 ack 302 = close-4/4 / time-wait time-wait`,
			fmt.Sprintf(opening, 30000) + "client_state=time-wait server_state=time-wait close=simultaneous closed_first=both time_wait=both segments=7 octets_client=0 octets_server=0" + counts +
				"states_client=[state=syn-sent spent_us=10000; state=established spent_us=20000] states_server=[state=syn-received spent_us=20000]",
		},
		{
			"both ask", `
				> S 100 = handshake-1/3 / syn-sent unknown
				< S 300 = handshake-1/3 simultaneous-open / syn-received syn-sent`,
			"duration_us=0 " + ends + "simultaneous_open=true client_state=syn-received server_state=syn-sent close=abandoned segments=2 octets_client=0 octets_server=0" +
				strings.TrimSuffix(counts, " "),
		},
		{
			"joined late, and lossy", `
				< . 300+10 ack 100 = data pick-up / unknown unknown
				> . 100 ack 310 = ack / unknown unknown
				> . 100 ack 330 = ack gap / unknown unknown
				< . 300+10 ack 100 = retransmission spurious / unknown unknown`,
			"duration_us=0 " + ends + "sides_guessed=true close=unknown segments=4 octets_client=0 octets_server=10 missing_client=0 missing_server=20 retransmissions_client=0 retransmissions_server=1",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := show(t, play(t, c.script).Record(), "at"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// What a reset's record says of who made it.
func TestResetRecord(t *testing.T) {
	const same, none = "its TTL is 63, as that of the end's first segment", "it has neither window nor options"
	const both = "it has both numbers of the connection, and "
	const answers = none + ", and its number is what the segment before it acknowledges; "
	for _, c := range []struct {
		name     string
		reset    Reset
		sender   finding.Sender
		evidence string
	}{
		{"no header", Reset{Shape: StatelessACK}, finding.SenderUnknown, answers + "its TTL is not known"},
		{
			"a closed port", Reset{Shape: StatelessNoACK, TTL: 63}, finding.SenderUnknown,
			none + ", and acknowledges the segment before it, which has no ACK; no other segment of that end was seen, to compare the TTL with",
		},
		{"the socket", Reset{Shape: Active, TTL: 63, EndTTL: 63}, finding.SenderPeer, both + "a window or options; " + same},
		{"the host", Reset{Shape: StatelessACK, TTL: 63, EndTTL: 63}, finding.SenderPeer, answers + same},
		{
			"a device on the path", Reset{Shape: Firewall, TTL: 64, EndTTL: 63}, finding.SenderMiddlebox,
			none + "; its TTL is 64, that of the end's first segment is 63",
		},
		{
			"the host's firewall", Reset{Shape: Firewall, TTL: 63, EndTTL: 63}, finding.SenderUnknown,
			none + ", and does not echo the DSCP of the segment that it answers; " + same,
		},
		{"behind a SYN proxy", Reset{Shape: SYNProxy, TTL: 63, EndTTL: 63}, finding.SenderUnknown, both + "neither window nor options; " + same},
		{
			"no known form", Reset{TTL: 9, EndTTL: 63}, finding.SenderMiddlebox,
			"its numbers, window and options are of no known form; its TTL is 9, that of the end's first segment is 63",
		},
	} {
		r := c.reset.Record()
		if err := r.Validate(); err != nil {
			t.Error(c.name, err)
		}
		if r.Text("shape") != c.reset.Shape.String() || r.Text("sender") != string(c.sender) || strings.Join(r.List("evidence"), "; ") != c.evidence {
			t.Errorf("%s: %s", c.name, show(t, r))
		}
	}
	c := play(t, "> S 100 ttl 64 = handshake-1/3 / syn-sent unknown\n< R. 0 ack 101 win 0 ttl 63 = reset / closed closed")
	reset, _ := c.Record().Get("reset").(finding.Record)
	if got, want := show(t, reset, "at", "evidence"), "from=198.51.100.2:80 ttl=63 shape=stateless sender=unknown"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDescribe(t *testing.T) {
	p := newPlayer(t, Config{Copies: true})
	var got []string
	for line := range strings.Lines(`> S 4294967290 = handshake-1/3 / syn-sent unknown
		< S. 300 ack 4294967291 = handshake-2/3 / established syn-received
		> P. 4294967291+10 ack 301 = handshake-3/3 data / established established
		> P. 4294967291+10 ack 301 place 1 = copy / established established`) {
		p.line(strings.TrimSpace(line))
		r := finding.New("segment").Set("seq", 1)
		if p.last.RelAck != 0 {
			r = r.Set("ack", 1)
		}
		got = append(got, show(t, p.last.Describe(r), "seq", "ack"))
	}
	want := []string{
		"rel_seq=0 step=handshake-1/3 client_state=syn-sent",
		"rel_seq=0 rel_ack=1 step=handshake-2/3 client_state=established server_state=syn-received",
		"rel_seq=1 rel_ack=1 step=handshake-3/3 data client_state=established server_state=established in_flight=10",
		"rel_seq=1 rel_ack=1 client_state=established server_state=established in_flight=10 copy=true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if bare := p.last.Describe(finding.New("segment")); bare.Get("rel_seq") != nil || bare.Get("rel_ack") != nil {
		t.Error("numbers that the record does not have are relative to something")
	}
}

func BenchmarkDescribe(b *testing.B) {
	table := New(Config{})
	h, g := exchange()
	e := table.Add(start(), &h[0], &g[0], 0)
	b.ReportAllocs()
	for b.Loop() {
		e.Describe(finding.New("segment").Set("seq", 1).Set("ack", 1))
	}
}

func BenchmarkRecord(b *testing.B) {
	p := newPlayer(&testing.T{}, Config{})
	p.play(handshake)
	b.ReportAllocs()
	for b.Loop() {
		_ = p.last.Connection.Record()
	}
}
