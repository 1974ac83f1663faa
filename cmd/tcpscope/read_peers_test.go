//go:build linux && peers

package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/capture"
	"github.com/tcpscope/tcpscope/rawsock/netlab"
	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// The traffic: so many connections of so many segments, of which some are
// under way at the same time.
const (
	trafficConnections = 10_000
	trafficSegments    = 100
	trafficAtOnce      = 100
	// In every round the client asks, the server answers, and the client
	// acknowledges.
	trafficRounds = (trafficSegments - 7) / 3
	trafficAsks   = 64
	trafficSays   = 96
)

// traffic yields the datagrams of connections one after another. Each is
// valid until the next. The clients have one address, because tcpdump looks for
// names of addresses, even with -n, in a table that many would make slow.
func traffic(connections int) iter.Seq[[]byte] {
	address, server := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddrPort("10.0.0.2:80")
	payload := make([]byte, max(trafficAsks, trafficSays))
	return func(yield func([]byte) bool) {
		var datagram []byte
		for first := 0; first < connections; first += trafficAtOnce {
			for step := range trafficSegments {
				for i := first; i < min(first+trafficAtOnce, connections); i++ {
					client := netip.AddrPortFrom(address, uint16(1024+i))
					datagram = trafficSegment(datagram[:0], client, server, step, payload)
					if !yield(datagram) {
						return
					}
				}
			}
		}
	}
}

// trafficSegment appends one segment of a connection.
func trafficSegment(b []byte, client, server netip.AddrPort, step int, payload []byte) []byte {
	round := min(max(step-3, 0)/3, trafficRounds)
	asked, said := uint32(1+round*trafficAsks), uint32(1+round*trafficSays)
	g := wire.Segment{Flags: wire.ACK, Window: 501}
	options := [6]wire.Option{wire.NOP(), wire.NOP(), wire.Timestamps(uint32(1000+step), uint32(999+step))}
	g.Options = options[:3]
	fromClient := true
	switch closing := step - 3 - 3*trafficRounds; {
	case step == 0:
		options = [6]wire.Option{wire.MSS(1460), wire.SACKPermitted(), wire.Timestamps(1000, 0), wire.NOP(), wire.WindowScale(7)}
		g.Flags, g.Options, asked, said = wire.SYN, options[:5], 0, 0
	case step == 1:
		options = [6]wire.Option{wire.MSS(1460), wire.SACKPermitted(), wire.Timestamps(1001, 1000), wire.NOP(), wire.WindowScale(7)}
		g.Flags, g.Options, fromClient, said = wire.SYN|wire.ACK, options[:5], false, 0
	case step == 2:
	case closing == 0:
		g.Flags |= wire.FIN
	case closing == 1:
		fromClient, asked = false, asked+1
	case closing == 2:
		g.Flags |= wire.FIN
		fromClient, asked = false, asked+1
	case closing > 2:
		asked, said = asked+1, said+1
	case step%3 == 0:
		g.Flags |= wire.PSH
		g.Payload = payload[:trafficAsks]
	case step%3 == 1:
		g.Flags |= wire.PSH
		g.Payload = payload[:trafficSays]
		fromClient, asked = false, asked+trafficAsks
	default:
		asked, said = asked+trafficAsks, said+trafficSays
	}
	from, to := client, server
	// Where both begin.
	g.Seq, g.Ack = wire.Seq(1_000_000_000+asked), wire.Seq(3_000_000_000+said)
	if !fromClient {
		from, to = server, client
		g.Seq, g.Ack = g.Ack, g.Seq
	}
	if step == 0 {
		g.Ack = 0
	}
	g.SrcPort, g.DstPort = from.Port(), to.Port()
	b, err := wire.AppendDatagram(b, wire.Header{TTL: 64, DF: true, ID: uint16(step + 1), Src: from.Addr(), Dst: to.Addr()}, g)
	if err != nil {
		panic(err)
	}
	return b
}

