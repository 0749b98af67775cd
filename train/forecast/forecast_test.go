package forecast_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/internal/seed"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/forecast"
)

func options() forecast.Options {
	o := forecast.DefaultOptions()
	o.MaxRows = 15_000
	o.Trees.NumIterations, o.Trees.LearningRate = 40, 0.2
	o.MaxClusters = 2
	o.Ahead = []int{10}
	return o
}

// long leaves a test that trains several models out of a short run.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("trains several models")
	}
}

// smallTrace is a synthetic trace of four days, its holidays and its splits.
func smallTrace(t testing.TB) (*datasets.Trace, []datasets.Holiday, datasets.Splits) {
	t.Helper()
	o := synthetic.Options{Functions: 60, Days: 4, Holidays: []int{1}, Busiest: 36000, Seed: 2}
	tr, err := synthetic.Generate(o)
	if err != nil {
		t.Fatal(err)
	}
	return tr, synthetic.Holidays(o), datasets.Split(tr.Span)
}

// trained is the model that several tests look at.
var trained = sync.OnceValues(func() (*online.Model, *forecast.Report) {
	o := synthetic.Options{Functions: 60, Days: 4, Holidays: []int{1}, Busiest: 36000, Seed: 2}
	tr, err := synthetic.Generate(o)
	if err != nil {
		panic(err)
	}
	m, rep, err := forecast.Train(context.Background(), tr, datasets.Split(tr.Span), synthetic.Holidays(o), options(), train.Discard)
	if err != nil {
		panic(err)
	}
	return m, rep
})

