package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// call runs the program with a command line as a shell without quotes would
// split it.
func call(t *testing.T, line, stdin string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	args := append([]string{"tcpscope"}, strings.Fields(line)...)
	status = run(context.Background(), args, strings.NewReader(stdin), &out, &errs)
	return status, out.String(), errs.String()
}

// Whatever is wrong with a command line is said in one clear line, before
// anything is sent.
func TestUsageErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	targets := write("targets", "# ours\n127.0.0.1\n\n10.0.0.0/33\n")
	excluded := write("excluded", "127.0.0.1:80\n")
	csv := write("other.csv", "one,two\n")
	missing := filepath.Join(dir, "missing")
	nowhere := filepath.Join(dir, "no", "where")
	for _, test := range []struct{ line, stdin, want string }{
		// Commands and flags.
		{"synn 127.0.0.1", "", `unknown command "synn"; did you mean syn?`},
		{"trace 127.0.0.1", "", `unknown command "trace"`},
		{"127.0.0.1", "", `"127.0.0.1" is not a command; did you mean "tcpscope syn 127.0.0.1"?`},
		{"syn --prots 80 127.0.0.1", "", "unknown flag --prots; did you mean --ports?"},
		{"syn --xyzzy 127.0.0.1", "", "unknown flag --xyzzy"},
		{"syn -Z 127.0.0.1", "", "unknown flag -Z"},
		{"watch -lni eth0", "", "unknown flag -l in -lni"},
		{"watch --ladder -X", "", "--ladder shows no octets\nhint: leave -X and -A out, or give --follow"},
		{"syn -X 127.0.0.1", "", "-X is not a flag of syn"},
		{"syn -rate 5 127.0.0.1", "", "unknown flag -rate; did you mean --rate?"},
		{"syn --badsum 127.0.0.1", "", "--badsum is not a flag of syn"},
		{"lab run -p 80 pair -- true", "", "-p is not a flag of lab run"},
		{"-p 80", "", "-p needs a command"},
		{"syn 127.0.0.1 -p", "", "-p needs a value"},
		{"syn 127.0.0.1 --rate", "", "--rate needs a value"},
		{"syn --quiet=yes 127.0.0.1", "", "--quiet takes no value"},
		{"syn -q=1 127.0.0.1", "", "-q takes no value"},
		{"lab", "", "lab needs a command\nhint: tcpscope help lab"},
		{"lab rum pair", "", `unknown lab command "rum"; did you mean run?`},
		{"version 2", "", "version takes no argument"},
		{"version --color blue", "", `--color "blue": need auto, always or never`},
		{"demo -q -v", "", "--quiet contradicts --verbose: one asks for less, the other for more"},
		{"syn --\x1b[31m 127.0.0.1", "", `unknown flag --\x1b[31m`},
		{"help sny", "", `unknown command "sny"; did you mean syn?`},
		{"completion tcsh", "", "completion takes one shell: bash, zsh or fish"},

		// Targets.
		{"syn", "", "no target given\nhint: tcpscope syn 192.0.2.7, or --targets FILE"},
		{"syn 10.0.0.0/33", "", `target "10.0.0.0/33": prefix length 33 is out of range: prefix lengths are 0 to 32`},
		{"syn 10.0.0.256", "", `target "10.0.0.256": octet 256 is out of range: octets are 0 to 255`},
		{"syn 224.0.0.1", "", `target "224.0.0.1": 224.0.0.0/4 is multicast: TCP has no multicast peers`},
		{"syn 255.255.255.255", "", `target "255.255.255.255": 255.255.255.255 is broadcast: TCP has no broadcast peers`},
		{"syn 0.0.0.0", "", `target "0.0.0.0": 0.0.0.0/8 is this network: no peer has such an address; this host's own is 127.0.0.1`},
		{"syn 0.0.0.0/0", "", `target "0.0.0.0/0": it includes 0.0.0.0/8 (this network), 224.0.0.0/4 (multicast), 240.0.0.0-255.255.255.254 (reserved), 255.255.255.255 (broadcast), where TCP has no peers: stay within 1.0.0.0-223.255.255.255`},
		{"syn ::1", "", `target "::1": IPv6 is not yet supported: give an IPv4 address or a host name`},
		{"syn [2001:db8::1]:80", "", `target "[2001:db8::1]:80": IPv6 is not yet supported: give an IPv4 address or a host name`},
		{"syn 127.0.0.1:0", "", `target "127.0.0.1:0": port 0 is out of range: ports are 1 to 65535`},
		{"syn 10.0.0.0/19", "", "8,192 addresses are more than 4,096\nhint: add --yes if that is meant"},
		{"syn --rate max 192.0.2.7", "", "--rate max: 192.0.2.7 is outside the private and loopback ranges\nhint: add --yes if that is meant, or give a --rate"},
		{"syn 127.0.0.1 --exclude 127.0.0.0/8", "", "every target is excluded: nothing is left to probe"},
		{"syn 127.0.0.1 --exclude 1.2.3", "", `--exclude: exclusion "1.2.3": "1.2.3" is not an IPv4 address: give four octets, as in 10.0.0.1`},
		{"syn --targets " + targets, "", "--targets " + targets + `:4: target "10.0.0.0/33": prefix length 33 is out of range: prefix lengths are 0 to 32`},
		{"syn --targets -", "127.0.0.1\n300.0.0.1", `--targets -:2: target "300.0.0.1": octet 300 is out of range: octets are 0 to 255`},
		{"syn --targets " + missing, "", "--targets " + missing + ": no such file or directory"},
		{"syn --targets " + dir, "", "--targets " + dir + ":1: read " + dir + ": is a directory"},
		{"syn 127.0.0.1 --exclude-file " + excluded, "", "--exclude-file " + excluded + `:1: exclusion "127.0.0.1:80": an exclusion is for all ports: leave out the port`},
		{"syn --targets - --exclude-file -", "127.0.0.1", "--targets - and --exclude-file -: there is only one standard input"},

		// Ports.
		{"syn -p 0 127.0.0.1", "", "--ports: port 0 is out of range: ports are 1 to 65535"},
		{"syn -p 65536 127.0.0.1", "", "--ports: port 65536 is out of range: ports are 1 to 65535"},
		{"syn -p htpp 127.0.0.1", "", `--ports: unknown service "htpp": did you mean "http"?`},
		{"syn -p 22,,80 127.0.0.1", "", `--ports: list of ports "22,,80" has an empty place: leave out the comma`},

		// Numbers and words.
		{"syn --rate 0 127.0.0.1", "", `--rate "0": need probes a second, from 0.0001 to 10000000, or max`},
		{"syn --rate NaN 127.0.0.1", "", `--rate "NaN": need probes a second, from 0.0001 to 10000000, or max`},
		{"syn --tries 0 127.0.0.1", "", `--tries "0": need a number from 1 to 100`},
		{"syn --tries 101 127.0.0.1", "", `--tries "101": need a number from 1 to 100`},
		{"syn --timeout 0s 127.0.0.1", "", `--timeout "0s": need a duration from 1ms to 5m, such as 500ms or 2s`},
		{"syn --timeout soon 127.0.0.1", "", `--timeout "soon": need a duration from 1ms to 5m, such as 500ms or 2s`},
		{"syn --seed -1 127.0.0.1", "", `--seed "-1": need a number from 0 to 9223372036854775807`},
		{"syn --source-port 0 127.0.0.1", "", `--source-port "0": need a number from 1 to 65535`},
		{"syn --source-port 65536 127.0.0.1", "", `--source-port "65536": need a number from 1 to 65535`},
		{"syn --expect opne 127.0.0.1", "", `--expect "opne": unknown state; need open, closed, filtered, unfiltered, open|filtered or not-sent; did you mean open?`},
		{"syn --expect= 127.0.0.1", "", `--expect "": unknown state; need open, closed, filtered, unfiltered, open|filtered or not-sent`},
		{"syn --seed 1_000 127.0.0.1", "", `--seed "1_000": need a number from 0 to 9223372036854775807`},
		{"syn --show none 127.0.0.1", "", `--show "none": unknown state; need all, open, closed, filtered, unfiltered, open|filtered or not-sent`},
		{"syn --order up 127.0.0.1", "", `--order "up": need random or given`},
		{"syn --like windos 127.0.0.1", "", `--like "windos": need linux, windows or bare; did you mean windows?`},
		{"syn --color blue 127.0.0.1", "", `--color "blue": need auto, always or never`},
		{"syn --engine fast 127.0.0.1", "", `--engine "fast": need auto, exact or sweep`},
		{"syn --engine sweep 127.0.0.1", "", "--engine sweep: this version has the exact engine only"},

		// Where from.
		{"syn --source 192.0.2.1 127.0.0.1", "", "--source 192.0.2.1: not an address of this host"},
		{"syn --source here 127.0.0.1", "", `--source "here": not an IPv4 address`},
		{"syn --source ::1 127.0.0.1", "", "--source ::1: IPv6 is not yet supported"},
		{"syn -I nonesuch0 127.0.0.1", "", `--interface "nonesuch0": no such device` + "\nhint: there are "},

		// Outputs.
		{"syn -o xml 127.0.0.1", "", `-o "xml": unknown format "xml"; need text, json, jsonl or csv`},
		{"syn -o html 127.0.0.1", "", `-o "html": unknown format "html"; need text, json, jsonl or csv`},
		{"syn -o x.json 127.0.0.1", "", `-o "x.json": unknown format "x.json"; need text, json, jsonl or csv` + "\nhint: did you mean -o json=x.json?"},
		{"syn -o json= 127.0.0.1", "", `-o "json=": no file name behind the =`},
		{"syn -o json -o csv 127.0.0.1", "", "-o json and -o csv both go to standard output\nhint: give one of them a file: -o csv=FILE"},
		{"syn -o json=" + nowhere + " 127.0.0.1", "", `-o "json=` + nowhere + `": open ` + nowhere + ": no such file or directory"},
		{"syn -o csv=" + csv + " 127.0.0.1", "", `-o "csv=` + csv + `": has other columns: give a new file`},
		{"syn --pcap " + nowhere + " 127.0.0.1", "", "--pcap: open " + nowhere + ": no such file or directory"},
		{"syn --pcap - 127.0.0.1", "", `--pcap "-": need the name of a file`},
		{"syn -o text=x -o json=./x 127.0.0.1", "", `-o "json=./x": another output goes to the same file`},
		{"syn --pcap x -o json=./x 127.0.0.1", "", "--pcap and --output both write x"},

		// Contradictions.
		{"syn -q -v 127.0.0.1", "", "--quiet contradicts --verbose: one asks for less, the other for more"},
		{"syn -n --resolve 127.0.0.1", "", "-n contradicts --resolve: one asks for addresses alone, the other for names"},
		{"syn --dry-run --pcap x 127.0.0.1", "", "--dry-run contradicts --pcap: a dry run sends nothing that could be recorded"},
		{"syn --dry-run --packet-trace 127.0.0.1", "", "--dry-run contradicts --packet-trace: a dry run sends nothing that could be shown"},
		{"syn --dry-run --expect open 127.0.0.1", "", "--dry-run contradicts --expect: a dry run finds nothing that could be expected"},
		{"syn --dry-run -o json 127.0.0.1", "", "--dry-run contradicts --output: a dry run finds nothing that could be reported"},
		{"craft --df --no-df 127.0.0.1:80", "", "--df contradicts --no-df: a datagram has the bit or has it not"},

		// Craft.
		{"craft", "", "craft takes one target, HOST:PORT; 0 given"},
		{"craft 127.0.0.1:80 127.0.0.1:81", "", "craft takes one target, HOST:PORT; 2 given"},
		{"craft 127.0.0.1", "", `target "127.0.0.1": need one port, as in HOST:80`},
		{"craft 127.0.0.0/30:80", "", `target "127.0.0.0/30:80": a segment goes to one address`},
		{"craft --flags SYN,FUN 127.0.0.1:80", "", `--flags: unknown flag "FUN": want FIN,SYN,RST,PSH,ACK,URG,ECE,CWR, or none`},
		{"craft --seq 4294967296 127.0.0.1:80", "", `--seq "4294967296": need a number from 0 to 4294967295`},
		{"craft --ttl 0 127.0.0.1:80", "", `--ttl "0": need a number from 1 to 255`},
		{"craft --dscp 64 127.0.0.1:80", "", `--dscp "64": need a number from 0 to 63`},
		{"craft --window 65536 127.0.0.1:80", "", `--window "65536": need a number from 0 to 65535`},
		{"craft --options mss 127.0.0.1:80", "", `--options: TCP option "mss": takes one number, from 0 to 65535`},
		{"craft --data hex:0 127.0.0.1:80", "", `--data: "0" is not an even number of hexadecimal digits`},
		{"craft --data @" + missing + " 127.0.0.1:80", "", "--data: " + missing + ": no such file or directory"},
		{"craft -c 0 127.0.0.1:80", "", `--count "0": need a number from 1 to 1000000`},
		{"craft -i 0s 127.0.0.1:80", "", `--interval "0s": need a duration from 1ms to 1h, such as 500ms or 2s`},

		// Rtt.
		{"rtt", "", "no target given\nhint: tcpscope rtt 192.0.2.7:443, or --targets FILE"},
		{"rtt 127.0.0.1", "", `target "127.0.0.1": rtt needs a port, as in 127.0.0.1:443, or -p 443`},
		{"rtt 127.0.0.1:80 127.0.0.0/30", "", `target "127.0.0.0/30": rtt needs a port, as in 127.0.0.0/30:443, or -p 443`},
		{"rtt --targets - 127.0.0.1:80", "127.0.0.2", `target "127.0.0.2": rtt needs a port, as in 127.0.0.2:443, or -p 443`},
		{"rtt -c 0 127.0.0.1:80", "", `--count "0": need a number from 1 to 2147483647`},
		{"rtt -c 1.5 127.0.0.1:80", "", `--count "1.5": need a number from 1 to 2147483647`},
		{"rtt -i 0.5ms 127.0.0.1:80", "", `--interval "0.5ms": need a duration from 1ms to 1h, such as 500ms or 2s`},
		{"rtt -i 2h 127.0.0.1:80", "", `--interval "2h": need a duration from 1ms to 1h, such as 500ms or 2s`},
		{"rtt --duration 0s 127.0.0.1:80", "", `--duration "0s": need a duration from 1ms to 8784h, such as 500ms or 2s`},
		{"rtt --timeout 6m 127.0.0.1:80", "", `--timeout "6m": need a duration from 1ms to 5m, such as 500ms or 2s`},
		{"rtt -i 1ms --timeout 5m 127.0.0.1:80", "", "a timeout of 5m0s with an interval of 1ms takes 300202 source ports, and 4096 are possible: shorten the timeout or lengthen the interval"},
		{"rtt -i 1ms -p 1-101 127.0.0.1", "", "101 targets every 1ms are more than 100000 probes a second: lengthen the interval"},
		{"rtt -i 1h -p- 127.0.0.0/24", "", "16776960 targets: 65536 at most"},
		{"rtt 10.0.0.0/19:80", "", "8,192 addresses are more than 4,096\nhint: add --yes if that is meant"},
		{"rtt --clock sundial 127.0.0.1:80", "", `--clock "sundial": need auto, packet-ring, so-timestamping or user-clock`},
		{"rtt --like windos 127.0.0.1:80", "", `--like "windos": need linux, windows or bare; did you mean windows?`},
		{"rtt --rate 5 127.0.0.1:80", "", "--rate is not a flag of rtt"},
		{"rtt -o xml 127.0.0.1:80", "", `-o "xml": unknown format "xml"; need text, json, jsonl, csv or html`},
		{"rtt -o x.html 127.0.0.1:80", "", `-o "x.html": unknown format "x.html"; need text, json, jsonl, csv or html` + "\nhint: did you mean -o html=x.html?"},
		{"rtt --dry-run --expect loss<=1% 127.0.0.1:80", "", "--dry-run contradicts --expect: a dry run finds nothing that could be expected"},
		{"rtt --dry-run --prometheus 127.0.0.1:0 127.0.0.1:80", "", "--dry-run contradicts --prometheus: a dry run finds nothing that could be served"},
		{"rtt --prometheus 9100 127.0.0.1:80", "", `--prometheus "9100": need ADDR:PORT, an address of this host and a port from 1 to 65535` + "\nhint: did you mean --prometheus 127.0.0.1:9100?"},
		{"rtt --expect p95<=20 127.0.0.1:80", "", `--expect: expectation "p95<=20": 20 needs a unit: us, ms or s, as in 20ms`},
		{"rtt --expect p95,loss 127.0.0.1:80", "", `--expect: expectation "p95": no bound: give one, as in p95<=20ms`},
		{"rtt --expect rtt<=5ms 127.0.0.1:80", "", `--expect: expectation "rtt<=5ms": unknown metric "rtt": did you mean "p50"?`},
		{"rtt --expect= 127.0.0.1:80", "", "--expect: the list of expectations is empty: give some, as in p95<=20ms,loss<=1%"},
		{"rtt --connect --pcap x 127.0.0.1:80", "", "--connect contradicts --pcap: the kernel sends the segments then, and shows us none"},
		{"rtt --connect --packet-trace 127.0.0.1:80", "", "--connect contradicts --packet-trace: the kernel sends the segments then, and shows us none"},
		{"rtt --connect --clock auto 127.0.0.1:80", "", "--connect contradicts --clock: the kernel measures then, by a clock of its own"},
		{"rtt --connect --like bare 127.0.0.1:80", "", "--connect contradicts --like: the SYN is the kernel's own then"},
		{"rtt --connect --source-port 5 127.0.0.1:80", "", "--connect contradicts --source-port: the kernel takes another port for every connection"},

		// Sockets.
		{"sockets state closewiat", "", `filter "state closewiat": unknown state "closewiat"; did you mean close-wait?` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets state", "", `filter "state": state needs something behind it` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets state listen exclude listen", "", `filter "state listen exclude listen": no state is left` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets sport", "", `filter "sport": sport needs something behind it` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets sport = :65536", "", `filter "sport = :65536": "65536" is not a port: need a number from 0 to 65535, or a service` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets dport = htpp", "", `filter "dport = htpp": "htpp" is not a port: need a number from 0 to 65535, or a service` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets dst example.com", "", `filter "dst example.com": "example.com" is not an address or a network: names are not looked up` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets dst < 10.0.0.1", "", `filter "dst < 10.0.0.1": dst is compared with = or !=, not with <` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets dst [::1", "", `filter "dst [::1": "[::1": a bracket is not closed` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets host 10.0.0.1:80", "", `filter "host 10.0.0.1:80": host takes an address alone: port is for ports` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets ( sport = 22", "", `filter "( sport = 22": a parenthesis is not closed` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets sport = 22 )", "", `filter "sport = 22 )": a parenthesis is closed that none has opened` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets sport = 22 or", "", `filter "sport = 22 or": the filter needs something behind it` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets sport 22 state listen", "", `filter "sport 22 state listen": state stands before all that is asked of ports and addresses` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets 443", "", `filter "443": "443" is none of state, exclude, sport, dport, port, src, dst and host` + "\nhint: as in: state established ( sport = :22 or dst 192.0.2.0/24 ); tcpscope help sockets has more"},
		{"sockets -l state established", "", "--listening contradicts the filter, which names states too"},
		{"sockets --resolve", "", "--resolve: sockets shows addresses"},
		{"sockets -i 2", "", "--interval needs --watch: without it there is one look"},
		{"sockets --watch -i 10ms", "", `--interval "10ms": need a duration from 100ms to 1h, such as 500ms or 2s`},
		{"sockets -tanox", "", "unknown flag -x in -tanox"},
		{"sockets -o ss", "", `-o "ss": unknown format "ss"; need text, json, jsonl or csv`},
		{"sockets --explian", "", "unknown flag --explian; did you mean --explain?"},
		{"sockets --rate 5", "", "--rate is not a flag of sockets"},
	} {
		status, stdout, stderr := call(t, test.line, test.stdin)
		want := "tcpscope: error: " + strings.ReplaceAll(test.want, "\nhint: ", "\ntcpscope: hint: ")
		if stdout != "" || status != exitUsage {
			t.Errorf("%s: exit status %d, stdout %q", test.line, status, stdout)
		}
		if stderr != want+"\n" && !(strings.HasSuffix(want, " ") && strings.HasPrefix(stderr, want)) {
			t.Errorf("%s:\n got %swant %s", test.line, stderr, want)
		}
		if n := strings.Count(stderr, "tcpscope: error: "); n != 1 {
			t.Errorf("%s: %d lines of error", test.line, n)
		}
	}
}

