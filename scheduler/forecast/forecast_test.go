package forecast_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/features/interarrival"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

var start = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

var spec = forecast.Features{Lags: []int{1, 2, 60}, Windows: []int{5, 30}, Calendar: true, Components: true}

// ensemble is a model file of one tree: left if column <= threshold.
func ensemble(t testing.TB, column string, threshold, left, right float64) *forecast.Ensemble {
	t.Helper()
	columns := spec.Columns()
	tree := fmt.Sprintf("Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=%d\nsplit_gain=1\nthreshold=%g\ndecision_type=8\n"+
		"left_child=-1\nright_child=-2\nleaf_value=%g %g\nleaf_weight=1 1\nleaf_count=1 1\ninternal_value=0\ninternal_weight=1\n"+
		"internal_count=2\nis_linear=0\nshrinkage=1\n\n\n", slices.Index(columns, column), threshold, left, right)
	head := fmt.Sprintf("tree\nversion=v3\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=%d\nobjective=regression\n"+
		"feature_names=%s\nfeature_infos=%s\ntree_sizes=%d\n\n", len(columns)-1, strings.Join(columns, " "),
		strings.TrimSpace(strings.Repeat("[0:1] ", len(columns))), len(tree))
	e, err := forecast.NewEnsemble([]byte(head + tree + "end of trees\n"))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func key(name string) forecast.Key { return forecast.Key{Owner: "o", App: "a/b", Name: name} }

// calibration has a residual of one standard deviation at 0.9 and of two at 0.99.
func calibration() forecast.Calibration {
	return forecast.Calibration{Edge: []float64{1}, Z: [][5]float64{{-1, 0, 1, 1.5, 2}, {-2, 0, 2, 2.5, 3}}}
}

func model(t testing.TB) *forecast.Model {
	t.Helper()
	m := &forecast.Model{
		Features: spec,
		Clusters: []forecast.Cluster{
			{
				Name:        "c00",
				Mean:        forecast.Head{Objective: "poisson", Link: forecast.Exp, File: "forecast/c00-mean.txt", Trees: ensemble(t, "lag_1", 0.75, 0, math.Log(2))},
				Median:      forecast.Head{Objective: "regression_l1", Link: forecast.Residual, Base: forecast.AdjustedColumn, File: "forecast/c00-median.txt", Trees: ensemble(t, "lag_2", 0.75, 0, 1)},
				Calibration: calibration(),
			},
			{Name: "c01", Mean: forecast.Head{Column: "mean_5"}, Median: forecast.Head{Column: forecast.ZeroColumn}, Calibration: calibration()},
		},
		Functions: []forecast.Function{
			{Key: key("rule"), Class: forecast.Trees, Cluster: 1, Scale: 3, Cap: 1000},
			{Key: key("trees"), Class: forecast.Trees, Cluster: 0, Scale: 4, Cap: 1000},
			{Key: key("timer"), Class: forecast.Interarrival, IAT: &interarrival.Histogram{Gap: []int32{90}, Count: []int32{98}, Rate: 1. / 90, Batch: 2}},
			{Key: key("failed"), Class: forecast.SeasonalNaive, Season: 30, Fallback: "time limit"},
			{Key: key("idle"), Class: forecast.Zero},
		},
		Prophet: map[forecast.Key]*prophet.Fitted{
			key("trees"): {
				Growth: prophet.Flat, Start: start, End: start.Add(time.Hour), YScale: 8, M: 0.25, SigmaObs: 0.1, Observations: 60,
				Changepoints: []float64{}, Delta: []float64{}, Seasonalities: []prophet.Seasonality{}, Holidays: []prophet.Holiday{}, Beta: []float64{},
			},
		},
		Total: calibration(),
	}
	if err := m.Compile(); err != nil {
		t.Fatal(err)
	}
	return m
}

func functions(names ...string) []datasets.Function {
	out := make([]datasets.Function, len(names))
	for i, n := range names {
		out[i] = datasets.Function{ID: datasets.FunctionID(i), Owner: "o", App: "a/b", Name: n}
	}
	return out
}

func reader(files map[string][]byte) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		b, ok := files[name]
		if !ok {
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		return b, nil
	}
}

func TestFilesRoundTrip(t *testing.T) {
	want, err := model(t).Files()
	if err != nil {
		t.Fatal(err)
	}
	m, err := forecast.Load(reader(want))
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Files()
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("files differ after a round trip: %v and %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	for _, name := range []string{"forecast/model.json", "forecast/functions.json", "forecast/prophet.json", "forecast/c00-mean.txt", "forecast/c00-median.txt"} {
		if len(want[name]) == 0 {
			t.Errorf("no file %s", name)
		}
	}
	if f, ok := m.Function(key("failed")); !ok || f.Fallback != "time limit" {
		t.Errorf("function failed is %+v, %v", f, ok)
	}
}

