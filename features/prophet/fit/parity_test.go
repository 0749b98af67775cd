//go:build parity

package fit_test

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
)

// TestGolden compares fits with those of the real Prophet: fixtures made by
// r-cran-prophet 1.0 with rstan 2.21.7, in golden/prophet of the folder SHARED_DATA.
func TestGolden(t *testing.T) {
	root := os.Getenv("SHARED_DATA")
	if root == "" {
		t.Fatal("SHARED_DATA must name the folder of the golden fixtures")
	}
	for _, name := range []string{"peyton_linear", "peyton_flat", "peyton_monthly", "retail_sales", "yosemite", "synth_minute", "wp_R_logistic", "air_passengers_mult"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(root, "golden", "prophet", name)
			g := readGolden(t, dir)
			times, y := readSeries(t, filepath.Join(dir, "input.csv"))
			var columns prophet.Columns
			if g.Growth == "logistic" {
				columns.Cap = readColumn(t, filepath.Join(dir, "input.csv"), "cap")
			}

			began := time.Now()
			f, err := g.model().FitColumns(t.Context(), times, y, columns)
			took := time.Since(began)
			if err != nil {
				t.Fatal(err)
			}
			if got := logPosteriorColumns(f, times, y, columns, g.ChangepointPriorScale); math.Abs(got-f.LogPosterior) > 1e-6 {
				t.Errorf("log posterior %.9f, recomputed from the rows %.9f", f.LogPosterior, got)
			}
			t.Logf("log posterior %.6f, Stan %.6f, exact %.6f, sigma %.9g, fit %v", f.LogPosterior, g.LP, g.exact, f.SigmaObs, took)
			if f.LogPosterior < g.LP-1e-6 {
				t.Errorf("log posterior %.9f is below Stan's %.9f", f.LogPosterior, g.LP)
			}
			if g.exact != 0 && f.LogPosterior < g.exact-1e-6 {
				t.Errorf("log posterior %.9f is below the exact solution's %.9f", f.LogPosterior, g.exact)
			}
			if f.Growth != prophet.Flat {
				for i, s := range f.Changepoints {
					if math.Abs(s-g.ChangepointsT[i]) > 1e-12 {
						t.Errorf("changepoint %d at %.15g, Prophet's at %.15g", i, s, g.ChangepointsT[i])
					}
				}
			}
			compareForecast(t, f, g, dir, y)
		})
	}
}

type golden struct {
	Growth                string
	ChangepointPriorScale float64   `json:"changepoint_prior_scale"`
	ChangepointsT         []float64 `json:"changepoints_t"`
	SeasonalityMode       string    `json:"seasonality_mode"`
	Columns               []string
	Seasonalities         map[string]struct {
		Period       float64
		FourierOrder int     `json:"fourier_order"`
		PriorScale   float64 `json:"prior_scale"`
	}
	K     float64
	M     float64
	Delta []float64
	Beta  []float64
	Sigma float64 `json:"sigma_obs"`
	LP    float64 `json:"log_posterior_no_constants"`
	exact float64
}

func (g golden) model() fit.Model {
	m := fit.DefaultModel()
	m.Growth = prophet.Growth(g.Growth)
	m.ChangepointPriorScale = g.ChangepointPriorScale
	last := ""
	for _, c := range g.Columns {
		name, _, _ := strings.Cut(c, "_delim_")
		if name == last {
			continue
		}
		s := g.Seasonalities[name]
		m.Seasonalities = append(m.Seasonalities, prophet.Seasonality{Name: name, Period: s.Period, Order: s.FourierOrder, PriorScale: s.PriorScale})
		last = name
	}
	m.SeasonalityMode = prophet.Mode(g.SeasonalityMode)
	return m
}

func readGolden(t *testing.T, dir string) golden {
	t.Helper()
	var g golden
	b, err := os.ReadFile(filepath.Join(dir, "params.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "exact_map.json")); err == nil {
		var e struct {
			LP float64 `json:"log_posterior_no_constants"`
		}
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatal(err)
		}
		g.exact = e.LP
	}
	return g
}

