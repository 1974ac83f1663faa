package probe

import (
	"math/bits"
	"math/rand/v2"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// secret is what a plan's choices are made from: the same secret, the same
// sequence numbers and the same order. Those who do not know it cannot forge
// a reply to a probe that they have not seen.
type secret struct{ k0, k1 uint64 }

func newSecret(rng *rand.Rand) secret { return secret{rng.Uint64(), rng.Uint64()} }

// isn is the initial sequence number of the probe of one port. It is a
// function of the destination alone, so that retries repeat it, and so that a
// late reply can be checked when nothing else is remembered of its probe.
func (s secret) isn(addr uint32, port uint16) wire.Seq {
	return wire.Seq(s.hash(uint64(addr)<<16 | uint64(port)))
}

// hash is SipHash-2-4 of the eight octets of m (Aumasson and Bernstein, 2012).
func (s secret) hash(m uint64) uint64 {
	v0 := s.k0 ^ 0x736f6d6570736575
	v1 := s.k1 ^ 0x646f72616e646f6d
	v2 := s.k0 ^ 0x6c7967656e657261
	v3 := s.k1 ^ 0x7465646279746573
	round := func() {
		v0 += v1
		v1 = bits.RotateLeft64(v1, 13) ^ v0
		v0 = bits.RotateLeft64(v0, 32)
		v2 += v3
		v3 = bits.RotateLeft64(v3, 16) ^ v2
		v0 += v3
		v3 = bits.RotateLeft64(v3, 21) ^ v0
		v2 += v1
		v1 = bits.RotateLeft64(v1, 17) ^ v2
		v2 = bits.RotateLeft64(v2, 32)
	}
	const length = 8 << 56
	for _, w := range [...]uint64{m, length} {
		v3 ^= w
		round()
		round()
		v0 ^= w
	}
	v2 ^= 0xff
	for range 4 {
		round()
	}
	return v0 ^ v1 ^ v2 ^ v3
}

// permutation is a keyed bijection of the numbers below n: a Feistel network
// on the next even number of bits, walked until it lands below n. Nothing is
// listed in memory.
type permutation struct {
	n    uint64
	half uint
	key  secret
}

// permute returns the permutation of [0, n) that label selects.
func (s secret) permute(n, label uint64) permutation {
	half := max(uint(bits.Len64(n-1)+1)/2, 1)
	return permutation{n: n, half: half, key: secret{s.hash(label), s.hash(^label)}}
}

func (p permutation) at(i uint64) uint64 {
	mask := uint64(1)<<p.half - 1
	for {
		left, right := i>>p.half, i&mask
		for round := range uint64(4) {
			left, right = right, left^p.key.hash(round<<56^right)&mask
		}
		if i = left<<p.half | right; i < p.n {
			return i
		}
	}
}