// unwritable is a standard output on which nothing can be written.
type unwritable struct{ err error }

func (u unwritable) Write([]byte) (int, error) { return 0, u.err }

// A standard output that cannot be written ends a run before it has sent
// anything: loudly when the disk is full, quietly when nobody reads. What goes
// to files is whole.
func TestUnwritableOutput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "json")
	for _, test := range []struct {
		line string
		err  error
		want string
	}{
		{"syn 127.0.0.1 -o jsonl", syscall.EPIPE, ""},
		{"craft 127.0.0.1:80 -o csv", syscall.EPIPE, ""},
		{"help", syscall.EPIPE, ""},
		{"version", syscall.ENOSPC, "tcpscope: error: no space left on device\n"},
		{"syn 127.0.0.1 -o jsonl -o json=" + file, syscall.ENOSPC, "tcpscope: error: no space left on device\n"},
	} {
		var stderr bytes.Buffer
		args := append([]string{"tcpscope"}, strings.Fields(test.line)...)
		status := run(context.Background(), args, nil, unwritable{test.err}, &stderr)
		if status != exitFailed || stderr.String() != test.want {
			t.Errorf("%s: %v: %d %q", test.line, test.err, status, stderr.String())
		}
	}
	text, err := os.ReadFile(file)
	if err != nil || !json.Valid(text) || !bytes.Contains(text, []byte(`"exit":3`)) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestNoCommand(t *testing.T) {
	status, stdout, stderr := call(t, "", "")
	if status != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "Usage: tcpscope ") || strings.Count(stderr, "\n") > 23 { // a terminal's height
		t.Errorf("exit status %d, stdout %q, stderr:\n%s", status, stdout, stderr)
	}
}

