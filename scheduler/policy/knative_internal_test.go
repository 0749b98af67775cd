package policy

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestKnativeNeverFallsInPanic: from the tick at which the panic window wants twice what is
// ready until a stable window after the last such tick, no tick wants less than the one before; at
// any time a tick keeps half of what is ready, and the last container outlives the grace period.
func TestKnativeNeverFallsInPanic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := DefaultKnativeOptions()
		var f knativeFunction
		ready, before, panicking := 1, 0, false
		var called, none decide.Time
		for k := range decide.Time(rapid.IntRange(1, 200).Draw(t, "ticks")) {
			now := (k + 1) * knativeTick
			stable := rapid.IntRange(0, 8).Draw(t, "stable")
			short := rapid.IntRange(0, 20).Draw(t, "panic")
			if over := short >= 2*max(1, ready); over {
				panicking, called = true, now
			} else if panicking && now > called+o.Stable {
				panicking, before = false, 0
			}
			n := f.desired(now, stable, short, ready, &o)
			switch {
			case panicking && n < before:
				t.Fatalf("at %v in panic since %v: %d after %d", now, called, n, before)
			case n < ready/2:
				t.Fatalf("at %v: %d of %d", now, n, ready)
			case !panicking && ready < 2 && n != stable && (stable > 0 || n > 1):
				t.Fatalf("at %v: %d where the stable window wants %d", now, n, stable)
			}
			if n > 1 || stable > 0 || panicking {
				none = 0
			} else if none == 0 {
				none = now
			}
			if want := none > 0 && now >= none+o.Grace && ready < 2; want && n != 0 {
				t.Fatalf("at %v: %d, and nothing was wanted since %v", now, n, none)
			} else if n == 0 && none > 0 && now < none+o.Grace {
				t.Fatalf("at %v: scaled to zero, and nothing was wanted since %v", now, none)
			}
			before = max(n, before)
			if !panicking {
				before = 0
			}
			ready = min(n, ready+rapid.IntRange(-20, 20).Draw(t, "become ready"))
			ready = max(0, ready)
		}
	})
}
