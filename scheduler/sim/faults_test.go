package sim_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// TestFaults: under every policy, whatever fails, every request has one of four outcomes, the books
// of the simulator agree with the scheduler's, and equal seeds give equal figures.
func TestFaults(t *testing.T) {
	ctx, tr := context.Background(), mixed(8, 6, 200, 5)
	o := options(datasets.Window{From: 2, To: 6})
	o.Faults = sim.Faults{Crash: 0.1, Start: 0.2, Invoker: 30}
	o.Scheduler.Retries = 1
	w, err := sim.Load(ctx, tr, o.Draw)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range scheduler.Baselines() {
		var before string
		for range 2 {
			r, err := sim.Run(ctx, tr, w, baseline(t, row.Name).New, o)
			if err != nil {
				t.Errorf("%s: %v", row.Name, err)
				break
			}
			f := r.Faults
			if r.Warm+r.Cold+r.DelayedWarm+r.Dropped != r.Requests || f.Crashes == 0 || f.FailedStarts == 0 || f.LostInvokers == 0 || f.Retried == 0 || f.GivenUp == 0 {
				t.Errorf("%s: %d requests, %+v, faults %+v", row.Name, r.Requests, r.Row, *f)
			}
			r.Timing = sim.Timing{}
			text, err := json.Marshal(r.Row)
			if err != nil {
				t.Fatal(err)
			}
			if before != "" && before != string(text) {
				t.Errorf("%s: %s, and again %s", row.Name, before, text)
			}
			before = string(text)
		}
	}
}

// TestFaultsOfCertainty: where every start fails nothing is ever run, and where every execution
// crashes nothing is but warm starts of retries that fail too.
func TestFaultsOfCertainty(t *testing.T) {
	ctx, tr := context.Background(), mixed(4, 6, 100, 5)
	o := options(datasets.Window{From: 2, To: 6})
	for _, f := range []sim.Faults{{Start: 1}, {Crash: 1}} {
		o.Faults = f
		w, err := sim.Load(ctx, tr, o.Draw)
		if err != nil {
			t.Fatal(err)
		}
		r, err := sim.Run(ctx, tr, w, baseline(t, "native").New, o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Dropped != r.Requests {
			t.Errorf("%+v: %d of %d requests are dropped", f, r.Dropped, r.Requests)
		}
	}
}

func TestParseFaults(t *testing.T) {
	got, err := sim.ParseFaults("crash=0.5,invoker=2")
	if err != nil || got != (sim.Faults{Crash: 0.5, Invoker: 2}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"":                   "must be crash=RATE",
		"crash":              "must be crash=RATE",
		"crash=1,crash=1":    "each once",
		"start=2":            "start must be a probability in [0, 1], got 2",
		"invoker=-1":         "invoker must be a rate per hour in [0, 60], got -1",
		"crash=NaN":          "crash must be a probability",
		"crash=0.1, start=1": "each once",
	} {
		if _, err := sim.ParseFaults(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}
