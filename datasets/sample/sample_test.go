package sample_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/sample"
	"github.com/incendio-faas/incendio/datasets/synthetic"
)

func TestWassersteinByHand(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{0}, []float64{5}, 5},
		{[]float64{3, 1}, []float64{1, 3}, 0},
		{[]float64{0, 1, 3}, []float64{5, 6, 8}, 5},
		{[]float64{0, 1}, []float64{0, 1, 1, 0}, 0},
		{[]float64{0, 4}, []float64{1}, 2},       // a half moves by 1, a half by 3
		{[]float64{0, 0, 0, 8}, []float64{0}, 2}, // a quarter moves by 8
	} {
		if got := sample.Wasserstein(c.a, c.b); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v and %v: %g, expected %g", c.a, c.b, got, c.want)
		}
	}
}

// Beside the mean difference of quantiles on a grid that both sizes divide, for which it
// is exact.
func TestWassersteinProperty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		value := rapid.SampledFrom([]float64{0, 0.5, 1, 2, 3.25, 100})
		a, b := rapid.SliceOfN(value, 1, 7).Draw(r, "a"), rapid.SliceOfN(value, 1, 7).Draw(r, "b")
		x, y := slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
		n := len(a) * len(b)
		want := 0.0
		for k := range n {
			want += math.Abs(x[k/len(b)]-y[k/len(a)]) / float64(n)
		}
		got := sample.Wasserstein(a, b)
		if math.Abs(got-want) > 1e-9 || math.Abs(got-sample.Wasserstein(b, a)) > 1e-9 {
			r.Fatalf("%g, expected %g", got, want)
		}
	})
}

