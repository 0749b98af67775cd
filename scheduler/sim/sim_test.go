package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

func all(t testing.TB) []sim.Contender {
	var policies []sim.Contender
	for _, r := range scheduler.Baselines() {
		policies = append(policies, baseline(t, r.Name))
	}
	return policies
}

// options for small tests: two invokers of 1 GB.
func options(window datasets.Window) sim.Options {
	o := sim.DefaultOptions()
	o.Cluster.Invokers, o.Cluster.Cores, o.Cluster.MemoryMB = 2, 4, 1024
	o.Window, o.WarmupMinutes = window, 2
	return o
}

// encode is the report without what the clock decides.
func encode(t testing.TB, r *sim.Report) []byte {
	for i := range r.Policies {
		r.Policies[i].Timing = sim.Timing{}
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSameBytes: the number of workers, and whether requests are held or drawn
// again, change nothing; the seed does.
func TestSameBytes(t *testing.T) {
	ctx := context.Background()
	tr := mixed(20, 8, 1500, 3)
	o := options(datasets.Window{From: 2, To: 8})
	o.ScaleArrivals = 0.7
	policies := all(t)
	one, err := sim.Compare(ctx, tr, policies, o, 1)
	if err != nil {
		t.Fatal(err)
	}
	three, err := sim.Compare(ctx, tr, policies, o, 3)
	if err != nil {
		t.Fatal(err)
	}
	w, err := sim.Stream(ctx, tr, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	streamed, err := sim.CompareWorkload(ctx, tr, w, policies, o, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := encode(t, one)
	if got := encode(t, three); !bytes.Equal(got, want) {
		t.Errorf("3 workers: %s\n1 worker: %s", got, want)
	}
	if got := encode(t, streamed); !bytes.Equal(got, want) {
		t.Errorf("streamed: %s\nheld: %s", got, want)
	}
	o.Seed = 2
	other, err := sim.Compare(ctx, tr, policies[:1], o, 1)
	if err != nil {
		t.Fatal(err)
	}
	if other.Policies[0].Latency == one.Policies[0].Latency {
		t.Error("another seed gives the same latencies")
	}
}

// TestReportKeys are the contract of docs/models.md, Figures of simulation.
func TestReportKeys(t *testing.T) {
	rep, err := sim.Compare(context.Background(), mixed(5, 3, 60, 1), []sim.Contender{baseline(t, "faascache")}, options(datasets.Window{From: 0, To: 3}), 2)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Policies []map[string]json.RawMessage `json:"policies"`
	}
	top := map[string]json.RawMessage{}
	if err := errors.Join(json.Unmarshal(b, &v), json.Unmarshal(b, &top)); err != nil {
		t.Fatal(err)
	}
	has := func(m map[string]json.RawMessage, keys ...string) {
		for _, k := range keys {
			if _, ok := m[k]; !ok {
				t.Errorf("no key %q in %s", k, b)
			}
		}
	}
	inner := func(raw json.RawMessage, keys ...string) {
		m := map[string]json.RawMessage{}
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		has(m, keys...)
	}
	has(top, "trace", "requests", "seed", "cluster", "policies")
	inner(top["cluster"], "invokers", "cores", "memory_mb")
	if len(v.Policies) != 2 {
		t.Fatalf("%d rows, want faascache and lower-bound: native is run for its latency alone", len(v.Policies))
	}
	for _, p := range v.Policies {
		has(p, "name", "warm", "cold", "delayed_warm", "dropped", "latency_ms", "speedup_vs_native", "latency_benefit_s",
			"wasted_gb_s", "rum", "slo_dispatch", "app_cold_pct", "timing")
		inner(p["latency_ms"], "mean", "p25", "p50", "p75", "p95", "p99")
		inner(p["slo_dispatch"], "100", "500", "1000")
		inner(p["app_cold_pct"], "p50", "p75", "p90")
		inner(p["timing"], "decision_us", "events_per_s")
	}
	if string(v.Policies[1]["name"]) != `"lower-bound"` || string(v.Policies[1]["kind"]) != `"bound"` {
		t.Errorf("last row: %s", v.Policies[1])
	}
}

// TestNoneBelowBound, at loads from a tenth to three times what the cluster can do,
// for every discipline: neither in the mean nor at any percentile, and the outcomes
// of every policy are those of the same requests.
func TestNoneBelowBound(t *testing.T) {
	policies := all(t)
	rapid.Check(t, func(rt *rapid.T) {
		tr := mixed(rapid.IntRange(1, 8).Draw(rt, "functions"), 3, rapid.SampledFrom([]float64{20, 200, 900}).Draw(rt, "rate"), rapid.Uint64Range(0, 1000).Draw(rt, "seed"))
		o := options(datasets.Window{From: 0, To: 3})
		o.Cluster.Invokers = rapid.IntRange(1, 3).Draw(rt, "invokers")
		o.Cluster.Cores = float64(rapid.IntRange(1, 4).Draw(rt, "cores"))
		o.Cluster.Sharing = rapid.SampledFrom([]string{sim.PS, sim.FIFO, sim.SRPT, sim.SFS, sim.ALPS}).Draw(rt, "sharing")
		o.Scheduler.Timeout = decide.Time(rapid.IntRange(1, 60).Draw(rt, "timeout")) * decide.Second
		rep, err := sim.Compare(context.Background(), tr, policies, o, 1)
		if errors.Is(err, sim.ErrNoRequests) {
			return
		}
		if err != nil {
			rt.Fatal(err)
		}
		bound := rep.Results[len(rep.Results)-1]
		for _, r := range rep.Results {
			if r.LatencySum < bound.LatencySum {
				rt.Fatalf("%s: sum of latencies %d us below the bound %d", r.Name, r.LatencySum, bound.LatencySum)
			}
			for k := range r.Quantiles {
				if r.Quantiles[k] < bound.Quantiles[k] {
					rt.Fatalf("%s: quantile %d is %g ms, below the bound %g", r.Name, k, r.Quantiles[k], bound.Quantiles[k])
				}
			}
			if n := r.Warm + r.Cold + r.DelayedWarm + r.Dropped; n != rep.Requests {
				rt.Fatalf("%s: %d outcomes of %d requests", r.Name, n, rep.Requests)
			}
			for f := range r.Functions {
				if r.Functions[f].Work != bound.Functions[f].Work {
					rt.Fatalf("%s: function %d has work %d, want %d", r.Name, f, r.Functions[f].Work, bound.Functions[f].Work)
				}
			}
		}
	})
}

// TestBoundIsTight: on one core with functions that use all of it, no start cost and
// SRPT, the policy is the bound.
func TestBoundIsTight(t *testing.T) {
	f := function("f", 64, 1, 0, 0, 0)
	f.Execution = datasets.Distribution{Prob: []float64{0, 1}, Value: []time.Duration{time.Millisecond, 400 * time.Millisecond}}
	tr := counts([]datasets.Function{f}, [][]int{{250, 200, 280}})
	o := options(datasets.Window{})
	o.Cluster = sim.Cluster{Invokers: 1, Cores: 1, MemoryMB: 1 << 16, Sharing: sim.SRPT}
	rep, err := sim.Compare(context.Background(), tr, []sim.Contender{baseline(t, "faascache")}, o, 1)
	if err != nil {
		t.Fatal(err)
	}
	got, bound := float64(rep.Results[0].LatencySum), float64(rep.Results[1].LatencySum)
	// A completion is rounded up to a microsecond. Groups never exceed the time-out here.
	if got < bound || got > bound*1.0001 {
		t.Errorf("SRPT: %g us, bound %g us", got, bound)
	}
}

// TestPeakConcurrency: with memory for all and containers that stay, the cold starts of
// a function are the most of its requests that were ever in the system at once.
func TestPeakConcurrency(t *testing.T) {
	tr := mixed(12, 6, 900, 5)
	o := options(datasets.Window{})
	o.Cluster.MemoryMB = 1 << 20
	var got outcomes
	o.Observer = &got
	w, err := sim.Load(context.Background(), tr, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	r, err := sim.Run(context.Background(), tr, w, baseline(t, "faascache").New, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Dropped+r.DelayedWarm != 0 {
		t.Fatalf("%d dropped, %d delayed: nothing should have waited", r.Dropped, r.DelayedWarm)
	}
	for f := range tr.Functions {
		type change struct {
			at    decide.Time
			delta int
		}
		var changes []change
		for _, x := range got.all {
			if int(x.Function) == f {
				changes = append(changes, change{x.Arrival, 1}, change{x.Done, -1})
			}
		}
		slices.SortFunc(changes, func(a, b change) int {
			if a.at != b.at {
				return int(a.at - b.at)
			}
			return a.delta - b.delta // who is done makes room for who arrives
		})
		n, peak := 0, 0
		for _, c := range changes {
			n += c.delta
			peak = max(peak, n)
		}
		if int64(peak) != r.Functions[f].Cold {
			t.Errorf("function %d: %d cold starts, peak concurrency %d", f, r.Functions[f].Cold, peak)
		}
	}
}

// TestSameDraws: a request works the same time under every policy, and a cold start
// of it costs the same.
func TestSameDraws(t *testing.T) {
	tr := mixed(15, 6, 600, 9)
	o := options(datasets.Window{})
	o.Cluster.MemoryMB = 1 << 14
	w, err := sim.Load(context.Background(), tr, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	cost := make(map[uint64]decide.Time)
	work := make(map[uint64]decide.Time)
	same := 0
	for _, name := range []string{"native", "faascache", "esff"} {
		var got outcomes
		o.Observer = &got
		if _, err := sim.Run(context.Background(), tr, w, baseline(t, name).New, o); err != nil {
			t.Fatal(err)
		}
		for _, x := range got.all {
			if d, ok := work[x.Number]; ok && d != x.Work {
				t.Fatalf("%s: request %d works %d us, before %d", name, x.Number, x.Work, d)
			}
			work[x.Number] = x.Work
			if x.Class == sim.Cold && x.Dispatch == x.Arrival {
				if d, ok := cost[x.Number]; ok {
					same++
					if d != x.Start-x.Arrival {
						t.Fatalf("%s: request %d starts cold in %d us, before %d", name, x.Number, x.Start-x.Arrival, d)
					}
				}
				cost[x.Number] = x.Start - x.Arrival
			}
		}
	}
	if same == 0 {
		t.Fatal("no request was cold twice: nothing was compared")
	}
}

// TestFigures: percentiles against the sorted latencies, weighted sums and the series of
// memory against the outcomes.
func TestFigures(t *testing.T) {
	tr := mixed(10, 8, 900, 4)
	o := options(datasets.Window{From: 3, To: 8})
	o.Weights = make([]float64, 10)
	for f := range o.Weights {
		o.Weights[f] = float64(f) / 4
	}
	var got outcomes
	o.Observer = &got
	w, err := sim.Load(context.Background(), tr, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	r, err := sim.Run(context.Background(), tr, w, baseline(t, "native").New, o)
	if err != nil {
		t.Fatal(err)
	}
	var latencies []float64
	var wait, weighted, weight, wasted float64
	for _, x := range got.all {
		if inside := x.Arrival >= 3*decide.Minute; inside != x.Counted {
			t.Fatalf("request at %d us: counted %v", x.Arrival, x.Counted)
		} else if inside {
			p := o.Weights[x.Function]
			latencies = append(latencies, (x.Done-x.Arrival).Seconds()*1000)
			wait += p * (x.Start - x.Arrival).Seconds()
			weighted += p * (x.Done - x.Arrival).Seconds() * 1000
			weight += p
		}
	}
	slices.Sort(latencies)
	near := func(what string, got, want, tolerance float64) {
		if math.Abs(got-want) > tolerance*want {
			t.Errorf("%s: %g, want %g", what, got, want)
		}
	}
	rank := func(p float64) float64 { return latencies[int(math.Ceil(p*float64(len(latencies))))-1] }
	near("p25", r.Latency.P25, rank(0.25), 0.004)
	near("p50", r.Latency.P50, rank(0.5), 0.004)
	near("p99", r.Latency.P99, rank(0.99), 0.004)
	near("least", r.Quantiles[0], latencies[0], 1e-9)
	near("greatest", r.Quantiles[200], latencies[len(latencies)-1], 1e-9)
	near("weighted wait", r.WeightedWaitS, wait, 1e-9)
	near("weighted mean", r.WeightedMeanMS, weighted/weight, 1e-9)
	if len(r.WastedGB) != 5 {
		t.Fatalf("%d minutes of memory, want 5", len(r.WastedGB))
	}
	for i := range r.WastedGB {
		wasted += r.WastedGB[i] * 60
		if r.WastedGB[i] > r.LiveGB[i] || r.LiveGB[i] > 2 {
			t.Errorf("minute %d: %g GB wasted, %g live of 2", i, r.WastedGB[i], r.LiveGB[i])
		}
	}
	// The rest was wasted after the window, while the last requests were finished.
	if r.WastedGBS < wasted || r.WastedGBS > wasted+2*120 {
		t.Errorf("wasted %g GB s, %g in the window", r.WastedGBS, wasted)
	}
	near("rum", r.RUM, 0.808*float64(r.Cold)+r.WastedGBS/99.69, 1e-12)
}

// TestCut: a part of a workload is the same requests.
func TestCut(t *testing.T) {
	tr := mixed(5, 10, 200, 2)
	o := options(datasets.Window{})
	w, err := sim.Load(context.Background(), tr, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	numbers := make(map[uint64]sim.Outcome)
	run := func(w *sim.Workload) []sim.Outcome {
		var got outcomes
		o.Observer = &got
		if _, err := sim.Run(context.Background(), tr, w, baseline(t, "native").New, o); err != nil {
			t.Fatal(err)
		}
		return got.all
	}
	for _, x := range run(w) {
		numbers[x.Number] = x
	}
	part, err := w.Cut(datasets.Window{From: 4, To: 6}, 1)
	if err != nil {
		t.Fatal(err)
	}
	var counted int64
	for _, x := range run(part) {
		if y := numbers[x.Number]; y.Arrival != x.Arrival || y.Work != x.Work || y.Function != x.Function {
			t.Fatalf("request %d: %+v, in the whole %+v", x.Number, x, y)
		}
		if x.Arrival < 3*decide.Minute || x.Arrival >= 6*decide.Minute || x.Counted != (x.Arrival >= 4*decide.Minute) {
			t.Fatalf("request at %d us, counted %v", x.Arrival, x.Counted)
		}
		if x.Counted {
			counted++
		}
	}
	if counted != part.Requests() || counted == 0 {
		t.Errorf("%d requests counted, want %d", counted, part.Requests())
	}
	if _, err := w.Cut(datasets.Window{From: 4, To: 11}, 0); err == nil {
		t.Error("a cut beyond the end: no error")
	}
}

func TestBadInput(t *testing.T) {
	ctx := context.Background()
	tr := mixed(3, 3, 60, 1)
	native := baseline(t, "native")
	run := func(tr *datasets.Trace, change func(*sim.Options)) error {
		o := options(datasets.Window{})
		change(&o)
		_, err := sim.Compare(ctx, tr, []sim.Contender{native}, o, 1)
		return err
	}
	for _, c := range []struct {
		want   string
		change func(*sim.Options)
	}{
		{"cores must be in", func(o *sim.Options) { o.Cluster.Cores = 0 }},
		{"cores must be in", func(o *sim.Options) { o.Cluster.Cores = math.NaN() }},
		{"invokers must be in", func(o *sim.Options) { o.Cluster.Invokers = 0 }},
		{"memory_mb must be in", func(o *sim.Options) { o.Cluster.MemoryMB = 0 }},
		{`sharing must be ps, fifo, srpt, sfs or alps, got "fair"`, func(o *sim.Options) { o.Cluster.Sharing = "fair" }},
		{"scale_arrivals must be positive", func(o *sim.Options) { o.ScaleArrivals = 0 }},
		{"timeout_us must be positive", func(o *sim.Options) { o.Scheduler.Timeout = 0 }},
		{"window must run forward", func(o *sim.Options) { o.Window = datasets.Window{From: 2, To: 1} }},
		{"2 weights for 3 functions", func(o *sim.Options) { o.Weights = []float64{1, 1} }},
		{"fits no invoker", func(o *sim.Options) { o.Cluster.MemoryMB = 16 }},
	} {
		if err := run(tr, c.change); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	empty := counts(tr.Functions, [][]int{{1}, {0, 0, 5}, {}})
	err := run(empty, func(o *sim.Options) { o.Window = datasets.Window{From: 1, To: 2} })
	if !errors.Is(err, sim.ErrNoRequests) {
		t.Errorf("an empty window: %v", err)
	}
	broken := counts(tr.Functions, [][]int{{1}})
	broken.Functions[1].CPU = 0
	if err := run(broken, func(*sim.Options) {}); err == nil || !strings.Contains(err.Error(), "function 1 (owner/app0/f1): cpu") {
		t.Errorf("a function without CPU: %v", err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := sim.Compare(canceled, tr, []sim.Contender{native}, options(datasets.Window{}), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// A wrong policy does what it must not.
type wrong struct {
	decide.Pool
	wake  decide.Time
	start func(s decide.Snapshot) decide.Start
}

func (w wrong) Wake() decide.Time { return w.wake }
func (w wrong) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	return w.start(s), ev.Kind == decide.Arrival
}

// TestInvariants: what breaks a conservation law ends the run.
func TestInvariants(t *testing.T) {
	f := function("f", 128, 1, time.Second, time.Second, time.Second)
	tr := counts([]datasets.Function{f, f}, nil)
	tr.Span.To = 1
	o := options(datasets.Window{})
	w, err := sim.Single(tr, []datasets.Invocation{{Function: 0, Duration: time.Second}, {Function: 1, Arrival: 5 * time.Second, Duration: time.Second}}, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	build, err := scheduler.Baseline("native", 1)
	if err != nil {
		t.Fatal(err)
	}
	cold := func(s decide.Snapshot) decide.Start {
		return decide.Start{Request: s.OldestAll(), Container: decide.None}
	}
	for _, c := range []struct {
		want  string
		wake  decide.Time
		start func(s decide.Snapshot) decide.Start
	}{
		{"another one is asked for", 3 * decide.Second, cold},
		{"runs in container 0 of function 0", decide.Forever, func(s decide.Snapshot) decide.Start {
			if s.Containers() > 0 {
				return decide.Start{Request: s.OldestAll(), Container: 0}
			}
			return cold(s)
		}},
	} {
		_, err := sim.Run(context.Background(), tr, w, func(_ *datasets.Trace, site policy.Site) (scheduler.Stack, error) {
			s, err := build(site)
			if err != nil {
				return s, err
			}
			bad := wrong{s.Pool, c.wake, c.start}
			s.Pool, s.Dispatcher = bad, bad
			return s, nil
		}, o)
		if !errors.Is(err, sim.ErrInvariant) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
