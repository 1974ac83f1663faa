package flow

import (
	"time"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// The latest segments are remembered for their copies: sightBuckets times
// sightsEach of all connections together, each in up to maxPlaces places. A
// batch of segments passes one device as a whole before it comes to the next;
// the kernel's batches are smaller.
const (
	sightBuckets = 1024
	sightsEach   = 8
	maxPlaces    = 6
)

// sights remember where the latest segments were seen.
type sights struct {
	within  time.Duration
	buckets [sightBuckets]bucket
}

// bucket is a ring of segments whose faces hash alike; next is the oldest.
type bucket struct {
	recent [sightsEach]sight
	next   uint8
}

// sight is one segment, and the places where it was seen.
type sight struct {
	at     time.Time
	face   face
	places [maxPlaces]int
	seen   uint8
}

// face is what all copies of a segment have in common. The TTL, the checksums
// and the frame are not among it: they change on the way through a router.
type face struct {
	connection   uint64
	seq, ack     wire.Seq
	tsval, tsecr uint32
	length       uint32
	id, window   uint16
	flags        wire.Flags
	from         Side
}

func faceOf(c *Connection, h *wire.Header, g *wire.Segment, from Side) face {
	f := face{
		connection: c.serial, from: from, id: h.ID,
		seq: g.Seq, ack: g.Ack, flags: g.Flags, window: g.Window, length: h.DataLen(g),
	}
	for i := range g.Options {
		if val, ecr, ok := g.Options[i].Timestamps(); ok {
			f.tsval, f.tsecr = val, ecr
		}
	}
	return f
}

// bucket returns the number of the bucket for f. Whoever makes segments fall
// into one bucket hides nothing but their copies.
func (f *face) bucket() uint64 {
	const odd = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio
	n := f.connection * odd
	n = (n ^ uint64(f.seq)<<32 ^ uint64(f.ack)) * odd
	n = (n ^ uint64(f.id)<<32 ^ uint64(f.tsval)) * odd
	return n >> 32 % sightBuckets
}

// copy reports whether a segment is one that was seen in another place not
// long ago, and remembers where it was seen now. A segment that comes a second
// time to a place where it was seen is a second one: genuine resets and ACKs
// repeat octet for octet, IP ID 0 included.
func (s *sights) copy(at time.Time, f face, place int) bool {
	b := &s.buckets[f.bucket()]
	for i := range b.recent {
		// From the oldest: the first to be seen here is the first to be
		// seen there.
		k := &b.recent[(int(b.next)+i)%sightsEach]
		if k.seen > 0 && k.face == f && at.Sub(k.at) <= s.within && k.elsewhere(place) {
			return true
		}
	}
	b.recent[b.next] = sight{at: at, face: f, places: [maxPlaces]int{place}, seen: 1}
	b.next = (b.next + 1) % sightsEach
	return false
}

// elsewhere reports whether a segment has not been seen in a place, and
// remembers that it has.
func (k *sight) elsewhere(place int) bool {
	for _, p := range k.places[:k.seen] {
		if p == place {
			return false
		}
	}
	if k.seen == maxPlaces {
		return false
	}
	k.places[k.seen] = place
	k.seen++
	return true
}
