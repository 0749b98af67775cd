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

	f := &fleet{model: m, grid: coarse, every: every, series: series, out: make([]*prophet.Fitted, len(series))}
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

	complete func() (*design, error) // the design of series without missing values
	once     sync.Once
}

// worker returns the function of one worker, which fits series i into out[i]. The
// workers share the design of complete series; each keeps that of the last series
// with missing values, because an outage of the platform leaves gaps in all alike.
func (f *fleet) worker() func(int) error {
	var (
		gaps      []bool // of the values that gapped was built for
		gapped    *design
		wholeWork *workspace
		gapWork   *workspace
		mean      []float64
		missing   []bool
		y         []float64
	)
	return func(i int) error {
		mean = average(mean[:0], f.series[i], f.every)
		missing, y = missing[:0], y[:0]
		first, last := -1, -1
		for j, v := range mean {
			missing = append(missing, math.IsNaN(v))
			if !math.IsNaN(v) {
				y = append(y, v)
				if first < 0 {
					first = j
				}
				last = j
			}
		}
		if len(y) == 0 {
			f.out[i] = f.model.fallback(f.grid.Start, f.grid.At(max(0, len(mean)-1)), nil)
			return nil
		}
		if constant(y) {
			f.out[i] = f.model.fallback(f.grid.At(first), f.grid.At(last), y)
			return nil
		}
		if len(y) == len(mean) {
			d, err := f.whole(len(y))
			if err != nil {
				return err
			}
			if wholeWork == nil {
				wholeWork = d.workspace()
			}
			f.out[i] = d.fit(y, wholeWork)
			return nil
		}
		if gapped == nil || !slices.Equal(missing, gaps) {
			d, err := f.model.newDesign(f.times(missing), f.regular(len(y), first, last))
			if err != nil {
				return err
			}
			gapped, gaps, gapWork = d, slices.Clone(missing), d.workspace()
		}
		f.out[i] = gapped.fit(y, gapWork)
		return nil
	}
}

// whole returns the design of series without missing values.
func (f *fleet) whole(n int) (*design, error) {
	f.once.Do(func() {
		d, err := f.model.newDesign(f.times(make([]bool, n)), f.grid.Step)
		f.complete = func() (*design, error) { return d, err }
	})
	return f.complete()
}

// times returns the times of the values that are not missing.
func (f *fleet) times(missing []bool) []time.Time {
	var out []time.Time
	for i, m := range missing {
		if !m {
			out = append(out, f.grid.At(i))
		}
	}
	return out
}

// regular is the step of n values from first to last, 0 if there are gaps.
func (f *fleet) regular(n, first, last int) time.Duration {
	if n == last-first+1 {
		return f.grid.Step
	}
	return 0
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
