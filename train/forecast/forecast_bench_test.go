//go:build bench

package forecast_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/azure2019"
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

// sample500 is the sample of 500 functions, of eight hours.
func sample500(t *testing.T) *datasets.Trace {
	in, err := azure2019.Open(t.Context(), sharedFile(t, "azure2019", "sample500"), azure2019.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	store, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Ingest(context.Background(), in, parquet.DefaultIngestOptions("s500")); err != nil {
		t.Fatal(err)
	}
	tr, err := store.Trace(context.Background(), "s500")
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestBenchForecast prints the table of docs/models.md: every model on the shared series, from the
// cutoffs named there. BENCH_SERIES takes some of them, separated by commas, and BENCH_MODELS some models.
func TestBenchForecast(t *testing.T) {
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
		{"sample500", sample500, 0, 0, []int{1, 10, 60}},
	}
	models := forecast.AllModels()
	if text := os.Getenv("BENCH_MODELS"); text != "" {
		models = strings.Split(text, ",")
	}
	for _, b := range all {
		if want := os.Getenv("BENCH_SERIES"); want != "" && !slices.Contains(strings.Split(want, ","), b.name) {
			continue
		}
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
