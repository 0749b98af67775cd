package forecast_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/forecast"
)

// TestNoFutureInComponents changes what comes after a minute: the decompositions that
// were fitted before, and the features of all rows before it, must stay as they are, bit
// by bit. The present is chosen to be anomalous in one history and usual in the other.
func TestNoFutureInComponents(t *testing.T) {
	long(t)
	const days, steps = 18, 18 * datasets.MinutesPerDay
	trace := &datasets.Trace{Start: time.Date(2021, 3, 1, 0, 0, 0, 0, time.UTC), Span: datasets.Window{To: steps}, Functions: make([]datasets.Function, 2)}
	splits := datasets.Split(trace.Span)
	n := splits.Valid.To
	series := make([][]float64, 2)
	totals := make([]float64, n)
	for i := range series {
		series[i] = make([]float64, n)
		for j := range series[i] {
			series[i][j] = math.Floor(10 + 6*math.Sin(2*math.Pi*float64(j)/1440) + float64((j*7919+i*13)%5))
			if day := j / datasets.MinutesPerDay; day == 5 { // a burst
				series[i][j] *= 4
			}
			totals[j] += series[i][j]
		}
	}
	fitted := func(totals []float64, series [][]float64) [][]features.Origin {
		t.Helper()
		out, err := forecast.Origins(t.Context(), options(), trace, splits, totals, series)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	before := fitted(totals, series)

	const now = 8*datasets.MinutesPerDay + 700
	totals = slices.Clone(totals)
	for i := range series {
		series[i] = slices.Clone(series[i])
		for j := now; j < n; j++ {
			totals[j] += 3 * series[i][j]
			series[i][j] *= 4 // as the burst
		}
	}
	after := fitted(totals, series)

	for i := range series {
		same, changed := 0, 0
		for k, o := range before[i] {
			a, b := asJSON(t, o), asJSON(t, after[i][k])
			switch {
			case o.From > now && a != b:
				changed++
			case o.From <= now && a == b:
				same++
			case o.From <= now:
				t.Errorf("function %d: the decomposition at minute %d depends on minutes from %d on", i, o.From, now)
			}
		}
		if same == 0 || changed == 0 {
			t.Errorf("function %d: %d decompositions before the change and %d that it changed: the test shows nothing", i, same, changed)
		}
		spec := features.SpecFor(splits.Train.Len())
		spec.Components = true
		a := features.NewFollower(spec, trace.Start, spec.Reach(), before[i])
		b := features.NewFollower(spec, trace.Start, spec.Reach(), after[i])
		for minute := range now {
			if minute >= before[i][0].From && minute%41 == 0 {
				for _, ahead := range []int{1, 60} {
					x, y := a.Append(nil, ahead), b.Append(nil, ahead)
					if !slices.EqualFunc(x, y, func(v, w float64) bool { return math.Float64bits(v) == math.Float64bits(w) }) {
						t.Fatalf("function %d: the features at minute %d are %v, with another future %v", i, minute, x, y)
					}
				}
			}
			a.Observe(series[i][minute])
			b.Observe(series[i][minute])
		}
	}
}

// TestNoSkew: the rows that trees are fitted to are those that a run time makes, which meets the counts minute by
// minute, bit by bit.
func TestNoSkew(t *testing.T) {
	tr, holidays, s := smallTrace(t)
	o := options()
	o.Components, o.Trees.NumIterations, o.Ahead = false, 1, nil
	m, rep, err := forecast.Train(t.Context(), tr, s, holidays, o, train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	dense, err := tr.Dense(t.Context(), tr.Span)
	if err != nil {
		t.Fatal(err)
	}
	type at struct {
		function datasets.FunctionID
		minute   int32
	}
	fitted := map[at][]float64{}
	for _, f := range rep.Frames {
		for i := range f.Rows.Rows() {
			fitted[at{f.Rows.Function[i], f.Rows.Minute[i]}] = f.Rows.Row(i)
		}
	}
	compared := 0
	for i := range m.Functions {
		fn := &m.Functions[i]
		id := slices.IndexFunc(tr.Functions, func(f datasets.Function) bool { return online.KeyOf(&f) == fn.Key })
		if fn.Class != online.Trees {
			continue
		}
		f := features.NewFollower(m.Features, tr.Start, fn.Keep, nil)
		f.Reset(tr.Span.From)
		var row []float64
		for _, c := range dense[id] {
			if want, ok := fitted[at{datasets.FunctionID(id), int32(f.Minute())}]; ok {
				row = f.Append(row[:0], 1)
				if !slices.EqualFunc(row, want, func(v, w float64) bool { return math.Float64bits(v) == math.Float64bits(w) }) {
					t.Fatalf("function %s, minute %d: the run time has the row %v, training had %v", fn.Key, f.Minute(), row, want)
				}
				compared++
			}
			f.Observe(c)
		}
	}
	if compared < 1000 {
		t.Errorf("%d rows were compared: too few", compared)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
