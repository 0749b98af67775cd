package features_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/internal/seed"
)

var start = time.Date(2019, 7, 15, 0, 0, 0, 0, time.UTC)

// decomposition is a line with a daily wave, fitted on minutes before from.
func decomposition(from int, slope float64) features.Origin {
	return features.Origin{From: from, Fitted: &prophet.Fitted{
		Growth: prophet.Linear, Start: start, End: start.Add(time.Duration(from) * time.Minute),
		YScale: 10, K: slope, M: 1,
		Seasonalities: []prophet.Seasonality{{Name: "daily", Period: 1, Order: 1}},
		Beta:          []float64{0.5, 0},
		SigmaObs:      0.1,
	}}
}

// extractors are all there are, each with small settings.
func extractors() map[string]features.Extractor {
	parts := []features.Extractor{
		features.Lags{1, 2, 7, 40},
		features.Rolling{5, 33, 100},
		features.Calendar{Start: start},
		features.Components{Start: start, Origins: []features.Origin{decomposition(60, 0.5), decomposition(150, -0.25)}},
	}
	return map[string]features.Extractor{
		"lags": parts[0], "rolling": parts[1], "calendar": parts[2], "components": parts[3],
		"set": features.NewSet(2.5, parts...),
	}
}

// counts draws a series with zeros, bursts and missing minutes.
func counts(n int, s uint64) []float64 {
	rnd := seed.Stream(s, "counts")
	out := make([]float64, n)
	for i := range out {
		switch rnd.IntN(8) {
		case 0, 1, 2:
			out[i] = float64(rnd.IntN(50))
		case 3:
			out[i] = math.NaN()
		}
	}
	return out
}

// TestExtractorContract holds for every extractor: one value per column, nothing of
// the row that it is given is touched, and nothing matters at or past now, or more
// than Reach before it.
func TestExtractorContract(t *testing.T) {
	const from, n = 1000, 300
	for name, e := range extractors() {
		t.Run(name, func(t *testing.T) {
			if c := slices.Clone(e.Columns()); len(slices.Compact(slices.Sorted(slices.Values(c)))) != len(c) {
				t.Errorf("columns %v are not distinct", c)
			}
			y := counts(n, 1)
			now := 200
			changed := slices.Clone(y)
			for i := now; i < n; i++ {
				changed[i] = 1e9
			}
			w := datasets.Window{From: from, To: from + n}
			a, b := features.NewFrame(e.Columns(), n), features.NewFrame(e.Columns(), n)
			a.Replay(3, from, y, w, 1, e)
			b.Replay(3, from, changed, w, 1, e)
			if a.Rows() != n || a.Minute[0] != from || a.Function[n-1] != 3 {
				t.Fatalf("%d rows from minute %d of function %d", a.Rows(), a.Minute[0], a.Function[n-1])
			}
			for i := 0; i <= now; i++ {
				if !same(a.Row(i), b.Row(i)) {
					t.Fatalf("row of minute %d depends on minutes from %d on:\n%v\n%v", i+from, now+from, a.Row(i), b.Row(i))
				}
			}

			// A longer history than Reach changes nothing, nor does a row that is begun.
			past := features.NewHistory(n)
			past.Reset(from)
			for _, c := range y[:now] {
				past.Append(c)
			}
			row := e.Append([]float64{42}, from+now, past)
			if row[0] != 42 || !same(row[1:], a.Row(now)) {
				t.Errorf("appended to a row with a long history: %v, want 42 and %v", row, a.Row(now))
			}
			// Nor does what lies more than Reach back.
			recent := features.NewHistory(features.Reach(e))
			for now := features.Reach(e); now < n; now++ {
				recent.Reset(from + now - features.Reach(e))
				for _, c := range y[now-features.Reach(e) : now] {
					recent.Append(c)
				}
				if row := e.Append(nil, from+now, recent); !same(row, a.Row(now)) {
					t.Fatalf("minute %d: %v from the last %d minutes alone, %v from all", from+now, row, features.Reach(e), a.Row(now))
				}
			}
			row = make([]float64, 0, len(e.Columns()))
			if allocs := testing.AllocsPerRun(20, func() { e.Append(row, from+now, past) }); allocs != 0 {
				t.Errorf("%g allocations", allocs)
			}
		})
	}
}

