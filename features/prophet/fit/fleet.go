package fit

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"time"

	"gonum.org/v1/gonum/floats"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/internal/parallel"
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

// Fleet estimates the model for many series on one grid, all of the same length, as
// a [Fleet] that is used once.
func (m Model) Fleet(ctx context.Context, g Grid, series [][]float64, workers int) ([]*prophet.Fitted, error) {
	n := 0
	if len(series) > 0 {
		n = len(series[0])
	}
	f, err := m.NewFleet(g, n)
	if err != nil {
		return nil, err
	}
	return f.Fit(ctx, series, workers)
}

// A Fleet fits one model to many series on one grid, in batches of any size. What the
// series share is computed once and kept: the columns of the model, sums over parts of
// the grid, and the Gram matrices of the most usual patterns of missing values. The cost
// of a series is then that of Z'y and of a solve; one that misses values of its own adds
// the corrections of the Gram matrix.
//
// A Fleet may be used by several goroutines.
type Fleet struct {
	model  Model
	fine   Grid // of the series
	length int  // values of a series
	grid   Grid // of the means that are fitted
	every  int  // values of a series in one mean

	mu      sync.Mutex
	terms   []Model // one of each set of terms that came up
	bases   []func() *basis
	designs map[string]func() (*gridDesign, error)
}

// NewFleet returns the fleet of m for series of n values on the grid g.
func (m Model) NewFleet(g Grid, n int) (*Fleet, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if g.Step <= 0 {
		return nil, fmt.Errorf("prophet: step of a series must be > 0, got %v", g.Step)
	}
	every := 1
	if m.Step != 0 {
		if m.Step%g.Step != 0 {
			return nil, fmt.Errorf("prophet: step must be a multiple of the series' %v, got %v", g.Step, m.Step)
		}
		every = int(m.Step / g.Step)
	}
	return &Fleet{
		model: m, fine: g, length: n, every: every,
		grid:    Grid{Start: g.Start.Add(time.Duration(every-1) * g.Step / 2), Step: time.Duration(every) * g.Step},
		designs: map[string]func() (*gridDesign, error){},
	}, nil
}

// Fit estimates the model for each of series. Results are in their order, and each is
// what Model.Fit returns for it alone, bit for bit, for any number of workers (all cores
// if workers < 1) and whatever was fitted before.
func (f *Fleet) Fit(ctx context.Context, series [][]float64, workers int) ([]*prophet.Fitted, error) {
	whole := []origin{f.origin(f.model, f.length/f.every)}
	fitted, err := f.fit(ctx, series, whole, workers)
	if err != nil {
		return nil, err
	}
	return fitted[0], nil
}

// An origin is a part of the history, from its start, and what is fitted to it.
type origin struct {
	model Model
	end   int           // means in the part
	terms int           // number of the basis
	basis func() *basis // built when it is asked for
}

// origin returns the origin of m, which differs from the fleet's model in its terms and
// its changepoints at most. Equal terms have one basis.
func (f *Fleet) origin(m Model, end int) origin {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.terms, func(o Model) bool {
		return slices.Equal(o.Seasonalities, m.Seasonalities) && slices.EqualFunc(o.Holidays, m.Holidays, sameHoliday)
	})
	if i < 0 {
		i = len(f.terms)
		f.terms = append(f.terms, m)
		f.bases = append(f.bases, sync.OnceValue(func() *basis { return m.newBasis(f.grid, f.length/f.every) }))
	}
	return origin{model: m, end: end, terms: i, basis: f.bases[i]}
}

func sameHoliday(a, b prophet.Holiday) bool { return reflect.DeepEqual(a, b) }

// fit fits every series at every origin, which ascend.
func (f *Fleet) fit(ctx context.Context, series [][]float64, origins []origin, workers int) ([][]*prophet.Fitted, error) {
	out := make([][]*prophet.Fitted, len(origins))
	for i := range out {
		out[i] = make([]*prophet.Fitted, len(series))
	}
	for i, y := range series {
		if len(y) != f.length {
			return nil, fmt.Errorf("prophet: series %d has %d values, others have %d: must be as many", i, len(y), f.length)
		}
	}
	err := inParallel(ctx, len(series), workers, func() func(int) error {
		w := &worker{fleet: f}
		return func(i int) error {
			if err := w.load(series[i]); err != nil {
				return err
			}
			for k, o := range origins {
				fitted, err := w.fit(o)
				if err != nil {
					return err
				}
				out[k][i] = fitted
			}
			return nil
		}
	})
	return out, err
}

// keptDesigns bounds the memory for series that miss different values; what comes
// later is built for each series anew. An outage of the platform leaves the same
// gaps in all series, so a few for each origin are enough.
const keptDesigns = 64

// design returns the design of o for series with values in runs; key says which.
func (f *Fleet) design(b *basis, o origin, runs []run, key []byte) (*gridDesign, error) {
	f.mu.Lock()
	shared, kept := f.designs[string(key)]
	if !kept && len(f.designs) < keptDesigns {
		own := slices.Clone(runs)
		shared, kept = sync.OnceValues(func() (*gridDesign, error) { return b.design(o.model, own) }), true
		f.designs[string(key)] = shared
	}
	f.mu.Unlock()
	if kept {
		return shared()
	}
	return b.design(o.model, runs)
}

