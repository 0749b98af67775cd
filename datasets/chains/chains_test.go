package chains_test

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/chains"
)

const ms = time.Millisecond

// uniform is the distribution between low and high.
func uniform(low, high time.Duration) datasets.Distribution {
	return datasets.Distribution{Prob: []float64{0, 1}, Value: []time.Duration{low, high}}
}

// trace has one function for each distribution, called a, b, …, with these counts by minute.
func trace(executions []datasets.Distribution, counts ...[]int64) *datasets.Trace {
	t := &datasets.Trace{Name: "test", Span: datasets.Window{From: 0, To: datasets.MinutesPerDay}}
	c := &datasets.Counts{Offset: []int{0}}
	for i, d := range executions {
		t.Functions = append(t.Functions, datasets.Function{
			ID: datasets.FunctionID(i), Owner: "o", App: "x/y", Name: string(rune('a' + i)), Memory: int64(i+1) << 27, CPU: 1, Execution: d,
			Initialisation: datasets.Constant(time.Duration(i+1) * 100 * ms), Termination: datasets.Constant(ms),
		})
		if i < len(counts) {
			for m, n := range counts[i] {
				if n > 0 {
					c.Minute, c.Count = append(c.Minute, int32(m)), append(c.Count, n)
				}
			}
		}
		c.Offset = append(c.Offset, len(c.Count))
	}
	t.Source = datasets.Memory{c}
	return t
}

func chain(transfer time.Duration, widths ...int) chains.Chain {
	c := chains.Chain{Name: "c", Transfer: transfer}
	for i, w := range widths {
		c.Stages = append(c.Stages, chains.Stage{Function: datasets.FunctionID(i), Width: w})
	}
	return c
}

