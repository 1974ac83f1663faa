package rtt

import (
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// expectations returns a list that must be right, as text.
func expectations(t testing.TB, text string) []Expectation {
	t.Helper()
	list, err := ParseExpectations(text)
	if err != nil {
		t.Fatalf("ParseExpectations(%q): %v", text, err)
	}
	return list
}

func TestParseExpectations(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"p95<=20ms", "p95<=20ms"},
		{"p95<=20ms,loss<=1%", "p95<=20ms loss<=1%"},
		{" p95 <= 20 ms ,\tloss < 1 % ", "p95<=20ms loss<1%"},
		{"min>1us,mean>=1µs,max<2s,stddev<1.5ms,jitter<.5ms", "min>1us mean>=1µs max<2s stddev<1.5ms jitter<.5ms"},
		{"p0>0s,p50<1h,p99.9<1m30s,p100<500ns", "p0>0s p50<1h p99.9<1m30s p100<500ns"},
		{"P95<=20ms,Loss=0,LATE=0", "P95<=20ms Loss=0 LATE=0"},
		{"loss<=0.01,loss<100%,loss>=0.5%,loss=0%", "loss<=0.01 loss<100% loss>=0.5% loss=0%"},
		{"late<=3,duplicates=0", "late<=3 duplicates=0"},
	} {
		var got []string
		for _, e := range expectations(t, tc.in) {
			got = append(got, e.String())
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("ParseExpectations(%q) = %v, want %s", tc.in, got, tc.want)
		}
	}
}