func files(t testing.TB, m *online.Model) map[string][]byte {
	t.Helper()
	f, err := m.Files()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// edited is a trace whose days pass through change.
type edited struct {
	datasets.Source
	change func(*datasets.Counts)
}

func (e edited) Day(ctx context.Context, day int) (*datasets.Counts, error) {
	c, err := e.Source.Day(ctx, day)
	if err != nil {
		return nil, err
	}
	copied := *c
	copied.Count = slices.Clone(c.Count)
	e.change(&copied)
	return &copied, nil
}

// tripled has three times the counts in the minutes of w.
func tripled(t *datasets.Trace, w datasets.Window) *datasets.Trace {
	out := *t
	out.Source = edited{t.Source, func(c *datasets.Counts) {
		for i, m := range c.Minute {
			if at := c.Day*datasets.MinutesPerDay + int(m); at >= w.From && at < w.To {
				c.Count[i] *= 3
			}
		}
	}}
	return &out
}

// The model depends neither on the number of workers nor on the test window, and
// survives its files.
func TestTrainIsReproducible(t *testing.T) {
	long(t)
	tr, holidays, s := smallTrace(t)
	m, rep := trained()
	o := options()
	o.Workers = 3
	again, repAgain, err := forecast.Train(t.Context(), tripled(tr, s.Test), s, holidays, o, train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	// To the bit: the report enters the bundle too.
	if !slices.Equal(rep.Importance, repAgain.Importance) || !reflect.DeepEqual(rep.Clusters, repAgain.Clusters) {
		t.Error("reports differ between numbers of workers, or because of the test window")
	}
	want := files(t, m)
	if !maps.EqualFunc(files(t, again), want, bytes.Equal) {
		t.Error("files differ between numbers of workers, or because of the test window")
	}
	loaded, err := online.Load(func(name string) ([]byte, error) {
		if b, ok := want[name]; ok {
			return b, nil
		}
		return nil, fs.ErrNotExist
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(files(t, loaded), want, bytes.Equal) {
		t.Error("files differ after a round trip")
	}
}

// Rows see the past alone: what comes after their minute does not change them.
func TestRowsDoNotSeeTheFuture(t *testing.T) {
	long(t)
	tr, holidays, s := smallTrace(t)
	_, rep := trained()
	from := s.Valid.From + s.Valid.Len()/2 // scales are measured before
	o := options()
	o.Trees.NumIterations = 1
	_, changed, err := forecast.Train(t.Context(), tripled(tr, datasets.Window{From: from, To: s.Valid.To}), s, holidays, o, train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	type at struct {
		f      datasets.FunctionID
		minute int32
	}
	collect := func(r *forecast.Report) map[at][]float64 {
		rows := map[at][]float64{}
		for _, f := range r.Frames {
			for i := range f.Rows.Rows() {
				rows[at{f.Rows.Function[i], f.Rows.Minute[i]}] = f.Rows.Row(i)
			}
		}
		return rows
	}
	before, after := collect(rep), collect(changed)
	equal := func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }
	compared, differ := 0, 0
	for k, row := range before {
		alike := after[k]
		if alike == nil {
			t.Fatalf("function %d, minute %d: no row with another future", k.f, k.minute)
		}
		if same := slices.EqualFunc(row, alike, equal); int(k.minute) > from && !same {
			differ++
		} else if int(k.minute) <= from {
			compared++
			if !same {
				t.Fatalf("function %d, minute %d: row is %v, and %v with another future", k.f, k.minute, row, alike)
			}
		}
	}
	if compared < 1000 || differ < 100 {
		t.Errorf("%d rows before the change were compared, %d after it differ: too few", compared, differ)
	}
}

func TestReport(t *testing.T) {
	m, rep := trained()
	if len(rep.Fallbacks) != 0 || len(rep.Warnings) != 0 {
		t.Errorf("fallbacks %v, warnings %v: expected none", rep.Fallbacks, rep.Warnings)
	}
	if n := rep.Classes[online.Trees] + rep.Classes[online.Interarrival] + rep.Classes[online.Zero]; n != 60 || rep.Classes[online.Trees] < 10 {
		t.Errorf("classes are %v, expected 60 functions in all", rep.Classes)
	}
	if len(m.Prophet) != rep.Classes[online.Trees]+len(m.Totals) || len(m.Totals) < 2 || m.Totals[0].Key.Name != online.TotalScope {
		t.Errorf("%d decompositions of %d functions with trees and %d sums", len(m.Prophet), rep.Classes[online.Trees], len(m.Totals))
	}
	var gain float64
	for i, v := range rep.Importance {
		gain += v.Gain
		if i > 0 && v.Gain > rep.Importance[i-1].Gain {
			t.Errorf("importances do not descend: %v", rep.Importance)
		}
	}
	if math.Abs(gain-1) > 1e-9 {
		t.Errorf("importances sum to %v, expected 1", gain)
	}
	if !slices.ContainsFunc(rep.Notes, func(s string) bool { return strings.Contains(s, "weekly") }) {
		t.Errorf("notes %q do not say that the weekly seasonality is absent", rep.Notes)
	}
	for _, c := range rep.Clusters {
		best := map[string]float64{}
		chosen := map[string]float64{}
		for _, k := range c.Candidates {
			if b, ok := best[k.Head]; !ok || k.Score < b {
				best[k.Head] = k.Score
			}
			if k.Chosen {
				chosen[k.Head] = k.Score
			}
		}
		if len(best) != 3 || !maps.Equal(best, chosen) {
			t.Errorf("cluster %s: chosen are %v, best %v", c.Name, chosen, best)
		}
	}
}

func TestTimeLimitFallsBack(t *testing.T) {
	tr, holidays, s := smallTrace(t)
	o := options()
	o.TimeLimit = 1
	m, rep, err := forecast.Train(t.Context(), tr, s, holidays, o, train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	_, usual := trained()
	if len(rep.Fallbacks) != usual.Classes[online.Trees]+len(m.Totals) || rep.Classes[online.Trees] != usual.Classes[online.Trees] || len(m.Prophet) != 0 {
		t.Errorf("%d fallbacks, %d decompositions and %v classes, expected %d functions and %d sums without one", len(rep.Fallbacks), len(m.Prophet), rep.Classes, usual.Classes[online.Trees], len(m.Totals))
	}
	for _, f := range rep.Fallbacks {
		fn, ok := m.Function(f.Function)
		if f.Function.Owner == "" { // a sum
			continue
		}
		if !ok || fn.Class != online.Trees || !strings.Contains(f.Reason, "time limit of 1ns") || fn.Fallback != f.Reason {
			t.Fatalf("fallback is %+v of %+v", f, fn)
		}
	}
	if _, err := forecast.Evaluate(t.Context(), m, tr, s.Test, forecast.EvaluateOptions{}); err != nil {
		t.Error(err)
	}
}

func evaluated(t *testing.T, workers int) *forecast.BacktestReport {
	t.Helper()
	tr, _, s := smallTrace(t)
	m, _ := trained()
	r, err := forecast.Evaluate(t.Context(), m, tr, s.Test, forecast.EvaluateOptions{Seed: 1, Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Models {
		if r.Models[i].Timing.Predict <= 0 {
			t.Errorf("%s took no time", r.Models[i].Name)
		}
		r.Models[i].Timing = forecast.FigureTiming{}
	}
	return r
}

func TestEvaluate(t *testing.T) {
	long(t)
	r := evaluated(t, 1)
	asText := func(r *forecast.BacktestReport) string { // where NaN equals NaN
		b, err := json.Marshal(r.Models)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if other := evaluated(t, 3); asText(r) != asText(other) {
		t.Error("figures depend on the number of workers")
	}
	figure := func(name, scope string) forecast.Figures {
		f, ok := r.Model(name, scope)
		if !ok {
			t.Fatalf("no figures of %s on %s", name, scope)
		}
		return f
	}
	// The naive forecast is known by hand.
	tr, _, s := smallTrace(t)
	dense, err := tr.Dense(t.Context(), tr.Span)
	if err != nil {
		t.Fatal(err)
	}
	totalActual, totalNaive := make([]float64, s.Test.Len()), make([]float64, s.Test.Len())
	var pooled, total struct{ n, actual, abs, square float64 }
	for _, y := range dense {
		a, n := y[s.Test.From:], y[s.Test.From-1:len(y)-1]
		for i := range a {
			pooled.n++
			pooled.actual += a[i]
			pooled.abs += math.Abs(a[i] - n[i])
			pooled.square += (a[i] - n[i]) * (a[i] - n[i])
			totalActual[i] += a[i]
			totalNaive[i] += n[i]
		}
	}
	for i, a := range totalActual {
		total.actual += a
		total.abs += math.Abs(a - totalNaive[i])
	}
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"pooled WAPE", float64(figure(forecast.Naive, forecast.PooledScope).WAPE), pooled.abs / pooled.actual},
		{"pooled MAE", float64(figure(forecast.Naive, forecast.PooledScope).MAE), pooled.abs / pooled.n},
		{"pooled RMSE", float64(figure(forecast.Naive, forecast.PooledScope).RMSE), math.Sqrt(pooled.square / pooled.n)},
		{"pooled pinball", float64(figure(forecast.Naive, forecast.PooledScope).Pinball["0.5"]) * 2, pooled.abs / pooled.n},
		{"total WAPE", float64(figure(forecast.Naive, forecast.TotalScope).WAPE), total.abs / total.actual},
	} {
		// The median of the naive forecast's pinball loss is the forecast itself.
		if math.Abs(c.got-c.want) > 1e-9*c.want {
			t.Errorf("%s of naive is %v, expected %v", c.what, c.got, c.want)
		}
	}
	// A burst of the test window, which nothing before it resembles, is exponential
	// smoothing's: the notes say so rather than this test hiding it.
	for _, name := range []string{forecast.Prophet, forecast.SeasonalNaive, forecast.Naive} {
		if ours, theirs := figure(forecast.Incendio, forecast.PooledScope), figure(name, forecast.PooledScope); !(ours.WAPE < theirs.WAPE) || !(ours.Pinball["0.9"] < theirs.Pinball["0.9"]) {
			t.Errorf("hybrid has WAPE %v and pinball %v, %s %v and %v: expected less", ours.WAPE, ours.Pinball, name, theirs.WAPE, theirs.Pinball)
		}
	}
	if c := figure(forecast.Incendio, forecast.PooledScope).Coverage90; c < 0.85 {
		t.Errorf("the interval of 90 %% covers %v", c)
	}
	// What is lost minute by minute adds up to the figures, as whole numbers of 2^-16 do.
	pinball, decision, arrived := 0.0, 0.0, 0.0
	for i := range s.Test.Len() {
		pinball += r.Losses.Pinball[i] / float64(s.Test.Len())
		decision += r.Losses.Decision[i]
	}
	invoked := 0
	for _, y := range dense {
		sum := 0.0
		for _, v := range y[s.Test.From:s.Test.To] {
			sum += v
		}
		arrived += sum
		if sum > 0 {
			invoked++
		}
	}
	want := figure(forecast.Incendio, forecast.PooledScope)
	mean := float64(want.PinballNormalised["0.5"]+want.PinballNormalised["0.9"]+want.PinballNormalised["0.99"]) / 3
	if got := pinball / float64(invoked); math.Abs(got-mean) > 1e-3*mean || math.Abs(decision/arrived-float64(want.DecisionCost)) > 1e-3*float64(want.DecisionCost) {
		t.Errorf("minutes lose %v of pinball and %v of decisions, all together %v and %v", got, decision/arrived, mean, want.DecisionCost)
	}
	functions := 0
	for _, c := range r.Reliability {
		functions += c.Functions
		for _, part := range []forecast.Reliable{c.Reliable, c.LastThird} {
			if !(part.PIT["0.5"] <= part.PIT["0.9"]) || !(part.PIT["0.9"] <= part.PIT["0.99"]) || !(part.Coverage90 > 0.7) {
				t.Errorf("below %v: %+v", c.Below, part)
			}
		}
	}
	if functions != len(tr.Functions) {
		t.Errorf("classes of demand have %d functions, expected %d", functions, len(tr.Functions))
	}
	if n := len(r.Example.Minute); n != s.Test.Len() || r.Example.Minute[0] != s.Test.From {
		t.Errorf("example has %d minutes from %d", n, r.Example.Minute[0])
	}
	for i, lo := range r.Example.Lower {
		if lo > r.Example.Upper[i] || r.Example.Median[i] < lo || r.Example.Median[i] > r.Example.Upper[i] || r.Example.Q90[i] > r.Example.Q99[i] {
			t.Fatalf("example, minute %d: forecasts out of order", r.Example.Minute[i])
		}
	}
	// Every baseline that is not beaten is named.
	for _, f := range r.Models {
		noted := slices.ContainsFunc(r.Notes, func(s string) bool {
			return strings.Contains(s, "does not beat "+f.Name+" on the scope "+f.Scope)
		})
		if lost := f.Name != forecast.Incendio && f.WAPE <= figure(forecast.Incendio, f.Scope).WAPE; lost != noted {
			t.Errorf("%s on %s: not beaten is %v, noted is %v", f.Name, f.Scope, lost, noted)
		}
	}
}

// handmade is a trace of one day with the given counts per minute.
func handmade(days int, count ...func(minute int) int64) *datasets.Trace {
	t := &datasets.Trace{Name: "handmade", Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Span: datasets.Window{To: days * 1440}}
	var source datasets.Memory
	for day := range days {
		c := &datasets.Counts{Day: day, Offset: []int{0}}
		for _, f := range count {
			for m := range int32(1440) {
				if n := f(day*1440 + int(m)); n > 0 {
					c.Minute, c.Count = append(c.Minute, m), append(c.Count, n)
				}
			}
			c.Offset = append(c.Offset, len(c.Minute))
		}
		source = append(source, c)
	}
	for i := range count {
		t.Functions = append(t.Functions, datasets.Function{ID: datasets.FunctionID(i), Owner: "o", App: "a", Name: string(rune('a' + i))})
	}
	t.Source = source
	return t
}

// TestDecisionCost: where the memory of a function makes 0.9 the critical quantile, being ready for it costs
// the pinball loss of that quantile; sums of functions, one without memory and minutes further ahead have no such cost.
func TestDecisionCost(t *testing.T) {
	tr := handmade(1, func(m int) int64 { return int64(m * 7919 % 11) }, func(m int) int64 { return int64(m % 3) }, func(m int) int64 { return int64(m % 5) })
	for i := range tr.Functions[:2] {
		tr.Functions[i].Memory = int64(math.Round(0.808 * 99.69 / 60 * (1/0.9 - 1) * (1 << 30)))
	}
	o := forecast.DefaultBacktestOptions()
	o.Train, o.Refit, o.PerFunction = options(), forecast.NoRefit, true
	o.Models, o.Horizons = []string{forecast.Naive, forecast.ExpSmoothing}, []int{1, 2}
	r, err := forecast.Backtest(t.Context(), tr, datasets.Window{From: 1000, To: 1440}, nil, o, train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Functions {
		cost := float64(f.DecisionCost)
		if want := float64(f.PinballNormalised["0.9"]); f.Horizon == 1 && f.Function.Name != "c" && !(math.Abs(cost-want) <= 1e-6*want) || (f.Horizon > 1 || f.Function.Name == "c") && !math.IsNaN(cost) {
			t.Errorf("%s of %s, %d ahead: the decisions cost %v, the quantile %v", f.Name, f.Function, f.Horizon, cost, want)
		}
	}
	for _, f := range r.Models {
		if known := !math.IsNaN(float64(f.DecisionCost)); known != (f.Scope != forecast.TotalScope && f.Horizon == 1) {
			t.Errorf("%s on %s, %d ahead: the decisions cost %v", f.Name, f.Scope, f.Horizon, f.DecisionCost)
		}
	}
}

// Timers of any period are forecast to the minute.
func TestTimersAreForecast(t *testing.T) {
	long(t)
	var timers []func(int) int64
	for _, period := range []int{2, 3, 5, 7, 11, 13, 20, 30, 45, 60} {
		timers = append(timers, func(minute int) int64 {
			if minute%period == period/2 {
				return int64(period)
			}
			return 0
		})
	}
	tr := handmade(1, timers...)
	s := datasets.Split(tr.Span)
	o := options()
	o.Trees.MinDataInLeaf = 5
	m, rep, err := forecast.Train(t.Context(), tr, s, nil, o, train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Classes[online.Trees] != len(timers) {
		t.Fatalf("classes are %v", rep.Classes)
	}
	r, err := forecast.Evaluate(t.Context(), m, tr, s.Test, forecast.EvaluateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f, _ := r.Model(forecast.Incendio, forecast.PooledScope)
	if f.WAPE > 0.02 {
		t.Errorf("WAPE is %v, expected timers to be forecast\n%v", f.WAPE, rep.Clusters)
	}
}

// What no model can know is not claimed to be known: on Poisson arrivals of constant
// rates the hybrid comes close to the floor, and its intervals cover what they say.
func TestPoissonFloor(t *testing.T) {
	key := seed.Key(3, "test")
	var functions []func(int) int64
	for i := range 12 {
		rate := float64(2 * (i + 1))
		functions = append(functions, func(minute int) int64 {
			// Inversion of the Poisson distribution.
			u, p, n := seed.Uniform(key, uint64(i)<<32|uint64(minute)), math.Exp(-rate), int64(0)
			for c := p; c < u; c += p {
				n++
				p *= rate / float64(n)
			}
			return n
		})
	}
	tr := handmade(2, functions...)
	s := datasets.Split(tr.Span)
	m, _, err := forecast.Train(t.Context(), tr, s, nil, options(), train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r, err := forecast.Evaluate(t.Context(), m, tr, s.Test, forecast.EvaluateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f, _ := r.Model(forecast.Incendio, forecast.PooledScope)
	floor := r.Floors[1]
	if floor.Scope != forecast.PooledScope || math.Abs(float64(floor.WAPE)-0.2) > 0.03 { // 0.8/sqrt(13) and more for the smaller rates
		t.Errorf("floor is %+v, expected about 0.2", floor)
	}
	if ratio := float64(f.WAPE / floor.WAPE); ratio > 1.06 || ratio < 0.97 {
		t.Errorf("WAPE is %v times the floor, expected a little more than 1", ratio)
	}
	if math.Abs(float64(f.Coverage90)-0.92) > 0.04 { // counts are discrete: more than 0.9 is covered
		t.Errorf("the interval of 90 %% covers %v", f.Coverage90)
	}
}

// Windows at the beginning of a trace are trained on up to the first cutoff.
func TestBacktestFromTheStart(t *testing.T) {
	tr, holidays, s := smallTrace(t)
	o := forecast.DefaultBacktestOptions()
	o.Train = options()
	o.Train.Trees.NumIterations = 3
	o.Cutoffs = 1
	all := datasets.Window{From: tr.Span.From, To: tr.Span.To}
	for _, w := range []datasets.Window{all, s.Train, {From: tr.Span.From, To: tr.Span.From + 80}, {From: tr.Span.From + 10, To: tr.Span.From + 90}} {
		r, err := forecast.Backtest(t.Context(), tr, w, holidays, o, train.Discard)
		if err != nil {
			t.Errorf("window %v: %v", w, err)
			continue
		}
		want := max(w.From+w.Len()/2, tr.Span.From+73)
		if len(r.Cutoffs) != 1 || r.Cutoffs[0] != want {
			t.Errorf("window %v: cutoffs %v, want %d", w, r.Cutoffs, want)
		}
	}
	if _, err := forecast.Backtest(t.Context(), tr, datasets.Window{From: tr.Span.From, To: tr.Span.From + 73}, holidays, o, train.Discard); err == nil || !strings.Contains(err.Error(), "a window of 73 minutes has no room for 1 cutoffs, of which the first must have 73 minutes") {
		t.Errorf("a window that is too short: %v", err)
	}
}

func TestBacktest(t *testing.T) {
	long(t)
	tr, holidays, s := smallTrace(t)
	o := forecast.DefaultBacktestOptions()
	o.Train = options()
	o.Train.Trees.NumIterations = 10
	o.Cutoffs = 2
	r, err := forecast.Backtest(t.Context(), tr, s.Test, holidays, o, train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Trace   string
		Horizon int `json:"horizon_min"`
		Cutoffs []int
		Models  []struct {
			Name, Scope string
			WAPE        *float64
			Pinball     map[string]float64
			Coverage    *float64 `json:"coverage_90"`
			Timing      struct {
				Fit float64 `json:"fit_s"`
			}
		}
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.Trace != tr.Name || got.Horizon != 1 || !slices.Equal(got.Cutoffs, []int{s.Test.From, s.Test.From + s.Test.Len()/2}) {
		t.Errorf("report is of %s, horizon %d, cutoffs %v", got.Trace, got.Horizon, got.Cutoffs)
	}
	var names []string
	for _, m := range got.Models {
		if m.Scope == forecast.PooledScope {
			names = append(names, m.Name)
		}
		if m.WAPE == nil || m.Coverage == nil || len(m.Pinball) != 3 {
			t.Errorf("%s on %s lacks figures", m.Name, m.Scope)
		}
		if trained := m.Name == forecast.Incendio || m.Name == forecast.LightGBM; trained && m.Timing.Fit <= 0 {
			t.Errorf("%s took no time to fit", m.Name)
		}
	}
	want := []string{forecast.Incendio, forecast.LightGBM, forecast.Prophet, forecast.SeasonalNaive, forecast.Naive, forecast.ExpSmoothing}
	if !slices.Equal(names, want) {
		t.Errorf("models are %v, expected %v", names, want)
	}
}

// An anomalous day gets a column of its own unless it is a holiday, which has one.
func TestAnomalousHoliday(t *testing.T) {
	long(t)
	// Eight days from a Monday on: a burst on Tuesday, an outage on Thursday.
	count := func(minute int) int64 {
		switch minute / datasets.MinutesPerDay {
		case 1:
			return 3 * int64(minute%5)
		case 3:
			return int64(minute%5) / 4
		}
		return int64(minute % 5)
	}
	tr := handmade(8, count)
	holiday := datasets.Holiday{Name: "fair", Day: tr.Time(datasets.MinutesPerDay)}
	o := options()
	o.MaxRows = 2000
	o.Trees.NumIterations = 5
	for _, c := range []struct {
		holidays []datasets.Holiday
		want     []string
	}{
		{nil, []string{"anomalous_2024-01-02", "anomalous_2024-01-04"}},
		{[]datasets.Holiday{holiday}, []string{"anomalous_2024-01-04", "fair"}},
	} {
		m, _, err := forecast.Train(t.Context(), tr, datasets.Split(tr.Span), c.holidays, o, train.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range m.Prophet[online.KeyOf(&tr.Functions[0])].Holidays {
			got = append(got, h.Name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("with %d holidays: columns are %v, expected %v", len(c.holidays), got, c.want)
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	tr, _, s := smallTrace(t)
	short := s
	short.Train.To = short.Train.From + 10
	if _, _, err := forecast.Train(t.Context(), tr, short, nil, options(), train.Discard); err == nil || !strings.Contains(err.Error(), "training window") {
		t.Errorf("error is %v, expected one about the training window", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := forecast.Train(ctx, tr, s, nil, options(), train.Discard); err == nil {
		t.Error("no error after the context ended")
	}
	for _, c := range []struct {
		key    string
		change func(*forecast.Options)
	}{
		{"min_rate", func(o *forecast.Options) { o.MinRate = 0 }},
		{"max_clusters", func(o *forecast.Options) { o.MaxClusters = 0 }},
		{"growth", func(o *forecast.Options) { o.Growth = "logistic" }},
		{"max_rows", func(o *forecast.Options) { o.MaxRows = 1 }},
		{"time_limit", func(o *forecast.Options) { o.TimeLimit = -1 }},
		{"num_leaves", func(o *forecast.Options) { o.Trees.NumLeaves = 1 }},
	} {
		o := options()
		c.change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), c.key) {
			t.Errorf("%s: error is %v, expected one that names the key", c.key, err)
		}
	}
}