func near(t *testing.T, what string, got, want, tolerance time.Duration) {
	t.Helper()
	if d := got - want; d < -tolerance || d > tolerance {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// TestLatency is worked by hand. Two times uniform on [0, 100 ms] add up to a triangle: its
// first quarter ends where x^2 / (2 * 100^2) = 1/4. The longest of three has the mean
// 3/4 of the range and the median 2^(-1/3) of it.
func TestLatency(t *testing.T) {
	functions := trace([]datasets.Distribution{uniform(0, 100*ms), uniform(0, 100*ms), datasets.Constant(50 * ms)}).Functions
	c := chain(20*ms, 1, 1)
	d := c.Latency(functions, chains.Plan{}, 0)
	near(t, "mean of two and a transfer", d.Mean(), 120*ms, 10*time.Microsecond)
	near(t, "first quarter", d.Quantile(0.25), 20*ms+time.Duration(math.Sqrt(0.5)*1e8), ms)
	d = c.Latency(functions, chains.Plan{Fuse: true}, 0)
	near(t, "mean of two that are fused", d.Mean(), 100*ms, 10*time.Microsecond)

	c = chains.Chain{Name: "c", Stages: []chains.Stage{{Function: 2, Width: 1}, {Function: 1, Width: 3}}}
	d = c.Latency(functions, chains.Plan{}, 0)
	near(t, "mean of the longest of three", d.Mean(), 125*ms, ms/2)
	near(t, "median of the longest of three", d.Quantile(0.5), 50*ms+time.Duration(1e8*math.Pow(0.5, 1./3)), ms)

	// Cold starts: a takes 100 ms to start and b 200 ms. By themselves both may be cold; fused there is
	// one start, of the slower. Of three in parallel one is cold with 1 - 0.9^3, of a bundle with 0.1.
	c = chain(0, 1, 1)
	near(t, "two starts", c.Latency(functions, chains.Plan{}, 0.1).Mean(), 130*ms, 10*time.Microsecond)
	near(t, "one start", c.Latency(functions, chains.Plan{Fuse: true}, 0.1).Mean(), 120*ms, 10*time.Microsecond)
	functions[1].Execution = datasets.Constant(10 * ms)
	c = chains.Chain{Name: "c", Stages: []chains.Stage{{Function: 2, Width: 1}, {Function: 1, Width: 3}}}
	near(t, "three starts", c.Latency(functions, chains.Plan{}, 0.1).Mean(), 60*ms+30*ms+time.Duration(0.271*200e6), ms/2)
	near(t, "a bundle", c.Latency(functions, chains.Plan{Bundle: true}, 0.1).Mean(), 60*ms+30*ms+20*ms, ms/2)
}

// TestPlansHelp: with every step of a plan a chain gets no slower, at no quantile, where starts
// take as long for all its functions.
func TestPlansHelp(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		var executions []datasets.Distribution
		var widths []int
		for i := range 2 + rnd.IntN(2) {
			low := time.Duration(rnd.IntN(1000)) * ms
			executions = append(executions, uniform(low, low+time.Duration(rnd.IntN(1000))*ms))
			widths = append(widths, 1+min(i, 1)*rnd.IntN(6))
		}
		functions := trace(executions).Functions
		for i := range functions {
			functions[i].Initialisation = datasets.Constant(300 * ms)
		}
		c := chain(time.Duration(rnd.IntN(50))*ms, widths...)
		cold := rnd.Float64()
		latency := func(fuse, bundle bool) datasets.Distribution {
			return c.Latency(functions, chains.Plan{Fuse: fuse, Bundle: bundle}, cold)
		}
		plain, fused, bundled, both := latency(false, false), latency(true, false), latency(false, true), latency(true, true)
		for what, step := range map[string][2]datasets.Distribution{
			"fused": {plain, fused}, "bundled": {plain, bundled}, "fused beside bundled": {bundled, both}, "bundled beside fused": {fused, both},
		} {
			for _, u := range []float64{0.05, 0.25, 0.5, 0.75, 0.95} {
				// A part in a hundred: values stand for parts of a distribution.
				if a, b := step[1].Quantile(u), step[0].Quantile(u); a > b+plain.Quantile(1)/100 {
					t.Errorf("%s, %v wide, at %g: %v, before %v", what, widths, u, a, b)
				}
			}
		}
	}
}

func day(t *testing.T, tr *datasets.Trace) *datasets.Counts {
	t.Helper()
	c, err := tr.Day(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestApply is worked by hand. Three requests of a at minute 0: b has only four invocations for
// them by minute 2, enough for two with two each; a third a, and the b of minute 9, stay.
func TestApply(t *testing.T) {
	tr := trace([]datasets.Distribution{datasets.Constant(30 * ms), datasets.Constant(20 * ms), datasets.Constant(time.Second)},
		[]int64{3}, []int64{1, 0, 4, 0, 0, 0, 0, 0, 0, 7}, []int64{5})
	out := chains.Apply(tr, []chains.Chain{chain(10*ms, 1, 2)}, chains.Plan{Fuse: true, Bundle: true})
	if len(out.Functions) != 4 || len(tr.Functions) != 3 {
		t.Fatalf("%d functions, and %d in the original", len(out.Functions), len(tr.Functions))
	}
	f := out.Functions[3]
	if f.ID != 3 || f.Name != "a+b*2" || f.App != "x/y" || f.Memory != 2<<28 || f.CPU != 2 || f.Initialisation.Mean() != 200*ms {
		t.Errorf("the fused function is %+v", f)
	}
	near(t, "its execution", f.Execution.Mean(), 50*ms, time.Microsecond)
	if err := f.Execution.Validate(); err != nil {
		t.Error(err)
	}
	c := day(t, out)
	for id, want := range []map[int32]int64{{0: 1}, {2: 1, 9: 7}, {0: 5}, {0: 2}} {
		minute, count := c.Function(datasets.FunctionID(id))
		got := map[int32]int64{}
		for i, m := range minute {
			got[m] = count[i]
		}
		if len(got) != len(want) {
			t.Errorf("function %d: %v, want %v", id, got, want)
		}
		for m, n := range want {
			if got[m] != n {
				t.Errorf("function %d: %v, want %v", id, got, want)
			}
		}
	}
	// Bundled alone, a stays as it is, and b becomes one function beside what is left of it.
	out = chains.Apply(tr, []chains.Chain{chain(10*ms, 1, 2)}, chains.Plan{Bundle: true})
	if len(out.Functions) != 4 || out.Functions[3].Name != "b*2" || day(t, out).Total() != 3+8+2+5 {
		t.Errorf("%d functions, the last %q, %d invocations", len(out.Functions), out.Functions[3].Name, day(t, out).Total())
	}
	// Nothing to do: no plan, nothing in parallel.
	if out = chains.Apply(tr, []chains.Chain{chain(10*ms, 1, 1)}, chains.Plan{Bundle: true}); len(out.Functions) != 3 || day(t, out).Total() != day(t, tr).Total() {
		t.Error("a chain without parallel invocations was bundled")
	}
}

// TestConserves: every invocation of a chain's function is either left or in a fused one, and
// there are no more fused ones than requests, in any minute.
func TestConserves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 4))
		widths := []int{1, 1 + rnd.IntN(3), 1 + rnd.IntN(3)}
		counts := make([][]int64, 3)
		for i := range counts {
			counts[i] = make([]int64, datasets.MinutesPerDay)
			for range 200 {
				counts[i][rnd.IntN(40)+1400*rnd.IntN(2)] += int64(rnd.IntN(2 * widths[i]))
			}
		}
		tr := trace([]datasets.Distribution{uniform(0, ms), uniform(0, ms), uniform(0, ms)}, counts...)
		out := chains.Apply(tr, []chains.Chain{chain(0, widths...)}, chains.Plan{Fuse: true, Bundle: true})
		c, err := out.Day(context.Background(), 0)
		if err != nil {
			t.Fatal(err)
		}
		sum := func(f int) (n int64) {
			_, count := c.Function(datasets.FunctionID(f))
			for _, x := range count {
				n += x
			}
			return n
		}
		for i, w := range widths {
			var before int64
			for _, x := range counts[i] {
				before += x
			}
			if after := sum(i) + int64(w)*sum(3); after != before {
				t.Fatalf("function %d has %d invocations, and %d in chains, it had %d", i, sum(i), int64(w)*sum(3), before)
			}
		}
		minute, count := c.Function(3)
		for i, m := range minute {
			if count[i] > counts[0][m] {
				t.Fatalf("minute %d: %d of %d requests", m, count[i], counts[0][m])
			}
		}
	})
}

