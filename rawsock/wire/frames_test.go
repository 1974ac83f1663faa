package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
)

// frame is one entry of a tcpdump -X listing.
type frame struct {
	line   string // without the time
	octets []byte
}

var hexLine = regexp.MustCompile(`^\t0x[0-9a-f]{4}: ((?: [0-9a-f]{2,4})+)  `)

func readFrames(tb testing.TB, path string) []frame {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	var frames []frame
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if m := hexLine.FindStringSubmatch(lines.Text()); m != nil {
			last := &frames[len(frames)-1]
			last.octets = append(last.octets, octetsOf(tb, m[1])...)
			continue
		}
		_, line, _ := strings.Cut(lines.Text(), " ")
		frames = append(frames, frame{line: line})
	}
	return frames
}

// tcpdumpLine says of a segment what tcpdump does; relative numbers once the
// initial ones are known.
func tcpdumpLine(h Header, g Segment, iss map[netip.Addr]Seq) string {
	var w strings.Builder
	fmt.Fprintf(&w, "IP %v.%d > %v.%d: Flags [%v]", h.Src, g.SrcPort, h.Dst, g.DstPort, g.Flags)
	seq, ack := g.Seq, g.Ack
	if g.Flags&SYN != 0 {
		iss[h.Src] = g.Seq
	} else {
		seq, ack = seq-iss[h.Src], ack-iss[h.Dst]
	}
	switch {
	case len(g.Payload) > 0:
		fmt.Fprintf(&w, ", seq %d:%d", seq, seq.Add(uint32(len(g.Payload))))
	case g.Flags&(SYN|FIN|RST) != 0:
		fmt.Fprintf(&w, ", seq %d", seq)
	}
	if g.Flags&ACK != 0 {
		fmt.Fprintf(&w, ", ack %d", ack)
	}
	fmt.Fprintf(&w, ", win %d", g.Window)
	if len(g.Options) > 0 {
		words := make([]string, len(g.Options))
		for i, o := range g.Options {
			words[i] = o.String()
		}
		fmt.Fprintf(&w, ", options [%s]", strings.Join(words, ","))
	}
	fmt.Fprintf(&w, ", length %d", len(g.Payload))
	return w.String()
}

// TestFrames reads ten frames that tcpdump saw on apple's device: those from
// ant have crossed three routers, and all checksums are unfinished, because
// the hosts are virtual.
func TestFrames(t *testing.T) {
	frames := readFrames(t, "testdata/upper.txt")
	rows := []struct {
		id         uint16
		ttl        uint8
		ipChecksum uint16
		checksum   uint16
		dataOffset uint8
		segLen     uint32
		payload    string
	}{
		{0xe6af, 61, 0x4009, 0x1732, 10, 1, ""},
		{0x0000, 64, 0x23b9, 0x1732, 10, 1, ""},
		{0xe6b0, 61, 0x4010, 0x172a, 8, 0, ""},
		{0xe6b1, 61, 0x400b, 0x172e, 8, 4, "abc\n"},
		{0x8a28, 64, 0x9998, 0x172a, 8, 0, ""},
		{0x8a29, 64, 0x9993, 0x172e, 8, 4, "ABC\n"},
		{0xe6b2, 61, 0x400e, 0x172a, 8, 0, ""},
		{0xe6b7, 61, 0x4009, 0x172a, 8, 1, ""},
		{0x8a2c, 64, 0x9994, 0x172a, 8, 1, ""},
		{0xe6b8, 61, 0x4008, 0x172a, 8, 0, ""},
	}
	if len(frames) != len(rows) {
		t.Fatalf("%d frames, want %d", len(frames), len(rows))
	}
	iss := map[netip.Addr]Seq{}
	for i, row := range rows {
		d := frames[i].octets
		h, payload, err := ParseHeader(d)
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		g, err := ParseSegment(payload)
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if got := tcpdumpLine(h, g, iss); got != frames[i].line {
			t.Errorf("frame %d:\n got %s\nwant %s", i, got, frames[i].line)
		}
		src, dst := ant, apple
		if row.ttl == 64 {
			src, dst = apple, ant
		}
		if h.IHL != 5 || h.TOS != 0 || int(h.TotalLen) != len(d) || h.ID != row.id || h.Evil || !h.DF || h.MF || h.FragOffset != 0 ||
			h.TTL != row.ttl || h.Protocol != ProtocolTCP || h.Checksum != row.ipChecksum || h.Src != src || h.Dst != dst || h.Options != nil {
			t.Errorf("frame %d: header %+v", i, h)
		}
		if g.DataOffset != row.dataOffset || g.Reserved != 0 || g.Checksum != row.checksum || g.Urgent != 0 || g.Len() != row.segLen || string(g.Payload) != row.payload {
			t.Errorf("frame %d: segment %+v", i, g)
		}
		if got := VerifyHeader(d); got != Valid {
			t.Errorf("frame %d: IPv4 checksum %v", i, got)
		}
		if got := VerifyTCP(d); got != Offloaded {
			t.Errorf("frame %d: TCP checksum %v", i, got)
		}
		if got := mustDatagram(t, h, g); !bytes.Equal(got, d) {
			t.Errorf("frame %d: encoded\n got %x\nwant %x", i, got, d)
		}
		g.KeepChecksum = false
		if got := VerifyTCP(mustDatagram(t, h, g)); got != Valid {
			t.Errorf("frame %d: finished TCP checksum is %v", i, got)
		}
	}
}
