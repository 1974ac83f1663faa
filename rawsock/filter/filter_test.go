package filter

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

func mustParse(tb testing.TB, text string) Expression {
	tb.Helper()
	e, err := testConfig().Parse(text)
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return e
}

func mustProgram(tb testing.TB, e Expression) []bpf.RawInstruction {
	tb.Helper()
	raw, err := e.Program()
	if err != nil {
		tb.Fatalf("%v: %v", e, err)
	}
	return raw
}

func mustVM(tb testing.TB, raw []bpf.RawInstruction) *bpf.VM {
	tb.Helper()
	program, all := bpf.Disassemble(raw)
	if !all {
		tb.Fatal("the program does not disassemble")
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		tb.Fatal(err)
	}
	return vm
}

func passes(tb testing.TB, vm *bpf.VM, d []byte) bool {
	tb.Helper()
	n, err := vm.Run(d)
	if err != nil {
		tb.Fatal(err)
	}
	if n != 0 && n != passLength {
		tb.Fatalf("the filter cuts packets to %d octets", n)
	}
	return n != 0
}

func TestFilter(t *testing.T) {
	syn := packet{src: "10.0.0.1", dst: "10.0.0.2", protocol: 6, ports: [2]uint16{40000, 80}, flags: 2, ttl: 64}
	with := func(change func(*packet)) packet { p := syn; change(&p); return p }
	options := with(func(p *packet) { p.ipOptions = 40 })
	first := with(func(p *packet) { p.fragment = 0x2000 })
	later := with(func(p *packet) { p.fragment = 185 })
	datagram := with(func(p *packet) { p.protocol, p.ports = 17, [2]uint16{53, 40000} })
	ping := with(func(p *packet) { p.protocol, p.flags = 1, 8 })
	empty := with(func(p *packet) { p.truncateTo = 20 })
	tunnel := with(func(p *packet) { p.protocol = 47 })

	for _, c := range []struct {
		text string
		p    packet
		want bool
	}{
		{"", syn, true},
		{" \t\n", syn, true},
		{"ip", syn, true},
		{"not ip", syn, false},
		{"tcp", syn, true},
		{"tcp", datagram, false},
		{"tcp", later, true},
		{"port 80", syn, true},
		{"port 80", options, true},
		{"port 80", first, true},
		{"port 80", later, false},
		{"not port 80", later, true},
		{"port 80", empty, false},
		{"not port 80", empty, false},
		{"port 40000", datagram, true},
		{"tcp port 40000", datagram, false},
		{"src port 80", syn, false},
		{"dst port 80", syn, true},
		{"port 80", tunnel, false},
		{"port 80", ping, false},
		{"portrange 81-39999", syn, false},
		{"portrange 80-39999", syn, true},
		{"host 10.0.0.2", syn, true},
		{"src host 10.0.0.2", syn, false},
		{"src and dst net 10.0.0", syn, true},
		{"src and dst net 10.0.0.0/31", syn, false},
		{"net 10/8", syn, true},
		{"net 0", syn, false},
		{"host ant", syn, true},
		{"src ant and dst apple", syn, true},
		{"src apple", syn, false},
		{`host \tcp`, syn, false},
		{"proto gre", tunnel, true},
		{"proto tcp", syn, true},
		{"tcp[13] & 2 != 0", syn, true},
		{"tcp[13] & 2 != 0", options, true},
		{"tcp[13] & 2 != 0", later, false},
		{"tcp[13] & 2 = 0", later, false},
		{"not tcp[13] & 2 = 0", later, true},
		{"tcp[13] & 2 = 0", datagram, false},
		{"tcp[tcpflags] & (tcp-syn|tcp-rst) != 0", syn, true},
		{"icmp[icmptype] = icmp-echo", ping, true},
		{"icmp[icmptype] = icmp-echo", syn, false},
		{"tcp[16-3]=2", syn, true},
		{"1 + tcp[13] = 3", syn, true},
		{"1 + tcp[13] >= 0", datagram, false},
		{"ip[8] > tcp[13]", later, false},
		{"ip[tcp[12] >> 4] >= 0", datagram, false},
		{"net 10/8 and 128/2 = ip[8]", syn, true},
		{"net 11/8 or 10/8", syn, true},
		{"tcp[100] = 0 or port 80", syn, false},
		{"port 80 or tcp[100] = 0", syn, true},
		{"ip[0 - ip[9]] = 0 or ip", syn, false},
		{"ip[0 - ip[8]] = 0 or ip", syn, false},
		{"ip[8] << ip[8] = 0", syn, true},
		{"ip[8] << 0 = 64", syn, true},
		{"1 / (ip[8] - 64) = 0 or ip", syn, false},
		{"len = 40", syn, true},
		{"less 40 and greater 40", syn, true},
		{"less 39", syn, false},
		{"port login", syn, false},
		{"udp or tcp and port 53", syn, false},
		{"udp or (tcp and port 80)", syn, true},
	} {
		vm := mustVM(t, mustProgram(t, mustParse(t, c.text)))
		if got := passes(t, vm, c.p.octets()); got != c.want {
			t.Errorf("%q on %+v: passes is %t, want %t", c.text, c.p, got, c.want)
		}
	}
}

