package priority_test

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/incendio-faas/incendio/internal/seed"
	weights "github.com/incendio-faas/incendio/scheduler/priority"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/priority"
)

// population draws functions of which CPU and I/O do not vary, and a latency that
// rises with the execution and falls with the frequency.
func population(n int) ([]weights.Values, []float64) {
	src := seed.Stream(3, "population")
	values, latency := make([]weights.Values, n), make([]float64, n)
	for i := range values {
		values[i] = weights.Values{
			weights.CPU: 1, weights.Memory: src.Float64(), weights.Init: src.Float64(),
			weights.Exec: src.ExpFloat64(), weights.Freq: 10 * src.Float64(), weights.Clock: src.Float64(),
		}
		latency[i] = 2*values[i][weights.Exec] - 0.3*values[i][weights.Freq]
	}
	return values, latency
}

func TestScreen(t *testing.T) {
	values, latency := population(400)
	kept := func(c []priority.Correlation) string {
		var names []string
		for _, x := range c {
			if x.Kept {
				names = append(names, x.Factor)
			}
		}
		return strings.Join(names, " ")
	}
	res := priority.Screen(values, latency, 0.3)
	if got := kept(res); got != "exec freq" {
		t.Errorf("kept %s, want exec and freq alone: %+v", got, res)
	}
	if res[weights.Exec].Rho < 0.7 || res[weights.Freq].Rho > -0.3 {
		t.Errorf("correlations are %+v, want a strong one with exec and a negative one with freq", res)
	}
	// Where none passes all that vary are kept, even if nothing is to be explained.
	for _, c := range []struct {
		latency []float64
		minRho  float64
	}{{latency, 1}, {make([]float64, len(values)), 0.3}} {
		if got := kept(priority.Screen(values, c.latency, c.minRho)); got != "memory init exec freq clock" {
			t.Errorf("kept %s, want all that vary", got)
		}
	}
	// A bound of 0 keeps no factor that is constant.
	if got := kept(priority.Screen(values, latency, 0)); got != "memory init exec freq clock" {
		t.Errorf("kept %s at a bound of 0, want all that vary", got)
	}
	// The rank correlation by hand: ranks 1 2 3 4 and 1 3 2 4 have 1 - 6*2/(4*15) = 0.8.
	four := make([]weights.Values, 4)
	for i := range four {
		four[i][weights.Memory] = float64(i)
	}
	if rho := priority.Screen(four, []float64{1, 30, 20, 400}, 0)[weights.Memory].Rho; math.Abs(rho-0.8) > 1e-12 {
		t.Errorf("rho is %g, want 0.8", rho)
	}
}

func TestScale(t *testing.T) {
	values := make([]weights.Values, 201)
	for i := range values {
		values[(i*7)%201][weights.Init] = float64(i)
	}
	if low, high := priority.Scale(values); low[weights.Init] != 2 || high[weights.Init] != 198 {
		t.Errorf("scale is [%g, %g], want the first and 99th percentile of 0 to 200, [2, 198]", low[weights.Init], high[weights.Init])
	}
	if low, high := priority.Scale(values[:1]); low != high || low != values[0] {
		t.Errorf("scale of one function is %v to %v, want its values", low, high)
	}
}

// target is a cost that is least for known weights, price and CPU limit.
func target(_ context.Context, c priority.Candidate) (float64, error) {
	want := weights.Values{weights.Exec: -0.7, weights.Freq: 0.3}
	cost := 0.0
	for k, w := range c.Model.Weight {
		cost += math.Abs(w - want[k])
	}
	cost += 0.1 * math.Abs(math.Log(c.MemoryPrice/0.1))
	if c.CPUShare != 1.5 {
		cost += 0.5
	}
	if c.Model.Form != weights.Linear {
		cost += 0.5
	}
	return cost, c.Model.Validate()
}

func options(trials int) priority.Options {
	o := priority.DefaultOptions()
	o.Search.Trials = trials
	return o
}

// TestTuneFindsWhatIsBest and keeps the weights of factors that were screened out at 0.
func TestTuneFindsWhatIsBest(t *testing.T) {
	values, latency := population(100)
	for _, rnd := range []uint64{1, 2, 3} {
		res, err := priority.Tune(context.Background(), values, latency, target, target, options(200), train.Resources{Seed: rnd, Workers: 2, Recorder: train.Discard})
		if err != nil {
			t.Fatal(err)
		}
		best := res.Best
		w := best.Model.Weight
		if math.Abs(w[weights.Exec]+0.7) > 0.15 || math.Abs(w[weights.Freq]-0.3) > 0.15 {
			t.Errorf("seed %d: weights are %v", rnd, w)
		}
		// The best preset that is left of the screening costs more than 2.
		if best.Train > 0.7 {
			t.Errorf("seed %d: best costs %g: %+v", rnd, best.Train, best)
		}
		if best.Origin != "search" || res.Trials != 200 || best.Train != best.Valid {
			t.Errorf("seed %d: result is %+v", rnd, res)
		}
		for _, k := range []weights.Factor{weights.CPU, weights.Memory, weights.Init, weights.Clock} {
			if w[k] != 0 {
				t.Errorf("seed %d: weight of %v is %g, want 0: it was screened out", rnd, k, w[k])
			}
		}
	}
}

