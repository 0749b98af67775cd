package fit

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/prophet"
)

// A Grid is the times Start, Start+Step, … of the values of series.
type Grid struct {
	Start time.Time
	Step  time.Duration // > 0
}

// Minutes is the grid of the counts per minute of a trace inside w.
func Minutes(t *datasets.Trace, w datasets.Window) Grid {
	return Grid{Start: t.Time(w.From), Step: time.Minute}
}

// At returns the time of value i.
func (g Grid) At(i int) time.Time { return g.Start.Add(time.Duration(i) * g.Step) }

// Fleet estimates the model for many series on one grid, all of the same length.
// Results are in the order of series, and each is what Fit returns for it alone,
// bit for bit, for any number of workers (all cores if workers < 1).
//
// Series with the same values missing share a design matrix and its Gram matrix, so
// that the cost of a series is that of Z'y and of a solve.
func (m Model) Fleet(ctx context.Context, g Grid, series [][]float64, workers int) ([]*prophet.Fitted, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if g.Step <= 0 {
		return nil, fmt.Errorf("prophet: step of a series must be > 0, got %v", g.Step)
	}
	for i, y := range series {
		if len(y) != len(series[0]) {
			return nil, fmt.Errorf("prophet: series %d has %d values, series 0 has %d: must be as many", i, len(y), len(series[0]))
		}
		for j, v := range y {
			if math.IsInf(v, 0) {
				return nil, fmt.Errorf("prophet: series %d: value %d, at %v, is %g: must be finite, or NaN if missing", i, j, g.At(j).UTC(), v)
			}
		}
	}
	every := 1
	if m.Step != 0 {
		if m.Step%g.Step != 0 {
			return nil, fmt.Errorf("prophet: step must be a multiple of the series' %v, got %v", g.Step, m.Step)
		}
		every = int(m.Step / g.Step)
	}
	coarse := Grid{Start: g.Start.Add(time.Duration(every-1) * g.Step / 2), Step: time.Duration(every) * g.Step}

	f := &fleet{model: m, grid: coarse, every: every, series: series,
		out: make([]*prophet.Fitted, len(series)), designs: map[string]func() (*design, error){}}
	if err := parallel(ctx, len(series), workers, f.worker); err != nil {
		return nil, err
	}
	return f.out, nil
}

// A fleet is one call of Fleet.
type fleet struct {
	model  Model
	grid   Grid // of the means that are fitted
	every  int  // values of a series in one mean
	series [][]float64
	out    []*prophet.Fitted

	mu      sync.Mutex
	designs map[string]func() (*design, error) // by which values are missing
}

// keptDesigns bounds the memory for series that miss different values; what comes
// later is built for each series anew. An outage of the platform leaves the same
// gaps in all series, so a few are enough.
const keptDesigns = 16

// worker returns the function of one worker, which fits series i into out[i].
func (f *fleet) worker() func(int) error {
	var (
		mean, y []float64
		missing []byte // 1 where a mean is missing
	)
	work := map[*design]*workspace{}
	return func(i int) error {
		mean = average(mean[:0], f.series[i], f.every)
		missing, y = missing[:0], y[:0]
		first, last := -1, -1
		for j, v := range mean {
			if math.IsNaN(v) {
				missing = append(missing, 1)
				continue
			}
			missing = append(missing, 0)
			y = append(y, v)
			if first < 0 {
				first = j
			}
			last = j
		}
		if len(y) == 0 {
			f.out[i] = f.model.fallback(f.grid.Start, f.grid.At(max(0, len(mean)-1)), nil)
			return nil
		}
		if constant(y) {
			f.out[i] = f.model.fallback(f.grid.At(first), f.grid.At(last), y)
			return nil
		}
		d, kept, err := f.design(missing)
		if err != nil {
			return err
		}
		w := work[d]
		if w == nil {
			w = d.workspace()
			if kept {
				work[d] = w
			}
		}
		f.out[i] = d.fit(y, w)
		return nil
	}
}

// design returns the design for series that miss the given values, and whether it is kept.
func (f *fleet) design(missing []byte) (d *design, kept bool, err error) {
	key := string(missing)
	build := func() (*design, error) {
		var times []time.Time
		for i := range key {
			if key[i] == 0 {
				times = append(times, f.grid.At(i))
			}
		}
		return f.model.newDesign(times, f.grid.Step)
	}
	f.mu.Lock()
	shared, kept := f.designs[key]
	if !kept && len(f.designs) < keptDesigns {
		shared, kept = sync.OnceValues(build), true
		f.designs[key] = shared
	}
	f.mu.Unlock()
	if kept {
		build = shared
	}
	d, err = build()
	return d, kept, err
}

// average appends the means of every values of y to out, of those that are not
// missing. Values at the end that do not fill a mean are left out.
func average(out, y []float64, every int) []float64 {
	if every == 1 {
		return append(out, y...)
	}
	for ; len(y) >= every; y = y[every:] {
		var sum float64
		n := 0
		for _, v := range y[:every] {
			if !math.IsNaN(v) {
				sum += v
				n++
			}
		}
		out = append(out, sum/float64(n)) // 0/0 is NaN: missing
	}
	return out
}

// parallel calls the functions that start returns, one per worker, for all of
// 0..n-1, and returns the error of the smallest number.
func parallel(ctx context.Context, n, workers int, start func() func(int) error) error {
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	errs := make([]error, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			do := start()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				errs[i] = do(i)
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return fmt.Errorf("prophet: series %d: %w", i, errs[i])
	}
	return nil
}
