package forecast

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/internal/seed"
)

// batchFunctions are decomposed at once: their dense series are held in memory.
const batchFunctions = 512

// A sample is rows with their targets.
type sample struct {
	frame *features.Frame
	count []float64
	scale []float64
	limit []float64 // of the function's forecasts
}

func newSample(columns []string) *sample { return &sample{frame: features.NewFrame(columns, 0)} }

func (s *sample) append(o *sample) {
	s.frame.Function = append(s.frame.Function, o.frame.Function...)
	s.frame.Minute = append(s.frame.Minute, o.frame.Minute...)
	s.frame.Data = append(s.frame.Data, o.frame.Data...)
	s.count = append(s.count, o.count...)
	s.scale = append(s.scale, o.scale...)
	s.limit = append(s.limit, o.limit...)
}

// A sampler draws which rows are used.
type sampler struct {
	key   uint64
	share float64 // of the training rows
	valid []bool  // minutes of the validation window; the same of all functions, so that they can be summed
}

func newSampler(o Options, s datasets.Splits, functions, firstRow int) sampler {
	p := sampler{key: seed.Key(o.Seed, "forecast/rows"), valid: make([]bool, s.Valid.Len())}
	p.share = min(1, float64(o.MaxRows)/float64(max(1, functions*(s.Train.To-firstRow))))
	minutes := max(1, min(s.Valid.Len(), o.MaxRows/4/max(1, functions)))
	order := seed.Stream(o.Seed, "forecast/valid minutes").Perm(s.Valid.Len())
	for _, i := range order[:min(minutes, len(order))] {
		p.valid[i] = true
	}
	return p
}

func (p sampler) train(f datasets.FunctionID, minute int) bool {
	return p.share >= 1 || seed.Uniform(p.key, uint64(f)<<32|uint64(minute)) < p.share
}

// fillRows decomposes the functions with trees, in batches, and appends their rows to
// the samples of their clusters, in order of function.
func (t *trainer) fillRows(ctx context.Context) error {
	d, err := newDecomposer(t.options, t.trace, t.splits, t.holidays, t.totals, t.report)
	if err != nil {
		return fmt.Errorf("decompose functions: %w", err)
	}
	firstRow := t.splits.Train.From + d.cutoffs[0]
	draw := newSampler(t.options, t.splits, len(t.trees), firstRow)
	t.validMinutes = draw.valid
	if draw.share < 1 {
		t.report.note("rows: %.3g of the training rows are drawn, to stay below max_rows", draw.share)
	}
	for from := 0; from < len(t.trees); from += batchFunctions {
		batch := t.trees[from:min(from+batchFunctions, len(t.trees))]
		flat := make([]float64, len(batch)*d.all.Len())
		series := make([][]float64, len(batch))
		for i, f := range batch {
			series[i] = flat[i*d.all.Len() : (i+1)*d.all.Len()]
			t.series[f].dense(series[i], d.all)
		}
		parts := make([]decomposition, len(batch))
		if t.options.Components {
			if parts, err = d.fit(ctx, series); err != nil {
				return fmt.Errorf("decompose functions: %w", err)
			}
		}
		train, valid := make([]*sample, len(batch)), make([]*sample, len(batch))
		err := parallel(ctx, len(batch), t.options.Workers, func(i int) {
			if parts[i].failed == "" {
				train[i], valid[i] = t.rowsOf(batch[i], series[i], parts[i].origins, firstRow, draw)
			}
		})
		if err != nil {
			return err
		}
		for i, f := range batch {
			if parts[i].failed != "" {
				t.failed[f] = parts[i].failed
				continue
			}
			if parts[i].final != nil {
				t.fitted[f] = parts[i].final
			}
			t.samples[t.clusterOf[f]].train.append(train[i])
			t.samples[t.clusterOf[f]].valid.append(valid[i])
		}
	}
	return nil
}

// rowsOf replays one function; y has its counts in the training and validation window.
func (t *trainer) rowsOf(f datasets.FunctionID, y []float64, origins []features.Origin, firstRow int, draw sampler) (train, valid *sample) {
	s := t.splits
	set := t.features.Set(t.scale[f], t.trace.Start, origins)
	columns := set.Columns()
	train, valid = newSample(columns), newSample(columns)
	past := features.NewHistory(features.Reach(set))
	past.Reset(s.Train.From)
	for i, c := range y {
		now := s.Train.From + i
		var to *sample
		switch {
		case now >= s.Valid.From && draw.valid[now-s.Valid.From]:
			to = valid
		case now >= firstRow && now < s.Train.To && draw.train(f, now):
			to = train
		}
		if to != nil {
			to.frame.Data = set.Append(to.frame.Data, now, past)
			to.frame.Function = append(to.frame.Function, f)
			to.frame.Minute = append(to.frame.Minute, int32(now))
			to.count = append(to.count, c)
			to.scale = append(to.scale, t.scale[f])
			to.limit = append(to.limit, t.limit[f])
		}
		past.Append(c)
	}
	return train, valid
}

// parallel calls do for all of 0..n-1.
func parallel(ctx context.Context, n, workers int, do func(int)) error {
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// limitOf is the largest forecast that is believed of a function: twice the largest
// count of its history. An extrapolated trend stays within reason by it, as the bound
// on parallelism keeps it in the paper (Section V-B).
func limitOf(s sparse) float64 {
	var largest float64
	for _, c := range s.count {
		largest = math.Max(largest, float64(c))
	}
	return max(10, 2*largest)
}