func TestRead(t *testing.T) {
	tr := trace([]datasets.Distribution{uniform(0, ms), uniform(0, ms), uniform(0, ms)})
	got, err := chains.Read(strings.NewReader(`{"chains":[{"name":"c","transfer_ms":1.5,"stages":[
		{"function":"o/x%2Fy/a","width":1},{"function":"o/x%2Fy/c","width":3}]}]}`), tr)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Transfer != 1500*time.Microsecond || got[0].Stages[1] != (chains.Stage{Function: 2, Width: 3}) {
		t.Errorf("chains are %+v", got)
	}
	stage := func(f, w string) string { return `{"function":"o/x%2Fy/` + f + `","width":` + w + `}` }
	file := func(stages ...string) string {
		return `{"chains":[{"name":"c","transfer_ms":1,"stages":[` + strings.Join(stages, ",") + `]}]}`
	}
	for in, want := range map[string]string{
		`{"chains":[]}`:                        "the file has no chain",
		`{"chain":[]}`:                         `unknown field "chain"`,
		`{"chains":[]} 1`:                      "more after the first value",
		file(stage("a", "1")):                  "must have two stages or more, got 1",
		file(stage("a", "2"), stage("b", "1")): "stages[0]: width must be 1",
		file(stage("a", "1"), stage("b", "0")): "stages[1]: width must be in [1, 10000], got 0",
		file(stage("a", "1"), stage("z", "1")): `stages[1]: trace "test" has no function "o/x%2Fy/z" (owner/app/name)`,
		file(stage("a", "1"), stage("a", "1")): `stages[1]: function "o/x%2Fy/a" is in chain "c" already`,
		strings.Replace(file(stage("a", "1"), stage("b", "1")), `"transfer_ms":1`, `"transfer_ms":-1`, 1): "transfer_ms must be in [0, 86400000], got -1",
		strings.Replace(file(stage("a", "1"), stage("b", "1")), `"c"`, `""`, 1):                           "must have a name of its own",
	} {
		if _, err := chains.Read(strings.NewReader(in), tr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want one with %q", in, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"chains":[{"name":"c","transfer_ms":1.5,"stages":[{"function":"o/x%2Fy/a","width":1},{"function":"o/x%2Fy/c","width":3}]}]}`))
	tr := trace([]datasets.Distribution{uniform(0, ms), uniform(0, ms), uniform(0, ms)})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := chains.Read(strings.NewReader(string(data)), tr)
		if err != nil {
			return
		}
		for i := range got {
			if d := got[i].Latency(tr.Functions, chains.Plan{Fuse: true}, 0.5); d.Validate() != nil {
				t.Fatal(d.Validate())
			}
		}
	})
}
