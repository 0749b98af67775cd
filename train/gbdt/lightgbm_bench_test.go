//go:build bench

package gbdt_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
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

	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/gbdt"
)

// A benchJob is what one process trains, ours or LightGBM's (testdata/bench.py).
type benchJob struct {
	Params  map[string]any `json:"params"`
	Rounds  int            `json:"rounds"`
	Columns int            `json:"columns"`
	Train   string         `json:"train"`
	Test    string         `json:"test"`
	Model   string         `json:"model"` // file to write
}

// A benchResult is what a process says of itself.
type benchResult struct {
	Seconds float64 `json:"seconds"` // of the rounds, without loading and binning
	CPU     float64 `json:"cpu"`     // of all threads in the same time
	Peak    float64 `json:"peak"`    // resident bytes
	Loaded  float64 `json:"loaded"`  // resident bytes at most until the data were read
	L1      float64 `json:"l1"`      // mean absolute error on the test data
}

// A benchCase is a row of the table.
type benchCase struct {
	objective     string
	rows, columns int
	threads       int
	limit         float64 // of the ratio of the times
}

func (c benchCase) name() string {
	return fmt.Sprintf("%s/rows=%d/columns=%d/threads=%d", c.objective, c.rows, c.columns, c.threads)
}

// benchRuns is the number of runs of every program; they alternate, and medians count.
const benchRuns = 3

// TestBenchLightGBM trains the same trees with LightGBM and with this package, a process
// for each run, and prints how they compare. `make bench-gbdt` runs it; it fails if the
// models differ in accuracy or memory or if ours takes longer than the limit, so it has no
// place among the tests. -short does one run of each.
func TestBenchLightGBM(t *testing.T) {
	if job := os.Getenv("GBDT_BENCH_JOB"); job != "" {
		benchChild(t, job)
		return
	}
	python := os.Getenv("PARITY_PYTHON")
	if python == "" {
		t.Fatal("PARITY_PYTHON must name a Python with the lightgbm of parity/requirements.txt; make bench-gbdt makes one")
	}
	if out, err := exec.Command(python, "-c", "import lightgbm").CombinedOutput(); err != nil {
		t.Fatalf("LightGBM is missing: %v\n%s", err, out)
	}
	runs := benchRuns
	if testing.Short() {
		runs = 1
	}
	dir := t.TempDir()
	table := []string{fmt.Sprintf("%-52s %9s %9s %6s %6s %11s %11s %8s %8s  %s",
		"case", "ours", "LightGBM", "ratio", "limit", "our peak", "its peak", "our L1", "its L1", "trees alike")}
	for _, c := range []benchCase{
		{"regression_l1", 1_000_000, 30, 2, 0.7},
		{"regression_l1", 1_000_000, 30, 1, 0.7},
		{"regression", 1_000_000, 30, 2, 0.8},
		{"regression", 1_000_000, 30, 1, 0.8},
		{"regression_l1", 100_000, 100, 2, 0.7},
		{"regression", 100_000, 100, 2, 0.8},
	} {
		t.Run(c.name(), func(t *testing.T) { table = append(table, c.run(t, python, dir, runs)) })
	}
	t.Logf("seconds of 100 rounds of 63 leaves, medians of %d alternating runs on %d processors\n%s", runs, runtime.NumCPU(), strings.Join(table, "\n"))
}

