package probe

import (
	"math/rand/v2"
	"testing"
)

// TestHash holds the hash against the reference vectors of the SipHash paper:
// key 00..0f, input 00..07.
func TestHash(t *testing.T) {
	s := secret{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	if got, want := s.hash(0x0706050403020100), uint64(0x93f5f5799a932462); got != want {
		t.Errorf("hash = %#x, want %#x", got, want)
	}
}

func TestPermutationIsABijection(t *testing.T) {
	s := newSecret(rand.New(rand.NewPCG(1, 2)))
	for _, n := range []uint64{1, 2, 3, 4, 5, 100, 255, 256, 257, 65535, 100_003} {
		p := s.permute(n, n)
		seen := make([]bool, n)
		for i := range n {
			j := p.at(i)
			if j >= n || seen[j] {
				t.Fatalf("n=%d: at(%d) = %d is out of range or repeats", n, i, j)
			}
			seen[j] = true
		}
	}
}
