//go:build bench

package fit_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
	"github.com/incendio-faas/incendio/internal/seed"
)

// What `make bench-prophet` demands; a run that falls short of it fails.
const (
	fitRatio     = 100  // times Prophet's
	predictRatio = 30   // times its vectorised sampler's
	fleetRate    = 5000 // series a second and core, from memory
)

// seconds is what something took.
type seconds struct {
	Wall float64 `json:"wall"`
	CPU  float64 `json:"cpu"` // of all threads and children
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) * 1e-9
}

// timed measures do n times and returns the least of each, which other work on the
// machine disturbs least.
func timed(n int, do func()) seconds {
	least := seconds{math.Inf(1), math.Inf(1)}
	for range n {
		began, used := time.Now(), cpuSeconds()
		do()
		least.Wall = min(least.Wall, time.Since(began).Seconds())
		least.CPU = min(least.CPU, cpuSeconds()-used)
	}
	return least
}

// A benchCase is a history with Prophet's defaults but for tau.
type benchCase struct {
	Name    string  `json:"-"`
	CSV     string  `json:"csv"`
	Tau     float64 `json:"changepoint_prior_scale"`
	StepS   int     `json:"step_s"`
	Horizon int     `json:"horizon"` // one day
	Samples int     `json:"samples"`
}

// A benchAnswer is what Prophet took and said (testdata/prophet_bench.py).
type benchAnswer struct {
	Fit, Predict seconds
	Width        [2]float64 // mean width of the interval, on the history and after it
	Coverage     float64    // share of the history inside
	Yhat         []float64
	DS           []int64 // Unix seconds
}

// TestBenchProphet runs the real Prophet and this package on three histories, one process
// of Prophet for each run, and prints how they compare. `make bench-prophet` runs it; it
// measures time, so it has no place among the tests.
//
// The widths of the intervals are printed and not demanded: a better mode has another
// sigma and other changes of slope. TestGolden compares them at Prophet's parameters.
func TestBenchProphet(t *testing.T) {
	python, shared := os.Getenv("PARITY_PYTHON"), os.Getenv("SHARED_DATA")
	if python == "" {
		t.Fatal("PARITY_PYTHON must name a Python with the prophet of parity/requirements.txt; make bench-prophet makes one")
	}
	if shared == "" {
		t.Fatal("SHARED_DATA must name the folder of the golden fixtures, with golden/prophet/{yosemite,synth_minute}")
	}
	if out, err := exec.Command(python, "-c", "import prophet").CombinedOutput(); err != nil {
		t.Fatalf("Prophet is missing: %v\n%s", err, out)
	}
	golden := func(name string) string { return filepath.Join(shared, "golden", "prophet", name, "input.csv") }
	cases := []benchCase{
		{Name: "yosemite", CSV: golden("yosemite"), Tau: 0.01, StepS: 300},
		{Name: "synth_minute", CSV: golden("synth_minute"), Tau: 0.05, StepS: 60},
		{Name: "14 days of minutes", CSV: writeBenchSeries(t), Tau: 0.05, StepS: 60},
	}
	table := []string{fmt.Sprintf("%-20s %6s %24s %24s %15s %24s %24s %15s %15s %9s", "", "",
		"Prophet fit", "ours", "times faster", "Prophet predict", "ours", "times faster", "width", "yhat"),
		fmt.Sprintf("%-20s %6s %12s %11s %12s %11s %7s %7s %12s %11s %12s %11s %7s %7s %7s %7s %9s", "case", "rows",
			"wall s", "cpu s", "wall ms", "cpu ms", "wall", "cpu", "wall s", "cpu s", "wall ms", "cpu ms", "wall", "cpu", "history", "day", "differs")}
	for _, c := range cases {
		c.Horizon, c.Samples = 86400/c.StepS, 1000
		table = append(table, c.run(t, python))
	}
	t.Logf("least of several runs on %d processors, one thread each\n%s", runtime.NumCPU(), strings.Join(table, "\n"))
}