// A worker fits one series after another.
type worker struct {
	fleet     *Fleet
	signal    signal
	workspace workspace

	mean []float64
	runs []run
	key  []byte
}

// load begins with a series.
func (w *worker) load(y []float64) error {
	var err *infiniteError
	if every := w.fleet.every; every > 1 {
		w.mean, err = average(w.mean[:0], y, every)
		y = w.mean
	}
	if err == nil {
		err = w.signal.load(y)
	}
	if err != nil {
		return fmt.Errorf("value %d, at %v, is %g: must be finite, or NaN if missing",
			err.number, w.fleet.fine.At(err.number).UTC(), err.value)
	}
	w.signal.basis = nil
	return nil
}

// fit fits the series to o, which must not end before the last one.
func (w *worker) fit(o origin) (*prophet.Fitted, error) {
	f, s := w.fleet, &w.signal
	w.runs = clip(w.runs[:0], s.runs, o.end)
	if len(w.runs) == 0 {
		return o.model.fallback(f.grid.Start, f.grid.At(max(0, o.end-1)), nil), nil
	}
	if !o.model.shared() {
		return w.alone(o.model)
	}
	if b := o.basis(); s.basis != b {
		s.begin(b)
	}
	s.extend(o.end)
	if s.constant {
		values := slices.Repeat([]float64{s.y[w.runs[0].first]}, count(w.runs))
		return o.model.fallback(f.grid.At(w.runs[0].first), f.grid.At(w.runs[len(w.runs)-1].end-1), values), nil
	}
	w.key = fmt.Appendf(w.key[:0], "%d %d:", o.terms, o.end)
	for _, r := range w.runs {
		w.key = fmt.Appendf(w.key, "%d-%d ", r.first, r.end)
	}
	d, err := f.design(s.basis, o, w.runs, w.key)
	if err != nil {
		return nil, err
	}
	if s.extreme() {
		s = s.normalised()
	}
	power := s.unit
	u := unit{scale: s.largest}
	if o.model.Scaling == MinMax {
		reach := s.reach(d.runs, 1)
		u = unit{floor: reach.low, scale: reach.high - reach.low}
		s = s.above(reach.low)
	}
	w.workspace.reset(d.n)
	s.products(d, w.workspace.b)
	taken := 0.
	if sum := w.workspace.b[d.head()-1]; s.yy-sum*sum/float64(d.values) < farLevel*s.yy {
		taken = s.y[w.runs[0].first]
		s = s.above(taken)
		s.products(d, w.workspace.b)
	}
	scale := u.scale
	floats.Scale(1/scale, w.workspace.b)
	fitted := d.mode(&w.workspace, scale, s.yy/(scale*scale), d.values, s.y[w.runs[0].first]/scale, taken/scale,
		func() float64 { return s.residuals(d, scale, w.workspace.theta) },
		func() limits { return s.reach(d.runs, scale) })
	fitted.YScale *= power
	fitted.Floor = u.floor * power
	return fitted, nil
}

// alone fits the rows in w.runs without what the fleet shares.
func (w *worker) alone(m Model) (*prophet.Fitted, error) {
	rows := make([]int, 0, count(w.runs))
	times := make([]time.Time, 0, cap(rows))
	for _, r := range w.runs {
		for i := r.first; i < r.end; i++ {
			rows, times = append(rows, i), append(times, w.fleet.grid.At(i))
		}
	}
	return m.fitRows(times, pick(w.signal.y, rows), m.columns(prophet.Columns{}, rows))
}

// count is the number of rows in runs.
func count(runs []run) int {
	n := 0
	for _, r := range runs {
		n += r.end - r.first
	}
	return n
}

// average appends the means of every values of y to out, of those that are not
// missing. Values at the end that do not fill a mean are left out. out begins empty.
func average(out, y []float64, every int) ([]float64, *infiniteError) {
	for ; len(y) >= every; y = y[every:] {
		sum, n := floats.Sum(y[:every]), every
		if math.IsNaN(sum) || math.IsInf(sum, 0) {
			sum, n = 0, 0
			for i, v := range y[:every] {
				if math.IsInf(v, 0) {
					return nil, &infiniteError{every*len(out) + i, v}
				}
				if !math.IsNaN(v) {
					sum += v
					n++
				}
			}
		}
		out = append(out, sum/float64(n)) // 0/0 is NaN: missing
	}
	return out, nil
}

// inParallel calls the functions that start returns, one per worker, for all of
// 0..n-1, and returns the error of the smallest number.
func inParallel(ctx context.Context, n, workers int, start func() func(int) error) error {
	errs := make([]error, n)
	err := parallel.ForEach(ctx, n, workers, func() func(int) {
		do := start()
		return func(i int) { errs[i] = do(i) }
	})
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return fmt.Errorf("prophet: series %d: %w", i, errs[i])
	}
	return nil
}