// run measures a case and returns its line of the table.
func (c benchCase) run(t *testing.T, python, dir string, runs int) string {
	job := benchJob{
		Params: map[string]any{"objective": c.objective, "num_leaves": 63, "num_threads": c.threads},
		Rounds: 100, Columns: c.columns,
		Train: filepath.Join(dir, fmt.Sprintf("train-%d-%d", c.rows, c.columns)),
		Test:  filepath.Join(dir, fmt.Sprintf("test-%d", c.columns)),
	}
	writeBenchData(t, job.Train, 42, c.rows, c.columns)
	writeBenchData(t, job.Test, 43, 100_000, c.columns)
	layouts := []string{"force_row_wise", "force_col_wise"}
	all := map[string][]benchResult{}
	for range runs {
		ours := job
		ours.Model = filepath.Join(dir, "ours.txt")
		all["ours"] = append(all["ours"], runBench(t, ours, []string{os.Args[0], "-test.run=^TestBenchLightGBM$"}))
		for _, l := range layouts {
			theirs := job
			theirs.Model = filepath.Join(dir, "lightgbm.txt")
			theirs.Params = map[string]any{l: true}
			for k, v := range job.Params {
				theirs.Params[k] = v
			}
			all[l] = append(all[l], runBench(t, theirs, []string{python, "testdata/bench.py"}))
		}
	}
	middle := map[string]benchResult{}
	for name, r := range all {
		slices.SortFunc(r, func(a, b benchResult) int { return cmp.Compare(a.Seconds, b.Seconds) })
		middle[name] = r[len(r)/2]
		for _, x := range r {
			t.Logf("%-14s %6.2f s, CPU %6.2f s, %4.0f MB after loading, peak %4.0f MB, L1 %.5f", name, x.Seconds, x.CPU, x.Loaded/1e6, x.Peak/1e6, x.L1)
		}
	}
	peer, layout := middle[layouts[0]], "row-wise"
	if other := middle[layouts[1]]; other.Seconds < peer.Seconds {
		peer, layout = other, "col-wise"
	}
	ours := middle["ours"]
	a, b := readModel(t, filepath.Join(dir, "ours.txt")), readModel(t, filepath.Join(dir, "lightgbm.txt"))
	first, how := firstDifference(a, b)
	alike := fmt.Sprintf("all %d", len(b.Trees))
	if first >= 0 {
		alike = fmt.Sprintf("%d of %d (%s)", first, len(b.Trees), how)
	}
	ratio := ours.Seconds / peer.Seconds
	if ratio > c.limit {
		t.Errorf("training takes %.2f of LightGBM's time, expected at most %.2f", ratio, c.limit)
	}
	if ours.Peak > peer.Peak {
		t.Errorf("peak memory is %.0f MB, expected at most LightGBM's %.0f", ours.Peak/1e6, peer.Peak/1e6)
	}
	if relative(ours.L1, peer.L1) > 0.002 {
		t.Errorf("error on the test data is %.5f, expected LightGBM's %.5f", ours.L1, peer.L1)
	}
	return fmt.Sprintf("%-52s %7.2f s %7.2f s %6.2f %6.2f %8.0f MB %8.0f MB %8.5f %8.5f  %s, %s",
		c.name(), ours.Seconds, peer.Seconds, ratio, c.limit, ours.Peak/1e6, peer.Peak/1e6, ours.L1, peer.L1, alike, layout)
}

// runBench has a process do a job.
func runBench(t *testing.T, job benchJob, command []string) benchResult {
	t.Helper()
	spec, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(command[0], command[1:]...)
	// LightGBM's threads would spin where they wait, which costs it time on a busy machine.
	cmd.Env = append(os.Environ(), "OMP_WAIT_POLICY=passive", "GBDT_BENCH_JOB="+string(spec))
	cmd.Stdin = bytes.NewReader(spec)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command[0], err, out)
	}
	var r benchResult
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&r); err != nil {
		t.Fatalf("%s: %v\n%s", command[0], err, out)
	}
	return r
}