// trafficFile is a capture of the traffic on Ethernet, a segment every 10
// microseconds.
func trafficFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "traffic.pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = w.Write(pcapFile(capture.LinkEthernet, ethernet))
	order, head, at := binary.LittleEndian, make([]byte, 0, 64), begins()
	link := ethernet(dated{client: true})
	for datagram := range traffic(trafficConnections) {
		length := uint32(len(link) + len(datagram))
		head = order.AppendUint32(head[:0], uint32(at.Unix()))
		head = order.AppendUint32(head, uint32(at.Nanosecond()/1000))
		head = append(order.AppendUint32(order.AppendUint32(head, length), length), link...)
		w.Write(head)
		w.Write(datagram)
		at = at.Add(10 * time.Microsecond)
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// timed is how long a command runs that writes to a file.
func timed(t *testing.T, cmd *exec.Cmd, stdout string) time.Duration {
	t.Helper()
	out, err := os.Create(stdout)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = out, &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.String())
	}
	return time.Since(began)
}

// TestReadSpeed holds a million segments against tcpdump and tshark: lines
// are no slower, and a summary is five times as fast.
func TestReadSpeed(t *testing.T) {
	const rounds, mostLines, leastSummary = 3, 1.0, 5.0
	file, table, library := trafficFile(t), filepath.Join(t.TempDir(), "table"), groupless(t)
	contenders := []struct {
		stdout  string
		command func() *exec.Cmd
	}{
		{os.DevNull, func() *exec.Cmd {
			cmd := exec.Command("tcpdump", "-nS", "-Z", "root", "-r", file)
			cmd.Env = append(os.Environ(), "LD_PRELOAD="+library)
			return cmd
		}},
		{os.DevNull, func() *exec.Cmd { return command("read -S " + file) }},
		{table, func() *exec.Cmd { return exec.Command("tshark", "-n", "-q", "-z", "conv,tcp", "-r", file) }},
		{os.DevNull, func() *exec.Cmd { return command("read --summary " + file) }},
	}
	times := make([][]time.Duration, len(contenders))
	for range rounds {
		for i, contender := range contenders {
			times[i] = append(times[i], timed(t, contender.command(), contender.stdout))
		}
	}
	median := func(i int) float64 {
		slices.Sort(times[i])
		return times[i][rounds/2].Seconds()
	}
	lines, summary := median(1)/median(0), median(2)/median(3)
	t.Logf("tcpdump -nS %v, read -S %v: %.2f times as long", times[0], times[1], lines)
	t.Logf("tshark -z conv,tcp %v, read --summary %v: %.1f times as fast", times[2], times[3], summary)
	if lines > mostLines {
		t.Errorf("lines take %.2f times as long as tcpdump's, want %v at most", lines, mostLines)
	}
	if summary < leastSummary {
		t.Errorf("a summary is %.1f times as fast as tshark's, want %v", summary, leastSummary)
	}
	theirs := tsharkTable(t, table)
	agree(t, conversations(t, file), theirs)
	want := conversation{
		count{trafficSegments - 3 - trafficRounds, trafficRounds * trafficAsks},
		count{3 + trafficRounds, trafficRounds * trafficSays},
	}
	for ends, c := range theirs {
		if c != want {
			t.Fatalf("%s: tshark %+v, sent %+v", ends, c, want)
		}
	}
	if len(theirs) != trafficConnections {
		t.Errorf("%d connections", len(theirs))
	}
}

// count is what one end has sent: segments, and octets of payload.
type count struct{ segments, octets int }

// conversation is a connection by what each end has sent.
type conversation struct{ client, server count }

// agree holds the connections of a capture to tshark's.
func agree(t *testing.T, ours, theirs map[string]conversation) {
	t.Helper()
	if len(ours) != len(theirs) {
		t.Errorf("%d connections, tshark's %d", len(ours), len(theirs))
	}
	for ends, c := range ours {
		// An object has the octets of each end, and the segments of both.
		other := theirs[ends]
		if c.client.octets != other.client.octets || c.server.octets != other.server.octets || c.client.segments != other.client.segments+other.server.segments {
			t.Fatalf("%s: %+v, tshark %+v", ends, c, other)
		}
	}
}

