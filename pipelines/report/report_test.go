package report_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/incendio-faas/incendio/pipelines/report"
)

var update = flag.Bool("update", false, "rewrite the files of testdata")

func encode(t *testing.T, d *report.Data) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := report.Encode(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSample(t *testing.T) {
	b := encode(t, sample())
	if *update {
		if err := os.WriteFile("testdata/sample.json", b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/sample.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, want) {
		t.Error("the sample and testdata/sample.json differ: go test -update rewrites the file")
	}
}
