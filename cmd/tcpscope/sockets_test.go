package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/tcpscope/tcpscope/rawsock/sockdiag"
)

// Filters are read as ss reads them: what two spellings say is the same.
func TestSocketFilters(t *testing.T) {
	for _, same := range [][]string{
		{"", "state all"},
		{"sport = :22", "sport 22", "sport == 22", "sport eq :ssh", "sport=:22", "( sport = 22 )", "((sport = 22))", "src :22", "src = *:22", "sport is 22"},
		{"dport != :443", "not dport = 443", "! dport https", "dport ne :443", "dst != :443", "!dport=:443"},
		{"sport >= 1024", "sport ge :1024", "sport geq 1024"},
		{"sport < 1024", "sport lt 1024", "not sport >= 1024"},
		{"dport <= 5", "dport le 5", "dport leq :5"},
		{"dport > 5", "dport gt 5", "! dport <= 5"},
		{"src 10.0.0.0/8", "src = 10.0.0.0/8", "src 10.1.2.3/8"},
		{"dst 10.0.0.1", "dst = 10.0.0.1", "dst 10.0.0.1/32", "dst 10.0.0.1:*"},
		{"dst 10.0.0.1:80", "dst = 10.0.0.1/32:80", "dst 10.0.0.1 and dport = :80", "dst 10.0.0.1 dport 80", "dst 10.0.0.1 && dport = 80"},
		{"dst ::1", "dst [::1]", "dst [::1]/128"},
		{"dst [::1]:80", "dst ::1 dport 80"},
		{"sport 1 or sport 2 and dport 3", "sport 1 || (sport 2 & dport 3)", "sport 1 | ( sport 2 dport 3 )"},
		{"not sport 1 and dport 2", "(not sport 1) dport 2"},
		{"port 80", "sport 80 or dport 80"},
		{"host 10.0.0.1", "src 10.0.0.1 or dst 10.0.0.1"},
		{"state established", "state ESTAB", "state estab and", "state ESTABLISHED"},
		{"state syn-received", "state syn-recv", "state SYN_RECV", "state SYN-RECEIVED"},
		{"state close-wait sport 1", "state CLOSE_WAIT and sport = :1", "state closewait ( sport 1 )"},
		{"state fin-wait-1", "state FIN_WAIT1", "state fin-wait1"},
		{"state syn-received state time-wait", "state bucket"},
		{"exclude listening", "state connected", "exclude LISTEN"},
		{"exclude listen exclude syn-sent", "state synchronized", "state connected exclude syn-sent"},
	} {
		want, err := parseSocketFilter([]string{same[0]})
		if err != nil {
			t.Errorf("%s: %v", same[0], err)
		}
		for _, text := range same[1:] {
			got, err := parseSocketFilter(strings.Fields(text))
			if text == "state all" {
				got.States = nil
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%q and %q differ: %v\n%+v\n%+v", same[0], text, err, want, got)
			}
		}
	}
}

// The same situation has the same words, whatever the socket's numbers, and
// the words name the state.
func TestExplainSocket(t *testing.T) {
	for _, state := range sockdiag.States() {
		for _, queue := range []uint32{0, 1, 2, 1000} {
			for kind := sockdiag.NoTimer; kind <= sockdiag.Probe; kind++ {
				s := sockdiag.Socket{State: state, RQueue: queue, Inode: 1, Timer: sockdiag.Timer{Kind: kind, Retries: 2}}
				text := explainSocket(s)
				if text != "" && !strings.HasPrefix(text, state.String()) {
					t.Errorf("%+v: %s", s, text)
				}
			}
		}
	}
	for want, s := range map[string]sockdiag.Socket{
		"Recv-Q 1 is the peer's FIN": {State: sockdiag.CloseWait, RQueue: 1},
		"has read the end":           {State: sockdiag.CloseWait},
		"and the peer's FIN behind":  {State: sockdiag.CloseWait, RQueue: 6},
		"the queue is full":          {State: sockdiag.Listen, RQueue: 6, WQueue: 5},
		"wait to be accepted":        {State: sockdiag.Listen, RQueue: 5, WQueue: 5},
		"has refused":                {State: sockdiag.Listen, WQueue: 5, Memory: &sockdiag.Memory{Drops: 1}},
		"held by no program":         {State: sockdiag.FinWait2, Timer: sockdiag.Timer{Kind: sockdiag.Wait}},
		"held by a program":          {State: sockdiag.FinWait2, Inode: 5},
		"not accepted yet":           {State: sockdiag.Established},
		"window is closed":           {State: sockdiag.Established, Inode: 5, Timer: sockdiag.Timer{Kind: sockdiag.Probe}},
		"waits behind data":          {State: sockdiag.LastAck, Timer: sockdiag.Timer{Kind: sockdiag.Probe}},
	} {
		if got := explainSocket(s); !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q in it", s, got, want)
		}
	}
	if got := explainSocket(sockdiag.Socket{State: sockdiag.Established, Inode: 5}); got != "" {
		t.Errorf("a connection in order: %q", got)
	}
}

// Whatever is asked, it is read or refused.
func FuzzSocketFilter(f *testing.F) {
	for _, text := range []string{"state established ( sport = :22 or dst 10.0.0.0/8 )", "not not dport>=80", "src [::1]:80", ")(", "exclude all", "dst [::1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < 1000 {
			_, _ = parseSocketFilter([]string{text})
		}
	})
}