// conversations are a capture's as read finds them, by "client server". The
// segments of both ends are counted as the client's.
func conversations(t *testing.T, file string) map[string]conversation {
	t.Helper()
	out, err := command("read --summary -o jsonl " + file).Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]conversation{}
	for line := range strings.Lines(string(out)) {
		var o struct {
			Kind, Client, Server string
			Segments             int
			OctetsClient         int `json:"octets_client"`
			OctetsServer         int `json:"octets_server"`
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		if o.Kind == "connection" {
			found[o.Client+" "+o.Server] = conversation{count{o.Segments, o.OctetsClient}, count{0, o.OctetsServer}}
		}
	}
	return found
}

// tsharkTable are the conversations of the traffic in tshark's table of them.
func tsharkTable(t *testing.T, file string) map[string]conversation {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	number := func(digits string) int {
		n, _ := strconv.Atoi(digits)
		return n
	}
	// Ethernet, IP and TCP with timestamps; a SYN has eight octets more.
	payload := func(segments, octets string) count {
		n := number(segments)
		return count{n, number(octets) - n*(14+20+32) - 8}
	}
	found := map[string]conversation{}
	for _, row := range regexp.MustCompile(`(?m)^(\S+) +<-> (\S+) +(\d+) (\d+) bytes +(\d+) (\d+) bytes `).FindAllStringSubmatch(string(text), -1) {
		found[row[1]+" "+row[2]] = conversation{payload(row[5], row[6]), payload(row[3], row[4])}
	}
	return found
}

// tsharkConversations are tshark's, from every segment's length.
func tsharkConversations(t *testing.T, file string) map[string]conversation {
	t.Helper()
	cmd := exec.Command("tshark", "-n", "-r", file, "-Y", "tcp", "-T", "fields", "-e", "ip.src", "-e", "tcp.srcport", "-e", "ip.dst", "-e", "tcp.dstport", "-e", "tcp.len")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := map[string]conversation{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		f := strings.Fields(lines.Text())
		from, to := f[0]+":"+f[1], f[2]+":"+f[3]
		length, err := strconv.Atoi(f[4])
		if err != nil {
			t.Fatal(err)
		}
		ends := to + " " + from
		c, answers := found[ends]
		if answers {
			c.server = count{c.server.segments + 1, c.server.octets + length}
		} else { // whoever is seen first is the client
			ends = from + " " + to
			c = found[ends]
			c.client = count{c.client.segments + 1, c.client.octets + length}
		}
		found[ends] = c
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestReadHTTP: what a client and a server of HTTP have said, counted by both.
func TestReadHTTP(t *testing.T) {
	lab := netlab.Start(t, netlab.Pair())
	ant, apple := lab.Host("ant"), lab.Host("apple")
	file := filepath.Join(t.TempDir(), "http.pcapng")
	w := watchIn(t, ant, "-i apple -w "+file+" port 8080")
	l, err := apple.Listen(8080)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		w.Write(make([]byte, n))
	})}
	go func() { served <- server.Serve(l) }()
	const sessions = 5
	for i := range sessions {
		var conn net.Conn
		err := ant.Do(func() (err error) {
			conn, err = net.Dial("tcp4", apple.Addr().String()+":8080")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		answers := bufio.NewReader(conn)
		for n := range i + 1 {
			request, err := http.NewRequest("GET", fmt.Sprintf("http://apple/?n=%d", 1000*n), nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Close = n == i
			if err := request.Write(conn); err != nil {
				t.Fatal(err)
			}
			answer, err := http.ReadResponse(answers, request)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, answer.Body); err != nil {
				t.Fatal(err)
			}
		}
		conn.Close()
		w.await("close-4/4")
	}
	server.Close()
	<-served
	w.end(syscall.SIGINT, 0)
	theirs := tsharkConversations(t, file)
	agree(t, conversations(t, file), theirs)
	if len(theirs) != sessions {
		t.Errorf("%d connections", len(theirs))
	}
}
