package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
	"github.com/tcpscope/tcpscope/report"
)

func TestMetricsAddress(t *testing.T) {
	const (
		need  = ": need ADDR:PORT, an address of this host and a port from 1 to 65535"
		usual = "for scrapers on this host: --prometheus 127.0.0.1:9777"
		meant = "did you mean --prometheus 127.0.0.1:9100?"
	)
	for _, c := range []struct{ text, hint string }{
		{"127.0.0.1:9100", ""},
		{"0.0.0.0:1", ""},
		{"[::1]:65535", ""},
		{"9100", meant},
		{":9100", meant},
		{"localhost:9100", meant},
		{"", usual},
		{"127.0.0.1", usual},
		{"127.0.0.1:", usual},
		{"127.0.0.1:0", usual},
		{"127.0.0.1:65536", usual},
		{"127.0.0.1:http", usual},
		{"127.0.0.1:9100/metrics", usual},
		{"http://127.0.0.1:9100", usual},
		{"monitor.example:9100", usual},
		{"::1:9100", usual},
	} {
		addr, err := metricsAddress(c.text)
		switch {
		case c.hint == "" && (err != nil || addr.String() != c.text):
			t.Errorf("%q: %v, %v", c.text, addr, err)
		case c.hint != "" && (err == nil || err.Error() != fmt.Sprintf("--prometheus %q", c.text)+need || hint(err) != c.hint || exitStatus(err) != exitUsage):
			t.Errorf("%q: %v (%s)", c.text, err, hint(err))
		}
	}
}

// served starts the server on a port of its own.
func served(t *testing.T) (base string, metrics *report.Metrics, stop func() error) {
	t.Helper()
	metrics = report.NewMetrics("1.0")
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop = serveOn(l, metrics.Handler())
	t.Cleanup(func() { _ = stop() })
	return "http://" + l.Addr().String(), metrics, stop
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(b)
}

func TestServeMetrics(t *testing.T) {
	base, metrics, stop := served(t)
	write := func(n int) {
		r := finding.New("rtt").Set("target", "a\"} 1\nb").Set("addr", netip.MustParseAddr("10.0.2.2")).Set("port", 80).
			Set("n", n).Set("reply", finding.SYNACK).Set("rtt_us", 20012.5)
		if err := metrics.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	const series = `tcpscope_rtt_probes_total{addr="10.0.2.2",port="80",reply="syn-ack",target="a\"} 1\\x0ab"} `
	write(1)
	_, first := get(t, base+"/metrics")
	if _, second := get(t, base+"/metrics"); second != first || !strings.Contains(first, series+"1\n") {
		t.Errorf("first\n%s\nsecond\n%s", first, second)
	}
	write(2)
	if _, third := get(t, base+"/metrics"); !strings.Contains(third, series+"2\n") {
		t.Errorf("after another probe:\n%s", third)
	}
	if status, body := get(t, base); status != http.StatusNotFound || !strings.Contains(body, "/metrics") {
		t.Errorf("/: %d %s", status, body)
	}
	long, err := http.NewRequest("GET", base+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	long.Header.Set("X", strings.Repeat("x", 2*metricsHeaderOctets))
	if response, err := http.DefaultClient.Do(long); err != nil || response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("long headers: %v, %v", response, err)
	} else {
		response.Body.Close()
	}
	for range 2 {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
	if _, err := http.Get(base); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the end: %v", err)
	}
}

func TestServeMetricsNowhere(t *testing.T) {
	base, _, _ := served(t)
	taken := netip.MustParseAddrPort(strings.TrimPrefix(base, "http://"))
	for _, c := range []struct {
		addr netip.AddrPort
		want error
		hint string
	}{
		{taken, syscall.EADDRINUSE, "choose another port"},
		{netip.MustParseAddrPort("192.0.2.1:9777"), syscall.EADDRNOTAVAIL, "an address of this host"},
	} {
		_, err := serveMetrics(c.addr, http.NotFoundHandler())
		if !errors.Is(err, c.want) || !strings.Contains(hint(err), c.hint) || exitStatus(err) != exitFailed {
			t.Errorf("%v: %v (%s)", c.addr, err, hint(err))
		}
	}
}

// pipes is a listener without a network, so that time can be the test's.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
}

func newPipes() pipes { return pipes{make(chan net.Conn), make(chan struct{})} }

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial connects and sends text. If the client reads, what it got is in the
// channel once that is all.
func (p pipes) dial(t *testing.T, text string, reads bool) (answer chan string) {
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close() })
	if reads {
		answer = make(chan string, 1)
	}
	go func() {
		p.connections <- server
		_, _ = io.WriteString(client, text)
		if reads {
			b, _ := io.ReadAll(bufio.NewReader(client))
			answer <- string(b)
		}
	}()
	synctest.Wait()
	return answer
}

const (
	halfRequest  = "GET /metrics HTTP/1.1\r\nHost: a"
	wholeRequest = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
)

func TestServeMetricsStops(t *testing.T) {
	for _, c := range []struct {
		name, sends string
		reads       bool
		lasts       time.Duration
	}{
		{"says nothing", "", false, metricsStopTimeout},
		{"half a request", halfRequest, false, metricsStopTimeout},
		{"does not read", wholeRequest, false, metricsStopTimeout},
		{"is done", wholeRequest, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				stop := serveOn(l, report.NewMetrics("1.0").Handler())
				l.dial(t, c.sends, c.reads)
				start := time.Now()
				if err := stop(); err != nil || time.Since(start) != c.lasts {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
			})
		})
	}
}

// Slow clients keep others waiting, but not for ever.
func TestServeMetricsIsBounded(t *testing.T) {
	for _, c := range []struct {
		name, sends string
		lasts       time.Duration
	}{
		{"say nothing", "", metricsReadTimeout},
		{"half a request", halfRequest, metricsReadTimeout},
		{"do not read", wholeRequest, metricsWriteTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipes()
				stop := serveOn(l, report.NewMetrics("1.0").Handler())
				start := time.Now()
				for range metricsClients {
					l.dial(t, c.sends, false)
				}
				answer := l.dial(t, wholeRequest, true)
				if got := <-answer; !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || time.Since(start) != c.lasts {
					t.Errorf("after %v: %q", time.Since(start), got)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