func same(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return x == y || x != x && y != y })
}

// TestHistory compares with a slice of everything.
func TestHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(1, 200).Draw(t, "capacity")
		from := rapid.IntRange(0, 10000).Draw(t, "from")
		n := rapid.IntRange(0, 500).Draw(t, "n")
		y := counts(n, rapid.Uint64().Draw(t, "seed"))
		h := features.NewHistory(capacity)
		for _, c := range counts(rapid.IntRange(0, 100).Draw(t, "before"), 9) {
			h.Append(c) // forgotten by Reset
		}
		h.Reset(from)
		for _, c := range y {
			h.Append(c)
		}
		kept := y[max(0, n-capacity):]
		if h.Now() != from+n || h.Len() != len(kept) {
			t.Fatalf("now %d, length %d; want %d, %d", h.Now(), h.Len(), from+n, len(kept))
		}
		for k := 0; k <= capacity+1; k++ {
			lag := math.NaN()
			if k >= 1 && k <= len(kept) {
				lag = kept[len(kept)-k]
			}
			if !same([]float64{h.Lag(k)}, []float64{lag}) {
				t.Fatalf("Lag(%d) = %g, want %g", k, h.Lag(k), lag)
			}
			sum, most, known := 0., math.NaN(), 0
			for _, c := range kept[max(0, len(kept)-k):] {
				if !math.IsNaN(c) {
					sum += c
					known++
					if !(most >= c) {
						most = c
					}
				}
			}
			if h.Sum(k) != sum || h.Known(k) != known || !same([]float64{h.Max(k), h.Mean(k)}, []float64{most, sum / float64(known)}) {
				t.Fatalf("last %d: sum %g, known %d, max %g, mean %g; want %g, %d, %g", k, h.Sum(k), h.Known(k), h.Max(k), h.Mean(k), sum, known, most)
			}
		}
		var active []int
		for i, c := range y {
			if c > 0 {
				active = append(active, i)
			}
		}
		run, iat := n, math.NaN()
		if a := len(active); a > 0 {
			run = n - 1 - active[a-1]
			if a > 1 {
				iat = float64(active[a-1] - active[a-2])
			}
		}
		if h.ZeroRun() != run || !same([]float64{h.LastIAT()}, []float64{iat}) {
			t.Fatalf("zero run %d, last IAT %g; want %d, %g", h.ZeroRun(), h.LastIAT(), run, iat)
		}
	})
}