func TestParseExpectationsErrors(t *testing.T) {
	const metrics = "give min, mean, max, stddev, jitter, loss, late, duplicates, or a percentile such as p95"
	for _, tc := range []struct{ in, want string }{
		{"", `the list of expectations is empty: give some, as in p95<=20ms,loss<=1%`},
		{" \t", `the list of expectations is empty: give some, as in p95<=20ms,loss<=1%`},
		{",", `list of expectations "," has an empty place: leave out the comma`},
		{"p95<=20ms,", `list of expectations "p95<=20ms," has an empty place: leave out the comma`},
		{"p95<=20ms,,loss<=1%", `list of expectations "p95<=20ms,,loss<=1%" has an empty place: leave out the comma`},

		{"<=20ms", `expectation "<=20ms": no metric before the operator: name one, as in p95<=20ms`},
		{"p95", `expectation "p95": no bound: give one, as in p95<=20ms`},
		{"loss", `expectation "loss": no bound: give one, as in loss<=1%`},
		{"late", `expectation "late": no bound: give one, as in late<=3`},
		{"p95<=", `expectation "p95<=": no bound: give one, as in p95<=20ms`},
		{"p95 20ms", `expectation "p95 20ms": unknown metric "p95 20ms": did you mean "p95"?`},

		{"p95=<20ms", `expectation "p95=<20ms": unknown operator "=<": did you mean <=?`},
		{"p95≤20ms", `expectation "p95≤20ms": unknown operator "≤": did you mean <=?`},
		{"p95=>20ms", `expectation "p95=>20ms": unknown operator "=>": did you mean >=?`},
		{"p95≥20ms", `expectation "p95≥20ms": unknown operator "≥": did you mean >=?`},
		{"loss==0%", `expectation "loss==0%": unknown operator "==": did you mean =?`},
		{"loss!=0%", `expectation "loss!=0%": unknown operator "!=": give one of < <= > >= =`},
		{"p95~20ms", `expectation "p95~20ms": unknown operator "~": give one of < <= > >= =`},
		{"p95< =20ms", `expectation "p95< =20ms": "=20ms" is not a time: give a number and its unit, us, ms or s, as in 20ms`},

		{"avg<=20ms", `expectation "avg<=20ms": unknown metric "avg": did you mean "mean"?`},
		{"median<=20ms", `expectation "median<=20ms": unknown metric "median": did you mean "p50"?`},
		{"rtt<=20ms", `expectation "rtt<=20ms": unknown metric "rtt": did you mean "p50"?`},
		{"mdev<=20ms", `expectation "mdev<=20ms": unknown metric "mdev": did you mean "stddev"?`},
		{"stdev<=20ms", `expectation "stdev<=20ms": unknown metric "stdev": did you mean "stddev"?`},
		{"Maximum<=20ms", `expectation "Maximum<=20ms": unknown metric "Maximum": did you mean "max"?`},
		{"lost<=1%", `expectation "lost<=1%": unknown metric "lost": did you mean "loss"?`},
		{"dups=0", `expectation "dups=0": unknown metric "dups": did you mean "duplicates"?`},
		{"p95ms<=20", `expectation "p95ms<=20": unknown metric "p95ms": did you mean "p95"?`},
		{"p99.9%<=20ms", `expectation "p99.9%<=20ms": unknown metric "p99.9%": did you mean "p99.9"?`},
		{"95th<=20ms", `expectation "95th<=20ms": unknown metric "95th": did you mean "p95"?`},
		{"p<=20ms", `expectation "p<=20ms": unknown metric "p": ` + metrics},
		{"q95<=20ms", `expectation "q95<=20ms": unknown metric "q95": ` + metrics},
		{"p-5<=20ms", `expectation "p-5<=20ms": unknown metric "p-5": ` + metrics},
		{"pNaN<=20ms", `expectation "pNaN<=20ms": unknown metric "pNaN": ` + metrics},
		{"p1e1<=20ms", `expectation "p1e1<=20ms": unknown metric "p1e1": did you mean "p1"?`},
		{"\x1b[2J<=20ms", `expectation "\x1b[2J<=20ms": unknown metric "\x1b[2J": ` + metrics},
		{"p101<=20ms", `expectation "p101<=20ms": percentile p101 is out of range: percentiles are p0 to p100`},
		{"p100.1<=20ms", `expectation "p100.1<=20ms": percentile p100.1 is out of range: percentiles are p0 to p100`},
		{"p999<=20ms", `expectation "p999<=20ms": percentile p999 is out of range: percentiles are p0 to p100`},

		{"p95<=20", `expectation "p95<=20": 20 needs a unit: us, ms or s, as in 20ms`},
		{"p95<=20,5ms", `expectation "p95<=20": 20 needs a unit: us, ms or s, as in 20ms`},
		{"p95<=0", `expectation "p95<=0": 0 needs a unit: us, ms or s, as in 20ms`},
		{"p95<=20%", `expectation "p95<=20%": 20% is no time: give one with its unit, as in 20ms`},
		{"p95<=20MS", `expectation "p95<=20MS": "20MS" is not a time: give a number and its unit, us, ms or s, as in 20ms`},
		{"p95<=NaN", `expectation "p95<=NaN": "NaN" is not a time: give a number and its unit, us, ms or s, as in 20ms`},
		{"p95<=1 0ms", `expectation "p95<=1 0ms": "1 0ms" is not a time: give a number and its unit, us, ms or s, as in 20ms`},
		{"p95<=9999999h", `expectation "p95<=9999999h": "9999999h" is not a time: give a number and its unit, us, ms or s, as in 20ms`},
		{"p95>-20ms", `expectation "p95>-20ms": -20ms is negative, which no time is: give a bound such as 20ms`},
		{"p95=20ms", `expectation "p95=20ms": no time is ever exactly that long: write p95<=20ms`},

		{"loss<=20ms", `expectation "loss<=20ms": "20ms" is not a share of the probes: give a percentage, as in 1%`},
		{"loss<=-1%", `expectation "loss<=-1%": "-1%" is not a share of the probes: give a percentage, as in 1%`},
		{"loss<=NaN", `expectation "loss<=NaN": "NaN" is not a share of the probes: give a percentage, as in 1%`},
		{"loss<=1", `expectation "loss<=1": 1 is not a share below 1: did you mean 1%?`},
		{"loss<=2.5", `expectation "loss<=2.5": 2.5 is not a share below 1: did you mean 2.5%?`},
		{"loss<=101%", `expectation "loss<=101%": 101% is out of range: loss is 0% to 100%`},
		{"loss<=101", `expectation "loss<=101": 101 is out of range: loss is 0% to 100%`},

		{"late<=1.5", `expectation "late<=1.5": "1.5" is not a number of replies: give a whole number, as in 3`},
		{"late<=-1", `expectation "late<=-1": "-1" is not a number of replies: give a whole number, as in 3`},
		{"duplicates<=1%", `expectation "duplicates<=1%": "1%" is not a number of replies: give a whole number, as in 3`},

		{"loss<=1%,p95<=20", `expectation "p95<=20": 20 needs a unit: us, ms or s, as in 20ms`},
		{strings.Repeat("x", 100) + "<1s", `expectation "` + strings.Repeat("x", 80) + `": unknown metric "` + strings.Repeat("x", 80) + `": ` + metrics},
	} {
		got, err := ParseExpectations(tc.in)
		if err == nil || err.Error() != tc.want {
			t.Errorf("ParseExpectations(%q) = %v, %v\nwant error %s", tc.in, got, err, tc.want)
		}
	}
}