// TestPresetsComeFirst, and with every factor kept they are those of the paper.
func TestPresetsComeFirst(t *testing.T) {
	values, latency := population(100)
	for i := range values {
		values[i][weights.CPU], values[i][weights.IO], values[i][weights.Term] = float64(i), float64(i%7), float64(i%11)
	}
	var seen []*weights.Model
	o := options(5)
	o.MinRho, o.Search.Batch = 0, 1
	res, err := priority.Tune(context.Background(), values, latency, func(_ context.Context, c priority.Candidate) (float64, error) {
		seen = append(seen, c.Model)
		return float64(-len(seen)), nil
	}, target, o, train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range weights.Presets() {
		if seen[i].Form != p.Form {
			t.Errorf("trial %d is %s, want %s of %s", i, seen[i].Form, p.Form, p.Name)
		}
		for k, w := range p.Weight {
			if math.Abs(seen[i].Weight[k]-w) > 1e-12 {
				t.Errorf("trial %d weighs %v with %g, want %g of %s", i, weights.Factor(k), seen[i].Weight[k], w, p.Name)
			}
		}
	}
	for i, f := range res.Finalists { // the last was the best
		if want := weights.Presets()[4-i].Name; f.Origin != want {
			t.Errorf("finalist %d comes from %s, want %s", i, f.Origin, want)
		}
	}
}

// TestValidationChooses among the finalists of training.
func TestValidationChooses(t *testing.T) {
	values, latency := population(50)
	o := options(40)
	o.Finalists = 4
	calls := 0
	res, err := priority.Tune(context.Background(), values, latency, target, func(ctx context.Context, c priority.Candidate) (float64, error) {
		calls++
		return float64(10 - calls), nil // the fourth is best
	}, o, train.Resources{Seed: 1, Workers: 2, Recorder: train.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if calls != 4 || len(res.Finalists) != 4 || !reflect.DeepEqual(res.Best, res.Finalists[3]) {
		t.Errorf("after %d judgements of %d finalists the best is %+v", calls, len(res.Finalists), res.Best)
	}
	for i := 1; i < 4; i++ {
		if res.Finalists[i].Train < res.Finalists[i-1].Train {
			t.Errorf("finalists are not in order of their cost in training")
		}
	}
}

func TestTuneDoesNotDependOnWorkers(t *testing.T) {
	values, latency := population(50)
	var want *priority.Result
	for _, workers := range []int{1, 2, 7} {
		var mu sync.Mutex
		calls := 0
		res, err := priority.Tune(context.Background(), values, latency, func(ctx context.Context, c priority.Candidate) (float64, error) {
			mu.Lock()
			calls++
			mu.Unlock()
			return target(ctx, c)
		}, target, options(60), train.Resources{Seed: 5, Workers: workers, Recorder: train.Discard})
		if err != nil {
			t.Fatal(err)
		}
		if calls != 60 {
			t.Errorf("%d trials, want 60", calls)
		}
		if want == nil {
			want = res
		} else if !reflect.DeepEqual(res, want) {
			t.Errorf("%d workers: %+v, want %+v", workers, res.Best, want.Best)
		}
	}
}

// TestNoFiniteCost: what cannot be ranked is no result.
func TestNoFiniteCost(t *testing.T) {
	values, latency := population(50)
	of := func(v float64) priority.Objective {
		return func(context.Context, priority.Candidate) (float64, error) { return v, nil }
	}
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		for _, c := range [][2]priority.Objective{{of(v), target}, {target, of(v)}} {
			if res, err := priority.Tune(context.Background(), values, latency, c[0], c[1], options(20), train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard}); err == nil {
				t.Errorf("cost %v: result %+v, want an error", v, res.Best)
			}
		}
	}
}

// TestOneFunction: nothing varies, so nothing can be weighed, but the result is valid.
func TestOneFunction(t *testing.T) {
	values, latency := population(1)
	res, err := priority.Tune(context.Background(), values, latency, target, target, options(8), train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Best.Model.Validate(); err != nil {
		t.Error(err)
	}
}

func TestTuneRefuses(t *testing.T) {
	values, latency := population(5)
	broken := errors.New("broken")
	fail := func(context.Context, priority.Candidate) (float64, error) { return 0, broken }
	if _, err := priority.Tune(context.Background(), values, latency, fail, target, options(8), train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard}); !errors.Is(err, broken) {
		t.Errorf("error is %v, want that of the objective", err)
	}
	if _, err := priority.Tune(context.Background(), values, latency, target, fail, options(8), train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard}); !errors.Is(err, broken) {
		t.Errorf("error is %v, want that of the validation", err)
	}
	if _, err := priority.Tune(context.Background(), nil, nil, target, target, options(8), train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard}); err == nil {
		t.Error("no error without functions")
	}
	for _, c := range []struct {
		change func(*priority.Options)
		key    string
	}{
		{func(o *priority.Options) { o.Search.Trials = 0 }, "trials"},
		{func(o *priority.Options) { o.MinRho = 1.1 }, "min_rho"},
		{func(o *priority.Options) { o.MinRho = math.NaN() }, "min_rho"},
		{func(o *priority.Options) { o.Finalists = 0 }, "finalists"},
		{func(o *priority.Options) { o.MinMemoryPrice = 0 }, "min_memory_price"},
		{func(o *priority.Options) { o.MaxMemoryPrice = 0.01 }, "max_memory_price"},
		{func(o *priority.Options) { o.MaxMemoryPrice = math.Inf(1) }, "max_memory_price"},
	} {
		o := priority.DefaultOptions()
		c.change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), c.key) {
			t.Errorf("error is %v, want one about %s", err, c.key)
		}
	}
}
