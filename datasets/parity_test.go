//go:build parity

package datasets_test

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The medians of testdata/startcosts.csv are those of the published measurements.
func TestStartCostsAgainstTheMeasurements(t *testing.T) {
	shared := os.Getenv("SHARED_DATA")
	if shared == "" {
		t.Fatal("SHARED_DATA must name the folder that holds data, the public measurements")
	}
	files := map[string]string{
		"120.uploader-python": "120", "210.thumbnailer-node": "210_node",
		"210.thumbnailer-python": "210_python", "411.image-recognition-python": "411",
	}
	var bench struct {
		Data map[string]struct {
			Cold []float64 `json:"cold_invoke_duration_us"`
			Warm []float64 `json:"warm_invoke_duration_us"`
		} `json:"data"`
	}
	raw, err := os.ReadFile(filepath.Join(shared, "data", "functionbench", "worker_function_benchmarks.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &bench); err != nil {
		t.Fatal(err)
	}
	for _, s := range measuredStarts(t) {
		cold, warm := bench.Data[s.workload].Cold, bench.Data[s.workload].Warm // us
		if cloud, ok := strings.CutPrefix(s.platform, "SeBS/"); ok {
			cold, warm = sebs(t, filepath.Join(shared, "data", "sebs", cloud, files[s.workload]+".csv.gz"), s.memory)
		}
		if len(cold) != s.coldRuns || len(warm) != s.warmRuns {
			t.Errorf("%s %s %d MB: %d cold and %d warm runs, measured %d and %d",
				s.platform, s.workload, s.memory, s.coldRuns, s.warmRuns, len(cold), len(warm))
			continue
		}
		// The file has tenths of a millisecond.
		if c, w := median(cold)/1e3, median(warm)/1e3; math.Abs(c-s.cold) > 0.051 || math.Abs(w-s.warm) > 0.051 {
			t.Errorf("%s %s %d MB: %.1f cold and %.1f warm, measured %.3f and %.3f",
				s.platform, s.workload, s.memory, s.cold, s.warm, c, w)
		}
	}
}

// sebs returns the times that the client saw, in microseconds.
func sebs(t *testing.T, name string, memory int64) (cold, warm []float64) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for _, r := range rows[1:] {
		if r[column["memory"]] != strconv.FormatInt(memory, 10) {
			continue
		}
		us, err := strconv.ParseFloat(r[column["client_time"]], 64)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case r[column["type"]] == "cold" && r[column["is_cold"]] == "True":
			cold = append(cold, us)
		case r[column["type"]] == "warm" && r[column["is_cold"]] == "False":
			warm = append(warm, us)
		}
	}
	return cold, warm
}
