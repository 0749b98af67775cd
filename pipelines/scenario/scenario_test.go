package scenario_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/pipelines/scenario"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

func trace(t *testing.T) (*datasets.Trace, sim.Options, []float64) {
	t.Helper()
	so := synthetic.DefaultOptions()
	so.Days = 2
	tr, err := synthetic.Generate(so)
	if err != nil {
		t.Fatal(err)
	}
	o := sim.DefaultOptions()
	o.Cluster.Invokers, o.Cluster.Cores, o.Cluster.MemoryMB = 2, 4, 4096
	o.Window = datasets.Window{From: 600, To: 1200}
	rates, err := tr.Rates(context.Background(), o.Window)
	if err != nil {
		t.Fatal(err)
	}
	return tr, o, rates
}

// TestBase: a scenario is short, out of the middle, and shorter where much happens.
func TestBase(t *testing.T) {
	o := sim.DefaultOptions()
	o.Window = datasets.Window{From: 600, To: 1200}
	if b := scenario.Base(o, 10); b.Window != (datasets.Window{From: 885, To: 915}) || b.WarmupMinutes != 10 {
		t.Errorf("base %+v", b)
	}
	if b := scenario.Base(o, 6000); b.Window != (datasets.Window{From: 897, To: 902}) || b.WarmupMinutes != 5 {
		t.Errorf("base of a busy platform %+v", b)
	}
}

// sums keeps what a replay asked for.
func base(t *testing.T) (*datasets.Trace, sim.Options) {
	tr, o, rates := trace(t)
	sum := 0.0
	for _, r := range rates {
		sum += r
	}
	return tr, scenario.Base(o, sum)
}

// TestScenarios: each is what it says, native beside itself has the same figures, and any number
// of workers has the same.
func TestScenarios(t *testing.T) {
	tr, o := base(t)
	ctx := context.Background()
	load, err := sim.OfferedLoad(ctx, tr, o)
	if err != nil {
		t.Fatal(err)
	}
	native := func(sim.Options) sim.NewStack {
		return func(*datasets.Trace, policy.Site) (policy.Stack, error) {
			return policy.Native(policy.NativeKeepAlive), nil
		}
	}
	got, err := scenario.Run(ctx, tr, o, native, 1)
	if err != nil {
		t.Fatal(err)
	}
	again, err := scenario.Run(ctx, tr, o, native, 3)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, again) {
		t.Errorf("with 3 workers %+v, with 1 %+v", again, got)
	}
	if len(got) != len(scenario.All()) {
		t.Fatalf("%d scenarios of %d", len(got), len(scenario.All()))
	}
	near := func(a, b, by float64) bool { return a > b/by && a < b*by }
	for i, f := range got {
		if f.Name != scenario.All()[i].Name || f.Doc == "" || f.Requests == 0 || f.Mean != f.Native || f.Dropped != f.NativeDropped {
			t.Errorf("%+v", f)
		}
		want := map[string]float64{"double_load": 2 * load, "uniform_short": 0.78}[f.Name]
		if want == 0 {
			want = load
		}
		if !near(f.Load, want, 1.35) { // durations and counts are drawn
			t.Errorf("%s: load %.3f, want %.3f", f.Name, f.Load, want)
		}
	}
}

// TestLosersAreSeen: a stack that starts one request at a time loses to native where it is busy.
func TestLosersAreSeen(t *testing.T) {
	tr, o := base(t)
	got, err := scenario.Run(context.Background(), tr, o, func(sim.Options) sim.NewStack {
		return func(*datasets.Trace, policy.Site) (policy.Stack, error) {
			s := policy.Native(policy.NativeKeepAlive)
			s.Dispatcher = single{s.Dispatcher}
			return s, nil
		}
	}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range got {
		if f.Mean < 1.3*f.Native {
			t.Errorf("%s: mean %.0f ms, native %.0f", f.Name, f.Mean, f.Native)
		}
	}
}

type single struct{ decide.Dispatcher }

func (d single) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	for i := range decide.InvokerID(s.Invokers()) {
		if s.Executing(i) > 0 {
			return decide.Start{}, false
		}
	}
	return d.Dispatcher.Next(s, ev)
}

// TestIndexInScenarios: the index with the numbers of the program loses none of them.
func TestIndexInScenarios(t *testing.T) {
	tr, o := base(t)
	got, err := scenario.Run(context.Background(), tr, o, func(o sim.Options) sim.NewStack {
		p, err := sim.Baseline(policy.IndexName, o.Seed)
		if err != nil {
			t.Fatal(err)
		}
		return p.New
	}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range got {
		t.Logf("%-14s load %.2f: mean %.0f ms, native %.0f; dropped %.4f, %.4f", f.Name, f.Load, f.Mean, f.Native, f.Dropped, f.NativeDropped)
		if f.Mean > 1.03*f.Native || f.Dropped > f.NativeDropped+0.001 {
			t.Errorf("%s is lost", f.Name)
		}
	}
}