// run measures a case and returns its line of the table.
func (c benchCase) run(t *testing.T, python string) string {
	times, y := readSeries(t, c.CSV)
	m := fit.DefaultModel()
	m.ChangepointPriorScale = c.Tau
	m.Seasonalities = fit.ProphetSeasonalities(times[len(times)-1].Sub(times[0]), time.Duration(c.StepS)*time.Second)

	var f *prophet.Fitted
	var fc *prophet.Forecast
	fitting, predicting := seconds{math.Inf(1), math.Inf(1)}, seconds{math.Inf(1), math.Inf(1)}
	theirs := benchAnswer{Fit: fitting, Predict: fitting}
	for range 2 { // alternating
		a := c.ask(t, python)
		a.Fit, a.Predict = least(a.Fit, theirs.Fit), least(a.Predict, theirs.Predict)
		theirs = a
		fitting = least(fitting, timed(10, func() {
			var err error
			if f, err = m.FitTimes(t.Context(), times, y); err != nil {
				t.Fatal(err)
			}
		}))
		when := make([]time.Time, len(theirs.DS))
		for i, s := range theirs.DS {
			when[i] = time.Unix(s, 0).UTC()
		}
		o := prophet.DefaultIntervalOptions()
		o.Samples = c.Samples
		predicting = least(predicting, timed(5, func() {
			fc = f.Forecast(when)
			if err := f.Intervals(fc, o); err != nil {
				t.Fatal(err)
			}
		}))
	}

	var width [2]float64
	var worst float64
	history := len(fc.Time) - c.Horizon
	inside, known := 0, map[time.Time]int{}
	for i, at := range fc.Time {
		if i < history {
			known[at] = i
			width[0] += (fc.Upper[i] - fc.Lower[i]) / float64(history)
		} else {
			width[1] += (fc.Upper[i] - fc.Lower[i]) / float64(c.Horizon)
		}
		worst = max(worst, math.Abs(fc.Yhat[i]-theirs.Yhat[i]))
	}
	low, high, values := math.Inf(1), math.Inf(-1), 0
	for i, v := range y {
		if math.IsNaN(v) {
			continue
		}
		low, high = min(low, v), max(high, v)
		values++
		if k, ok := known[times[i]]; ok && fc.Lower[k] <= v && v <= fc.Upper[k] {
			inside++
		}
	}
	coverage := float64(inside) / float64(values)
	fitWall, fitCPU := theirs.Fit.Wall/fitting.Wall, theirs.Fit.CPU/fitting.CPU
	predictWall, predictCPU := theirs.Predict.Wall/predicting.Wall, theirs.Predict.CPU/predicting.CPU
	if min(fitWall, fitCPU) < fitRatio {
		t.Errorf("%s: the fit is %.0f times faster, %.0f in processor time: must be %d", c.Name, fitWall, fitCPU, fitRatio)
	}
	if min(predictWall, predictCPU) < predictRatio {
		t.Errorf("%s: the prediction is %.0f times faster, %.0f in processor time: must be %d", c.Name, predictWall, predictCPU, predictRatio)
	}
	if math.Abs(coverage/theirs.Coverage-1) > 0.1 {
		t.Errorf("%s: %.3f of the history lie in the interval, Prophet %.3f", c.Name, coverage, theirs.Coverage)
	}
	return fmt.Sprintf("%-20s %6d %12.3f %11.3f %12.2f %11.2f %7.0f %7.0f %12.3f %11.3f %12.2f %11.2f %7.0f %7.0f %7.3f %7.3f %8.2f%%", c.Name, values,
		theirs.Fit.Wall, theirs.Fit.CPU, 1e3*fitting.Wall, 1e3*fitting.CPU, fitWall, fitCPU,
		theirs.Predict.Wall, theirs.Predict.CPU, 1e3*predicting.Wall, 1e3*predicting.CPU, predictWall, predictCPU,
		width[0]/theirs.Width[0], width[1]/theirs.Width[1], 100*worst/(high-low))
}