func azureLike(t testing.TB, functions int) *datasets.Trace {
	t.Helper()
	trace, err := synthetic.Generate(synthetic.Options{Functions: functions, Days: 2, Busiest: 36000, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func choose(t testing.TB, trace *datasets.Trace, o sample.Options) *sample.Choice {
	t.Helper()
	c, err := sample.Choose(t.Context(), trace, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Functions) != o.Functions || !slices.IsSorted(c.Functions) || len(slices.Compact(slices.Clone(c.Functions))) != o.Functions {
		t.Fatalf("functions %v, expected %d different ones", c.Functions, o.Functions)
	}
	return c
}

// All of a trace is at no distance from it.
func TestTheWhole(t *testing.T) {
	trace := azureLike(t, 60)
	c := choose(t, trace, sample.DefaultOptions(60))
	if c.Invocations != c.Whole || c.Distance() != 0 {
		t.Errorf("%d of %d invocations, distances %+v", c.Invocations, c.Whole, c.Figures)
	}
}

// Every class of rate and trigger has its share, to less than one function.
func TestStrataHaveTheirShare(t *testing.T) {
	trace := azureLike(t, 400)
	totals, err := trace.Totals(t.Context(), trace.Span)
	if err != nil {
		t.Fatal(err)
	}
	stratum := func(f datasets.FunctionID) string {
		return fmt.Sprint(datasets.RateClassOf(totals[f], trace.Span.Len()), trace.Functions[f].Trigger)
	}
	all, chosen := map[string]int{}, map[string]int{}
	for f := range trace.Functions {
		all[stratum(datasets.FunctionID(f))]++
	}
	c := choose(t, trace, sample.DefaultOptions(50))
	for _, f := range c.Functions {
		chosen[stratum(f)]++
	}
	for s, n := range all {
		if want := float64(n) * 50 / 400; math.Abs(float64(chosen[s])-want) >= 1 {
			t.Errorf("%s: %d functions, expected %g", s, chosen[s], want)
		}
	}
	if c.Strata != len(all) {
		t.Errorf("%d strata, expected %d", c.Strata, len(all))
	}
}

// More candidates are never further off, and a sample is nearer than functions drawn
// without regard to what they are.
func TestNearerThanAtRandom(t *testing.T) {
	trace := azureLike(t, 400)
	o := sample.DefaultOptions(40)
	many := choose(t, trace, o).Distance()
	o.Candidates = 1
	one := choose(t, trace, o).Distance()
	if many > one {
		t.Errorf("64 candidates are %g off, the first of them %g", many, one)
	}
	totals, err := trace.Totals(t.Context(), trace.Span)
	if err != nil {
		t.Fatal(err)
	}
	var logs []float64
	for _, n := range totals {
		logs = append(logs, math.Log10(1+float64(n)))
	}
	rnd, random := rand.New(rand.NewPCG(1, 2)), 0.0
	const draws = 200
	for range draws {
		var drawn []float64
		for _, f := range rnd.Perm(len(logs))[:40] {
			drawn = append(drawn, logs[f])
		}
		random += sample.Wasserstein(drawn, logs) / draws
	}
	if got := choose(t, trace, sample.DefaultOptions(40)).Figures[0].Log10; got > random/2 {
		t.Errorf("invocations are %g off, at random %g", got, random)
	}
}

func TestFiguresByHand(t *testing.T) {
	fn := func(id int, ms time.Duration, mb int64) datasets.Function {
		return datasets.Function{ID: datasets.FunctionID(id), Name: fmt.Sprint(id), Trigger: datasets.HTTP, Execution: datasets.Constant(ms * time.Millisecond), Memory: mb << 20}
	}
	trace := &datasets.Trace{
		Name: "t", Span: datasets.Window{To: 14}, Gaps: []datasets.Window{{From: 10, To: 14}}, Functions: []datasets.Function{fn(0, 10, 100), fn(1, 30, 100)},
		Source: datasets.Memory{{Offset: []int{0, 1, 2}, Minute: []int32{1, 1}, Count: []int64{20, 30}}},
	}
	c := choose(t, trace, sample.Options{Functions: 1, Candidates: 1, Seed: 1})
	one := c.Functions[0]
	rate, ms := 2+float64(one), 10+20*float64(one)
	want := []sample.Figure{
		{Name: "invocations", Unit: "per minute", Whole: 2.5, Sample: rate, Wasserstein: 0.5, Log10: math.Abs(math.Log10(21)-math.Log10(31)) / 2},
		{Name: "execution", Unit: "ms", Whole: 20, Sample: ms, Wasserstein: 10, Log10: math.Abs(math.Log10(11)-math.Log10(31)) / 2},
		{Name: "memory", Unit: "MB", Whole: 100, Sample: 100},
	}
	for i := range want {
		if got := c.Figures[i]; math.Abs(got.Log10-want[i].Log10) > 1e-12 {
			t.Errorf("%+v, expected %+v", got, want[i])
		} else if got.Log10 = want[i].Log10; got != want[i] {
			t.Errorf("%+v, expected %+v", got, want[i])
		}
	}
	if c.Whole != 50 || c.Invocations != 20+10*int64(one) || c.Strata != 1 {
		t.Errorf("%+v", c)
	}
}

// A store gives the functions of the sample back as they are in the whole, and says of
// what it is a sample.
func TestInput(t *testing.T) {
	whole := azureLike(t, 80)
	one := func(name string, id datasets.FunctionID) datasets.Function {
		return datasets.Function{ID: id, Name: name, Trigger: datasets.HTTP, Memory: 1 << 20, CPU: 1}
	}
	singles := &datasets.Trace{
		Name: "calls", Format: "invocations", Digest: "sha256:abc", Span: datasets.Window{To: 2880}, Start: whole.Start,
		Gaps:      []datasets.Window{{From: 100, To: 200}},
		Functions: []datasets.Function{one("f", 0), one("g", 1), one("h", 2)},
		Source: datasets.Singles{
			{{Function: 0, Arrival: time.Second, Duration: time.Millisecond}, {Function: 1, Arrival: time.Second, Duration: time.Millisecond}, {Function: 2, Arrival: time.Second, Duration: datasets.Unknown}},
			{{Function: 2, Arrival: 25 * time.Hour, Duration: time.Millisecond}},
		},
	}
	for _, trace := range []*datasets.Trace{whole, singles} {
		c := choose(t, trace, sample.Options{Functions: len(trace.Functions) * 2 / 3, Candidates: 3, Seed: 4})
		store, err := parquet.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		d, _, err := store.Ingest(t.Context(), c.Input(), parquet.DefaultIngestOptions("s"))
		if err != nil {
			t.Fatal(err)
		}
		if d.Invocations != c.Invocations || d.Format != trace.Format || d.Files[0].Name != "trace "+trace.Name {
			t.Errorf("%+v", d)
		}
		if note := strings.Join(d.Notes[:min(2, len(d.Notes))], "|"); !strings.Contains(note, fmt.Sprintf("a sample of %d of the %d functions of the trace %s", len(c.Functions), len(trace.Functions), trace.Name)) ||
			trace == whole && !strings.HasPrefix(note, "synthetic: ") {
			t.Errorf("notes %q", d.Notes)
		}
		back, err := store.Trace(t.Context(), "s")
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range c.Functions {
			want := trace.Functions[f]
			want.ID = datasets.FunctionID(i)
			if got := back.Functions[i]; got.Name != want.Name || got.ID != want.ID || got.Memory != want.Memory || !slices.Equal(got.Execution.Value, want.Execution.Value) {
				t.Errorf("%+v, expected %+v", got, want)
			}
			have, err := back.Function(context.Background(), datasets.FunctionID(i), back.Span)
			if err != nil {
				t.Fatal(err)
			}
			all, err := trace.Function(context.Background(), f, trace.Span)
			if err != nil {
				t.Fatal(err)
			}
			same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) } // in a gap
			if !slices.EqualFunc(have.Count, all.Count, same) {
				t.Errorf("counts of %s differ", want.Name)
			}
		}
		if !slices.Equal(back.Gaps, trace.Gaps) {
			t.Errorf("gaps %v, expected %v", back.Gaps, trace.Gaps)
		}
		if back.ExactDays() != trace.ExactDays() {
			t.Errorf("%d days of single invocations, expected %d", back.ExactDays(), trace.ExactDays())
		}
	}
}

func TestEqualSeedsGiveEqualSamples(t *testing.T) {
	trace := azureLike(t, 100)
	a, b := choose(t, trace, sample.DefaultOptions(20)), choose(t, trace, sample.DefaultOptions(20))
	if !slices.Equal(a.Functions, b.Functions) {
		t.Error("equal seeds gave different samples")
	}
	o := sample.DefaultOptions(20)
	o.Seed = 2
	if slices.Equal(a.Functions, choose(t, trace, o).Functions) {
		t.Error("different seeds gave equal samples")
	}
}

func TestRefused(t *testing.T) {
	trace := azureLike(t, 5)
	for want, o := range map[string]sample.Options{
		"functions must be at least 1, got 0":                         {Functions: 0, Candidates: 1},
		`functions must be at most the 5 of trace "synthetic", got 6`: {Functions: 6, Candidates: 1},
		"candidates must be in [1, 100000], got 0":                    {Functions: 1},
	} {
		if _, err := sample.Choose(t.Context(), trace, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
}
