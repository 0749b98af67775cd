package scheduler_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/envelope"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/index"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

func indexSettings() *scheduler.IndexSettings {
	return &scheduler.IndexSettings{Options: index.DefaultOptions(), Envelope: envelope.DefaultOptions(), Used: true}
}

// TestIndexInABundle: a bundle is opened with the index that it has, refused if its scores are not
// those of the golden cases or a number is out of range, and opened without one.
func TestIndexInABundle(t *testing.T) {
	m := modeltest.Models(t)
	m.Index = indexSettings()
	g := golden(t, m)
	got, _, err := scheduler.Open(write(t, m, g))
	if err != nil {
		t.Fatal(err)
	}
	if *got.Index != *m.Index {
		t.Errorf("index %+v, want %+v", got.Index, m.Index)
	}
	for _, change := range []func(*index.Options){
		func(o *index.Options) { o.Order.Clock *= 1.01 },
		func(o *index.Options) { o.ColdWeight *= 1.01 },
		func(o *index.Options) { o.EvictIdle *= 1.01 },
		func(o *index.Options) { o.KeepFree *= 1.01 },
	} {
		m.Index = indexSettings()
		change(&m.Index.Options)
		if _, _, err := scheduler.Open(write(t, m, g)); !errors.Is(err, bundle.ErrIntegrity) || !strings.Contains(err.Error(), "of index.json is") {
			t.Errorf("error is %v, want one of integrity with the file", err)
		}
	}
	m.Index = nil
	if _, _, err := scheduler.Open(write(t, m, g)); !errors.Is(err, bundle.ErrIntegrity) || !strings.Contains(err.Error(), "golden cases of index.json") {
		t.Errorf("error is %v, want one of integrity with the file", err)
	}
	if old, _, err := scheduler.Open(write(t, m, golden(t, m))); err != nil || old.Index != nil {
		t.Errorf("a bundle without an index: %v", err)
	}
	for want, change := range map[string]func(*scheduler.IndexSettings){
		"index.json: index: kappa must be a number in":   func(s *scheduler.IndexSettings) { s.Options.Kappa = -1 },
		"index.json: envelope: hold must be in [1, 1e6]": func(s *scheduler.IndexSettings) { s.Envelope.Hold = 0 },
	} {
		m.Index = indexSettings()
		change(m.Index)
		if err := m.Compile(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
}

// TestIndexRuns: where a bundle has an index that is used the stacks are those of the index, and
// else what they were.
func TestIndexRuns(t *testing.T) {
	o := synthetic.DefaultOptions()
	o.Functions, o.Days = 30, 2
	tr, err := synthetic.Generate(o)
	if err != nil {
		t.Fatal(err)
	}
	so := sim.DefaultOptions()
	so.Cluster.Invokers, so.Cluster.Cores, so.Cluster.MemoryMB = 2, 4, 1024
	so.Window, so.WarmupMinutes = datasets.Window{From: 600, To: 660}, 10
	w, err := sim.Load(context.Background(), tr, so.Draw)
	if err != nil {
		t.Fatal(err)
	}
	run := func(build func() (policy.Stack, error)) *sim.Result {
		t.Helper()
		r, err := sim.Run(context.Background(), tr, w, func(*datasets.Trace, policy.Site) (policy.Stack, error) { return build() }, so)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	parts := scheduler.Parts{Index: indexSettings(), Rate: make([]float64, len(tr.Functions))}
	means := map[float64]string{}
	for _, name := range []string{scheduler.IncendioName, scheduler.WithoutScheduler, scheduler.WithoutPredictor} {
		r := run(func() (policy.Stack, error) { return scheduler.Ablated(name, parts) })
		if r.Name != name {
			t.Errorf("%s is called %s", name, r.Name)
		}
		if other, ok := means[r.Latency.Mean]; ok {
			t.Errorf("%s and %s have the same mean", name, other)
		}
		means[r.Latency.Mean] = name
	}
	alone := run(func() (policy.Stack, error) { return policy.Indexed(index.DefaultOptions(), parts.Rate) })
	if means[alone.Latency.Mean] != scheduler.IncendioName {
		t.Errorf("the index alone has a mean of %g ms, the stack in its envelope another: %v", alone.Latency.Mean, means)
	}

	m := modeltest.Models(t)
	m.Index = indexSettings()
	functions := tr.Functions[:4]
	for _, used := range []bool{true, false} {
		m.Index.Used = used
		source, err := forecast.NewRuntime(m.Forecast, functions, modeltest.Start)
		if err != nil {
			t.Fatal(err)
		}
		stack, err := m.Stack(functions, source, source.Step(0, make([]float64, len(functions))), decide.Minute, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, is := stack.Pool.(*envelope.Envelope); is != used {
			t.Errorf("used: %t, and the pool is %T", used, stack.Pool)
		}
		s, err := scheduler.New(sim.Profiles(&datasets.Trace{Functions: functions}), so.Cluster.Specs(), stack, scheduler.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		if _, is := s.Envelope(); is != used {
			t.Errorf("used: %t, and it runs in an envelope: %t", used, is)
		}
	}
}
