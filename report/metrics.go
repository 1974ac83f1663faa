package report

import (
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// Metrics are the probes of a run as Prometheus wants to read them, at any
// moment of it. Write is for one goroutine at a time; the handler may serve
// others meanwhile.
//
// They are as many as there are targets: nothing that comes from the network
// makes new ones without end.
type Metrics struct {
	registry *prometheus.Registry
	rtt      *prometheus.HistogramVec
	probes   *prometheus.CounterVec
	lost     *prometheus.CounterVec
	targets  map[metricsTarget]*targetMetrics
	words    map[string]bool // for replies
}

// metricsTarget is what all series of one target have in common.
type metricsTarget struct {
	name string
	addr netip.Addr
	port int64
}

// targetMetrics are the series of one target, looked up once: to find them by
// their labels takes longer than to count.
type targetMetrics struct {
	labels  []string
	lost    prometheus.Counter
	replies map[string]*replyMetrics
}

// replyMetrics are the series of one kind of reply from one target.
type replyMetrics struct {
	probes prometheus.Counter
	rtt    prometheus.Observer // nil where the reply ends no handshake
	lost   bool
}

// otherICMP stands for the ICMP errors that have no word of their own. A
// sender of ICMP can think of more than a thousand.
const otherICMP = "icmp-other"

// NewMetrics returns the metrics of a run that has not begun, for a program of
// that version.
func NewMetrics(version string) *Metrics {
	target := []string{"target", "addr", "port"}
	reply := append(target, "reply")
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		rtt: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tcpscope_rtt_seconds",
			Help:    "Time from a SYN to the SYN-ACK or RST that answered it, one sample per probe, without replies that may be to a retransmission.",
			Buckets: rttBuckets(),
			// For servers that ask for it: 10 % wide buckets where there are samples.
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}, reply),
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tcpscope_rtt_probes_total",
			Help: "Probes whose fate is known, by what the SYN drew; local-refusal never left this host, " + otherICMP + " is any ICMP error without a word of its own.",
		}, reply),
		lost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tcpscope_rtt_lost_total",
			Help: "Probes that left this host and were not answered in time by a SYN-ACK or RST, those that an ICMP error answered included.",
		}, target),
		targets: map[metricsTarget]*targetMetrics{},
		words:   map[string]bool{},
	}
	for _, w := range finding.Reasons() {
		m.words[w.Name] = true
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tcpscope_build_info", Help: "Always 1; the label says which version of tcpscope this is.",
		ConstLabels: prometheus.Labels{"version": Escape(version)},
	})
	build.Set(1)
	m.registry.MustRegister(m.rtt, m.probes, m.lost, build)
	return m
}

// rttBuckets returns bounds in seconds, 1-2-5, from 10 us, which is less than
// the next host takes, to 10 s, at which nobody waits any more.
func rttBuckets() []float64 {
	return []float64{
		10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6,
		1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 100e-3, 200e-3, 500e-3,
		1, 2, 5, 10,
	}
}

// Write counts a record of kind rtt; others it leaves alone. It allocates
// nothing but for what is new, and returns nil.
func (m *Metrics) Write(r finding.Record) error {
	if r.Kind != "rtt" {
		return nil
	}
	var key metricsTarget
	var reply string
	us := -1.0
	for _, f := range r.Fields {
		switch f.Name {
		case "target":
			key.name, _ = f.Value.(string)
		case "addr":
			key.addr, _ = f.Value.(netip.Addr)
		case "port":
			key.port, _ = f.Value.(int64)
		case "reply":
			reply, _ = f.Value.(string)
		case "rtt_us":
			us, _ = f.Value.(float64)
		}
	}
	t := m.target(key)
	s := m.reply(t, reply)
	s.probes.Inc()
	if s.rtt != nil && us >= 0 {
		s.rtt.Observe(us / 1e6)
	}
	if s.lost {
		t.lost.Inc()
	}
	return nil
}

// target returns the series of a target. The usual ones begin at zero when the
// target is first seen, so that rates of them are right from the start.
func (m *Metrics) target(key metricsTarget) *targetMetrics {
	if t := m.targets[key]; t != nil {
		return t
	}
	t := &targetMetrics{
		labels:  []string{Escape(key.name), key.addr.String(), strconv.FormatInt(key.port, 10)},
		replies: map[string]*replyMetrics{},
	}
	t.lost = m.lost.WithLabelValues(t.labels...)
	m.targets[key] = t
	for _, usual := range []finding.Reason{finding.SYNACK, finding.NoReply} {
		m.reply(t, string(usual))
	}
	return t
}

// reply returns the series of one kind of reply.
func (m *Metrics) reply(t *targetMetrics, word string) *replyMetrics {
	if s := t.replies[word]; s != nil {
		return s
	}
	if !m.words[word] {
		word = otherICMP
		if s := t.replies[word]; s != nil {
			return s
		}
	}
	labels := append(t.labels[:len(t.labels):len(t.labels)], word)
	s := &replyMetrics{probes: m.probes.WithLabelValues(labels...)}
	switch finding.Reason(word) {
	case finding.SYNACK, finding.RST:
		s.rtt = m.rtt.WithLabelValues(labels...)
	case finding.LocalRefusal:
	default:
		s.lost = true
	}
	t.replies[word] = s
	return s
}

// Handler returns what serves the metrics at /metrics, to GET and HEAD alone,
// in the formats that Prometheus negotiates.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "nothing here: the metrics are at /metrics", http.StatusNotFound)
	})
	return mux
}
