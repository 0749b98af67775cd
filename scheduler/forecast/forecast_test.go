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

var spec = features.Spec{Hours: 2, Calendar: true, Components: true}

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
				Mean:        forecast.Head{Objective: "regression", Link: forecast.Residual, File: "forecast/c00-mean.txt", Trees: ensemble(t, "lag_1", -0.5, 0, 2)},
				Median:      forecast.Head{Objective: "regression_l1", Link: forecast.Stabilised, File: "forecast/c00-median.txt", Trees: ensemble(t, "lag_1", -0.5, 0, 1)},
				Calibration: calibration(),
			},
			{Name: "c01", Calibration: calibration()},
		},
		Functions: []forecast.Function{
			{Key: key("rule"), Class: forecast.Trees, Cluster: 1, Keep: 130},
			{Key: key("trees"), Class: forecast.Trees, Cluster: 0, Keep: 131},
			{Key: key("timer"), Class: forecast.Interarrival, IAT: &interarrival.Histogram{Gap: []int32{90}, Count: []int32{98}, Rate: 1. / 90, Batch: 2}},
			{Key: key("failed"), Class: forecast.Trees, Cluster: 1, Fallback: "time limit"},
			{Key: key("idle"), Class: forecast.Zero},
		},
		Totals: []forecast.Function{{Key: forecast.Key{Name: forecast.TotalScope}, Class: forecast.Trees, Cluster: 1, Keep: 131}},
		Prophet: map[forecast.Key]*prophet.Fitted{
			key("trees"): {
				Growth: prophet.Flat, Start: start, End: start.Add(time.Hour), YScale: 8, M: 0.25, SigmaObs: 0.1, Observations: 60,
				Changepoints: []float64{}, Delta: []float64{}, Seasonalities: []prophet.Seasonality{}, Holidays: []prophet.Holiday{}, Beta: []float64{},
			},
		},
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
		{"version", forecast.ModelFile, `"version": 2`, `"version": 1`, "version must be 2, got 1"},
		{"unknown member", forecast.FunctionsFile, `"keep"`, `"kept"`, `unknown field "kept"`},
		{"cluster", forecast.FunctionsFile, `"cluster": 1`, `"cluster": 2`, "cluster must be in [0, 2), got 2"},
		{"class", forecast.FunctionsFile, `"zero"`, `"none"`, `got "none"`},
		{"keep", forecast.FunctionsFile, `"keep": 131`, `"keep": 131000`, "keep must be in"},
		{"scope", forecast.ModelFile, `"key": "//total"`, `"key": "//sum"`, "scope of its own"},
		{"features", forecast.ModelFile, `"calendar": true`, `"calendar": false`, "columns"},
		{"link", forecast.ModelFile, `"residual"`, `"log"`, `got "log"`},
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

