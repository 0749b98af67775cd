//go:build bench

package forecast_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/azure2019"
	"github.com/incendio-faas/incendio/datasets/huawei2023"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/forecast"
)

// A benched series is judged from a cutoff on.
type benched struct {
	name          string
	trace         func(t *testing.T) *datasets.Trace
	cutoff, until int // minutes
	horizons      []int
}

func sharedFile(t *testing.T, elem ...string) string {
	t.Helper()
	root := os.Getenv("SHARED_DATA")
	if root == "" {
		t.Fatal("SHARED_DATA must name the folder of the shared data")
	}
	return filepath.Join(append([]string{root, "data"}, elem...)...)
}

// minutes reads a file of day, minute and count, numbered from first on, as one function. A minute
// without a row is a gap.
func minutes(t *testing.T, start time.Time, first int, elem ...string) *datasets.Trace {
	t.Helper()
	f, err := os.Open(sharedFile(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	tr := &datasets.Trace{Name: elem[len(elem)-1], Format: "counts", Start: start, Functions: []datasets.Function{{Owner: "o", App: "a", Name: "f", Trigger: "http", CPU: 1}}}
	var days datasets.Memory
	for _, r := range rows[1:] {
		day, err1 := strconv.Atoi(r[0])
		minute, err2 := strconv.Atoi(r[1])
		count, err3 := strconv.ParseFloat(r[2], 64)
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatalf("row %v", r)
		}
		for len(days) <= day-first {
			days = append(days, &datasets.Counts{Day: len(days), Offset: []int{0, 0}})
		}
		if d := days[day-first]; count > 0 {
			d.Minute, d.Count = append(d.Minute, int32(minute-first)), append(d.Count, int64(count))
			d.Offset[1]++
		}
	}
	tr.Source, tr.Span = days, datasets.Window{To: len(days) * datasets.MinutesPerDay}
	return tr
}

// azureFolder reads a folder of files of the official layout.
func azureFolder(name string) func(t *testing.T) *datasets.Trace {
	return func(t *testing.T) *datasets.Trace {
		in, err := azure2019.Open(t.Context(), sharedFile(t, "azure2019", name), azure2019.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		return stored(t, in)
	}
}

func huaweiDays(t *testing.T) *datasets.Trace {
	in, err := huawei2023.Open(t.Context(), sharedFile(t, "huawei2023", "days5"), huawei2023.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	return stored(t, in)
}

func stored(t *testing.T, in datasets.Input) *datasets.Trace {
	store, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Ingest(context.Background(), in, parquet.DefaultIngestOptions("bench")); err != nil {
		t.Fatal(err)
	}
	tr, err := store.Trace(context.Background(), "bench")
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// benchSeries are the shared series, those that BENCH_SERIES names, separated by commas, or all.
func benchSeries() []benched {
	const day = datasets.MinutesPerDay
	azure := time.Date(2019, 7, 15, 0, 0, 0, 0, time.UTC)
	region := func(name string) func(*testing.T) *datasets.Trace {
		return func(t *testing.T) *datasets.Trace {
			return minutes(t, time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), 0, "huawei2025", "coldstarts", name+".csv")
		}
	}
	far := []int{1, 10, 60, day}
	all := []benched{
		{"azure", func(t *testing.T) *datasets.Trace {
			return minutes(t, azure, 1, "azure2019", "total", "per_minute.csv")
		}, 7 * day, 9 * day, far},
		{"R1", region("R1"), 14 * day, 21 * day, far},
		{"R2", region("R2"), 14 * day, 21 * day, far},
		{"R4", region("R4"), 14 * day, 21 * day, far},
		{"function9d", azureFolder("function9d"), 7 * day, 9 * day, far},
		{"functions5d", azureFolder("functions5d"), 4 * day, 5 * day, []int{1, 10, 60}},
		{"days5", huaweiDays, 4 * day, 5 * day, []int{1, 10, 60}},
		{"sample500", azureFolder("sample500"), 0, 0, []int{1, 10, 60}},
	}
	want := os.Getenv("BENCH_SERIES")
	return slices.DeleteFunc(all, func(b benched) bool {
		return want != "" && !slices.Contains(strings.Split(want, ","), b.name)
	})
}

// TestBenchForecast prints the table of docs/models.md: every model on the shared series, from the
// cutoffs named there. BENCH_MODELS takes some models.
func TestBenchForecast(t *testing.T) {
	models := forecast.AllModels()
	if text := os.Getenv("BENCH_MODELS"); text != "" {
		models = strings.Split(text, ",")
	}
	for _, b := range benchSeries() {
		t.Run(b.name, func(t *testing.T) {
			tr := b.trace(t)
			w := datasets.Window{From: b.cutoff, To: b.until}
			if w.Len() == 0 {
				w = datasets.Split(tr.Span).Test
			}
			o := forecast.DefaultBacktestOptions()
			o.Refit, o.Horizons, o.Models = forecast.NoRefit, b.horizons, models
			began := time.Now()
			r, err := forecast.Backtest(t.Context(), tr, w, nil, o, train.Discard)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Printf("\n%s, %v from %v, %v\n\n", b.name, w, tr.Time(w.From).Format(time.DateTime), time.Since(began).Round(time.Second))
			scopes := []string{forecast.PooledScope}
			if len(tr.Functions) > 1 {
				scopes = append(scopes, forecast.MedianScope, forecast.TotalScope)
			}
			printTable(r, b.horizons, models, scopes)
		})
	}
}

// printTable prints the WAPE of each model and scope in percent, and what the intervals of 90 % cover,
// by horizon.
func printTable(r *forecast.BacktestReport, horizons []int, models, scopes []string) {
	fmt.Print("| model | scope |")
	for _, h := range horizons {
		fmt.Printf(" %d | covered |", h)
	}
	fmt.Printf(" pinball 0.9 | 0.99 |\n| --- | --- |%s --- | --- |\n", strings.Repeat(" --- | --- |", len(horizons)))
	for _, scope := range scopes {
		for _, m := range models {
			fmt.Printf("| %s | %s |", m, scope)
			var first *forecast.Figures
			for _, h := range horizons {
				i := slices.IndexFunc(r.Models, func(f forecast.Figures) bool { return f.Name == m && f.Scope == scope && f.Horizon == h })
				f := &r.Models[i]
				if first == nil {
					first = f
				}
				fmt.Printf(" %.2f | %.3f |", 100*float64(f.WAPE), float64(f.Coverage90))
			}
			fmt.Printf(" %.4g | %.4g |\n", float64(first.Pinball["0.9"]), float64(first.Pinball["0.99"]))
		}
	}
	fmt.Println()
	for _, c := range r.Reliability {
		fmt.Printf("demand below %g: %d functions, covered %.3f, PIT %v; in the last third %.3f, %v\n", c.Below, c.Functions, float64(c.Coverage90), c.PIT, float64(c.LastThird.Coverage90), c.LastThird.PIT)
	}
	for _, c := range r.Comparisons {
		if math.IsNaN(float64(c.Ratio)) {
			continue
		}
		fmt.Printf("%s, %d ahead: %.3f of %s [%.3f, %.3f] %s\n", c.Scope, c.Horizon, float64(c.Ratio), c.Other, float64(c.CI95[0]), float64(c.CI95[1]), c.Result)
	}
}

// peerModels are those of testdata/peers.py.
const peerModels = "lightgbm_lags,lightgbm_tuned,prophet,auto_ets,mstl,auto_theta,tsb,auto_arima"

// peerLimit is how long a peer may take for a series.
const peerLimit = 10 * time.Minute

// TestBenchPeers prints, one minute ahead and in percent, the WAPE of well-kept programs of others on the shared
// series, but for that of many functions, beside ours; functions of one trace are pooled. BENCH_PEERS takes some. With
// BENCH_BEFORE set, the last part before the cutoff is forecast from what lies before it, and nothing
// behind the cutoff is looked at: for choices.
func TestBenchPeers(t *testing.T) {
	python := os.Getenv("PARITY_PYTHON")
	if python == "" {
		t.Fatal("PARITY_PYTHON must name a Python with the packages of parity/requirements-forecast.txt; make peers-forecast makes one")
	}
	peers := strings.Split(peerModels, ",")
	if text := os.Getenv("BENCH_PEERS"); text != "" {
		peers = strings.Split(text, ",")
	}
	ours := []string{forecast.Incendio, forecast.LightGBM, forecast.LightGBMLags}
	fmt.Printf("| series | %s | %s |\n| --- |%s\n", strings.Join(ours, " | "), strings.Join(peers, " | "), strings.Repeat(" --- |", len(ours)+len(peers)))
	for _, b := range benchSeries() {
		if b.cutoff == 0 {
			continue
		}
		tr := b.trace(t)
		w := datasets.Window{From: b.cutoff, To: b.until}
		if os.Getenv("BENCH_BEFORE") != "" {
			w = datasets.Window{From: b.cutoff - w.Len()/2, To: b.cutoff}
		}
		o := forecast.DefaultBacktestOptions()
		o.Refit, o.Models = forecast.NoRefit, ours
		r, err := forecast.Backtest(t.Context(), tr, w, nil, o, train.Discard)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("| %s |", b.name)
		for _, m := range ours {
			f, _ := r.Model(m, forecast.PooledScope)
			fmt.Printf(" %.2f |", 100*float64(f.WAPE))
		}
		dense, err := tr.Dense(t.Context(), datasets.Window{To: w.To})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range peers {
			abs, sum, reason := 0.0, 0.0, ""
			for _, y := range dense {
				f, err := peer(t, python, name, y, w.From, int(tr.Start.Unix()/60%(7*datasets.MinutesPerDay)))
				if err != nil {
					reason = err.Error()
					break
				}
				for i, v := range f {
					abs += math.Abs(v - y[w.From+i])
					sum += y[w.From+i]
				}
			}
			if reason != "" {
				fmt.Printf(" – (%s) |", reason)
				continue
			}
			fmt.Printf(" %.2f |", 100*abs/sum)
		}
		fmt.Println()
	}
}

// peer asks one for the forecasts of counts from cut on.
func peer(t *testing.T, python, name string, counts []float64, cut, phase int) ([]float64, error) {
	request, err := json.Marshal(map[string]any{"counts": counts, "cut": cut, "phase": phase})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), peerLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "testdata/peers.py", name)
	cmd.Stdin = bytes.NewReader(request)
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("more than %v", peerLimit)
	}
	if err != nil {
		return nil, err
	}
	var line struct {
		Error     string
		Forecasts []float64
	}
	if err := json.Unmarshal(out, &line); err != nil {
		return nil, err
	}
	if line.Error != "" {
		return nil, errors.New(line.Error)
	}
	return line.Forecasts, nil
}
