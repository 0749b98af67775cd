package baseline_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/baseline"
)

// timers is a day of functions that are called every 25 minutes, each with room of its
// own: under native's 10 minutes all are cold, with 25 none is.
func timers() *datasets.Trace {
	t := &datasets.Trace{Name: "timers", Span: datasets.Window{From: 0, To: datasets.MinutesPerDay}}
	c := &datasets.Counts{Offset: []int{0}}
	for f := range 4 {
		t.Functions = append(t.Functions, datasets.Function{
			ID: datasets.FunctionID(f), App: string(rune('a' + f)), Name: "f", Memory: 128 << 20, CPU: 1,
			Execution: datasets.Constant(100 * time.Millisecond), Initialisation: datasets.Constant(time.Second),
			Termination: datasets.Constant(time.Second),
		})
		for m := f; m < datasets.MinutesPerDay; m += 25 {
			c.Minute, c.Count = append(c.Minute, int32(m)), append(c.Count, 1)
		}
		c.Offset = append(c.Offset, len(c.Minute))
	}
	t.Source = datasets.Memory{c}
	return t
}

func options() (sim.Options, baseline.Options) {
	s, o := sim.DefaultOptions(), baseline.DefaultOptions()
	o.Search.Trials, o.Search.Startup = 12, 8
	return s, o
}

func TestTuneFindsTheKeepAlive(t *testing.T) {
	ctx, tr := context.Background(), timers()
	s, o := options()
	var first *baseline.Result
	for _, workers := range []int{1, 2} {
		r, err := baseline.Tune(ctx, tr, "native", datasets.Split(tr.Span), s, o, train.Resources{Seed: 1, Workers: workers, Recorder: train.Discard})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = r
		}
		if !reflect.DeepEqual(r, first) {
			t.Fatalf("%d workers: %+v, one worker: %+v", workers, r, first)
		}
	}
	if keep := first.Parameters["keep_alive_s"]; keep < 24*60 {
		t.Errorf("keeps containers for %g s, and they are used every 25 minutes", keep)
	}
	// The first request of a function is cold; the windows have a warm-up of an hour.
	for _, p := range []baseline.Pair{first.Train, first.Valid} {
		if p.Default < 1099 || p.Tuned > p.Default/2 {
			t.Errorf("mean latency %g ms with the published parameter, %g ms tuned", p.Default, p.Tuned)
		}
	}
	if first.Trials != 12 || !strings.HasPrefix(first.Spec, "native:keep_alive_s=") {
		t.Errorf("%+v", first)
	}
	if _, err := scheduler.Baseline(first.Spec, 1); err != nil {
		t.Error(err)
	}
}

// TestEveryPolicy: the specification of every policy with parameters can be built, and the
// published parameters are the first that are tried.
func TestEveryPolicy(t *testing.T) {
	ctx, tr := context.Background(), timers()
	s, o := options()
	o.Search.Trials, o.Search.Startup, o.Search.Batch = 2, 1, 1
	for _, row := range scheduler.Baselines() {
		r, err := baseline.Tune(ctx, tr, row.Name, datasets.Split(tr.Span), s, o, train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard})
		if len(row.Parameters) == 0 {
			if !errors.Is(err, baseline.ErrNoParameters) {
				t.Errorf("%s: %v", row.Name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", row.Name, err)
			continue
		}
		if len(r.Parameters) != len(row.Parameters) || r.Train.Tuned > r.Train.Default {
			t.Errorf("%s: %+v", row.Name, r)
		}
		p, err := sim.Baseline(row.Name, 1)
		if err != nil {
			t.Fatal(err)
		}
		s := s
		s.Window = r.Windows[0]
		w, err := sim.Load(ctx, tr, s.Draw)
		if err != nil {
			t.Fatal(err)
		}
		got, err := sim.Run(ctx, tr, w, p.New, s)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Windows) == 1 && got.LatencySum.Seconds()*1000/float64(got.Requests) != r.Train.Default {
			t.Errorf("%s: the first trial has %g ms, the published parameters %g", row.Name, r.Train.Default, got.Latency.Mean)
		}
	}
}

func TestRefused(t *testing.T) {
	ctx, tr := context.Background(), timers()
	s, o := options()
	if _, err := baseline.Tune(ctx, tr, "nativ", datasets.Split(tr.Span), s, o, train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard}); !errors.Is(err, baseline.ErrUnknown) || !strings.Contains(err.Error(), "native, ") {
		t.Errorf("an unknown policy: %v", err)
	}
	for want, change := range map[string]func(*baseline.Options){
		"minutes":  func(o *baseline.Options) { o.Minutes = 0 },
		"requests": func(o *baseline.Options) { o.Requests = 0 },
		"trials":   func(o *baseline.Options) { o.Search.Trials = 0 },
	} {
		bad := o
		change(&bad)
		if _, err := baseline.Tune(ctx, tr, "native", datasets.Split(tr.Span), s, bad, train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
