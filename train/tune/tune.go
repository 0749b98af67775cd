// Package tune minimises an expensive function of a few parameters.
//
// [Minimize] draws [Trial]s by the tree-structured Parzen estimator of Bergstra et al.,
// "Algorithms for Hyper-Parameter Optimization" (NeurIPS 2011), Section 4: the trials
// so far are split into good and bad, each parameter's good and bad values are
// smoothed into densities l and g, and of several draws from l the one with the
// greatest l/g is tried next.
//
// It differs from the paper in that trials come in batches of a fixed size, each
// batch drawn from what all earlier batches showed: so the result depends on the
// seed and not on the number of workers or on which trial ends first.
package tune

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/train"
)

// Options of a study.
type Options struct {
	// Trials to run, >= 1. Default 64.
	Trials int `json:"trials"`
	// Startup is how many of them are drawn uniformly, before densities are
	// estimated, >= 1. Default 16.
	Startup int `json:"startup"`
	// Batch is how many are drawn at a time, >= 1. Default 8.
	Batch int `json:"batch"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options { return Options{Trials: 64, Startup: 16, Batch: 8} }

// Validate reports all options that are out of range.
func (o Options) Validate() error {
	out := option.Check{Package: "tune"}
	for _, f := range []struct {
		key string
		val int
	}{{"trials", o.Trials}, {"startup", o.Startup}, {"batch", o.Batch}} {
		out.That(f.val >= 1, f.key, "must be at least 1, got %d", f.val)
	}
	return out.Err()
}

// A Trial is a point of the unit cube and the value of the objective there.
type Trial struct {
	Number int       `json:"number"`
	X      []float64 `json:"x"` // each in [0, 1]
	Value  float64   `json:"value"`
}

// Settings of the estimator, as in the paper and in Optuna's defaults.
const (
	goodShare  = 0.15 // of the trials that count as good
	candidates = 24   // draws from l of which the best is tried
)

// Minimize runs trials of objective over the unit cube of dims dimensions and returns
// them in the order in which they were drawn. The given points are tried first.
// An objective that returns an error ends the study; one that returns NaN counts as
// the worst. Up to r.Workers trials run at once; the objective must allow that.
// Each value is recorded as "tune/value".
func Minimize(ctx context.Context, dims int, given [][]float64, objective func(ctx context.Context, x []float64) (float64, error), o Options, r train.Resources) ([]Trial, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	src := seed.Stream(r.Seed, "tune")
	var trials []Trial
	for len(trials) < o.Trials {
		n := min(o.Batch, o.Trials-len(trials))
		batch := make([]Trial, n)
		for i := range batch {
			number := len(trials) + i
			batch[i] = Trial{Number: number}
			switch {
			case number < len(given):
				batch[i].X = slices.Clone(given[number])
			case number < len(given)+o.Startup:
				batch[i].X = uniform(src, dims)
			default:
				batch[i].X = propose(src, trials, dims)
			}
		}
		g, gctx := parallel.WithContext(ctx)
		g.SetLimit(max(1, r.Workers))
		for i := range batch {
			g.Go(func() error {
				v, err := objective(gctx, batch[i].X)
				if err != nil {
					return fmt.Errorf("trial %d: %w", batch[i].Number, err)
				}
				if math.IsNaN(v) {
					v = math.Inf(1)
				}
				batch[i].Value = v
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
		for _, t := range batch {
			r.Recorder.Record("tune/value", t.Number, t.Value)
		}
		trials = append(trials, batch...)
	}
	return trials, nil
}

// Best returns up to n trials in order of value; ties in order of number.
func Best(trials []Trial, n int) []Trial {
	s := slices.Clone(trials)
	slices.SortStableFunc(s, func(a, b Trial) int {
		switch {
		case a.Value < b.Value:
			return -1
		case a.Value > b.Value:
			return 1
		}
		return a.Number - b.Number
	})
	return s[:min(n, len(s))]
}

func uniform(src *rand.Rand, dims int) []float64 {
	x := make([]float64, dims)
	for d := range x {
		x[d] = src.Float64()
	}
	return x
}

// propose draws each parameter on its own: the univariate estimator.
func propose(src *rand.Rand, trials []Trial, dims int) []float64 {
	ranked := Best(trials, len(trials))
	n := max(1, int(math.Ceil(goodShare*float64(len(ranked)))))
	x := make([]float64, dims)
	for d := range x {
		good, bad := newParzen(ranked[:n], d), newParzen(ranked[n:], d)
		best := math.Inf(-1)
		for range candidates {
			c := good.draw(src)
			if r := good.logDensity(c) - bad.logDensity(c); r > best {
				best, x[d] = r, c
			}
		}
	}
	return x
}

// A parzen is a mixture of normal distributions, cut off to [0, 1]: one around each
// value, as wide as the larger distance to its neighbours, and a wide one as a prior.
type parzen struct{ mean, width []float64 }

func newParzen(trials []Trial, d int) parzen {
	mean := []float64{0.5}
	for _, t := range trials {
		mean = append(mean, t.X[d])
	}
	slices.Sort(mean)
	width := make([]float64, len(mean))
	least := 1 / min(100, 1+float64(len(mean)))
	for i := range mean {
		left, right := mean[i], 1-mean[i]
		if i > 0 {
			left = mean[i] - mean[i-1]
		}
		if i+1 < len(mean) {
			right = mean[i+1] - mean[i]
		}
		width[i] = min(1, max(least, left, right))
	}
	// The prior covers the whole range, whatever its neighbours are.
	width[slices.Index(mean, 0.5)] = 1
	return parzen{mean, width}
}

func (p parzen) draw(src *rand.Rand) float64 {
	i := src.IntN(len(p.mean))
	for {
		if x := p.mean[i] + p.width[i]*src.NormFloat64(); x >= 0 && x <= 1 {
			return x
		}
	}
}

func (p parzen) logDensity(x float64) float64 {
	sum := 0.0
	for i, m := range p.mean {
		w := p.width[i]
		inside := 0.5 * (math.Erf((1-m)/(w*math.Sqrt2)) + math.Erf(m/(w*math.Sqrt2)))
		z := (x - m) / w
		sum += math.Exp(-z*z/2) / (w * inside)
	}
	return math.Log(sum / float64(len(p.mean)))
}