// TestDecompositionsRoundTrip has every kind of term and growth in a bundle's files: what is
// loaded gives the values of what was fitted, bit for bit.
func TestDecompositionsRoundTrip(t *testing.T) {
	m := model(t)
	day := prophet.DayOf(start)
	for _, growth := range []prophet.Growth{prophet.Linear, prophet.Logistic, prophet.Flat} {
		f := &prophet.Fitted{
			Growth: growth, Start: start, End: start.AddDate(0, 0, 9), YScale: 1. / 3, Floor: 0.1, Cap: 7, K: 1.7, M: 0.3, SigmaObs: 0.1, Observations: 60,
			Changepoints: []float64{0.25, 2. / 3}, Delta: []float64{0.1, -1. / 7},
			Seasonalities: []prophet.Seasonality{
				{Name: "daily", Period: 1, Order: 1, PriorScale: 10, Mode: prophet.Multiplicative},
				{Name: "free", Period: 0.5, Order: 1, PriorScale: 10, Condition: "weekend"},
			},
			Holidays: []prophet.Holiday{{Name: "h", Dates: []prophet.Day{day + 1, day + 4}, UpperWindow: 1, Windows: [][2]int{{0, 1}, {0, 0}}, PriorScale: 10}},
			Beta:     []float64{0.3, -0.2, 0.1, 0.7, 0.4, 0.9},
		}
		m.Prophet[key("trees")] = f
		files, err := m.Files()
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := forecast.Load(reader(files))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			at := start.Add(time.Duration(i) * 37 * time.Minute)
			if got, want := loaded.Prophet[key("trees")].Components(at), f.Components(at); got != want {
				t.Fatalf("%s at %v: %+v, fitted %+v", growth, at, got, want)
			}
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	good, err := model(t).Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, file, from, to, want string
	}{
		{"missing trees", "forecast/c00-mean.txt", "", "", "c00"},
		{"version", forecast.ModelFile, `"version": 1`, `"version": 2`, "version must be 1, got 2"},
		{"unknown member", forecast.FunctionsFile, `"cap"`, `"cup"`, `unknown field "cup"`},
		{"cluster", forecast.FunctionsFile, `"cluster": 1`, `"cluster": 2`, "cluster must be in [0, 2), got 2"},
		{"class", forecast.FunctionsFile, `"zero"`, `"none"`, `got "none"`},
		{"column", forecast.ModelFile, `"column": "mean_5"`, `"column": "mean_6"`, `"mean_6" is none of`},
		{"features", forecast.ModelFile, `"calendar": true`, `"calendar": false`, "columns"},
		{"link", forecast.ModelFile, `"exp"`, `"log"`, `got "log"`},
		{"base", forecast.ModelFile, `"base": "adjusted"`, `"base": "adapted"`, `got "adapted"`},
		{"edges", forecast.ModelFile, "[\n     1\n    ]", "[]", "one edge less"},
		{"quantiles", forecast.ModelFile, "-2,\n      0,", "-2,\n      9,", "not descend"},
		{"decomposition", forecast.ProphetFile, `"y_scale": 8`, `"y_scale": 0`, "y_scale must be > 0"},
		{"key", forecast.ProphetFile, `o/a%2Fb/trees`, `o/trees`, "owner/app/name"},
		{"trees", "forecast/c00-mean.txt", "split_feature", "split_future", "forecast/c00-mean.txt"},
		{"tail", forecast.FunctionsFile, "\n}\n", "\n}\n{}", "expected the end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := maps.Clone(good)
			if test.from == "" {
				delete(files, test.file)
			} else {
				changed := strings.Replace(string(files[test.file]), test.from, test.to, 1)
				if changed == string(files[test.file]) {
					t.Fatalf("%s has no %q:\n%s", test.file, test.from, changed)
				}
				files[test.file] = []byte(changed)
			}
			_, err := forecast.Load(reader(files))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, expected one with %q", err, test.want)
			}
		})
	}
}

