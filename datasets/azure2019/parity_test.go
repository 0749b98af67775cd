//go:build parity

package azure2019_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/azure2019"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// Real files, with totals that other programs counted.
func TestSharedData(t *testing.T) {
	shared := os.Getenv("SHARED_DATA")
	if shared == "" {
		t.Fatal("SHARED_DATA must name the folder that holds data, the public traces")
	}
	for _, c := range []struct {
		folder      string
		functions   int
		invocations int64
		span        datasets.Window
		assumed     datasets.Assumed // of some function
	}{
		{"sample500", 419, 2863547, datasets.Window{From: 479, To: 959}, datasets.AssumedCPU | datasets.AssumedStartCost},
		{"shapes", 4108, 0, datasets.Window{From: 0, To: 1440}, datasets.AssumedCPU | datasets.AssumedStartCost | datasets.AssumedExecution | datasets.AssumedMemory},
	} {
		in, err := azure2019.Open(t.Context(), filepath.Join(shared, "data", "azure2019", c.folder), azure2019.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		s, err := parquet.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		d, _, err := s.Ingest(t.Context(), in, parquet.DefaultIngestOptions("az"))
		if err != nil {
			t.Fatal(err)
		}
		if d.Functions != c.functions || c.invocations > 0 && d.Invocations != c.invocations || d.Span != c.span || d.Quarantined.Rows != 0 {
			t.Errorf("%s: %+v, expected %+v", c.folder, d, c)
		}
		t.Logf("%s: %d functions, %d invocations, %s", c.folder, d.Functions, d.Invocations, d.Digest)
		if err := s.Verify(t.Context(), "az"); err != nil {
			t.Error(err)
		}
		tr, err := s.Trace(t.Context(), "az")
		if err != nil {
			t.Fatal(err)
		}
		var assumed datasets.Assumed
		for _, f := range tr.Functions {
			assumed |= f.Assumed
		}
		if assumed != c.assumed {
			t.Errorf("%s: assumed %b, expected %b", c.folder, assumed, c.assumed)
		}
	}
}
