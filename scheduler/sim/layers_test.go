package sim_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A sinking pool takes every container down to its one layer after ten seconds, and the
// dispatcher builds on that whatever comes next.
type sinking struct {
	decide.Pool
	decide.Dispatcher
	layer decide.Layer
	to    decide.FunctionID
}

func (p sinking) Layers() []decide.Layer { return []decide.Layer{p.layer} }
func (p sinking) KeepAlive(decide.Snapshot, decide.ContainerID) decide.Time {
	return 10 * decide.Second
}
func (p sinking) Downgrade(s decide.Snapshot, c decide.ContainerID) decide.FunctionID {
	if _, ok := s.Layer(s.Function(c)); ok {
		return decide.None
	}
	return p.to
}
func (p sinking) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	if c := s.FirstWarm(2); c != decide.None && ev.Kind == decide.Arrival {
		return decide.Start{Request: ev.Request, Container: c}, true
	}
	return p.Dispatcher.Next(s, ev)
}

// TestLayerInvariants: a layer that holds too much, or is of another language, or is none ends
// the run; one that is right ends it well.
func TestLayerInvariants(t *testing.T) {
	f, g := function("f", 128, 1, time.Second, time.Second, time.Second), function("g", 128, 1, time.Second, time.Second, time.Second)
	tr := counts([]datasets.Function{f, g}, nil)
	tr.Span.To = 1
	o := options(datasets.Window{})
	w, err := sim.Single(tr, []datasets.Invocation{{Function: 0, Duration: time.Second}, {Function: 1, Arrival: 15 * time.Second, Duration: time.Second}}, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	build, err := scheduler.Baseline("native", 1)
	if err != nil {
		t.Fatal(err)
	}
	languages := sim.Profiles(tr)
	if languages[0].Language == languages[1].Language {
		t.Fatal("the functions shall differ in language")
	}
	for _, c := range []struct {
		want  string
		layer decide.Layer
		to    decide.FunctionID
	}{
		{"", decide.Layer{Language: decide.None, Memory: 64 * mb, Start: 0.5}, 2},
		{"is taken down to a layer of", decide.Layer{Language: decide.None, Memory: 256 * mb}, 2},
		{"is taken down to 1, which is no layer", decide.Layer{Language: decide.None, Memory: 64 * mb}, 1},
		{"is taken down to a layer of language", decide.Layer{Language: languages[1].Language, Memory: 64 * mb}, 2},
		{"is built on container 0 of language", decide.Layer{Language: languages[0].Language, Memory: 64 * mb}, 2},
	} {
		r, err := sim.Run(context.Background(), tr, w, func(_ *datasets.Trace, site policy.Site) (scheduler.Stack, error) {
			s, err := build(site)
			if err != nil {
				return s, err
			}
			bad := sinking{s.Pool, s.Dispatcher, c.layer, c.to}
			s.Pool, s.Dispatcher = bad, bad
			return s, nil
		}, o)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("a layer that is right: %v", err)
		case c.want == "" && (r.Cold != 2 || r.Latency.Mean != 1750): // 2 s, and 1.5 s on the layer
			t.Errorf("%d cold starts, mean %v ms, want 2, 1750", r.Cold, r.Latency.Mean)
		case c.want != "" && (!errors.Is(err, sim.ErrInvariant) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
