package policy

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestCakeTTL: the two orders of the bounds, worked out by hand. With T s and M MB,
// beta = 249 T / M.
func TestCakeTTL(t *testing.T) {
	const s = decide.Second
	for _, c := range []struct {
		name               string
		gap                decide.Time
		start              float64
		memory             int64
		decided, asWritten decide.Time
	}{
		{"often", 10 * s, 2, 2 << 20, 60 * s, 60 * s},                 // alive 17 s, beta 249 s
		{"between the bounds", 100 * s, 2, 2 << 20, 161 * s, 161 * s}, // alive 161 s
		{"rarely", 1000 * s, 2, 2 << 20, 249 * s, 249 * s},            // alive 1610 s
		{"rarely, not worth a minute", 1000 * s, 1, 128 << 20, 60 * s, 2 * s},
	} {
		p := rainbowCake{opts: DefaultRainbowCakeOptions()}
		if got := p.ttl(c.gap, c.start, c.memory); got != c.decided {
			t.Errorf("%s: %v, want %v", c.name, got.Duration(), c.decided.Duration())
		}
		p.opts.Literal = true
		if got := p.ttl(c.gap, c.start, c.memory); got != c.asWritten {
			t.Errorf("%s, literally: %v, want %v", c.name, got.Duration(), c.asWritten.Duration())
		}
	}
}

// TestCakeTTLIsMonotone: rarer arrivals, costlier starts and smaller layers are never kept for less.
func TestCakeTTLIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rainbowCake{opts: DefaultRainbowCakeOptions()}
		gap := decide.Time(rapid.Int64Range(0, int64(cakeSpan)).Draw(t, "gap"))
		start := rapid.Float64Range(0, 100).Draw(t, "start")
		memory := rapid.Int64Range(1<<20, 1<<30).Draw(t, "memory")
		least := p.ttl(gap, start, memory)
		for _, more := range []decide.Time{p.ttl(2*gap, start, memory), p.ttl(gap, 2*start, memory), p.ttl(gap, start, memory/2)} {
			if more < least || least < cakeLeast {
				t.Fatalf("%v, then %v", least, more)
			}
		}
	})
}

// TestRecency: the mean is over the last six arrivals within a day.
func TestRecency(t *testing.T) {
	const s = decide.Second
	var r recency
	if _, ok := r.gap(0); ok {
		t.Error("no arrival, and a gap")
	}
	for k := range decide.Time(10) {
		r.add(k * 10 * s)
	}
	if gap, ok := r.gap(100 * s); !ok || gap != 10*s { // from 40 s on
		t.Errorf("gap %v, %v, want 10 s", gap.Duration(), ok)
	}
	if gap, ok := r.gap(70*s + cakeSpan); !ok || gap != cakeSpan/3 { // from 70 s on
		t.Errorf("gap %v, %v, want a third of a day", gap.Duration(), ok)
	}
}