func TestSet(t *testing.T) {
	set := features.NewSet(features.NewScale([]float64{0, 2, math.NaN(), 6, 0}),
		features.Lags{1, 3}, features.Rolling{4}, features.Calendar{Start: start},
		features.Components{Start: start, Origins: []features.Origin{decomposition(720, 0.5)}})
	want := []string{"lag_1", "lag_3", "mean_4", "max_4", "zero_run", "last_iat",
		"minute_of_day_sin", "minute_of_day_cos", "day_of_week_sin", "day_of_week_cos", "hour",
		"trend", "seasonal", "holiday", "yhat", "log_scale"}
	if !slices.Equal(set.Columns(), want) {
		t.Fatalf("columns %v", set.Columns())
	}
	if set.Scale() != 4 || set.Reach() != 4 {
		t.Errorf("scale %g, reach %d; want 4, 4", set.Scale(), set.Reach())
	}
	past := features.NewHistory(set.Reach())
	past.Reset(2*1440 + 1074) // Wednesday, 18:00 less 6 minutes
	for _, c := range []float64{8, 0, 0, 12, 4, 0} {
		past.Append(c)
	}
	now := 2*1440 + 1080
	row := set.Append(nil, now, past)
	ws, wc := math.Sincos(2 * math.Pi * float64(6*1440+1080) / 10080) // the week of the epoch begins on Thursday
	trend := 10 * (1 + 0.5*float64(now)/720)
	expected := []float64{0, 3, 1, 3, 1, 1, -1, 0, ws, wc, 18, trend / 4, -5. / 4, 0, (trend - 5) / 4, math.Log(5)}
	for i, v := range row {
		if math.Abs(v-expected[i]) > 1e-9 {
			t.Errorf("%s is %g, want %g", want[i], v, expected[i])
		}
	}
	// No decomposition is old enough yet.
	past.Reset(100)
	if row := set.Append(nil, 100, past); !math.IsNaN(row[11]) || !math.IsNaN(row[14]) || !math.IsNaN(row[0]) {
		t.Errorf("before the first origin: %v", row)
	}
	// A minute further ahead than the next: what is in between is not known.
	past.Append(7)
	if row := set.Append(nil, 103, past); !math.IsNaN(row[0]) || row[1] != 7./4 {
		t.Errorf("two minutes further ahead: lag_1 %g, lag_3 %g; want NaN, 1.75", row[0], row[1])
	}
}

func TestLookAheadPanics(t *testing.T) {
	past := features.NewHistory(10)
	past.Append(1)
	past.Append(1)
	for name, e := range map[string]features.Extractor{"lags": features.Lags{1}, "rolling": features.Rolling{5}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s forecasts a minute that is known", name)
				}
			}()
			e.Append(nil, 1, past)
		}()
	}
}

func TestReplay(t *testing.T) {
	e := features.Lags{1, 5}
	f := features.NewFrame(e.Columns(), 0)
	y := []float64{10, 11, 12, 13, 14, 15, 16, 17}
	f.Replay(7, 100, y, datasets.Window{From: 102, To: 108}, 3, e)
	f.Append(8, 55, []float64{1, 2})
	if !slices.Equal(f.Minute, []int32{102, 105, 55}) || f.Rows() != 3 {
		t.Fatalf("minutes %v", f.Minute)
	}
	if got := f.Row(1); got[f.Column("lag_1")] != 14 || got[f.Column("lag_5")] != 10 {
		t.Errorf("row of minute 105: %v", got)
	}
	if got := f.Row(0); got[0] != 11 || !math.IsNaN(got[1]) {
		t.Errorf("row of minute 102: %v", got)
	}
	if f.Column("no") != -1 {
		t.Error("a column that is not there was found")
	}
}

func TestTrim(t *testing.T) {
	if got := features.Trim(features.DefaultLags(), 7*1440); !slices.Equal(got, []int{1, 2, 3, 4, 5, 10, 15, 30, 60, 1440}) {
		t.Errorf("lags of a week: %v", got)
	}
}

func TestScale(t *testing.T) {
	if s := features.NewScale([]float64{0, math.NaN()}); s != 1 {
		t.Errorf("of nothing: %g, want 1", s)
	}
}

// BenchmarkReplay extracts a day of rows of one function with the default columns.
func BenchmarkReplay(b *testing.B) {
	const days = 9
	y := counts(days*1440, 1)
	set := features.NewSet(features.NewScale(y),
		features.Lags(features.DefaultLags()), features.Rolling(features.DefaultWindows()),
		features.Calendar{Start: start}, features.Components{Start: start, Origins: []features.Origin{decomposition(1440, 0.5)}})
	w := datasets.Window{From: (days - 1) * 1440, To: days * 1440}
	f := features.NewFrame(set.Columns(), 1440)
	for b.Loop() {
		f.Function, f.Minute, f.Data = f.Function[:0], f.Minute[:0], f.Data[:0]
		f.Replay(1, 0, y, w, 1, set)
	}
	b.ReportMetric(1440*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
