package tune_test

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/tune"
)

// bowl has its minimum 0 at (0.2, 0.7, 0.4).
func bowl(_ context.Context, x []float64) (float64, error) {
	sum := 0.0
	for d, at := range []float64{0.2, 0.7, 0.4} {
		sum += (x[d] - at) * (x[d] - at)
	}
	return sum, nil
}

func minimum(t *testing.T, o tune.Options, workers int, rnd uint64) ([]tune.Trial, float64) {
	t.Helper()
	trials, err := tune.Minimize(context.Background(), 3, nil, bowl, o, train.Resources{Seed: rnd, Workers: workers, Recorder: train.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return trials, tune.Best(trials, 1)[0].Value
}

func TestParzenEstimatorBeatsUniformDraws(t *testing.T) {
	var parzen, uniform float64
	for rnd := range uint64(10) {
		_, v := minimum(t, tune.Options{Trials: 96, Startup: 16, Batch: 8}, 2, rnd)
		_, u := minimum(t, tune.Options{Trials: 96, Startup: 96, Batch: 8}, 2, rnd)
		parzen += math.Sqrt(v) / 10
		uniform += math.Sqrt(u) / 10
	}
	if parzen > 0.5*uniform {
		t.Errorf("mean distance to the minimum %g, of uniform draws %g: want at most half", parzen, uniform)
	}
}

func TestTheNumberOfWorkersChangesNothing(t *testing.T) {
	a, _ := minimum(t, tune.DefaultOptions(), 1, 3)
	b, _ := minimum(t, tune.DefaultOptions(), 4, 3)
	if !reflect.DeepEqual(a, b) {
		t.Error("one worker and four drew different trials")
	}
	c, _ := minimum(t, tune.DefaultOptions(), 1, 4)
	if reflect.DeepEqual(a, c) {
		t.Error("two seeds drew the same trials")
	}
}

func TestGivenPointsComeFirst(t *testing.T) {
	at := []float64{0.2, 0.7, 0.4}
	trials, err := tune.Minimize(context.Background(), 3, [][]float64{at}, bowl, tune.DefaultOptions(), train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if trials[0].Value != 0 || tune.Best(trials, 1)[0].Number != 0 {
		t.Errorf("first trial %+v, want the given minimum", trials[0])
	}
}

func TestNaNIsTheWorst(t *testing.T) {
	nan := func(_ context.Context, x []float64) (float64, error) {
		if x[0] < 0.5 {
			return math.NaN(), nil
		}
		return x[0], nil
	}
	trials, err := tune.Minimize(context.Background(), 1, nil, nan, tune.DefaultOptions(), train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if v := tune.Best(trials, 1)[0].Value; !(v >= 0.5 && v < 0.6) {
		t.Errorf("best value %g, want just above 0.5", v)
	}
}

func TestErrorsNameTheTrialOrTheOption(t *testing.T) {
	fail := func(context.Context, []float64) (float64, error) { return 0, errors.New("no room") }
	_, err := tune.Minimize(context.Background(), 1, nil, fail, tune.DefaultOptions(), train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard})
	if err == nil || !strings.Contains(err.Error(), "trial 0: no room") {
		t.Errorf("error %v, want it to name trial 0", err)
	}
	_, err = tune.Minimize(context.Background(), 1, nil, bowl, tune.Options{Trials: 1, Startup: 0, Batch: 1}, train.Resources{Seed: 1, Workers: 1, Recorder: train.Discard})
	if err == nil || !strings.Contains(err.Error(), "startup must be at least 1, got 0") {
		t.Errorf("error %v, want it to name startup", err)
	}
}
