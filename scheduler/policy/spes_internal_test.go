package policy

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// feed shows f a function that is called so many times in each minute.
func feed(f *spesSeries, calls []int) {
	for m, n := range calls {
		f.minute(m, n)
	}
}

// every is a series of n minutes with a call in those that remain of the division by period.
func every(n, period int, remain ...int) []int {
	calls := make([]int, n)
	for m := range calls {
		if slices.Contains(remain, m%period) {
			calls[m] = 1
		}
	}
	return calls
}

// TestSPESTypes: hand-made series are told apart, with what is predicted of them.
func TestSPESTypes(t *testing.T) {
	at := func(minutes ...int) []int { // a call in each of them
		calls := make([]int, slices.Max(minutes)+1)
		for _, m := range minutes {
			calls[m] = 1
		}
		return calls
	}
	waits := func(w ...int) []int { // calls with these minutes between them
		m := []int{0}
		for _, v := range w {
			m = append(m, m[len(m)-1]+1+v)
		}
		return at(m...)
	}
	runs := make([]int, 160) // of 12 minutes, after 7, 19, 30 and 43 minutes
	for _, from := range []int{0, 19, 50, 92, 147} {
		for m := range 12 {
			runs[from+m] = 1
		}
	}
	for _, c := range []struct {
		name  string
		calls []int
		kind  spesKind
		waits []int
	}{
		{"each minute", every(100, 1, 0), spesWarm, nil},
		{"one idle minute of 2000", append(every(1999, 1, 0), 0), spesWarm, nil},
		{"every 20 minutes", every(120, 20, 0), spesRegular, []int{19}},
		{"every 500 minutes, give or take 4", waits(499, 503, 499, 496, 499), spesRegular, []int{499}},
		{"at minutes 0 and 7 of each half hour", every(200, 30, 0, 7), spesApproximate, []int{6, 22}},
		{"short and different waits", waits(1, 2, 3, 4, 1, 2, 3, 4, 2, 3, 1, 4), spesDense, nil},
		{"long runs", runs, spesSuccessive, nil},
		{"mostly short waits", waits(1, 2, 3, 20, 1, 35, 2, 3, 50, 1, 3, 2), spesPulsed, nil},
		{"waits that repeat", waits(8, 11, 20, 8, 35, 11, 26, 8, 26, 35, 41), spesPossible, []int{8, 11, 26, 35}},
		{"anything", waits(8, 11, 20, 9, 35, 100, 26), spesUnknown, nil},
		{"too few", waits(19, 19), spesUnknown, nil},
	} {
		var f spesSeries
		feed(&f, c.calls)
		o := DefaultSPESOptions()
		if got := f.classify(&o); got.kind != c.kind || !slices.Equal(got.waits, c.waits) {
			t.Errorf("%s: type %d, waits %v, want %d, %v", c.name, got.kind, got.waits, c.kind, c.waits)
		}
	}
}

// TestSPESCorrelation: a function without any pattern of its own, but whose runs begin four minutes after
// those of another one of its application, is correlated with it, and wanted then.
func TestSPESCorrelation(t *testing.T) {
	p := SPES([]decide.Profile{{App: 1}, {App: 2}, {App: 1}}, DefaultSPESOptions()).Pool.(*spes)
	from := 0
	for k, gap := range []int{9, 13, 22, 11, 37, 102, 28, 64, 17} {
		from += gap
		for _, id := range []decide.FunctionID{0, 2} {
			f := &p.functions[id]
			at := from
			if id == 2 {
				at += 4
				if want := f.kind == spesCorrelated; want != (k > 3) {
					t.Fatalf("before run %d of the follower it is of type %d", k, f.kind)
				}
				if opts := &p.opts; k > 3 && (!f.wanted(at-opts.Prewarm, opts) || !f.wanted(at, opts) || f.wanted(at-opts.Prewarm-1, opts) || f.wanted(at+opts.GiveUp+1, opts)) {
					t.Fatalf("run %d at %d is expected at %d", k, at, f.expect)
				}
			}
			if !f.minute(at, 1) {
				t.Fatalf("no run begins at %d", at)
			}
			p.follow(id)
			p.judge(f)
			p.begun = append(p.begun[:0], id)
			p.announce()
		}
	}
	if f := &p.functions[2]; f.partner != 0 || f.lag != 4 {
		t.Errorf("follows %d by %d minutes, want 0 by 4", f.partner, f.lag)
	}
	if f := &p.functions[0]; f.kind == spesCorrelated {
		t.Error("the leader follows")
	}
}

// TestSPESGivesUp: whatever the series, a function is wanted for the give-up time of its type after a
// minute with a call, and once nothing is ahead it is never wanted without another call, unless it is
// always warm.
func TestSPESGivesUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f spesFunction
		o := SPESOptions{
			Prewarm: rapid.IntRange(0, 4).Draw(t, "prewarm"), GiveUp: rapid.IntRange(1, 4).Draw(t, "give up"),
			Dense: rapid.IntRange(1, 9).Draw(t, "dense"), Pulsed: rapid.IntRange(1, 9).Draw(t, "pulsed"),
		}
		calls := rapid.SliceOfN(rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2}), 1, 300).Draw(t, "calls")
		feed(&f.spesSeries, append(calls, 1, 0))
		f.spesRule = f.classify(&o)
		give := o.GiveUp
		switch f.kind {
		case spesDense:
			give = o.Dense
		case spesPulsed:
			give = o.Pulsed
		}
		for t0 := range give {
			if !f.wanted(f.last+1+t0, &o) {
				t.Fatalf("type %d is not wanted %d minutes after a call", f.kind, t0+1)
			}
		}
		over := false
		for m := f.last + 1; m < f.last+400; m++ {
			if over && f.wanted(m, &o) && f.kind != spesWarm {
				t.Fatalf("type %d, waits %v, is wanted in minute %d after nothing was ahead", f.kind, f.waits, m-f.last)
			}
			over = over || !f.ahead(m, &o)
		}
	})
}