func TestHolds(t *testing.T) {
	const us, ms = time.Microsecond, time.Millisecond
	nothing, silent := statsOf(), statsOf()
	silent.Add(&Sample{Reply: finding.NoReply})
	one := statsOf(23400)
	some := statsOf(20*ms, 21*ms, 22*ms, 23*ms)
	some.Late, some.Duplicates = 1, 2
	hundred := statsOf(make([]time.Duration, 997)...)
	for range 3 {
		hundred.Add(&Sample{Reply: finding.NoReply})
	}
	for _, tc := range []struct {
		stats  *Stats
		clause string
		ok     bool
		got    string
	}{
		{nothing, "p95<=20ms", false, "no sample"},
		{nothing, "p95>0ms", false, "no sample"},
		{nothing, "jitter<1s", false, "no sample"},
		{nothing, "loss<=100%", false, "nothing sent"},
		{nothing, "loss=0%", false, "nothing sent"},
		{nothing, "late=0", false, "nothing sent"},
		{nothing, "duplicates=0", false, "nothing sent"},
		{silent, "max<1h", false, "no sample"},
		{silent, "loss<100%", false, "100.0%"},
		{silent, "loss<=100%", true, "100.0%"},
		{silent, "late=0", true, "0"},
		{one, "max<1h", true, "23.4 us"},
		{one, "max>1h", false, "23.4 us"},
		{one, "stddev<1h", false, "one sample"},
		{one, "jitter<1h", false, "one sample"},
		{one, "loss=0", true, "0.0%"},
		{some, "min<20ms", false, "20.000 ms"},
		{some, "min<=20ms", true, "20.000 ms"},
		{some, "min>20ms", false, "20.000 ms"},
		{some, "min>=20ms", true, "20.000 ms"},
		{some, "mean<=21.5ms", true, "21.500 ms"},
		{some, "max<=22ms", false, "23.000 ms"},
		{some, "p0>=20ms", true, "20.000 ms"},
		{some, "p100<=23ms", true, "23.000 ms"},
		{some, "p99.9<=23ms", true, "23.000 ms"},
		{some, "p50<=21ms", false, "21.004 ms"},
		{some, "stddev<2ms", true, "1.291 ms"},
		{some, "jitter<1ms", false, "1.000 ms"},
		{some, "late<=0", false, "1"},
		{some, "late=1", true, "1"},
		{some, "duplicates>=2", true, "2"},
		{some, "loss<=0%", true, "0.0%"},
		{hundred, "loss<=0.3%", true, "0.3%"},
		{hundred, "loss=0.003", true, "0.3%"},
		{hundred, "loss<0.3%", false, "0.3%"},
		{hundred, "loss<=0.29%", false, "0.30%"},
		// What does not hold never reads as if it did.
		{statsOf(20000400), "max<=20ms", false, "20.0004 ms"},
		{statsOf(20000001), "max<=20ms", false, "20.000001 ms"},
		{statsOf(23401), "max<=23.4us", false, "23.401 us"},
		{statsOf(1000000001), "max<=1s", false, "1.000000001 s"},
		{statsOf(1234567890), "max<=1s", false, "1.235 s"},
	} {
		ok, got := expectations(t, tc.clause)[0].Holds(tc.stats)
		if ok != tc.ok || got != tc.got {
			t.Errorf("%s: %v, %q, want %v, %q", tc.clause, ok, got, tc.ok, tc.got)
		}
	}
}

// FuzzParseExpectations: what is read reads the same once more, and what is
// not draws an error of one line.
func FuzzParseExpectations(f *testing.F) {
	for _, seed := range []string{
		"p95<=20ms,loss<=1%", " min > 1 us ", "p99.9<1m30s", "late=0,duplicates<3", "loss<0.5", "p95=20ms", "p1e400<1s", "≤", "p95<=+.5ms",
		"p" + strings.Repeat("9", 400) + "<1s", "loss<" + strings.Repeat("0", 400) + "%", "a\nb<1s", ",", "p95<20 ms",
	} {
		f.Add(seed)
	}
	samples := statsOf(time.Millisecond, 2*time.Millisecond)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseExpectations(text)
		if err != nil {
			if len(list) > 0 || strings.ContainsAny(err.Error(), "\r\n\x1b") {
				t.Errorf("ParseExpectations(%q) = %v, %q", text, list, err)
			}
			return
		}
		for _, e := range list {
			again := expectations(t, e.String())
			if len(again) != 1 || again[0].String() != e.String() || again[0].bound != e.bound || again[0].operator != e.operator {
				t.Errorf("%v reads as %v", e, again)
			}
			ok, got := e.Holds(samples)
			if okAgain, gotAgain := again[0].Holds(samples); ok != okAgain || got != gotAgain || got == "" {
				t.Errorf("%v: %v, %q, then %v, %q", e, ok, got, okAgain, gotAgain)
			}
		}
	})
}