// readColumn reads the numbers of a column of a CSV file.
func readColumn(t *testing.T, path, name string) []float64 {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.Index(rows[0], name)
	var out []float64
	for _, row := range rows[1:] {
		v, err := strconv.ParseFloat(row[at], 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// compareForecast checks yhat and the intervals of f against forecast.csv.
func compareForecast(t *testing.T, f *prophet.Fitted, g golden, dir string, y []float64) {
	t.Helper()
	var r io.Reader
	if file, err := os.Open(filepath.Join(dir, "forecast.csv")); err == nil {
		defer file.Close()
		r = file
	} else {
		file, err := os.Open(filepath.Join(dir, "forecast.csv.gz"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if r, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	value := func(row []string, name string) float64 {
		v, err := strconv.ParseFloat(row[column[name]], 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var times []time.Time
	for _, row := range rows[1:] {
		times = append(times, parseTime(t, row[column["ds"]]))
	}
	var columns prophet.Columns
	if f.Growth == prophet.Logistic {
		for _, row := range rows[1:] {
			columns.Cap = append(columns.Cap, value(row, "cap"))
		}
	}
	fc, err := f.ForecastColumns(times, columns)
	if err != nil {
		t.Fatal(err)
	}
	// Intervals are compared at Prophet's own parameters: a better mode has another
	// sigma and another mean|delta|, so it rightly has other intervals.
	theirs := *f
	theirs.K, theirs.M, theirs.Beta, theirs.SigmaObs = g.K, g.M, g.Beta, g.Sigma
	if f.Growth != prophet.Flat {
		theirs.Delta = g.Delta
	}
	reproduced, err := theirs.ForecastColumns(times, columns)
	if err != nil {
		t.Fatal(err)
	}
	if err := theirs.Intervals(reproduced, prophet.DefaultIntervalOptions()); err != nil {
		t.Fatal(err)
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range y {
		if !math.IsNaN(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	ours, theirParts, modes := map[string][]float64{"trend": fc.Trend}, map[string][]float64{}, map[string]prophet.Mode{}
	for _, p := range fc.Seasonal {
		ours[p.Name], modes[p.Name] = p.Value, p.Mode
	}
	for name := range ours {
		for _, row := range rows[1:] {
			theirParts[name] = append(theirParts[name], value(row, name))
		}
	}
	history := 0
	for history < len(times) && !times[history].After(f.End) {
		history++
	}
	parts := map[string]float64{}
	a, b := centred(ours, modes, history), centred(theirParts, modes, history)
	for name := range a {
		for i := range history {
			scale := 1.0
			if modes[name] == prophet.Multiplicative {
				scale = b["trend"][i]
			}
			parts[name] = max(parts[name], math.Abs(a[name][i]-b[name][i])*scale/(high-low))
		}
		if limit := map[bool]float64{true: 0.02, false: 0.03}[name == "trend"]; parts[name] > limit {
			t.Errorf("%s differs by %.2f %% of the range", name, 100*parts[name])
		}
	}
	t.Logf("trend and components differ, as shares of the range, by at most %v", parts)
	var worst float64
	var width, reference [2]float64 // history, future
	for i, row := range rows[1:] {
		worst = max(worst, math.Abs(fc.Yhat[i]-value(row, "yhat"))/(high-low))
		if d := math.Abs(reproduced.Yhat[i]-value(row, "yhat")) / (high - low); d > 1e-9 {
			t.Fatalf("row %d: yhat at Prophet's parameters is %.12g, Prophet's is %.12g", i, reproduced.Yhat[i], value(row, "yhat"))
		}
		part := 0
		if times[i].After(f.End) {
			part = 1
		}
		width[part] += reproduced.Upper[i] - reproduced.Lower[i]
		reference[part] += value(row, "yhat_upper") - value(row, "yhat_lower")
	}
	t.Logf("yhat differs by at most %.3f %% of the range; interval width %.4f of Prophet's on the history, %.4f after it",
		100*worst, width[0]/reference[0], width[1]/reference[1])
	if worst > 0.02 {
		t.Errorf("yhat differs by %.2f %% of the range", 100*worst)
	}
	for part, w := range width {
		if reference[part] > 0 && math.Abs(w/reference[part]-1) > 0.05 {
			t.Errorf("interval width is %.3f of Prophet's (part %d)", w/reference[part], part)
		}
	}
}
