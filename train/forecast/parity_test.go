//go:build parity

package forecast_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/azure2019"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/forecast"
)

func sample500(t *testing.T) *datasets.Trace {
	t.Helper()
	shared := os.Getenv("SHARED_DATA")
	if shared == "" {
		t.Fatal("SHARED_DATA must name the folder that holds data, the public traces")
	}
	in, err := azure2019.Open(t.Context(), filepath.Join(shared, "data", "azure2019", "sample500"), azure2019.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	s, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Ingest(t.Context(), in, parquet.DefaultIngestOptions("az")); err != nil {
		t.Fatal(err)
	}
	tr, err := s.Trace(t.Context(), "az")
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// Eight hours of 419 functions of Azure 2019: the hybrid must beat every simple
// forecast on the functions, and come near the best on their sum, on which a few hot
// functions decide. The bounds leave a tenth over what was measured.
func TestSample500(t *testing.T) {
	tr := sample500(t)
	s := datasets.Split(tr.Span)
	o := forecast.DefaultOptions()
	began := time.Now()
	m, rep, err := forecast.Train(t.Context(), tr, s, nil, o, train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("trained in %v: %v\n%s", time.Since(began), rep.Classes, strings.Join(rep.Notes, "\n"))
	o.Components = false
	light, _, err := forecast.Train(t.Context(), tr, s, nil, o, train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b, err := forecast.Evaluate(t.Context(), m, tr, s.Test, forecast.EvaluateOptions{LightGBM: light})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%v\n%s", b, strings.Join(b.Notes, "\n"))
	for scope, bound := range map[string]float64{forecast.TotalScope: 0.041, forecast.PooledScope: 0.078, forecast.MedianScope: 0.1} {
		ours, _ := b.Model(forecast.Incendio, scope)
		if float64(ours.WAPE) > bound {
			t.Errorf("WAPE on %s is %v, expected at most %v", scope, ours.WAPE, bound)
		}
		for _, name := range []string{forecast.Prophet, forecast.SeasonalNaive, forecast.Naive, forecast.ExpSmoothing} {
			if theirs, _ := b.Model(name, scope); scope != forecast.TotalScope && !(ours.WAPE < theirs.WAPE) {
				t.Errorf("WAPE on %s is %v, that of %s %v", scope, ours.WAPE, name, theirs.WAPE)
			}
		}
	}
}
