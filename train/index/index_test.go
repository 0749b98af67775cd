package index_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	numbers "github.com/incendio-faas/incendio/scheduler/index"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/index"
)

// busy is a trace of a few functions, short and long, on a platform that is short of memory.
func busy() *datasets.Trace {
	src := rand.New(rand.NewPCG(7, 7))
	tr := &datasets.Trace{Name: "busy", Span: datasets.Window{From: 0, To: 12}}
	c := &datasets.Counts{Offset: []int{0}}
	for f := range 16 {
		d := time.Duration(50*(1+f*f)) * time.Millisecond
		tr.Functions = append(tr.Functions, datasets.Function{
			ID: datasets.FunctionID(f), Owner: "o", App: fmt.Sprint("a", f), Name: "f", Memory: 128 << 20, CPU: 1,
			Execution:      datasets.Distribution{Prob: []float64{0, 0.5, 1}, Value: []time.Duration{d / 2, d, 2 * d}},
			Initialisation: datasets.Constant(time.Second), Termination: datasets.Constant(100 * time.Millisecond),
		})
		for m := range 12 {
			c.Minute, c.Count = append(c.Minute, int32(m)), append(c.Count, int64(src.IntN(1+120/(1+f))))
			if k := len(c.Count) - 1; c.Count[k] == 0 {
				c.Minute, c.Count = c.Minute[:k], c.Count[:k]
			}
		}
		c.Offset = append(c.Offset, len(c.Minute))
	}
	tr.Source = datasets.Memory{c}
	return tr
}

func stretches(t *testing.T, from, to int) []*index.Stretch {
	t.Helper()
	var out []*index.Stretch
	tr := busy()
	for _, scale := range []float64{0.8, 1.2} {
		o := sim.DefaultOptions()
		o.Cluster.Invokers, o.Cluster.Cores, o.Cluster.MemoryMB = 2, 4, 640
		o.Window, o.WarmupMinutes, o.ScaleArrivals = datasets.Window{From: from, To: to}, 1, scale
		s, err := index.NewStretch(context.Background(), fmt.Sprint(scale), tr, o, nil)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// TestLearn: from a start that holds back what it should not, the search finds one that is better
// on minutes that it has not seen, and finds the same with any number of workers.
func TestLearn(t *testing.T) {
	onTrain, onValid := stretches(t, 1, 7), stretches(t, 7, 12)
	start := numbers.DefaultOptions()
	start.ShortLimit, start.Kappa, start.Order.Exec = 0.4, 4, -0.5
	o := index.DefaultOptions()
	o.Generations, o.Candidates = 6, 8
	var want string
	for _, workers := range []int{1, 3} {
		res, err := index.Learn(context.Background(), start, onTrain, onValid, o, train.Resources{Seed: 1, Workers: workers, Recorder: train.Discard})
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(res)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = string(got)
		} else if string(got) != want {
			t.Errorf("%d workers find\n%s\n1 finds\n%s", workers, got, want)
		}
		first := res.Finalists[0]
		if first.Origin != index.FromStart || first.Options != start || !(res.Best.Valid < first.Valid-0.05) {
			t.Errorf("cost %g of the start %s, %g of %s: want a gain", first.Valid, first.Origin, res.Best.Valid, res.Best.Origin)
		}
		if len(res.Generations) != 6 || len(res.Parameters) != len(o.Search) || res.Requests == 0 || len(res.Train) != 2 || len(res.Valid) != 2 {
			t.Errorf("result %s", got)
		}
		sum := 0.0
		for _, f := range res.Valid {
			sum += f.Cost(o.DropCost) / 2
		}
		if math.Abs(sum-res.Best.Valid) > 1e-12 {
			t.Errorf("figures cost %g, the finalist %g", sum, res.Best.Valid)
		}
	}
}

// TestStartStands: where nothing is better by as much as is asked for, and where nothing is
// searched, what it began with is the result.
func TestStartStands(t *testing.T) {
	onTrain, onValid := stretches(t, 1, 4), stretches(t, 7, 9)
	for _, change := range []func(*index.Options){
		func(o *index.Options) { o.MinGain = 100 },
		func(o *index.Options) { o.Generations = 0 },
	} {
		o := index.DefaultOptions()
		o.Generations, o.Candidates = 1, 4
		change(&o)
		res, err := index.Learn(context.Background(), numbers.DefaultOptions(), onTrain, onValid, o, train.Resources{Seed: 1, Workers: 2, Recorder: train.Discard})
		if err != nil {
			t.Fatal(err)
		}
		if res.Best.Origin != index.FromStart || res.Best.Options != numbers.DefaultOptions() {
			t.Errorf("best is %+v", res.Best)
		}
	}
}

// TestBudget: the search simulates no more requests than it may, but for one generation.
func TestBudget(t *testing.T) {
	onTrain, onValid := stretches(t, 1, 3), stretches(t, 7, 8)
	o := index.DefaultOptions()
	o.Candidates, o.Requests = 4, 1
	res, err := index.Learn(context.Background(), numbers.DefaultOptions(), onTrain, onValid, o, train.Resources{Seed: 1, Workers: 2, Recorder: train.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Generations) != 1 {
		t.Errorf("%d generations for one request", len(res.Generations))
	}
}

func TestRefused(t *testing.T) {
	for want, change := range map[string]func(*index.Options){
		"generations must not be negative":            func(o *index.Options) { o.Generations = -1 },
		"candidates must be at least 4":               func(o *index.Options) { o.Candidates = 3 },
		"requests must be positive":                   func(o *index.Options) { o.Requests = 0 },
		"drop_cost must not be negative":              func(o *index.Options) { o.DropCost = math.NaN() },
		"min_gain must not be negative":               func(o *index.Options) { o.MinGain = -1 },
		`index: search: [0]: parameter "speed": must`: func(o *index.Options) { o.Search = []string{"speed"} },
		`search: names "kappa" twice`:                 func(o *index.Options) { o.Search = []string{"kappa", "kappa"} },
		"search: names no parameter":                  func(o *index.Options) { o.Search = nil },
	} {
		o := index.DefaultOptions()
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := index.DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
	if _, err := index.Learn(context.Background(), numbers.DefaultOptions(), nil, nil, index.DefaultOptions(), train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard}); err == nil {
		t.Error("learns without stretches")
	}
}
