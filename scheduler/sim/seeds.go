package sim

import (
	"context"
	"fmt"
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
	if n == 1 {
		return rep, nil
	}
	for i := range rep.Policies {
		rows := make([]*Row, n)
		for k := range reports {
			rows[k] = &reports[k].Policies[i]
		}
		rep.Policies[i].OverSeeds = estimates(rows, seed.Key(o.Seed, "bootstrap "+rep.Policies[i].Name))
	}
	return rep, nil
}

// Paired replays the requests of every seed from o.Seed on, n of them, under all policies: the
// results by seed and policy. Unlike [CompareSeeds] it adds no other policy and no bound, so that two
// policies over n seeds are 2 n replays.
func Paired(ctx context.Context, t *datasets.Trace, policies PoliciesOf, o Options, n, workers int) ([][]*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	out := make([][]*Result, n)
	if o.slots == nil {
		o.slots = make(chan struct{}, max(1, workers))
	}
	err := spread(ctx, n, workers, func(ctx context.Context, i int) error {
		o := o
		o.Seed += uint64(i)
		rows, err := policies(o.Seed)
		if err != nil {
			return fmt.Errorf("seed %d: %w", o.Seed, err)
		}
		w, err := held(ctx, t, o.Draw)
		if err != nil {
			return fmt.Errorf("seed %d: %w", o.Seed, err)
		}
		out[i] = make([]*Result, len(rows))
		return spread(ctx, len(rows), workers, func(ctx context.Context, k int) error {
			return o.run(ctx, func() (err error) {
				if out[i][k], err = Run(ctx, t, w, rows[k].New, o); err != nil {
					return fmt.Errorf("seed %d: policy %s: %w", o.Seed, rows[k].Name, err)
				}
				out[i][k].Name, out[i][k].Kind = rows[k].Name, rows[k].Kind
				return nil
			})
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Estimates are the figures of a [Row] over several seeds.
type Estimates struct {
	AppColdPct struct {
		P50 Estimate `json:"p50"`
		P75 Estimate `json:"p75"`
		P90 Estimate `json:"p90"`
	} `json:"app_cold_pct"`
	Cold            Estimate        `json:"cold"`
	DelayedWarm     Estimate        `json:"delayed_warm"`
	Dropped         Estimate        `json:"dropped"`
	Faults          *FaultEstimates `json:"faults,omitempty"`
	Jain            Estimate        `json:"jain"`
	LatencyBenefitS Estimate        `json:"latency_benefit_s"`
	Latency         struct {
		Mean Estimate `json:"mean"`
		P25  Estimate `json:"p25"`
		P50  Estimate `json:"p50"`
		P75  Estimate `json:"p75"`
		P95  Estimate `json:"p95"`
		P99  Estimate `json:"p99"`
	} `json:"latency_ms"`
	RUM             Estimate    `json:"rum"`
	SLODispatch     SLOEstimate `json:"slo_dispatch"`
	SLOStart        SLOEstimate `json:"slo_start"`
	SpeedupVsNative Estimate    `json:"speedup_vs_native"`
	Warm            Estimate    `json:"warm"`
	WastedGBS       Estimate    `json:"wasted_gb_s"`
}

// FaultEstimates are [FaultFigures] over several seeds.
type FaultEstimates struct {
	Crashes      Estimate `json:"crashes"`
	FailedStarts Estimate `json:"failed_starts"`
	GivenUp      Estimate `json:"given_up"`
	LostInvokers Estimate `json:"lost_invokers"`
	Retried      Estimate `json:"retried"`
}

// An SLOEstimate is an [SLO] over several seeds.
type SLOEstimate struct {
	Within100  Estimate `json:"100"`
	Within1000 Estimate `json:"1000"`
	Within500  Estimate `json:"500"`
}

// estimates of the rows of one policy. Each figure has draws of its own, by its place in
// Estimates.
func estimates(rows []*Row, key uint64) *Estimates {
	e := new(Estimates)
	values := make([]float64, len(rows))
	put := func(to *Estimate, of func(r *Row) float64) {
		for i, r := range rows {
			values[i] = of(r)
		}
		key++
		*to = Estimated(values, key)
	}
	slo := func(to *SLOEstimate, of func(r *Row) SLO) {
		put(&to.Within100, func(r *Row) float64 { return of(r).Within100 })
		put(&to.Within1000, func(r *Row) float64 { return of(r).Within1000 })
		put(&to.Within500, func(r *Row) float64 { return of(r).Within500 })
	}
	put(&e.AppColdPct.P50, func(r *Row) float64 { return r.AppColdPct.P50 })
	put(&e.AppColdPct.P75, func(r *Row) float64 { return r.AppColdPct.P75 })
	put(&e.AppColdPct.P90, func(r *Row) float64 { return r.AppColdPct.P90 })
	put(&e.Cold, func(r *Row) float64 { return float64(r.Cold) })
	put(&e.DelayedWarm, func(r *Row) float64 { return float64(r.DelayedWarm) })
	put(&e.Dropped, func(r *Row) float64 { return float64(r.Dropped) })
	if rows[0].Faults != nil { // and so of all: they run under the same faults
		f := new(FaultEstimates)
		e.Faults = f
		put(&f.Crashes, func(r *Row) float64 { return float64(r.Faults.Crashes) })
		put(&f.FailedStarts, func(r *Row) float64 { return float64(r.Faults.FailedStarts) })
		put(&f.GivenUp, func(r *Row) float64 { return float64(r.Faults.GivenUp) })
		put(&f.LostInvokers, func(r *Row) float64 { return float64(r.Faults.LostInvokers) })
		put(&f.Retried, func(r *Row) float64 { return float64(r.Faults.Retried) })
	}
	put(&e.Jain, func(r *Row) float64 { return r.Jain })
	put(&e.LatencyBenefitS, func(r *Row) float64 { return r.LatencyBenefitS })
	put(&e.Latency.Mean, func(r *Row) float64 { return r.Latency.Mean })
	put(&e.Latency.P25, func(r *Row) float64 { return r.Latency.P25 })
	put(&e.Latency.P50, func(r *Row) float64 { return r.Latency.P50 })
	put(&e.Latency.P75, func(r *Row) float64 { return r.Latency.P75 })
	put(&e.Latency.P95, func(r *Row) float64 { return r.Latency.P95 })
	put(&e.Latency.P99, func(r *Row) float64 { return r.Latency.P99 })
	put(&e.RUM, func(r *Row) float64 { return r.RUM })
	slo(&e.SLODispatch, func(r *Row) SLO { return r.SLODispatch })
	slo(&e.SLOStart, func(r *Row) SLO { return r.SLOStart })
	put(&e.SpeedupVsNative, func(r *Row) float64 { return r.SpeedupVsNative })
	put(&e.Warm, func(r *Row) float64 { return float64(r.Warm) })
	put(&e.WastedGBS, func(r *Row) float64 { return r.WastedGBS })
	return e
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