func least(a, b seconds) seconds { return seconds{min(a.Wall, b.Wall), min(a.CPU, b.CPU)} }

// ask runs Prophet once.
func (c benchCase) ask(t *testing.T, python string) benchAnswer {
	t.Helper()
	question, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/prophet_bench.py")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(question), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: Prophet: %v\n%s", c.Name, err, &stderr)
	}
	var a benchAnswer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%s: answer of Prophet: %v", c.Name, err)
	}
	return a
}

// writeBenchSeries writes two weeks of minutes with a rhythm and noise.
func writeBenchSeries(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "minutes.csv")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := csv.NewWriter(file)
	_ = w.Write([]string{"ds", "y"}) // the error is that of Flush
	for i, v := range benchSeries(0) {
		_ = w.Write([]string{monday.Add(time.Duration(i) * time.Minute).Format("2006-01-02 15:04:05"), strconv.FormatFloat(v, 'g', -1, 64)})
	}
	w.Flush()
	if err := w.Error(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// benchSeries is series i of a fleet: counts of two weeks of minutes, a daily and a weekly
// rhythm of its own, a level that changes, and noise.
func benchSeries(i int) []float64 {
	rnd := seed.Stream(uint64(i), "bench")
	size := math.Exp(2 + rnd.NormFloat64())
	shift, change := rnd.Float64(), rnd.IntN(14*1440)
	y := make([]float64, 14*1440)
	for j := range y {
		x := float64(j)/1440 + shift
		rate := size * (2 + math.Sin(2*math.Pi*x) + 0.4*math.Sin(4*math.Pi*x) + 0.5*math.Cos(2*math.Pi*x/7))
		if j > change {
			rate += size * float64(j-change) / (14 * 1440)
		}
		y[j] = math.Floor(max(0, rate+math.Sqrt(rate)*rnd.NormFloat64()))
	}
	return y
}

// TestBenchFleet fits 10,000 series from memory.
func TestBenchFleet(t *testing.T) {
	const series, batch, steps = 10_000, 1000, 14 * 1440
	own := make([][]float64, 100)
	for i := range own {
		own[i] = benchSeries(i)
	}
	m := fit.DefaultModel()
	m.Seasonalities = fit.ProphetSeasonalities(steps*time.Minute, time.Minute)
	grid := fit.Grid{Start: monday, Step: time.Minute}
	for _, gaps := range []bool{false, true} {
		for _, workers := range []int{1, runtime.NumCPU()} {
			f, err := m.NewFleet(grid, steps)
			if err != nil {
				t.Fatal(err)
			}
			var took seconds
			for from := 0; from < series; from += batch {
				all := make([][]float64, batch)
				for i := range all {
					// No two series are equal: each begins at a minute of its own.
					y, turn := own[i%len(own)], (from+i)*131%steps
					all[i] = slices.Concat(y[turn:], y[:turn])
					if gaps {
						for k := range 20 {
							at := ((from+i)*7919 + k*1009) % (steps - 20)
							for j := range 5 {
								all[i][at+j] = math.NaN()
							}
						}
					}
				}
				runtime.GC()
				part := timed(1, func() {
					if _, err := f.Fit(t.Context(), all, workers); err != nil {
						t.Fatal(err)
					}
				})
				took.Wall, took.CPU = took.Wall+part.Wall, took.CPU+part.CPU
			}
			kind := "complete"
			if gaps {
				kind = "each with gaps of its own"
			}
			t.Logf("%d series of %d minutes, 25 changepoints, daily and weekly terms, %s, %d workers: %.0f series/s, %.0f per second of processor time",
				series, steps, kind, workers, series/took.Wall, series/took.CPU)
			if workers == 1 && !gaps && series/took.CPU < fleetRate {
				t.Errorf("%.0f series per second of processor time: must be %d", series/took.CPU, fleetRate)
			}
		}
	}
}