// benchChild trains as the job says and prints a benchResult.
func benchChild(t *testing.T, spec string) {
	var job benchJob
	if err := json.Unmarshal([]byte(spec), &job); err != nil {
		t.Fatal(err)
	}
	o := gbdt.DefaultOptions()
	o.Objective, o.NumLeaves, o.NumIterations = job.Params["objective"].(string), int(job.Params["num_leaves"].(float64)), job.Rounds
	o.Workers = int(job.Params["num_threads"].(float64))
	runtime.GOMAXPROCS(o.Workers)
	table := readBenchData(t, job.Train, job.Columns)
	r := benchResult{Loaded: peakMemory(t)}
	watch := &stopwatch{Context: t.Context(), t: t}
	m, report, err := gbdt.Train(watch, table, nil, o, train.Discard)
	if err != nil {
		t.Fatal(err)
	}
	r.Seconds, r.CPU, r.Peak = report.Boosting.Seconds(), cpuTime(t)-watch.started, peakMemory(t)
	var text bytes.Buffer
	if err := m.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(job.Model, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	test := readBenchData(t, job.Test, job.Columns)
	for i, y := range test.Label {
		r.L1 += math.Abs(m.PredictRaw(test.Row(i))-float64(y)) / float64(test.Rows)
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		t.Fatal(err)
	}
}

// benchRow fills x with the features of a row of the data on which speed is compared, and
// returns the label: a sum of smooth effects with Laplace noise. Column 5 misses 5%,
// column 6 is zero in 80%, column 7 is a minute of the day, column 8 a day of the week,
// column 9 has a heavy tail, the others are uniform. All are rounded to six digits.
func benchRow(seed uint64, row int, x []float64) float64 {
	u := func(j int) float64 { return splitMix(seed, uint64(row)*1024+uint64(j)) }
	round := func(v float64) float64 { return math.Round(v*1e6) / 1e6 }
	for j := range x {
		v := u(j)
		switch {
		case j == 5 && u(500) < 0.05:
			v = math.NaN()
		case j == 6 && u(501) < 0.8:
			v = 0
		case j == 6:
			v = round(v*4 - 2)
		case j == 7:
			v = math.Floor(v * 1440)
		case j == 8:
			v = math.Floor(v * 7)
		case j == 9:
			v = round(-math.Log(1-v) * 100)
		default:
			v = round(v)
		}
		x[j] = v
	}
	e := u(600) - 0.5
	y := -math.Copysign(math.Log(1-2*math.Abs(e)), e) + 2
	if x[5] == x[5] {
		y += 3*x[5] - 2
	}
	y += 10*math.Sin(math.Pi*x[0]*x[1]) + 20*(x[2]-.5)*(x[2]-.5) + 10*x[3] + 5*x[4] + 2*x[6] +
		6*math.Sin(2*math.Pi*x[7]/1440) + 1.5*x[8]*x[3] + math.Sqrt(x[9])
	return round(y)
}

// splitMix is the i-th draw of SplitMix64 with the state seed times its increment, uniform
// on [0, 1).
func splitMix(seed, i uint64) float64 {
	const gamma = 0x9e3779b97f4a7c15
	z := seed*gamma + i + gamma
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) * 0x1p-53
}

// A stopwatch is a context that notes how much time of processors was used when it was
// first asked, which is when boosting begins.
type stopwatch struct {
	context.Context
	t       *testing.T
	started float64
}

func (s *stopwatch) Err() error {
	if s.started == 0 {
		s.started = cpuTime(s.t)
	}
	return s.Context.Err()
}

// writeBenchData writes rows of features and then the labels, unless it has done so. It
// holds little in memory, because a process inherits the peak of the one that starts it.
func writeBenchData(t *testing.T, name string, seed uint64, rows, columns int) {
	t.Helper()
	if _, err := os.Stat(name); err == nil {
		return
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	put := func(v float64) {
		// The writer keeps the first error for Flush.
		_, _ = w.Write(binary.NativeEndian.AppendUint64(w.AvailableBuffer(), math.Float64bits(v)))
	}
	labels := make([]float64, rows)
	x := make([]float64, columns)
	for i := range rows {
		labels[i] = benchRow(seed, i, x)
		for _, v := range x {
			put(v)
		}
	}
	for _, v := range labels {
		put(v)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

func readBenchData(t *testing.T, name string, columns int) *gbdt.Table {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	rows := int(info.Size()) / 8 / (columns + 1)
	table := &gbdt.Table{Rows: rows, Data: make([]float64, rows*columns), Label: make([]float32, rows)}
	for j := range columns {
		table.Columns = append(table.Columns, "Column_"+strconv.Itoa(j))
	}
	buffer := make([]byte, 1<<16)
	read := func(n int, put func(i int, v float64)) {
		for i := 0; i < n; {
			part := buffer[:min(len(buffer), 8*(n-i))]
			if _, err := io.ReadFull(f, part); err != nil {
				t.Fatal(err)
			}
			for ; len(part) > 0; part = part[8:] {
				put(i, math.Float64frombits(binary.NativeEndian.Uint64(part)))
				i++
			}
		}
	}
	read(len(table.Data), func(i int, v float64) { table.Data[i] = v })
	read(rows, func(i int, v float64) { table.Label[i] = float32(v) })
	return table
}

func usage(t *testing.T) syscall.Rusage {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return u
}

// peakMemory is the largest resident memory of this process so far, in bytes.
func peakMemory(t *testing.T) float64 { return float64(usage(t).Maxrss) * 1024 }

// cpuTime is what this process has used of the processors, in seconds.
func cpuTime(t *testing.T) float64 {
	u := usage(t)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
