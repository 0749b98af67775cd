// Package priority learns the weights of the function-priority model
// (scheduler/priority) from a trace: it screens the factors by Spearman's rank
// correlation with latency (Incendio, Section IV), and searches the weights and signs
// by simulation, because the paper says only that they "can be trained from
// historical data" (docs/models.md, decision 7).
package priority

import (
	"context"
	"errors"
	"math"
	"sort"

	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/priority"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/rank"
	"github.com/incendio-faas/incendio/train/tune"
)

// Options of Tune.
type Options struct {
	// Search of the weights by simulation.
	Search tune.Options `json:"search"`
	// MinRho is the least absolute rank correlation with latency for a factor to be
	// searched, in [0, 1]. Default 0.3.
	MinRho float64 `json:"min_rho"`
	// Finalists of the search on training windows are judged again on validation
	// windows, >= 1. Default 6.
	Finalists int `json:"finalists"`
	// MinMemoryPrice and MaxMemoryPrice bound the search of the pool's price of
	// memory, as a multiple of the RUM price (Policy.MemoryPrice), in
	// [decide.LeastMemoryPrice, decide.MostMemoryPrice].
	// Defaults 0.02 and 1.
	MinMemoryPrice float64 `json:"min_memory_price"`
	MaxMemoryPrice float64 `json:"max_memory_price"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{Search: tune.DefaultOptions(), MinRho: 0.3, Finalists: 6, MinMemoryPrice: 0.02, MaxMemoryPrice: 1}
}

// Validate reports all options that are out of range.
func (o Options) Validate() error {
	out := option.Check{Package: "priority"}
	out.Within("search", o.Search.Validate())
	out.That(o.MinRho >= 0 && o.MinRho <= 1, "min_rho", "must be in [0, 1], got %g", o.MinRho)
	out.That(o.Finalists >= 1, "finalists", "must be at least 1, got %d", o.Finalists)
	least, most := decide.LeastMemoryPrice, decide.MostMemoryPrice
	out.That(o.MinMemoryPrice >= least && o.MinMemoryPrice <= most, "min_memory_price", "must be in [%g, %g], got %g", least, most, o.MinMemoryPrice)
	out.That(o.MaxMemoryPrice >= o.MinMemoryPrice && o.MaxMemoryPrice <= most, "max_memory_price", "must be in [min_memory_price, %g], got %g and %g", most, o.MinMemoryPrice, o.MaxMemoryPrice)
	return out.Err()
}

// A Correlation is the rank correlation of a factor with latency over functions.
type Correlation struct {
	Factor string  `json:"factor"`
	Rho    float64 `json:"rho"`
	Kept   bool    `json:"kept"`
}

// Screen correlates each factor with latency: values and latency have one row per
// function. A factor is kept if the absolute correlation is at least minRho; one that
// does not vary is not. If no factor passes, all that vary are kept: a weak sign is
// better searched than none.
func Screen(values []priority.Values, latency []float64, minRho float64) []Correlation {
	out := make([]Correlation, priority.Factors)
	varies := make([]bool, priority.Factors)
	column := make([]float64, len(values))
	any := false
	for k := range out {
		for i := range values {
			column[i] = values[i][k]
			varies[k] = varies[k] || column[i] != column[0]
		}
		rho := rank.Spearman(column, latency)
		out[k] = Correlation{Factor: priority.Factor(k).String(), Rho: rho, Kept: varies[k] && math.Abs(rho) >= minRho}
		any = any || out[k].Kept
	}
	if !any {
		for k := range out {
			out[k].Kept = varies[k]
		}
	}
	return out
}

// Scale returns the first and the 99th percentile of each factor over functions.
func Scale(values []priority.Values) (low, high priority.Values) {
	column := make([]float64, len(values))
	for k := range low {
		for i := range values {
			column[i] = values[i][k]
		}
		sort.Float64s(column)
		if n := len(column); n > 0 {
			low[k], high[k] = column[(n-1)/100], column[(n-1)-(n-1)/100]
		}
	}
	return low, high
}

// A Candidate is what the search tries.
type Candidate struct {
	Model       *priority.Model `json:"model"`
	MemoryPrice float64         `json:"memory_price"`
	CPUShare    float64         `json:"cpu_share"`
}

// A Finalist is a candidate with its objective on both windows.
type Finalist struct {
	Candidate
	Origin string  `json:"origin"` // the preset of the paper that it follows, or "search"
	Train  float64 `json:"train"`
	Valid  float64 `json:"valid"`
}

// Result of Tune.
type Result struct {
	Best      Finalist      `json:"best"`
	Screening []Correlation `json:"screening"`
	Finalists []Finalist    `json:"finalists"`
	Trials    int           `json:"trials"`
}

// An Objective is the cost of scheduling with a candidate, for which less is better.
type Objective func(ctx context.Context, c Candidate) (float64, error)

// cpuShares are the limits of the CPU that executes at once that are tried; 0 is none.
var cpuShares = []float64{0, 1, 1.5, 2, 4}

// Tune searches the form, the signed weights of the screened factors, the pool's
// price of memory and the CPU limit for the least onTrain, and returns the finalist
// with the least onValid. The paper's presets are tried first, with the cheapest memory,
// no CPU limit and the weights of the screened factors alone. Objectives must be safe
// for concurrent use by as many goroutines as r.Workers; a candidate whose cost is not
// finite is no finalist.
func Tune(ctx context.Context, values []priority.Values, latency []float64, onTrain, onValid Objective, o Options, r train.Resources) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, errors.New("priority: no functions to learn from")
	}
	res := &Result{Screening: Screen(values, latency, o.MinRho)}
	low, high := Scale(values)

	// A point is (form, price, CPU share, a signed weight per factor).
	const fixed = 3
	dims := fixed + priority.Factors
	decode := func(x []float64) Candidate {
		m := &priority.Model{Form: priority.Linear, Low: low, High: high}
		if x[0] >= 0.5 {
			m.Form = priority.Loglinear
		}
		sum := 0.0
		for k := range m.Weight {
			if res.Screening[k].Kept {
				m.Weight[k] = 2*x[fixed+k] - 1
				sum += math.Abs(m.Weight[k])
			}
		}
		if sum == 0 { // all weights were exactly zero, or no factor varies
			m.Weight[priority.Clock], sum = 1, 1
		}
		for k := range m.Weight {
			m.Weight[k] /= sum
		}
		return Candidate{
			Model:       m,
			MemoryPrice: o.MinMemoryPrice * math.Pow(o.MaxMemoryPrice/o.MinMemoryPrice, x[1]),
			CPUShare:    cpuShares[min(len(cpuShares)-1, int(x[2]*float64(len(cpuShares))))],
		}
	}
	var given [][]float64
	for _, p := range priority.Presets() {
		x := make([]float64, dims)
		x[1], x[2] = 1, 0.5 // memory at its price, and a CPU limit in the middle
		if p.Form == priority.Loglinear {
			x[0] = 1
		}
		for k, w := range p.Weight {
			x[fixed+k] = (w + 1) / 2
		}
		given = append(given, x)
	}
	trials, err := tune.Minimize(ctx, dims, given, func(ctx context.Context, x []float64) (float64, error) {
		return onTrain(ctx, decode(x))
	}, o.Search, r)
	if err != nil {
		return nil, err
	}
	res.Trials = len(trials)
	for _, t := range tune.Best(trials, o.Finalists) {
		if math.IsInf(t.Value, 0) {
			continue
		}
		f := Finalist{Candidate: decode(t.X), Origin: "search", Train: t.Value}
		if t.Number < len(given) {
			f.Origin = priority.Presets()[t.Number].Name
		}
		if f.Valid, err = onValid(ctx, f.Candidate); err != nil {
			return nil, err
		}
		if math.IsNaN(f.Valid) || math.IsInf(f.Valid, 0) {
			continue
		}
		res.Finalists = append(res.Finalists, f)
		if len(res.Finalists) == 1 || f.Valid < res.Best.Valid {
			res.Best = f
		}
	}
	if len(res.Finalists) == 0 {
		return nil, errors.New("priority: no candidate has a finite cost on both windows")
	}
	return res, nil
}
