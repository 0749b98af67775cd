package forecast_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// withLater has trees for 5 and for 60 minutes ahead, which add 1 and 3 in units of z.
func withLater(t testing.TB) *forecast.Model {
	t.Helper()
	m := model(t)
	head := func(name string, add float64) forecast.Head {
		return forecast.Head{Objective: "regression_l1", Link: forecast.Stabilised, File: "forecast/" + name + ".txt", Trees: ensemble(t, "lag_1", 1e6, add, 0)}
	}
	wide := forecast.Calibration{Edge: []float64{}, Z: [][5]float64{{-3, 0, 3, 4, 6}}}
	m.Clusters[1].Later = []forecast.Later{
		{Minutes: 5, Median: head("c01-median-5", 1), Calibration: wide, Bias: []float64{0.5}},
		{Minutes: 60, Median: head("c01-median-60", 3), Calibration: wide, Bias: []float64{0.5}},
	}
	if err := m.Compile(); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPath(t *testing.T) {
	m := withLater(t)
	rt, err := forecast.NewRuntime(m, functions("rule", "timer", "idle"), start)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rt.Path(0, 5, nil); err == nil {
		t.Error("a path without a step before")
	}
	for minute := range 100 {
		rt.Prime(minute, []float64{400, 0, 0})
	}
	next := slices.Clone(rt.Step(100, []float64{400, 1, 0}))
	path, err := rt.Path(0, forecast.MaxAhead, nil)
	if err != nil || len(path) != forecast.MaxAhead || path[0] != next[0] {
		t.Fatalf("path of %d minutes begins with %+v, expected %+v (%v)", len(path), path[0], next[0], err)
	}
	z := features.Stabilise(400)
	for _, c := range []struct {
		ahead int
		add   float64
	}{{2, math.Log(2) / math.Log(5)}, {5, 1}, {20, 1 + 2*math.Log(4)/math.Log(12)}, {60, 3}, {61, 3}, {1440, 3}} {
		f := path[c.ahead-1]
		want := features.Count(z + c.add)
		if math.Abs(f.Median-want) > 1e-6*want {
			t.Errorf("%d minutes ahead the median is %v, expected %v", c.ahead, f.Median, want)
		}
		if f.Q90 < f.Median || f.Q99 < f.Q90 || f.Mean < 0 {
			t.Errorf("%d minutes ahead: %+v", c.ahead, f)
		}
	}
	if a, b := path[1], path[59]; a.Q99-a.Median >= b.Q99-b.Median {
		t.Errorf("quantiles do not widen with the distance: %+v, %+v", a, b)
	}
	// Half a standard deviation above the median.
	if f := path[59]; math.Abs(f.Mean-(f.Median+0.5*math.Sqrt(f.Median+0.25))) > 1e-6*f.Mean {
		t.Errorf("mean is %v with a median of %v", f.Mean, f.Median)
	}
	// A timer of 90 minutes rings once every 90 minutes.
	timer, err := rt.Path(1, 200, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, f := range timer {
		if due := k+1 == 90 || k+1 == 180; due != (f.Median == 2) {
			t.Errorf("%d minutes after it rang: %+v", k+1, f)
		}
	}
	for _, n := range []int{0, forecast.MaxAhead + 1} {
		if _, err := rt.Path(0, n, nil); err == nil {
			t.Errorf("a path of %d minutes", n)
		}
	}
	files, err := m.Files()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := forecast.Load(reader(files))
	if err != nil || len(loaded.Clusters[1].Later) != 2 || loaded.Clusters[1].Later[1].Median.Trees == nil {
		t.Errorf("what was written is read as %+v (%v)", loaded, err)
	}
}

// Paths change nothing, and are finite and in order whatever came before.
func TestPathsAreSane(t *testing.T) {
	m, tr := withLater(t), trace(allNames, 2)
	dense, err := tr.Dense(context.Background(), tr.Span)
	if err != nil {
		t.Fatal(err)
	}
	runtime := func() *forecast.Runtime {
		rt, err := forecast.NewRuntime(m, tr.Functions, start)
		if err != nil {
			t.Fatal(err)
		}
		return rt
	}
	one, two := runtime(), runtime()
	var out []forecast.Forecast
	for minute := 0; minute < 1500; minute += 50 {
		stepped(t, one, dense, minute, minute+50)
		stepped(t, two, dense, minute, minute+50)
		for i := range allNames {
			if out, err = two.Path(i, 300, out[:0]); err != nil {
				t.Fatal(err)
			}
			for k, f := range out {
				if !(f.Mean >= 0 && f.Median >= 0 && f.Q90 >= f.Median && f.Q99 >= f.Q90) || math.IsInf(f.Mean+f.Q99, 0) {
					t.Fatalf("function %s, %d minutes ahead: %+v", allNames[i], k+1, f)
				}
			}
		}
		if minute == 1450 {
			if c := stepped(t, one, dense, 1500, 1501); !slices.Equal(c, stepped(t, two, dense, 1500, 1501)) {
				t.Error("looking ahead changed the next forecast")
			}
		}
	}
	i := slices.Index(allNames, "rule")
	if n := testing.AllocsPerRun(20, func() { out, _ = two.Path(i, 60, out[:0]) }); n != 0 {
		t.Errorf("a path allocates %v times", n)
	}
}

// What is forecast from a trace is what a run time forecasts that saw its minutes one by one,
// bit for bit, quantiles too; minutes from then on change nothing.
func TestAheadIsRuntime(t *testing.T) {
	const from, minutes = 3*1440 - 77, 90
	m, tr := withLater(t), trace(allNames, 4)
	probs := []float64{0.25, 0.5, 0.9, 0.97}
	ctx := context.Background()
	got := make([][]forecast.AheadRow, len(tr.Functions))
	all, err := forecast.Find(tr, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = forecast.Ahead(ctx, m, tr, all, from, minutes, probs, 3, func(f datasets.FunctionID, rows []forecast.AheadRow) error {
		got[f] = rows
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	dense, err := tr.Dense(ctx, datasets.Window{From: 0, To: from})
	if err != nil {
		t.Fatal(err)
	}
	rt, err := forecast.NewRuntime(m, tr.Functions, tr.Start)
	if err != nil {
		t.Fatal(err)
	}
	counts := make([]float64, len(tr.Functions))
	for minute := m.WarmUp(tr.Span, from); minute < from; minute++ {
		for i := range counts {
			counts[i] = dense[i][minute]
		}
		if minute < from-1-forecast.Settle {
			rt.Prime(minute, counts)
		} else {
			rt.Step(minute, counts)
		}
	}
	for i := range tr.Functions {
		path, err := rt.Path(i, minutes, nil)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		err = rt.Ahead(i, minutes, probs, func(ahead int, f forecast.Forecast, q []float64) {
			row := got[i][ahead-1]
			if f != row.Forecast || f != path[ahead-1] || !slices.Equal(q, row.Quantiles) {
				t.Fatalf("function %d, %d minutes ahead: run time %+v %v, trace %+v %v", i, ahead, f, q, row.Forecast, row.Quantiles)
			}
			if q[0] > q[1] || q[1] != f.Median || q[2] != f.Q90 || q[3] < f.Q90 || q[3] > f.Q99 {
				t.Fatalf("function %d, %d minutes ahead: quantiles %v about %+v", i, ahead, q, f)
			}
			seen++
		})
		if err != nil || seen != minutes {
			t.Fatalf("function %d: %d minutes, expected %d (%v)", i, seen, minutes, err)
		}
	}

	// One function alone, of a trace that ends there.
	short := trace(allNames, 4)
	short.Span.To = from
	after := short.Source.(datasets.Memory)[from/1440]
	for k, at := range after.Minute { // what comes after is another
		if int(at) >= from%1440 {
			after.Count[k] = 1e6
		}
	}
	alone := func(name string) []forecast.AheadRow {
		ids, err := forecast.Find(short, []string{name})
		if err != nil {
			t.Fatal(err)
		}
		var out []forecast.AheadRow
		err = forecast.Ahead(ctx, m, short, ids, from, minutes, probs, 1, func(_ datasets.FunctionID, rows []forecast.AheadRow) error {
			out = rows
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	key := forecast.KeyOf(&tr.Functions[1])
	for _, name := range []string{key.Name, key.String()} {
		for k, row := range alone(name) {
			if row.Forecast != got[1][k].Forecast {
				t.Fatalf("%s alone, %d minutes ahead: %+v, expected %+v", name, k+1, row.Forecast, got[1][k].Forecast)
			}
		}
	}
}

// Distances ahead that a replay steps through are those of the path at that time.
func TestStepAheadIsPath(t *testing.T) {
	const from, to = 1000, 1700
	m, tr := withLater(t), trace(allNames, 2)
	dense, err := tr.Dense(context.Background(), tr.Span)
	if err != nil {
		t.Fatal(err)
	}
	r, err := forecast.NewReplay(m, tr.Start)
	if err != nil {
		t.Fatal(err)
	}
	ahead := []int{1, 5, 20, 60, 90}
	for i := range tr.Functions {
		rt, err := forecast.NewRuntime(m, tr.Functions[i:i+1], tr.Start)
		if err != nil {
			t.Fatal(err)
		}
		for minute := range from - 1 {
			rt.Prime(minute, dense[i][minute:minute+1])
		}
		r.Function(&tr.Functions[i], 0)
		r.Prime(dense[i][:from])
		stepped := from - 1
		var path []forecast.Forecast
		seen := 0
		err = r.StepAhead(dense[i][from:to], ahead, func(now, k int, d forecast.Distant) {
			for ; stepped < now; stepped++ {
				rt.Step(stepped, dense[i][stepped:stepped+1])
				if path, err = rt.Path(0, 90, path[:0]); err != nil {
					t.Fatal(err)
				}
			}
			if d.Forecast != path[ahead[k]-1] || d.Lower > d.Median || d.Upper < d.Q90 || d.Upper > d.Q99 {
				t.Fatalf("function %d, %d minutes ahead of %d: %+v, path %+v", i, ahead[k], now, d, path[ahead[k]-1])
			}
			seen++
		})
		if err != nil || seen != len(ahead)*(to-from) {
			t.Fatalf("%d forecasts (%v)", seen, err)
		}
	}
	for _, h := range []int{0, forecast.MaxAhead + 1} {
		if r.StepAhead(dense[0][:1], []int{h}, nil) == nil {
			t.Errorf("%d minutes ahead were taken", h)
		}
	}
}

func TestAheadRefuses(t *testing.T) {
	m, tr := withLater(t), trace(allNames, 2)
	if _, err := forecast.Find(tr, []string{"nobody"}); !errors.Is(err, forecast.ErrUnknown) {
		t.Errorf("a function that is not there: %v", err)
	}
	if _, err := forecast.Find(tr, []string{allNames[0], allNames[0]}); err == nil {
		t.Error("a function was named twice")
	}
	for _, c := range []struct {
		from, minutes int
		p             float64
	}{{0, 1, 0.5}, {2*1440 + 1, 1, 0.5}, {1440, 0, 0.5}, {1440, 1441, 0.5}, {1440, 5, 0}, {1440, 5, 1}, {1440, 5, math.NaN()}} {
		ids := []datasets.FunctionID{0}
		if err := forecast.Ahead(context.Background(), m, tr, ids, c.from, c.minutes, []float64{c.p}, 1, func(datasets.FunctionID, []forecast.AheadRow) error { return nil }); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