func TestVersion(t *testing.T) {
	for _, line := range []string{"--version", "version", "syn --version"} {
		status, stdout, stderr := call(t, line, "")
		if status != 0 || stdout != "tcpscope "+version()+"\n" || stderr != "" {
			t.Errorf("%s: %d %q %q", line, status, stdout, stderr)
		}
	}
}

// Help begins with examples, in 80 columns, and comes in three ways.
func TestHelp(t *testing.T) {
	for _, path := range []string{"", "syn", "craft", "rtt", "sockets", "lab", "lab list", "lab run", "lab shell", "lab enter", "demo", "completion", "help", "version"} {
		status, stdout, stderr := call(t, "help "+path, "")
		if status != 0 || stderr != "" {
			t.Errorf("help %s: %d %q", path, status, stderr)
		}
		lines := strings.Split(stdout, "\n")
		if len(lines) < 4 || lines[2] != "Examples:" || !strings.Contains(lines[3], "tcpscope") {
			t.Errorf("help %s: does not begin with examples:\n%s", path, stdout)
		}
		for _, line := range lines {
			if len(line) > helpWidth {
				t.Errorf("help %s: %d columns: %s", path, len(line), line)
			}
		}
		for _, other := range []string{path + " --help", "-h " + path} {
			if _, again, _ := call(t, other, ""); again != stdout {
				t.Errorf("%s differs from help %s", other, path)
			}
		}
	}
}

