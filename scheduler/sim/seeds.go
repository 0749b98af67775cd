package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/internal/seed"
)

// An Estimate is what several seeds say about a figure.
type Estimate struct {
	Mean float64 `json:"mean"`
	// CI95 is the interval between the 2.5 % and 97.5 % percentiles of the mean of as
	// many values drawn from them with replacement (Efron, Annals of Statistics, 1979).
	CI95 [2]float64 `json:"ci95"`
}

// resamples of the bootstrap: the ends of the interval are the 50th of either side.
const resamples = 2000

// Estimated is the estimate from at least one value; the resamples are drawn from the stream key.
func Estimated(values []float64, key uint64) Estimate {
	mean := func(pick func(i int) float64) float64 {
		var sum float64
		for i := range values {
			sum += pick(i)
		}
		return sum / float64(len(values))
	}
	means := make([]float64, resamples)
	for b := range means {
		means[b] = mean(func(i int) float64 {
			return values[int(seed.Uniform(key, uint64(b*len(values)+i))*float64(len(values)))]
		})
	}
	slices.Sort(means)
	const tail = resamples / 40
	return Estimate{mean(func(i int) float64 { return values[i] }), [2]float64{means[tail-1], means[resamples-tail]}}
}

// PoliciesOf builds the policies for a seed, as some of them draw.
type PoliciesOf func(rnd uint64) ([]Contender, error)

// CompareSeeds is [Compare] under the n >= 1 seeds from o.Seed on. The report is that
// of the first; with n > 1 the rows have the means over all of them, with intervals,
// under OverSeeds.
func CompareSeeds(ctx context.Context, t *datasets.Trace, policies PoliciesOf, o Options, n, workers int) (*Report, error) {
	if n < 1 {
		return nil, fmt.Errorf("sim: seeds must be at least 1, got %d", n)
	}
	reports := make([]*Report, n)
	if o.slots == nil {
		o.slots = make(chan struct{}, max(1, workers))
	}
	err := spread(ctx, n, workers, func(ctx context.Context, i int) error {
		o := o
		o.Seed += uint64(i)
		rows, err := policies(o.Seed)
		if err == nil {
			reports[i], err = Compare(ctx, t, rows, o, workers)
		}
		if err != nil {
			return fmt.Errorf("seed %d: %w", o.Seed, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	rep := reports[0]
	for i := range rep.Policies {
		if n == 1 {
			break
		}
		figures := make([]map[string]any, n)
		for k := range reports {
			if figures[k], err = numbers(&reports[k].Policies[i]); err != nil {
				return nil, err
			}
		}
		key := seed.Key(o.Seed, "bootstrap "+rep.Policies[i].Name)
		rep.Policies[i].OverSeeds = combine(figures, &key)
	}
	return rep, nil
}

// numbers are the figures of a row as they stand in JSON, but for what depends on the clock.
func numbers(r *Row) (map[string]any, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("figures of %s: %w", r.Name, err)
	}
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("figures of %s: %w", r.Name, err)
	}
	for _, k := range []string{"name", "kind", "timing", "tables"} {
		delete(v, k)
	}
	return v, nil
}

// combine estimates figures of equal names, each with draws of its own.
func combine(rows []map[string]any, key *uint64) map[string]any {
	out := make(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(rows[0])) {
		switch rows[0][name].(type) {
		case float64:
			values := make([]float64, len(rows))
			for i := range rows {
				values[i], _ = rows[i][name].(float64)
			}
			*key++
			out[name] = Estimated(values, *key)
		case map[string]any:
			inner := make([]map[string]any, len(rows))
			for i := range rows {
				inner[i], _ = rows[i][name].(map[string]any)
			}
			out[name] = combine(inner, key)
		}
	}
	return out
}

// spread calls f for 0 to n-1, up to workers at once. What f runs takes slots of
// [Options], so that all together are no more than that.
func spread(ctx context.Context, n, workers int, f func(ctx context.Context, i int) error) error {
	if workers < 1 {
		return fmt.Errorf("sim: workers must be at least 1, got %d", workers)
	}
	g, ctx := parallel.WithContext(ctx)
	g.SetLimit(workers)
	for i := range n {
		g.Go(func() error { return f(ctx, i) })
	}
	return g.Wait()
}
