package pipelines_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets/huawei2023"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/internal/seed"
)

// TestNightsMissing ingests eight days of four functions in Huawei's layout, of which
// minutes 480 to 1079 were observed, and asks of the features that the level is in the
// trend and the season has the size it was made with, also in the nights.
func TestNightsMissing(t *testing.T) {
	const days, functions, level, amplitude = 8, 4, 100., 10.
	dir := filepath.Join(t.TempDir(), "requests_minute")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	rnd := seed.Stream(1, "pipelines/nights")
	least, largest := math.Inf(1), math.Inf(-1)
	for d := range days {
		var b strings.Builder
		b.WriteString("day,time,0,1,2,3\n")
		for m := 480; m < 1080; m++ {
			fmt.Fprintf(&b, "%d,%d", d, 86400*d+60*m)
			for f := range functions {
				y := math.Round(level + float64(f) + amplitude*math.Sin(2*math.Pi*(float64(m)/1440-float64(f)/8)) + 3*rnd.NormFloat64())
				least, largest = min(least, y), max(largest, y)
				fmt.Fprintf(&b, ",%g", y)
			}
			b.WriteString("\n")
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("day_%03d.csv", d)), []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in, err := huawei2023.Open(t.Context(), filepath.Dir(dir), huawei2023.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	cfg := tiny(t.TempDir())
	cfg.Trace = "nights"
	store, err := parquet.Open(cfg.Store)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Ingest(context.Background(), in, parquet.DefaultIngestOptions(cfg.Trace)); err != nil {
		t.Fatal(err)
	}
	r := open(t, cfg, time.Time{}, env(2, "r1"))
	if err := r.Until(t.Context(), "features"); err != nil {
		t.Fatal(err)
	}

	read := func(name string) map[string][]float64 {
		columns, err := parquet.ReadTable(filepath.Join(cfg.Out, "frames", name))
		if err != nil {
			t.Fatal(err)
		}
		out := map[string][]float64{}
		for _, c := range columns {
			if values, ok := c.Data.([]float64); ok {
				out[c.Name] = values
			}
		}
		return out
	}
	params := read("decomposition.parquet")
	if n := len(params["max_daily"]); n != functions {
		t.Fatalf("%d decompositions, want %d", n, functions)
	}
	for f, v := range params["max_daily"] {
		if v < amplitude/3 || v > 2*amplitude {
			t.Errorf("function %d: max_daily is %g, the season has an amplitude of %g", f, v, amplitude)
		}
		if at := params["m"][f] * params["y_scale"][f]; math.Abs(at-level) > amplitude {
			t.Errorf("function %d: the level is %g, must be near %g", f, at, level)
		}
	}
	parts := read("components.parquet")
	beyond := 0.2 * (largest - least)
	for i, trend := range parts["trend"] {
		if math.Abs(trend-level) > amplitude {
			t.Errorf("row %d: the trend is %g, must be near %g", i, trend, level)
			break
		}
		if yhat := parts["yhat"][i]; yhat < least-beyond || yhat > largest+beyond {
			t.Errorf("row %d: yhat is %g, the values go from %g to %g", i, yhat, least, largest)
			break
		}
	}
}