// Known answers of every class.
func TestStep(t *testing.T) {
	rt, err := forecast.NewRuntime(model(t), functions("trees", "rule", "timer", "failed", "idle", "new"), start)
	if err != nil {
		t.Fatal(err)
	}
	for minute := range 100 {
		rt.Prime(minute, []float64{0, 0, 0, float64(minute), 0, 0})
	}
	// Lag 1 of the function trees is 4/4 > 0.75: mean 2*4. Lag 2 is 0: the median is that of
	// the last hour, yhat of 8*0.25 with the drift to 4/60, and a residual of 0.
	got := slices.Clone(rt.Step(100, []float64{4, 5, 6, 7, 0, 0}))
	sd := math.Sqrt(8.25)
	for i, want := range []forecast.Forecast{
		{Mean: 8, Median: 4. / 60, Q90: 8 + 2*sd, Q99: 8 + 3*sd},
		{Mean: 1, Median: 0, Q90: 1 + 2*math.Sqrt(1.25), Q99: 1 + 3*math.Sqrt(1.25)},
	} {
		near(t, fmt.Sprintf("function %d", i), got[i], want)
	}
	if got[3].Mean != 71 || got[3].Median != 71 {
		t.Errorf("seasonal naive is %+v, expected the count of minute 71", got[3])
	}
	if (got[4] != forecast.Forecast{}) || (got[5] != forecast.Forecast{}) {
		t.Errorf("forecast of functions that were never invoked is %+v and %+v, expected 0", got[4], got[5])
	}
	// The timer rang in minute 100 for the first time: gap 1 was never seen.
	p := (2. / 90) / (98 + 2)
	near(t, "timer after 1 minute", got[2], forecast.Forecast{Mean: 2 * p})
	for minute := 101; minute < 189; minute++ {
		rt.Step(minute, make([]float64, 6))
	}
	p = (98 + 2./90) / 100
	near(t, "timer after 90 minutes", rt.Step(189, make([]float64, 6))[2], forecast.Forecast{Mean: 2 * p, Median: 2, Q90: 2, Q99: 2})
}

func near(t *testing.T, name string, got, want forecast.Forecast) {
	t.Helper()
	for _, v := range [][2]float64{{got.Mean, want.Mean}, {got.Median, want.Median}, {got.Q90, want.Q90}, {got.Q99, want.Q99}} {
		if math.Abs(v[0]-v[1]) > 1e-12*max(1, v[1]) { // a few roundings
			t.Errorf("%s: forecast is %+v, expected %+v", name, got, want)
			return
		}
	}
}

// A function that nobody knew is learned: a timer of 7 minutes is expected on time.
func TestUnknownFunctionIsLearned(t *testing.T) {
	rt, err := forecast.NewRuntime(model(t), functions("new", "idle"), start)
	if err != nil {
		t.Fatal(err)
	}
	for minute := range 700 {
		count := float64(0)
		if minute%7 == 0 {
			count = 3
		}
		f := rt.Step(minute, []float64{count, count})
		if minute < 500 {
			continue
		}
		if due := (minute+1)%7 == 0; due != (f[0].Median == 3) || f[0] != f[1] || due != (f[0].Mean > 2.5) {
			t.Fatalf("minute %d: forecast is %+v and %+v, arrival due: %v", minute+1, f[0], f[1], due)
		}
	}
}

// trace of functions that are invoked at random, at rates that differ.
func trace(names []string, days int) *datasets.Trace {
	t := &datasets.Trace{Name: "random", Start: start, Functions: functions(names...), Span: datasets.Window{To: days * datasets.MinutesPerDay}}
	var source datasets.Memory
	for day := range days {
		c := &datasets.Counts{Day: day, Offset: []int{0}}
		for f := range names {
			rnd := seed.Stream(uint64(day), names[f])
			for minute := range int32(datasets.MinutesPerDay) {
				if rnd.Float64() < 1/float64(1+3*f) {
					c.Minute = append(c.Minute, minute)
					c.Count = append(c.Count, 1+rnd.Int64N(5))
				}
			}
			c.Offset = append(c.Offset, len(c.Minute))
		}
		source = append(source, c)
	}
	t.Source = source
	return t
}

var allNames = []string{"trees", "rule", "timer", "failed", "idle", "new"}

func TestTableIsRuntime(t *testing.T) {
	m, tr := model(t), trace(allNames, 5)
	w := datasets.Window{From: 4*1440 - 100, To: 5*1440 - 300}
	one, err := forecast.Precompute(context.Background(), m, tr, w, 1)
	if err != nil {
		t.Fatal(err)
	}
	three, err := forecast.Precompute(context.Background(), m, tr, w, 3)
	if err != nil {
		t.Fatal(err)
	}
	if !one.Equal(three) {
		t.Error("forecasts depend on the number of workers")
	}
	rt, err := forecast.NewRuntime(m, tr.Functions, tr.Start)
	if err != nil {
		t.Fatal(err)
	}
	dense, err := tr.Dense(context.Background(), tr.Span)
	if err != nil {
		t.Fatal(err)
	}
	counts := make([]float64, len(tr.Functions))
	for minute := m.WarmUp(tr.Span, w.From); minute < w.To-1; minute++ {
		for i := range counts {
			counts[i] = dense[i][minute]
		}
		if minute < w.From-1 {
			rt.Prime(minute, counts)
			continue
		}
		live, stored := rt.Step(minute, counts), one.Step(minute, counts)
		for i := range live {
			f := forecast.Forecast{Mean: float64(float32(live[i].Mean)), Median: float64(float32(live[i].Median)), Q90: float64(float32(live[i].Q90)), Q99: float64(float32(live[i].Q99))}
			if f != stored[i] || stored[i] != one.At(minute+1, datasets.FunctionID(i)) {
				t.Fatalf("minute %d, function %d: table has %+v, run time %+v", minute+1, i, stored[i], live[i])
			}
		}
	}
	if f := one.Step(w.To, counts)[0]; f != (forecast.Forecast{}) {
		t.Errorf("forecast outside the window is %+v, expected 0", f)
	}
}

