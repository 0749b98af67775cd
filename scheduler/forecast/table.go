package forecast

import (
	"context"
	"fmt"
	"math"
	"runtime"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/parallel"
)

// A Table holds the forecasts of a window of a trace, rounded to float32. Forecasts
// do not depend on what a scheduler decides, so whoever replays one trace many times
// computes them once.
type Table struct {
	window    datasets.Window
	functions int
	data      []float32 // per minute of the window, function and field of Forecast
	out       []Forecast
}

// fields is the number of values of a Forecast.
const fields = 4

// Precompute forecasts every minute of some windows, one Table each, in one pass over the
// trace: as a Runtime would that is primed with the minutes before the first of them, as many
// as its features reach back, and stepped through each window and the last Settle minutes before it.
// The minutes between are primed. Windows may overlap and come in any order; later ones
// never change what an earlier one sees. The result does not depend on workers; 0 means one per
// processor.
func Precompute(ctx context.Context, m *Model, t *datasets.Trace, windows []datasets.Window, workers int) ([]*Table, error) {
	if m.byKey == nil {
		return nil, fmt.Errorf("forecast: the model must be compiled before it runs")
	}
	if len(windows) == 0 {
		return nil, nil
	}
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	tables := make([]*Table, len(windows))
	begin, end := windows[0].From, windows[0].To
	for i, w := range windows {
		if w.From < 0 || w.To < w.From {
			return nil, fmt.Errorf("forecast: precompute: window must be [from, to) with 0 <= from <= to, got %v", w)
		}
		begin, end = min(begin, w.From), max(end, w.To)
		tables[i] = newTable(w, len(t.Functions))
	}
	predictors := make([]predictor, len(t.Functions))
	from := m.WarmUp(t.Span, begin)
	for i := range predictors {
		var f *Function
		if k, ok := m.byKey[KeyOf(&t.Functions[i])]; ok {
			f = &m.Functions[k]
		}
		predictors[i] = newPredictor(m, f, t.Start)
		predictors[i].reset(from)
	}
	scratches := make([]scratch, workers)
	for day := from / datasets.MinutesPerDay; day*datasets.MinutesPerDay < end; day++ {
		c, err := t.Day(ctx, day)
		if err != nil {
			return nil, fmt.Errorf("forecast: precompute: read day %d: %w", day, err)
		}
		d := dayOf(day, from, end, tables)
		var g parallel.Group
		for k := range workers {
			g.Go(func() error {
				dense := make([]float64, datasets.MinutesPerDay)
				for i := k; i < len(predictors); i += workers {
					if i%256 < workers && ctx.Err() != nil {
						return ctx.Err()
					}
					clear(dense)
					if i+1 < len(c.Offset) {
						minute, count := c.Function(datasets.FunctionID(i))
						for j, at := range minute {
							dense[at] += float64(count[j])
						}
					}
					d.forecast(i, &predictors[i], &scratches[k], dense[d.from-day*datasets.MinutesPerDay:])
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return nil, fmt.Errorf("forecast: precompute: %w", err)
		}
	}
	return tables, nil
}

// A tableDay is a day of Precompute, or the part of it that is needed.
type tableDay struct {
	from, to int
	stepped  []bool // by minute from from on: some window needs it
	tables   []*Table
}

// dayOf returns the minutes of a day in [from, to) with the tables that have some of it.
func dayOf(day, from, to int, all []*Table) *tableDay {
	d := &tableDay{from: max(from, day*datasets.MinutesPerDay), to: min(to, (day+1)*datasets.MinutesPerDay)}
	d.stepped = make([]bool, d.to-d.from)
	for _, t := range all {
		for now := max(d.from, t.window.From-Settle); now < min(d.to, t.window.To); now++ {
			d.stepped[now-d.from] = true
		}
		if t.window.From < d.to && t.window.To > d.from {
			d.tables = append(d.tables, t)
		}
	}
	return d
}

// forecast goes through the day with function i, of which counts are those from d.from on.
func (d *tableDay) forecast(i int, p *predictor, s *scratch, counts []float64) {
	set := func(now int, f Forecast) {
		for _, t := range d.tables {
			if now >= t.window.From && now < t.window.To {
				t.set(now, i, f)
			}
		}
	}
	for low := 0; low < len(d.stepped); {
		high := low + 1
		for high < len(d.stepped) && d.stepped[high] == d.stepped[low] {
			high++
		}
		if d.stepped[low] {
			p.step(d.from+low, counts[low:high], s, set)
		} else {
			p.prime(d.from+low, counts[low:high])
		}
		low = high
	}
}

func newTable(w datasets.Window, functions int) *Table {
	return &Table{
		window:    w,
		functions: functions,
		data:      make([]float32, w.Len()*functions*fields),
		out:       make([]Forecast, functions),
	}
}

// WarmUp is the minute from which a Runtime must be primed so that its forecasts from
// minute from on have all the history that the model reaches back to, and a day more
// for the inter-arrival times, inside the span.
func (m *Model) WarmUp(span datasets.Window, from int) int {
	reach := max(datasets.MinutesPerDay, m.Features.Reach())
	return min(from, max(span.From, from-reach-datasets.MinutesPerDay))
}

func (t *Table) set(minute, function int, f Forecast) {
	i := ((minute-t.window.From)*t.functions + function) * fields
	t.data[i], t.data[i+1], t.data[i+2], t.data[i+3] = float32(f.Mean), float32(f.Median), float32(f.Q90), float32(f.Q99)
}

// Window is the range of minutes that are forecast.
func (t *Table) Window() datasets.Window { return t.window }

// Share returns a Table with the same forecasts and a Step of its own, for use by
// another goroutine.
func (t *Table) Share() *Table {
	c := *t
	c.out = make([]Forecast, t.functions)
	return &c
}

// Scale returns a Table with the forecasts of a share of the arrivals, k > 0: that of
// an invoker, where arrivals are spread evenly.
func (t *Table) Scale(k float64) *Table {
	c := t.Share()
	c.data = make([]float32, len(t.data))
	for i, v := range t.data {
		c.data[i] = float32(k * float64(v))
	}
	return c
}

// At is the forecast of a function in a minute; outside the window, 0.
func (t *Table) At(minute int, function datasets.FunctionID) Forecast {
	if minute < t.window.From || minute >= t.window.To {
		return Forecast{}
	}
	i := ((minute-t.window.From)*t.functions + int(function)) * fields
	d := t.data[i : i+fields]
	return Forecast{float64(d[0]), float64(d[1]), float64(d[2]), float64(d[3])}
}

// Step implements Source: the forecasts of the minute after minute, whatever the
// counts. Outside the window all are 0. It does not allocate.
func (t *Table) Step(minute int, counts []float64) []Forecast {
	if len(counts) != t.functions {
		panic(fmt.Sprintf("forecast: counts of %d functions, expected %d", len(counts), t.functions))
	}
	for i := range t.out {
		t.out[i] = t.At(minute+1, datasets.FunctionID(i))
	}
	return t.out
}

// Equal reports whether a and b hold the same forecasts, bit for bit.
func (t *Table) Equal(o *Table) bool {
	if t.window != o.window || t.functions != o.functions {
		return false
	}
	for i, v := range t.data {
		if math.Float32bits(v) != math.Float32bits(o.data[i]) {
			return false
		}
	}
	return true
}