// A dry run opens no socket that needs a privilege and writes a plan.
func TestDryRun(t *testing.T) {
	status, stdout, stderr := call(t, "syn --dry-run -p 1-10 --rate 10 --tries 2 127.0.0.1 127.0.0.7:443", "")
	if status != 0 || stderr != "" {
		t.Fatalf("%d %q", status, stderr)
	}
	for _, want := range []string{
		"target     127.0.0.1  10 ports\n", "target     127.0.0.7  11 ports\n",
		"addresses  2\n", "probes     21\n", "segments   21 to 42, and a reset for every open port\n",
		"route      from 127.0.0.1 by lo\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in:\n%s", want, stdout)
		}
	}
}

// The dry runs of rtt say when it ends, or that it does not.
func TestDryRTT(t *testing.T) {
	for _, test := range []struct{ flags, want string }{
		{"-c 5", `
target        127.0.0.1  2 ports
addresses     1
probes        5 to each target, 10 in all
segments      a SYN for every probe, and a reset for what it may have opened
rate          2 probes a second, one to each target every 1s
source ports  4, in turn
duration      4s, and up to 2s for the last answers
route         from 127.0.0.1 by lo
`},
		{"-i 10ms --timeout 1s", `
target        127.0.0.1  2 ports
addresses     1
probes        until interrupted
segments      a SYN for every probe, and a reset for what it may have opened
rate          200 probes a second, one to each target every 10ms
source ports  122, in turn
duration      until interrupted
route         from 127.0.0.1 by lo
`},
		{"--connect -c 5 -i 2s --duration 7s", `
target       127.0.0.1  2 ports
addresses    1
probes       4 to each target, 8 in all
connections  one for every probe, by the kernel, which may send its SYN again
rate         1 probes a second, one to each target every 2s
duration     6s, and up to 2s for the last answers
route        from 127.0.0.1 by lo
`},
	} {
		status, stdout, stderr := call(t, "rtt --dry-run 127.0.0.1 -p 1-2 "+test.flags, "")
		got, _, _ := strings.Cut(stdout, "conntrack")
		if "\n"+got != test.want || status != 0 || stderr != "" {
			t.Errorf("%s: %d %s\n%s", test.flags, status, stderr, stdout)
		}
	}
}

func TestDryCraftChoosesNoPort(t *testing.T) {
	status, stdout, _ := call(t, "craft --dry-run 127.0.0.1:80", "")
	if status != 0 || !strings.Contains(stdout, "the kernel will choose") {
		t.Errorf("%d %q", status, stdout)
	}
}

func TestDryCraft(t *testing.T) {
	status, stdout, stderr := call(t, "craft --dry-run --flags FIN,ACK --seq 1 --ack 2 --source-port 9 --window 5 127.0.0.1:80", "")
	const want = "IP 127.0.0.1.9 > 127.0.0.1.80: Flags [F.], seq 1, ack 2, win 5, length 0\n"
	if status != 0 || stdout != want || stderr != "" {
		t.Errorf("%d %q %q, want %q", status, stdout, stderr, want)
	}
}