// The run time sees the rows that the frames of training have, bit for bit: a head
// that is a column shows it.
func TestRowsAreThoseOfFrames(t *testing.T) {
	tr := trace([]string{"trees"}, 3)
	dense, err := tr.Dense(context.Background(), tr.Span)
	if err != nil {
		t.Fatal(err)
	}
	origins := []features.Origin{{Fitted: model(t).Prophet[key("trees")]}}
	frame := features.NewFrame(spec.Columns(), 0)
	w := datasets.Window{From: 1440, To: 3 * 1440}
	frame.Replay(0, 0, dense[0], w, 1, spec.Set(4, start, origins))
	for i, column := range frame.Columns {
		m := model(t)
		m.Clusters[0].Mean = forecast.Head{Column: column}
		m.Functions[slices.IndexFunc(m.Functions, func(f forecast.Function) bool { return f.Key == key("trees") })].Cap = math.MaxFloat64
		if err := m.Compile(); err != nil {
			t.Fatal(err)
		}
		rt, err := forecast.NewRuntime(m, tr.Functions, tr.Start)
		if err != nil {
			t.Fatal(err)
		}
		for minute := range w.To - 1 {
			got := rt.Step(minute, dense[0][minute:minute+1])[0].Mean
			if minute+1 < w.From {
				continue
			}
			want := frame.Row(minute + 1 - w.From)[i] * 4
			if !(want > 0) { // forecasts are not negative, nor missing
				want = 0
			}
			if math.Float64bits(got) != math.Float64bits(want) {
				t.Fatalf("column %s, minute %d: run time has %v, frame %v", column, minute+1, got, want)
			}
		}
	}
}

func TestStepDoesNotAllocate(t *testing.T) {
	m, tr := model(t), trace(allNames, 2)
	rt, err := forecast.NewRuntime(m, tr.Functions, tr.Start)
	if err != nil {
		t.Fatal(err)
	}
	dense, err := tr.Dense(context.Background(), tr.Span)
	if err != nil {
		t.Fatal(err)
	}
	counts := make([]float64, len(tr.Functions))
	minute := 0
	step := func() {
		for i := range counts {
			counts[i] = dense[i][minute]
		}
		rt.Step(minute, counts)
		minute++
	}
	for range 1000 {
		step()
	}
	if n := testing.AllocsPerRun(500, step); n != 0 {
		t.Errorf("a step allocates %v times, expected 0", n)
	}
}

// Whatever arrives, forecasts are finite, not negative and in order.
func TestForecastsAreSane(t *testing.T) {
	m := model(t)
	rapid.Check(t, func(rt *rapid.T) {
		r, err := forecast.NewRuntime(m, functions(allNames...), start)
		if err != nil {
			rt.Fatal(err)
		}
		minute := 0
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			minute += rapid.IntRange(1, 40).Draw(rt, "pause")
			counts := make([]float64, len(allNames))
			for i := range counts {
				counts[i] = float64(rapid.SampledFrom([]int{0, 0, 1, 2, 1e9}).Draw(rt, "count"))
			}
			for i, f := range r.Step(minute, counts) {
				if !(f.Mean >= 0 && f.Median >= 0 && f.Q90 >= f.Median && f.Q99 >= f.Q90) || math.IsInf(f.Mean+f.Q99, 0) {
					rt.Fatalf("minute %d, function %s: forecast is %+v", minute+1, allNames[i], f)
				}
			}
		}
	})
}

func TestKeyText(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		want := forecast.Key{Owner: rapid.String().Draw(rt, "owner"), App: rapid.String().Draw(rt, "app"), Name: rapid.String().Draw(rt, "name")}
		text, err := want.MarshalText()
		if err != nil {
			rt.Fatal(err)
		}
		var got forecast.Key
		if err := got.UnmarshalText(text); err != nil || got != want {
			rt.Fatalf("%q became %+v (%v), expected %+v", text, got, err, want)
		}
	})
}