func TestString(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"ip", "ip"},
		{"1 > 2", "not ip"},
		{"port 80 or 443", "port 80 or port 443"},
		{"port http", "tcp port 80"},
		{"port domain", "port 53"},
		{"port tftp", "udp port 69"},
		{"port twice", "tcp port 1"},
		{"udp port twice", "udp port 2"},
		{"portrange 90-80", "portrange 80-90"},
		{"portrange ftp-data-http", "tcp portrange 20-80"},
		{"portrange ssh-99", "portrange 22-99"},
		{"portrange ftp-data", "tcp port 20"},
		{"host apple", "host 10.0.0.2 or host 10.1.2.3"},
		{"src apple and tcp", "(src host 10.0.0.2 or src host 10.1.2.3) and tcp"},
		{"src or dst host 10.0.0.1", "host 10.0.0.1"},
		{"net 10.1", "net 10.1.0.0/16"},
		{"net 10/8", "net 10.0.0.0/8"},
		{"net 010.1", "net 10.1.0.0/16"},
		{"net 10.0.0.1 mask 255.0.0.255", "net 10.0.0.1 mask 255.0.0.255"},
		{"net 10.1.2.3", "host 10.1.2.3"},
		{"net 0.0.0.0/0", "net 0.0.0.0/0"},
		{"proto 6 or 47", "tcp or proto 47"},
		{"less 60", "len <= 60"},
		{"tcp[tcpflags]&(tcp-syn|tcp-rst)!=0", "tcp[13] & 6 != 0"},
		{"ip[2:2]-((ip[0]&0xf)<<2)-((tcp[12]&0xf0)>>2)!=0", "ip[2:2] - ((ip[0] & 15) << 2) - ((tcp[12] & 240) >> 2) != 0"},
		{"-ip[0]==1", "0 - ip[0] = 1"},
		{"! ! tcp", "not not tcp"},
		{"not (tcp or udp)", "not (tcp or udp)"},
		{"tcp or udp and icmp", "(tcp or udp) and icmp"},
		{"tcp or (udp and icmp)", "tcp or (udp and icmp)"},
		{"tcp or udp or icmp", "tcp or udp or icmp"},
	} {
		e, err := testConfig().Parse(c.text)
		if got := e.String(); got != c.want {
			t.Errorf("%s: got %s, want %s (%v)", c.text, got, c.want, err)
		}
	}
	if got := (Expression{}).String(); got != "" {
		t.Errorf("zero Expression: %q", got)
	}
}

// checkRoundTrip asserts what String promises.
func checkRoundTrip(tb testing.TB, e Expression) {
	tb.Helper()
	text := e.String()
	again, err := Parse(text)
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	if got := again.String(); got != text {
		tb.Errorf("%s: parsed again it is %s", text, got)
	}
	a, errA := e.Program()
	b, errB := again.Program()
	if !slices.Equal(a, b) || fmt.Sprint(errA) != fmt.Sprint(errB) {
		tb.Errorf("%s: parsed again it has another program", text)
	}
}

func TestCorpusRoundTrips(t *testing.T) {
	for _, text := range corpus() {
		checkRoundTrip(t, mustParse(t, text))
	}
}

