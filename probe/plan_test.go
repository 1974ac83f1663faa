package probe

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestSamePlan(t *testing.T) {
	list := func(seed uint64, order Order) string {
		s := spec(t, "1-300", "10.0.0.1-20", "10.1.0.1:80")
		s.Order = order
		plan, err := s.Plan(rand.New(rand.NewPCG(seed, 0)))
		if err != nil {
			t.Fatal(err)
		}
		text, n := "", uint64(0)
		seen := map[Probe]bool{}
		for p := range plan.Probes() {
			if seen[p] {
				t.Fatalf("%v comes twice", p)
			}
			seen[p] = true
			n++
			text += fmt.Sprintln(p.Addr, p.Port, plan.ISN(p.Addr, p.Port))
		}
		if n != plan.Scope.Probes() || n != 20*300+300 {
			t.Fatalf("%d probes", n)
		}
		return text
	}
	if first, again := list(1, RandomOrder), list(1, RandomOrder); first != again {
		t.Error("one seed, two plans")
	}
	if list(1, RandomOrder) == list(2, RandomOrder) {
		t.Error("two seeds, one plan")
	}
	given := list(1, GivenOrder)
	if want := "10.0.0.1 1 "; given[:len(want)] != want {
		t.Errorf("the given order begins with %q", given[:20])
	}
}

func TestSpecRefuses(t *testing.T) {
	for want, change := range map[string]func(*Spec){
		"0 tries: from 1 to 100 are possible":                    func(s *Spec) { s.Tries = 0 },
		"101 tries: from 1 to 100 are possible":                  func(s *Spec) { s.Tries = 101 },
		"a timeout of 0s: from 1ms to 5m0s are possible":         func(s *Spec) { s.Timeout = 0 },
		"a timeout of 1h0m0s: from 1ms to 5m0s are possible":     func(s *Spec) { s.Timeout = time.Hour },
		"a rate of -1: it must be above zero":                    func(s *Spec) { s.Rate = -1 },
		"a rate of NaN: it must be above zero":                   func(s *Spec) { s.Rate = math.NaN() },
		"a rate of 1e-09: 1e-06 a second is the slowest":         func(s *Spec) { s.Rate = 1e-9 },
		"there is no target: give a host, an address or a range": func(s *Spec) { s.Targets = nil },
	} {
		s := spec(t, "80")
		change(&s)
		if _, err := s.Plan(rand.New(rand.NewPCG(1, 2))); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestDuration(t *testing.T) {
	s := spec(t, "1-1000")
	plan, err := s.Plan(rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	// Three times a second of sending, and waits of 1, 2 and 2 seconds.
	if least, most := plan.Duration(); least != time.Second || most != 8*time.Second {
		t.Errorf("%v to %v", least, most)
	}
	if n := plan.Segments(); n != 3000 {
		t.Errorf("%d segments", n)
	}
	plan.Spec.Rate = 0
	if least, most := plan.Duration(); least != 0 || most != 0 {
		t.Errorf("at no rate: %v to %v", least, most)
	}
	s = spec(t, "-", "1.0.0.0/8")
	s.Rate = minRate
	if plan, err = s.Plan(rand.New(rand.NewPCG(1, 2))); err != nil {
		t.Fatal(err)
	}
	if least, most := plan.Duration(); least != math.MaxInt64 || most != math.MaxInt64 {
		t.Errorf("the slowest: %v to %v", least, most)
	}
}