// Known answers of every class, before the experts are known.
func TestStep(t *testing.T) {
	rt, err := forecast.NewRuntime(model(t), functions("trees", "rule", "timer", "failed", "idle", "new"), start)
	if err != nil {
		t.Fatal(err)
	}
	for minute := range 100 {
		rt.Prime(minute, []float64{9, 4, 0, 400, 0, 0})
	}
	got := slices.Clone(rt.Step(100, []float64{9, 4, 6, 400, 0, 0}))
	// The base is the constant; the trees add 1 in units of z, and two scaled residuals. The
	// quantiles are those of the calibration, whose scale is that of what was expected.
	sd := func(y float64) float64 { return math.Sqrt(y + 0.25) }
	mean := 9 + 2*sd(9)
	for i, want := range []forecast.Forecast{
		{Mean: mean, Median: math.Round(features.Count(features.Stabilise(9) + 1)), Q90: math.Round(mean + 2*sd(mean)), Q99: mean + 3*sd(mean)},
		{Mean: 4, Median: 4, Q90: 4 + math.Round(2*sd(4)), Q99: 4 + math.Round(3*sd(4))},
	} {
		if i == 0 { // beyond 20 quantiles are not rounded
			want.Q90 = mean + 2*sd(mean)
		}
		near(t, fmt.Sprintf("function %d", i), got[i], want)
	}
	near(t, "failed", got[3], forecast.Forecast{Mean: 400, Median: 400, Q90: 400 + 2*sd(400), Q99: 400 + 3*sd(400)})
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
		if math.Abs(v[0]-v[1]) > 1e-6*max(1, v[1]) { // experts are kept in 32 bits
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
	ctx := context.Background()
	later := datasets.Window{From: w.To - 50, To: w.To + 200} // overlaps, and must not change w
	earlier := datasets.Window{From: w.From - 2000, To: w.From - 1950}
	tables, err := forecast.Precompute(ctx, m, tr, []datasets.Window{w}, 1)
	if err != nil {
		t.Fatal(err)
	}
	one := tables[0]
	both, err := forecast.Precompute(ctx, m, tr, []datasets.Window{later, w}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if !one.Equal(both[1]) {
		t.Error("forecasts depend on the number of workers or on a later window")
	}
	for minute := later.From; minute < w.To; minute++ {
		for f := range tr.Functions {
			if id := datasets.FunctionID(f); both[0].At(minute, id) != one.At(minute, id) {
				t.Fatalf("minute %d, function %d: windows that overlap differ", minute, f)
			}
		}
	}
	alone, err := forecast.Precompute(ctx, m, tr, []datasets.Window{earlier}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if both, err = forecast.Precompute(ctx, m, tr, []datasets.Window{w, earlier}, 1); err != nil {
		t.Fatal(err)
	}
	if !alone[0].Equal(both[1]) {
		t.Error("a later window changes an earlier one")
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
		if minute < w.From-1-forecast.Settle {
			rt.Prime(minute, counts)
			continue
		}
		if minute < w.From-1 {
			rt.Step(minute, counts)
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

// A replay forecasts what a run time does that meets the counts minute by minute.
func TestReplayIsRuntime(t *testing.T) {
	m, tr := model(t), trace(allNames, 3)
	dense, err := tr.Dense(context.Background(), tr.Span)
	if err != nil {
		t.Fatal(err)
	}
	dense[0][1500], dense[2][1600] = math.NaN(), -1 // no counts
	r, err := forecast.NewReplay(m, tr.Start)
	if err != nil {
		t.Fatal(err)
	}
	const from, settle, to = 100, 1000, 3 * 1440
	for i := range tr.Functions {
		rt, err := forecast.NewRuntime(m, tr.Functions[i:i+1], tr.Start)
		if err != nil {
			t.Fatal(err)
		}
		for minute := from; minute < settle-1; minute++ {
			rt.Prime(minute, dense[i][minute:minute+1])
		}
		r.Function(&tr.Functions[i], from)
		r.Prime(dense[i][from:settle])
		seen := settle
		r.Step(dense[i][settle:to], func(minute int, f forecast.Forecast) {
			if minute != seen {
				t.Fatalf("minute %d after %d", minute, seen-1)
			}
			seen++
			want := rt.Step(minute-1, dense[i][minute-1:minute])[0]
			lower, upper := rt.Interval(0)
			gotLower, gotUpper := r.Interval()
			if f != want || lower != gotLower || upper != gotUpper || r.Quantile(0.7) != rt.Quantile(0, 0.7) {
				t.Fatalf("function %d, minute %d: replay %+v [%g, %g], run time %+v [%g, %g]", i, minute, f, gotLower, gotUpper, want, lower, upper)
			}
		})
		if seen != to {
			t.Fatalf("visited up to minute %d, expected %d", seen, to)
		}
	}
	if r.Total("owner:nobody", 0) || !r.Total("total", 0) {
		t.Error("a replay begins with the sums that the model has, and with no other")
	}
	if _, err := forecast.NewReplay(m, tr.Start.Add(time.Minute)); err == nil {
		t.Error("a start that is no midnight was taken")
	}
}

// stepped runs rt over the minutes [from, to) of the trace and returns the last forecasts.
func stepped(t testing.TB, rt *forecast.Runtime, dense [][]float64, from, to int) []forecast.Forecast {
	t.Helper()
	counts := make([]float64, len(dense))
	var out []forecast.Forecast
	for minute := from; minute < to; minute++ {
		for i := range counts {
			counts[i] = dense[i][minute]
		}
		out = rt.Step(minute, counts)
	}
	return slices.Clone(out)
}

// A run time that is saved in the middle and taken up elsewhere makes the forecasts of one that went
// on.
func TestRestoredRuntimeGoesOn(t *testing.T) {
	m, tr := model(t), trace(allNames, 2)
	dense, err := tr.Dense(context.Background(), tr.Span)
	if err != nil {
		t.Fatal(err)
	}
	runtime := func(names []string) *forecast.Runtime {
		rt, err := forecast.NewRuntime(m, functions(names...), start)
		if err != nil {
			t.Fatal(err)
		}
		return rt
	}
	one, two := runtime(allNames), runtime(allNames)
	stepped(t, one, dense, 0, 1700)
	var state bytes.Buffer
	if err := one.Save(&state); err != nil {
		t.Fatal(err)
	}
	text := slices.Clone(state.Bytes())
	if err := two.Restore(&state); err != nil {
		t.Fatal(err)
	}
	for minute := 1700; minute < 2880; minute += 59 {
		to := min(minute+59, 2880)
		if a, b := stepped(t, one, dense, minute, to), stepped(t, two, dense, minute, to); !slices.Equal(a, b) {
			t.Fatalf("minute %d: forecasts are %+v, expected %+v", to, b, a)
		}
	}
	if err := runtime(allNames[:3]).Restore(bytes.NewReader(text)); err == nil || !strings.Contains(err.Error(), "functions") {
		t.Errorf("error is %v, expected one about the functions", err)
	}
	swapped := slices.Clone(allNames)
	slices.Reverse(swapped)
	if err := runtime(swapped).Restore(bytes.NewReader(text)); err == nil || !strings.Contains(err.Error(), "class") {
		t.Errorf("error is %v, expected one about a class", err)
	}
	if err := runtime(allNames).Restore(bytes.NewReader(text[:len(text)/2])); err == nil {
		t.Error("half a state was taken up")
	}
}

// What cannot be known in advance is learned as it comes: of a function whose trees are wrong, and of
// one whose calibration is, the median and the quantiles are right after some hours.
func TestRuntimeLearns(t *testing.T) {
	rt, err := forecast.NewRuntime(model(t), functions("trees", "rule"), start)
	if err != nil {
		t.Fatal(err)
	}
	rnd := seed.Stream(7, "learn")
	var off, naive, n float64
	var below [2]float64
	for minute := range 4000 {
		y := []float64{50, math.Max(0, math.Round(200+60*rnd.NormFloat64()))}
		f := rt.Step(minute, y)
		if minute < 1500 {
			continue
		}
		lower, upper := rt.Interval(1)
		off += math.Abs(f[0].Median - 50)
		next := math.Max(0, math.Round(200+60*rnd.NormFloat64()))
		naive += math.Abs(next - y[1])
		if next <= f[1].Q90 {
			below[0]++
		}
		if lower <= next && next <= upper {
			below[1]++
		}
		n++
	}
	if off/n > 1 {
		t.Errorf("the median of a constant is off by %v, though another expert knows it", off/n)
	}
	for i, share := range below {
		if s := share / n; math.Abs(s-0.9) > 0.03 {
			t.Errorf("interval %d covers %v, expected 0.9", i, s)
		}
	}
}

// Totals forecast sums, whatever the functions' own forecasts are.
func TestTotals(t *testing.T) {
	ts, err := forecast.NewTotals(model(t), functions(allNames...), start)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ts.Scopes(), []string{forecast.TotalScope}) {
		t.Fatalf("scopes are %v", ts.Scopes())
	}
	var got []forecast.Forecast
	for minute := range 100 {
		got = ts.Step(minute, []float64{1, 2, 3, 4, 0, 0})
	}
	if math.Abs(got[0].Mean-10) > 0.1 || got[0].Median != 10 {
		t.Errorf("the sum of 10 is forecast as %+v", got[0])
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
	for range 1500 {
		step()
	}
	if n := testing.AllocsPerRun(500, step); n != 0 {
		t.Errorf("a step allocates %v times, expected 0", n)
	}
}

// bounds follow what may be forecast of the functions, see Forecast.
type bounds struct{ recent, ever []float64 }

func (b *bounds) observe(counts []float64, minutes int) {
	for i, c := range counts {
		b.recent[i] *= math.Exp2(-float64(minutes) / 1440)
		if c >= 0 && !math.IsInf(c, 0) {
			c = min(c, features.LargestCount)
			b.recent[i], b.ever[i] = max(b.recent[i], c), max(b.ever[i], c)
		}
	}
}

// of function i are those of its mean and median, and of its quantiles.
func (b *bounds) of(i int, names []string) (centre, tail float64) {
	if k := slices.IndexFunc([]string{"rule", "trees", "failed"}, func(n string) bool { return n == names[i] }); k >= 0 {
		most := max(10, 2*b.recent[i]*(1+1e-9))
		return most, 2 * most
	}
	most := max(2, b.ever[i]) // the timer has learned batches of 2
	return most, most
}

func (b *bounds) check(t require, names []string, i int, f forecast.Forecast, more ...float64) {
	centre, tail := b.of(i, names)
	if !(f.Mean >= 0 && f.Mean <= centre && f.Median >= 0 && f.Median <= centre+0.5 && f.Q90 >= f.Median && f.Q99 >= f.Q90 && f.Q99 <= tail+0.5) {
		t.Fatalf("function %s: forecast is %+v, bounds are %v and %v", names[i], f, centre, tail)
	}
	for k, q := range more {
		if !(q >= 0 && q <= tail+0.5) || k > 0 && q < more[k-1] {
			t.Fatalf("function %s: quantiles are %v, their bound is %v", names[i], more, tail)
		}
	}
}

// ascending are quantiles at ascending probabilities, those that have a rule of their own and others.
func ascending(rt *forecast.Runtime, i int) []float64 {
	var out []float64
	for _, p := range []float64{1e-6, 0.001, 0.004, 0.01, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.88, 0.9, 0.91, 0.95, 0.97, 0.99, 0.995, 0.999, 0.9999} {
		out = append(out, rt.Quantile(i, p))
	}
	return out
}

type require interface{ Fatalf(string, ...any) }

// TestBadHistories: level shifts, gaps, functions that die or are born, huge counts, constants, a history of a
// minute, clocks that jump, and counts that are none: every forecast, of the next minute and of later ones,
// is finite, in order and within its bounds, and what follows is forecast again after a while.
func TestBadHistories(t *testing.T) {
	noisy := func(level float64, i, minute int) float64 {
		return math.Round(level + math.Sqrt(level)*math.Sin(float64(minute*(7+i))))
	}
	jump := map[int]int{700: 90, 900: 3 * 1440, 1200: 15 * 1440} // minutes that the clock leaves out
	for _, c := range []struct {
		name    string
		count   func(i, minute int) float64
		minutes int
		jumps   bool
		// settled, if not negative, is the median that follows.
		settled, within float64
	}{
		{"level up", func(i, m int) float64 { return noisy(map[bool]float64{true: 5000, false: 5}[m >= 800], i, m) }, 1200, false, 5000, 150},
		{"level down", func(i, m int) float64 { return noisy(map[bool]float64{true: 5, false: 5000}[m >= 800], i, m) }, 1200, false, 5, 5},
		{"gaps", func(i, m int) float64 {
			if m%97 < 60 {
				return math.NaN()
			}
			return 40
		}, 1200, false, 40, 0.01},
		{"dies", func(i, m int) float64 { return map[bool]float64{true: 0, false: 300}[m >= 800] }, 1200, false, 0, 0},
		{"is born", func(i, m int) float64 { return map[bool]float64{true: 300, false: 0}[m >= 800] }, 1200, false, 300, 0},
		{"huge", func(i, m int) float64 { return 1e9 }, 1200, false, 1e9, 1e6},
		{"one huge count", func(i, m int) float64 { return map[bool]float64{true: 1e9, false: 3}[m == 800] }, 1200, false, 3, 2}, // a mixture remembers such a loss for hours
		{"huge and nothing", func(i, m int) float64 { return map[bool]float64{true: 1e9, false: 0}[m/100%2 == 0] }, 1250, false, 1e9, 1e6},
		{"constant", func(i, m int) float64 { return 17 }, 1000, false, 17, 0},
		{"zeros", func(i, m int) float64 { return 0 }, 1000, false, 0, 0},
		{"one minute", func(i, m int) float64 { return 12 }, 1, false, -1, 0},
		{"nothing is known", func(i, m int) float64 { return math.NaN() }, 300, false, -1, 0},
		{"no counts", func(i, m int) float64 {
			return []float64{9, math.Inf(1), -4, math.NaN(), 9, math.Inf(-1), 9, 1e300}[m%7]
		}, 1000, false, 9, 3},
		{"the clock jumps", func(i, m int) float64 { return noisy(60, i, m) }, 1700, true, 60, 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			rt, err := forecast.NewRuntime(withLater(t), functions(allNames...), start)
			if err != nil {
				t.Fatal(err)
			}
			n := len(allNames)
			b := bounds{make([]float64, n), make([]float64, n)}
			counts := make([]float64, n)
			var out []forecast.Forecast
			minute, last := 0, 0
			for step := range c.minutes {
				if c.jumps {
					minute += jump[step]
				}
				for i := range counts {
					counts[i] = c.count(i, step)
				}
				b.observe(counts, minute-last)
				last = minute
				for i, f := range rt.Step(minute, counts) {
					b.check(t, allNames, i, f, ascending(rt, i)...)
					if step%100 != 0 && step != c.minutes-1 {
						continue
					}
					if out, err = rt.Path(i, 70, out[:0]); err != nil {
						t.Fatal(err)
					}
					for _, f := range out {
						b.check(t, allNames, i, f)
					}
					if step == c.minutes-1 && c.settled >= 0 && !(math.Abs(f.Median-c.settled) <= c.within) && allNames[i] != "timer" && allNames[i] != "idle" && allNames[i] != "new" {
						t.Errorf("function %s: the median is %v in the end, expected %v", allNames[i], f.Median, c.settled)
					}
				}
				minute++
			}
		})
	}
}

// Whatever arrives, forecasts are finite, not negative, in order and within their bounds.
func TestForecastsAreSane(t *testing.T) {
	m := model(t)
	rapid.Check(t, func(rt *rapid.T) {
		r, err := forecast.NewRuntime(m, functions(allNames...), start)
		if err != nil {
			rt.Fatal(err)
		}
		minute := 0
		b := bounds{make([]float64, len(allNames)), make([]float64, len(allNames))}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			pause := rapid.SampledFrom([]int{1, 1, 1, 2, 40, 1500, 25_000}).Draw(rt, "pause")
			minute += pause
			counts := make([]float64, len(allNames))
			for i := range counts {
				counts[i] = (rapid.SampledFrom([]float64{0, 0, 1, 2, 70, 1e9, 1e300, -1, math.NaN(), math.Inf(1)}).Draw(rt, "count"))
			}
			b.observe(counts, pause)
			for i, f := range r.Step(minute, counts) {
				b.check(rt, allNames, i, f, ascending(r, i)...)
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