// TestPrograms shows what is spared: loads of what is there already, and tests
// whose outcome is known.
func TestPrograms(t *testing.T) {
	ports := bpf.LoadMemShift{Off: 0}
	for _, c := range []struct {
		text string
		want []bpf.Instruction
	}{
		{"", []bpf.Instruction{pass}},
		{"not ip", []bpf.Instruction{reject}},
		{"tcp or udp", []bpf.Instruction{
			bpf.LoadAbsolute{Off: 9, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 6, SkipTrue: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 17, SkipFalse: 1},
			pass,
			reject,
		}},
		{"tcp and dst port 80", []bpf.Instruction{
			bpf.LoadAbsolute{Off: 9, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 6, SkipFalse: 6},
			bpf.LoadAbsolute{Off: 6, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 4},
			ports,
			bpf.LoadIndirect{Off: 2, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 80, SkipFalse: 1},
			pass,
			reject,
		}},
	} {
		got, err := mustParse(t, c.text).compile()
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v\n got %v\nwant %v", c.text, err, got, c.want)
		}
	}
}

// TestReach checks programs so long that no conditional jump spans them.
func TestReach(t *testing.T) {
	var alternatives []string
	for port := uint16(1); port <= 500; port += 2 {
		alternatives = append(alternatives, fmt.Sprintf("(dst port %d and src host 10.0.%d.%d)", port, port>>8, port&0xff))
	}
	vm := mustVM(t, mustProgram(t, mustParse(t, strings.Join(alternatives, " or "))))
	inverse := mustVM(t, mustProgram(t, mustParse(t, "not ("+strings.Join(alternatives, " or ")+")")))
	for port := uint16(0); port <= 502; port++ {
		p := packet{src: fmt.Sprintf("10.0.%d.%d", port>>8, port&0xff), dst: "10.9.9.9", protocol: 6, ports: [2]uint16{9, port}}
		want := port%2 == 1 && port <= 500
		if got := passes(t, vm, p.octets()); got != want {
			t.Fatalf("port %d: passes is %t", port, got)
		}
		if got := passes(t, inverse, p.octets()); got == want {
			t.Fatalf("port %d: the opposite passes is %t", port, got)
		}
	}
}

func TestProgramErrors(t *testing.T) {
	deep := "ip[0]"
	for range 17 {
		deep = "(ip[1] + " + deep + ")"
	}
	for _, c := range []struct{ text, want string }{
		{"port 1" + strings.Repeat(" or 1", 3000), "filter of 36014 instructions or more: the kernel takes 4080"},
		{deep + " = 0", "filter arithmetic needs more than 16 intermediate results"},
	} {
		if _, err := mustParse(t, c.text).Program(); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	mustProgram(t, mustParse(t, strings.Replace(deep, "(ip[1] + ", "(", 1)+" = 0"))
}

// TestLongestTexts are as deep and as long as can be. None may take long, or more
// stack than there is.
func TestLongestTexts(t *testing.T) {
	for _, part := range []string{"(", "-", "not ", "ip[", "1+", "ip[0]+", "ip[0]%(", "tcp or ", "tcp or (", "port (", "-(", "! ", "port 1 or not ", "0-"} {
		text := strings.Repeat(part, maxText/len(part)-4)
		for _, end := range []string{"", "1 = 1", "1", "tcp"} {
			e, err := Parse(text + end)
			if err == nil {
				e.Program() // which may say that it is too long
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range corpus() {
		f.Add(text)
	}
	for _, c := range faults() {
		f.Add(c.text)
	}
	packets := randomPackets(rand.New(rand.NewPCG(1, 2)), 20)
	packets = append(packets, nil, packets[0][:9], packets[1][:21])
	f.Fuzz(func(t *testing.T, text string) {
		e, err := testConfig().Parse(text)
		if err != nil {
			if strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("an error of several lines: %v", err)
			}
			return
		}
		if len(e.String()) <= maxText {
			checkRoundTrip(t, e)
		}
		raw, err := e.Program()
		if err != nil {
			return
		}
		vm := mustVM(t, raw)
		for _, d := range packets {
			passes(t, vm, d)
		}
	})
}
