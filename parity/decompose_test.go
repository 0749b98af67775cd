//go:build parity

package parity_test

import (
	"compress/gzip"
	"encoding/csv"

	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDecompose runs the command on every golden case of Prophet (r-cran-prophet 1.0, rstan
// 2.21.7), and judges it by what it prints alone: the log posterior follows from the
// parameters and the residuals, the components make up yhat, yhat and its interval are
// Prophet's.
func TestDecompose(t *testing.T) {
	for name, flags := range map[string]string{
		"air_passengers_mult": "--mode multiplicative --horizon 50 --freq MS",
		"peyton_flat":         "--growth flat --horizon 60",
		"peyton_linear":       "--horizon 365 --freq D",
		"peyton_monthly":      "--no-weekly --seasonality monthly:30.5:5 --horizon 60",
		"retail_sales":        "--horizon 60 --freq MS",
		"synth_minute":        "--horizon 1440 --freq min",
		"wp_R_logistic":       "--growth logistic --horizon 1826",
		"yosemite":            "--changepoint-prior-scale 0.01 --horizon 300 --freq h",
	} {
		t.Run(name, func(t *testing.T) { decomposeGolden(t, name, strings.Fields(flags)) })
	}
}

// printed is what decompose --json prints.
type printed struct {
	Params struct {
		K, M        float64
		Delta, Beta []float64
		SigmaObs    float64 `json:"sigma_obs"`
	}
	YScale       float64 `json:"y_scale"`
	LogPosterior float64 `json:"log_posterior"`
	FitMS        float64 `json:"fit_ms"`
	Components   []struct{ Name, Mode string }
	Forecast     []map[string]any
}

func decomposeGolden(t *testing.T, name string, flags []string) {
	dir := shared(t, "golden", "prophet", name)
	stan := decode[struct {
		LP  float64 `json:"log_posterior_no_constants"`
		Tau float64 `json:"changepoint_prior_scale"`
	}](t, readFile(t, filepath.Join(dir, "params.json")))
	bound := stan.LP
	if b, err := os.ReadFile(filepath.Join(dir, "exact_map.json")); err == nil {
		bound = max(bound, decode[struct {
			LP float64 `json:"log_posterior_no_constants"`
		}](t, b).LP)
	}
	out := decode[printed](t, incendio(t, time.Minute, []int{0}, append([]string{"decompose", filepath.Join(dir, "input.csv"), "--json"}, flags...)...).stdout)

	observed := map[string]float64{}
	for _, r := range readRows(t, filepath.Join(dir, "input.csv")) {
		if v, err := strconv.ParseFloat(r["y"], 64); err == nil {
			observed[moment(t, r["ds"])] = v
		}
	}
	reference := readRows(t, filepath.Join(dir, "forecast.csv"))
	if len(out.Forecast) != len(reference) {
		t.Fatalf("%d rows of a forecast, Prophet's has %d", len(out.Forecast), len(reference))
	}
	p := out.Params
	lp := -p.K*p.K/50 - p.M*p.M/50 - 2*p.SigmaObs*p.SigmaObs
	for _, d := range p.Delta {
		lp -= math.Abs(d) / stan.Tau
	}
	for _, b := range p.Beta {
		lp -= b * b / 200
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, y := range observed {
		low, high = min(low, y), max(high, y)
	}
	var sse, worst float64
	var width, theirWidth [2]float64 // on the history, after it
	var inside, theirInside, rows int
	for i, r := range out.Forecast {
		at := func(key string) float64 {
			v, ok := r[key].(float64)
			if !ok {
				t.Fatalf("row %d has no number %q: %v", i, key, r)
			}
			return v
		}
		ds := moment(t, r["ds"].(string))
		want := reference[i]
		if ds != moment(t, want["ds"]) {
			t.Fatalf("row %d is at %s, Prophet's at %s", i, ds, want["ds"])
		}
		yhat := at("yhat")
		factor, added := 1.0, 0.0
		for _, c := range out.Components {
			if c.Mode == "multiplicative" {
				factor += at(c.Name)
			} else {
				added += at(c.Name)
			}
		}
		if sum := at("trend")*factor + added; math.Abs(sum-yhat) > 1e-9*out.YScale {
			t.Fatalf("at %s the components make %.12g, yhat is %.12g", ds, sum, yhat)
		}
		worst = max(worst, math.Abs(yhat-number(t, want["yhat"]))/(high-low))
		part := 1
		theirLow, theirHigh := number(t, want["yhat_lower"]), number(t, want["yhat_upper"])
		if y, ok := observed[ds]; ok {
			part = 0
			r := (y - yhat) / out.YScale
			sse += r * r
			rows++
			if y >= at("yhat_lower") && y <= at("yhat_upper") {
				inside++
			}
			if y >= theirLow && y <= theirHigh {
				theirInside++
			}
		}
		width[part] += at("yhat_upper") - at("yhat_lower")
		theirWidth[part] += theirHigh - theirLow
	}
	lp -= float64(rows)*math.Log(p.SigmaObs) + sse/(2*p.SigmaObs*p.SigmaObs)
	coverage := float64(inside) / float64(theirInside)
	t.Logf("log posterior %.6f, bound %.6f; yhat differs by %.3f %% of the range; intervals cover %.4f and are %.4f, %.4f as wide, of Prophet's; fit %.1f ms",
		out.LogPosterior, bound, 100*worst, coverage, width[0]/theirWidth[0], width[1]/theirWidth[1], out.FitMS)
	if math.Abs(lp-out.LogPosterior) > 1e-6 {
		t.Errorf("log posterior %.9f, recomputed %.9f", out.LogPosterior, lp)
	}
	if out.LogPosterior < bound-1e-6 {
		t.Errorf("log posterior %.9f is below %.9f", out.LogPosterior, bound)
	}
	if worst > 0.02 {
		t.Errorf("yhat differs by %.2f %% of the range", 100*worst)
	}
	// Of all rows: a better mode has another sigma and other changes of slope, hence other
	// intervals on the history and after it. At equal parameters, TestGolden compares them.
	whole := (width[0] + width[1]) / (theirWidth[0] + theirWidth[1])
	for what, ratio := range map[string]float64{"coverage": coverage, "width": whole} {
		if math.Abs(ratio-1) > 0.1 {
			t.Errorf("%s of the intervals is %.3f of Prophet's", what, ratio)
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readRows reads a CSV file, or the same with the ending .gz.
func readRows(t *testing.T, path string) []map[string]string {
	t.Helper()
	var r io.Reader
	file, err := os.Open(path)
	if err == nil {
		r = file
	} else if file, err = os.Open(path + ".gz"); err == nil {
		r, err = gzip.NewReader(file)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all, err := csv.NewReader(r).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, row := range all[1:] {
		m := map[string]string{}
		for i, name := range all[0] {
			m[name] = row[i]
		}
		out = append(out, m)
	}
	return out
}

// moment writes a time of a file in one way.
func moment(t *testing.T, text string) string {
	t.Helper()
	for _, layout := range []string{time.DateTime, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.Format(time.DateTime)
		}
	}
	t.Fatalf("%q is no time", text)
	return ""
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
