//go:build peers

package filter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// writeCapture makes a capture of raw IP, whose packets are numbered by their
// stamps' seconds.
func writeCapture(t *testing.T, packets [][]byte) string {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(0xffff, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	for i, d := range packets {
		info := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(d), Length: len(d)}
		if err := w.WritePacket(info, d); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(t.TempDir(), "packets.pcap")
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// tcpdumpSelects returns which packets of a capture tcpdump selects. refusal is
// what it says if it does not understand the filter.
func tcpdumpSelects(t *testing.T, capture, text string, n int) (selected []bool, refusal string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("tcpdump", "-r", capture, "-w", "-", "--", text)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	selected = make([]bool, n)
	if err := cmd.Run(); err != nil {
		if strings.Contains(stderr.String(), "expression rejects all packets") {
			return selected, ""
		}
		return nil, stderr.String()
	}
	const fileHeader, packetHeader = 24, 16
	for b := stdout.Bytes()[fileHeader:]; len(b) > 0; {
		selected[binary.LittleEndian.Uint32(b)] = true
		b = b[packetHeader+binary.LittleEndian.Uint32(b[8:]):]
	}
	return selected, ""
}

func compareWithTcpdump(t *testing.T, capture, text string, packets [][]byte) {
	t.Helper()
	want, refusal := tcpdumpSelects(t, capture, text, len(packets))
	if refusal != "" {
		t.Errorf("%s: tcpdump: %s", text, refusal)
		return
	}
	e, err := Parse(text)
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return
	}
	vm := mustVM(t, mustProgram(t, e))
	for i, d := range packets {
		if got := passes(t, vm, d); got != want[i] {
			t.Errorf("%s: passes is %t, tcpdump's is %t: %x", text, got, want[i], d)
			return
		}
	}
}

// TestCorpusSelectsAsTcpdump uses this machine's names of services, as tcpdump
// does.
func TestCorpusSelectsAsTcpdump(t *testing.T) {
	packets := randomPackets(rand.New(rand.NewPCG(3, 4)), 3000)
	capture := writeCapture(t, packets)
	for _, text := range corpus() {
		compareWithTcpdump(t, capture, text, packets)
	}
}

// TestRandomFiltersSelectAsTcpdump joins what the grammar has at random.
func TestRandomFiltersSelectAsTcpdump(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	packets := randomPackets(rng, 1000)
	capture := writeCapture(t, packets)
	for range 500 {
		compareWithTcpdump(t, capture, randomFilter(rng, 3), packets)
	}
}

func randomFilter(rng *rand.Rand, depth int) string {
	switch rng.IntN(3 + depth) {
	case 0, 1, 2:
		return randomPrimitive(rng)
	case 3:
		return "not " + randomFilter(rng, 0)
	case 4:
		return "(" + randomFilter(rng, depth-1) + ")"
	default:
		return randomFilter(rng, depth-1) + pick(rng, " and ", " or ") + randomFilter(rng, depth-1)
	}
}

func randomPrimitive(rng *rand.Rand) string {
	direction := pick(rng, "", "", "src ", "dst ", "src and dst ", "src or dst ")
	switch rng.IntN(7) {
	case 0:
		hosts := []string{"10.0.0.1", "10.0.0.2", "10.1.2.3", "127.0.0.1"}
		return direction + "host " + pick(rng, hosts...) + pick(rng, "", " or "+pick(rng, hosts...), " and not "+pick(rng, hosts...))
	case 1:
		return direction + "net " + pick(rng, "10", "10.1", "10.0.0.0/24", "192.168.0.0/16", "10.0.0.1 mask 255.0.0.255")
	case 2:
		ports := []string{"80", "443", "22", "53", "6000", "0", "65535"}
		return pick(rng, "", "tcp ", "udp ") + direction + "port " + pick(rng, ports...) +
			pick(rng, "", " or "+pick(rng, ports...), " or ("+pick(rng, ports...)+" or "+pick(rng, ports...)+")")
	case 3:
		return pick(rng, "", "tcp ", "udp ") + direction + "portrange " + pick(rng, "80-90", "0-79", "6000-6008", "443-65535")
	case 4:
		return pick(rng, "tcp", "udp", "icmp", "ip", "sctp", "esp", "proto 6", "proto 47 or 2", "less 60", "greater 100")
	default:
		return randomSum(rng, 2, true) + pick(rng, " = ", " != ", " < ", " <= ", " > ", " >= ") + randomSum(rng, 1, true)
	}
}

// randomSum has fields of transport headers only to the left of every operator:
// to the right libpcap looks them up without checking the protocol.
func randomSum(rng *rand.Rand, depth int, left bool) string {
	if depth == 0 || rng.IntN(3) == 0 {
		if left && rng.IntN(2) == 0 {
			return pick(rng, "tcp[0:2]", "tcp[13]", "tcp[tcpflags]", "udp[2:2]", "icmp[0]", "tcp[(tcp[0] & 1) + 12]")
		}
		return pick(rng, "ip[8]", "ip[2:2]", "ip[12:4]", "ip[0]", "len", "ip[ip[0] & 15]",
			fmt.Sprint(rng.IntN(100)), fmt.Sprint(rng.Uint32()), "tcp-syn")
	}
	a, b := randomSum(rng, depth-1, left), randomSum(rng, depth-1, false)
	switch operator := pick(rng, "+", "-", "*", "/", "&", "|", "<<", ">>", "%", "^"); operator {
	case "/", "<<", ">>": // by nothing that is zero or more than 31
		return a + " " + operator + " " + pick(rng, "1", "3", "8", "31")
	case "%":
		return "((" + a + ") % " + pick(rng, "1", "3", "8", "31") + ")"
	case "^":
		return "((" + a + ") ^ (" + b + "))"
	default:
		return a + " " + operator + " " + b
	}
}

// TestTcpdumpRefusesToo holds what the two refuse alike, and what only we
// understand, to what the package says.
func TestTcpdumpRefusesToo(t *testing.T) {
	capture := writeCapture(t, nil)
	for _, text := range strings.Split(strings.TrimSpace(`
10.0.0.1
ip 10.0.0.1
tcp 80
tcp host 10.0.0.1
ip port 80
icmp port 80
port 65536
port 10.0.0.1
net 10.0.0.1/8
net 10.0.0.0/33
host 10.0.0.256
host
tcp and
tcp or 80
tcp[13] & 2
tcp[13] = 2 = 2
tcp[13:3] = 2
ip[8] << 32 = 0
ip[8] / 0 = 0
tcp udp
(tcp
tcp)
port 80-90
`), "\n") {
		if _, refusal := tcpdumpSelects(t, capture, text, 0); refusal == "" {
			t.Errorf("%s: tcpdump understands it", text)
		}
		if e, err := Parse(text); err == nil {
			t.Errorf("%s: understood as %v", text, e)
		}
	}
}
