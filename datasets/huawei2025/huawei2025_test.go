package huawei2025_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/huawei2025"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// write makes a folder of files.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A collector is a Sink that keeps everything as text.
type collector struct {
	days        []string
	invocations []string
	rows        map[string]int64
	rejected    []string
}

func (c *collector) Day(d *datasets.Counts) error {
	var cells []string
	for f := range len(d.Offset) - 1 {
		minute, count := d.Function(datasets.FunctionID(f))
		for i := range minute {
			cells = append(cells, fmt.Sprintf("%d@%d=%d", f, minute[i], count[i]))
		}
	}
	c.days = append(c.days, fmt.Sprintf("%d: %s", d.Day, strings.Join(cells, " ")))
	return nil
}

func (c *collector) Invocations(day int, seq iter.Seq2[datasets.Invocation, error]) error {
	tally := datasets.NewTally(day)
	for inv, err := range seq {
		if err == nil {
			err = tally.Add(inv)
		}
		if err != nil {
			return err
		}
		c.invocations = append(c.invocations, fmt.Sprintf("%d at %v for %v", inv.Function, inv.Arrival, inv.Duration))
	}
	return nil
}

func (c *collector) Rows(file string, n int64) error {
	if c.rows == nil {
		c.rows = map[string]int64{}
	}
	c.rows[file] += n
	return nil
}

func (c *collector) Reject(reason string, e *datasets.SyntaxError) error {
	c.rejected = append(c.rejected, reason+" "+e.Error())
	return nil
}

func open(t testing.TB, path string, o huawei2025.Options) *huawei2025.Input {
	t.Helper()
	in, err := huawei2025.Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	return in
}

func read(t testing.TB, in *huawei2025.Input, known ...datasets.Function) (map[string]datasets.Function, *collector) {
	t.Helper()
	c := new(collector)
	functions, err := in.Read(context.Background(), known, c)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]datasets.Function{}
	for _, f := range functions {
		byName[f.Name] = f
	}
	return byName, c
}

const (
	a = "400---418---pool22-300-128"
	b = "137---631---pool23-400-256"
)

const coldHeader = "day,time,clusterName,funcName,userID,requestID,totalCost_cold_start,podAllocationCost,deployCodeCost,deployDependencyCost,schedulingCost,podID\n"

const requestHeader = "time_worker,time_frontend,requestID,clusterName,funcName,podID,userID,totalCost_worker,workerCost,runtimeCost," +
	"totalCost_frontend,frontendCost,busCost,readBodyCost,writeRspCost,cpu_usage,memory_usage,requestBodySize\n"

// A row of the published example, one without the frontend's part, and one that ended 500 ms
// after midnight of day 30 and took ten seconds.
const requestRows = requestHeader +
	"2600186.994,2600186.995,763f,1,400,pool22-300-128-0000618412,418,0.023749,0.000112,0.023637,0.026421,0.000364,0.001994,0.000016,0.000006,0.29,32.3,1018\n" +
	"2600000.25,,763d,1,137,pool23-400-256-0000618412,631.0,,0.25,0.5,,,,,,,,\n" +
	"2592000.5,2592000.5,763e,1,400,pool22-300-128-0000618413,418,9.5,0.5,9.0,10.0,0,0,0,0,0.29,32.3,1018\n"

func region2() map[string]string {
	return map[string]string{
		"quantiles/R2/requests/day_00.csv":               "day,time," + a + "," + b + "\n0,0,90.0,\n0,60,10,3\n",
		"quantiles/R2/totalCost_quantile_050/day_00.csv": "day,time," + a + "\n0,0,0.01\n0,60,0.02\n",
		"quantiles/R2/totalCost_quantile_100/day_00.csv": "day,time," + a + "\n0,0,0.05\n0,60,0.08\n",
		"quantiles/R2/totalCost_avg/day_00.csv":          "day,time," + a + "\n0,0,99\n",
		"quantiles/R2/busCost_avg/day_00.csv":            "day,time," + a + "\n0,0,99\n",
		"quantiles/R2/num_cold_starts/day_00.csv":        "day,time," + a + "\n0,0,1\n",
		"cold_start/R2/day_00.csv":                       coldHeader + "0,0.1,1,400,418,5d,0.9,0,0,0,0.9,pool22-300-128-0006\n0,0.2,1,400,418,5d,1.1,0,0,0,1.1,pool22-300-128-0007\n",
		"runtime_triggerType/df.csv":                     "funcID,cpu_request,runtime,triggerType-invocationType\n" + a + ",100,Python3,unknown-A TIMER-A\n",
		"per_request/R2/R2_00000.csv":                    requestRows,
		"readme.txt":                                     "hello",
	}
}

func TestSeries(t *testing.T) {
	in := open(t, write(t, region2()), huawei2025.DefaultOptions())
	p := in.Provenance()
	if !p.Start.Equal(time.Unix(0, 0)) || p.Span != (datasets.Window{From: 0, To: 2}) || p.Gaps != nil || !strings.HasPrefix(p.Parameters, "region=R2 start=1970-01-01 seed=1 ") {
		t.Errorf("%+v", p)
	}
	for _, want := range []string{
		`time series that say nothing of a function and were not read: busCost_avg`,
		`files of other formats that were not read: "readme.txt"`,
		`files that say less than others and were not read: "per_request/R2/R2_00000.csv", "quantiles/R2/num_cold_starts/day_00.csv", "quantiles/R2/totalCost_avg/day_00.csv"`,
	} {
		if !slices.Contains(p.Notes, want) {
			t.Errorf("no note %q among\n%s", want, strings.Join(p.Notes, "\n"))
		}
	}
	functions, c := read(t, in)
	if want := []string{"0: 0@0=90 0@1=10 1@1=3"}; !slices.Equal(c.days, want) || len(c.rejected) > 0 || len(c.rows) != len(p.Files) {
		t.Errorf("days %q, rejected %q, rows %v", c.days, c.rejected, c.rows)
	}
	// The median stands for three quarters of the requests, the largest for one: of 100
	// requests 67.5 took 10 ms, 7.5 took 20, 22.5 took 50 and 2.5 took 80.
	f := functions[a]
	ms := time.Millisecond
	if want := []time.Duration{10 * ms, 10 * ms, 10 * ms, 10 * ms, 20 * ms, 80 * ms, 80 * ms}; !slices.Equal(f.Execution.Value, want) {
		t.Errorf("execution %v, expected %v", f.Execution.Value, want)
	}
	if f.Initialisation.Quantile(0) != 900*ms || f.Initialisation.Quantile(1) != 1100*ms || f.Termination.Quantile(0) != 540*ms {
		t.Errorf("initialisation %v, termination %v", f.Initialisation, f.Termination)
	}
	if f.Owner != "418" || f.App != "400" || f.Trigger != datasets.Timer || f.CPU != 0.3 || f.Memory != 128<<20 || f.Assumed != 0 {
		t.Errorf("function %+v", f)
	}
	if g := functions[b]; g.CPU != 0.4 || g.Memory != 256<<20 || g.Trigger != datasets.Others || g.Assumed != datasets.AssumedExecution|datasets.AssumedStartCost {
		t.Errorf("function %+v", g)
	}
}

// Without cold starts, the time series of them tell; without quantiles, the average.
func TestSeriesOfColdStarts(t *testing.T) {
	files := region2()
	delete(files, "cold_start/R2/day_00.csv")
	delete(files, "quantiles/R2/totalCost_quantile_050/day_00.csv")
	delete(files, "quantiles/R2/totalCost_quantile_100/day_00.csv")
	files["quantiles/R2/num_cold_starts/day_00.csv"] = "day,time," + b + "," + a + "\n0,0,,99\n0,60,,1\n"
	files["quantiles/R2/totalCost_cold_start_avg/day_00.csv"] = "day,time," + a + "\n0,0,2\n0,60,7\n"
	functions, _ := read(t, open(t, write(t, files), huawei2025.DefaultOptions()))
	f := functions[a]
	if f.Execution.Quantile(0.5) != 99*time.Second || f.Initialisation.Quantile(0.99) != 2*time.Second || f.Initialisation.Quantile(1) != 7*time.Second || f.Assumed != 0 {
		t.Errorf("function %+v", f)
	}
}

func TestRequests(t *testing.T) {
	o := huawei2025.DefaultOptions()
	o.Start = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	in := open(t, write(t, map[string]string{"R4/R4_00000.csv": requestRows}), o)
	p := in.Provenance()
	if want := time.Date(2024, 1, 31, 0, 0, 0, 0, time.UTC); !p.Start.Equal(want) || p.Span != (datasets.Window{From: 0, To: 1440}) {
		t.Errorf("start %v, span %v", p.Start, p.Span)
	}
	functions, c := read(t, in)
	// Arrivals are since midnight of day 30, 2592000 s: the third came before it, and counts
	// from there; 2600186.995 - 0.026421 - 2592000 = 8186.968579.
	if want := []string{"0 at 0s for 9.5s", "1 at 2h13m20.25s for 750ms", "0 at 2h16m26.968579s for 23.749ms"}; !slices.Equal(c.invocations, want) {
		t.Errorf("invocations %q, expected %q", c.invocations, want)
	}
	if c.rows["R4/R4_00000.csv"] != 3 || len(c.rejected) > 0 {
		t.Errorf("rows %v, rejected %q", c.rows, c.rejected)
	}
	if f := functions[a]; f.Execution.Quantile(1) != 9500*time.Millisecond || f.Memory != 128<<20 || f.Assumed != datasets.AssumedStartCost {
		t.Errorf("function %+v", f)
	}
}

// Where the wide requests have no durations beside them, the table of requests has.
func TestDurationsOfRequests(t *testing.T) {
	functions, c := read(t, open(t, write(t, map[string]string{
		"R4/requests/day_00.csv": "day,time," + a + "\n0,0,7\n", "R4/r.csv": requestRows,
	}), huawei2025.DefaultOptions()))
	if f := functions[a]; len(c.days) != 1 || len(functions) != 1 || f.Execution.Quantile(1) != 9500*time.Millisecond {
		t.Errorf("days %q, function %+v", c.days, f)
	}
}

func TestColdStarts(t *testing.T) {
	files := map[string]string{
		"day_00.csv": coldHeader + "0,0.104,1,400,418,5d,0.9,0,0,0,0.9,pool22-300-128-0006\n9,61.5,2,400,418,5d,1.1,0,0,0,1.1,pool22-300-128-0007\n",
		"day_03.csv": coldHeader + "3,259200,1,400,418,5d,0.9,0,0,0,0.9,pool22-300-128-0006\n",
	}
	in := open(t, write(t, files), huawei2025.DefaultOptions())
	p := in.Provenance()
	if want := []datasets.Window{{From: 1440, To: 3 * 1440}}; !slices.Equal(p.Gaps, want) {
		t.Errorf("gaps %v, expected %v", p.Gaps, want)
	}
	functions, c := read(t, in)
	unknown := datasets.Unknown
	if want := []string{
		fmt.Sprintf("0 at 104ms for %v", unknown), fmt.Sprintf("0 at 1m1.5s for %v", unknown), fmt.Sprintf("0 at 72h0m0s for %v", unknown),
	}; !slices.Equal(c.invocations, want) {
		t.Errorf("invocations %q, expected %q", c.invocations, want)
	}
	if f := functions[a]; f.Initialisation.Quantile(1) != 1100*time.Millisecond || f.Assumed != datasets.AssumedExecution {
		t.Errorf("function %+v", f)
	}
}

func TestBadRows(t *testing.T) {
	bad := []string{
		"soon,soon,,1,400,pool22-300-128-1,418,1,,,1,,,,,,,",    // bad time
		"-1,,,1,400,pool22-300-128-1,418,1,,,1,,,,,,,",          // negative
		"9e99,,,1,400,pool22-300-128-1,418,1,,,1,,,,,,,",        // huge
		"1,1,,1,,pool22-300-128-1,418,1,,,1,,,,,,,",             // no function
		"1,1,,1,400,pool22-300-128,418,1,,,1,,,,,,,",            // no pod
		"1,1,,1,4---00,pool22-300-128-1,418,1,,,1,,,,,,,",       // a separator in a name
		"1,1,,1,400,pool22-300-128-1,418,1,,,1,,,",              // ragged
		"99999999,,,1,400,pool22-300-128-1,418,1,,,1,,,,,,,",    // far from the others
		"1,1,\"x,1,400,pool22-300-128-1,418,1,,,1,,,,,,,",       // a quote
		"1,1," + strings.Repeat("x", 2<<20) + ",1,,,,,,,,,,,,,", // long
	}
	lost := []string{ // values, and not the requests
		"1,1,,1,400,pool22-300-128-1,418,1,,,inf,,,,,,,",
		"1,1,,1,400,pool22-300-128-1,418,NaN,,,1,,,,,,,",
		"1,1,,1,400,pool22-300-128-1,418,-3,,,1,,,,,,,",
		"1,1,,1,400,pool22-300-128-1,418,1,,,1e7,,,,,,,",
		"1,1,,1,400,pool22-300-128-1,418,,x,1,1,,,,,,,",
	}
	bad = append(bad, lost...)
	text := requestHeader + strings.Repeat("1,1,,1,400,pool22-300-128-1,418,1,,,0.5,,,,,,,\n", 20) + strings.Join(bad, "\n")
	in := open(t, write(t, map[string]string{"r.csv": text}), huawei2025.DefaultOptions())
	_, c := read(t, in)
	for _, note := range []string{"totalCost_worker: ", "totalCost_frontend: ", "workerCost: "} {
		if !slices.ContainsFunc(in.Provenance().Notes, func(n string) bool { return strings.HasPrefix(n, note) && strings.Contains(n, "r.csv:") }) {
			t.Errorf("notes %q lack one on %s", in.Provenance().Notes, note)
		}
	}
	var reasons []string
	for _, r := range c.rejected {
		reasons = append(reasons, strings.SplitN(r, " /", 2)[0])
	}
	want := []string{"bad time", "bad time", "bad time", "bad key", "bad key", "bad key", "ragged row", "stray time", "bad quote", "long line"}
	if !slices.Equal(reasons, want) || len(c.invocations) != 25 {
		t.Errorf("%d invocations, rejected %q, expected %q", len(c.invocations), reasons, want)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"requests/day_00.csv": "day,time," + a + ",rubbish\n0,0,1,1\n"}, `day_00.csv:1: column "rubbish": must be funcName---userID---poolName`},
		{map[string]string{"requests/day_00.csv": "day,time," + a + "\n0,0,1\n0,1,1\n0,2,1\n"}, "rows are 1 second apart: expected 60"},
		{map[string]string{"requests/day_00.csv": "day,time," + a + "\n0,0,1\n", "requests/day_01.csv": "day,time," + a + "\n1,60,1\n"}, "both hold day 0"},
		{map[string]string{"totalCost_avg/day_00.csv": "day,time," + a + "\n0,0,1\n"}, "nothing here counts invocations"},
		{map[string]string{"R1/requests/day_00.csv": "day,time," + a + "\n0,0,1\n", "R2.csv": coldHeader}, "files of the regions R1, R2"},
		{map[string]string{"a.csv": "day,time,0,1\n0,0,1,1\n"}, "no file of this trace"},
		{map[string]string{"a.csv": requestHeader, "b.rar": "Rar!\x1a\x07\x01\x00"}, ""},
		{map[string]string{"b.rar": "Rar!\x1a\x07\x01\x00"}, "RAR"},
	} {
		in, err := huawei2025.Open(t.Context(), write(t, c.files), huawei2025.DefaultOptions())
		if err == nil {
			_, err = in.Read(t.Context(), nil, new(collector))
			if c.want == "" && errors.Is(err, datasets.ErrNoRows) {
				err = nil
			}
			in.Close()
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: error %v, expected %s", c.files, err, c.want)
		}
	}
	if _, err := huawei2025.Open(t.Context(), t.TempDir(), huawei2025.Options{Workers: -1, Start: time.Unix(1, 0), Region: "X"}); err == nil ||
		!strings.Contains(err.Error(), "workers") || !strings.Contains(err.Error(), "start") || !strings.Contains(err.Error(), "region") {
		t.Errorf("error %v", err)
	}
}

// The triggers of one region say nothing of another.
func TestTriggersOfAnotherRegion(t *testing.T) {
	files := region2()
	moved := map[string]string{}
	for name, text := range files {
		moved[strings.ReplaceAll(name, "R2", "R3")] = text
	}
	in := open(t, write(t, moved), huawei2025.DefaultOptions())
	if functions, _ := read(t, in); functions[a].Trigger != datasets.Others {
		t.Errorf("trigger %s", functions[a].Trigger)
	}
}

func TestTrigger(t *testing.T) {
	for list, want := range map[string]datasets.Trigger{
		"APIG-S TIMER-A": datasets.HTTP, "TIMER-A workflow-S": datasets.Timer, "unknown-A unknown-S": datasets.Others, "unknown-unknown": datasets.Others,
		"unknown": datasets.Others, "workflow-S": datasets.Orchestration, "OBS-A TIMER-A": datasets.Storage, "KAFKA-S": datasets.Queue,
		"DIS-A OBS-A SMN-A TIMER-A": datasets.EventTrigger, "unknown-S SMN-A": datasets.EventTrigger, "": datasets.Others,
	} {
		if got, fault := huawei2025.TriggerOf(list); got != want || fault.Reason != "" {
			t.Errorf("%q: %s, %v; expected %s", list, got, fault, want)
		}
	}
	for _, list := range []string{"HTTP-S", "APIG-X", "APIG-S,TIMER-A"} {
		if _, fault := huawei2025.TriggerOf(list); fault.Reason == "" {
			t.Errorf("%q must be refused", list)
		}
	}
}

func TestResources(t *testing.T) {
	if cores, memory, ok := huawei2025.Resources("7---8---pool35-6600-8192"); cores != 6.6 || memory != 8<<30 || !ok {
		t.Errorf("%g cores, %d bytes, %v", cores, memory, ok)
	}
	for _, id := range []string{"7---8---pool", "7---8---pool22-0-128", "7---8---pool22-300", "7---8---pool22-x-128", "7---8---pool22-300-1234567"} {
		if _, _, ok := huawei2025.Resources(id); ok {
			t.Errorf("%s says nothing of resources", id)
		}
	}
}

// The shares of the published quantiles, and of fewer, make a whole.
func TestShare(t *testing.T) {
	all := []int{0, 25, 50, 75, 90, 95, 99, 100}
	want := []float64{0.125, 0.25, 0.25, 0.2, 0.1, 0.045, 0.025, 0.005}
	for i, level := range all {
		if got := huawei2025.Share(level, all); math.Abs(got-want[i]) > 1e-12 {
			t.Errorf("share of %d %% is %g, expected %g", level, got, want[i])
		}
	}
	if a, b := huawei2025.Share(50, []int{99, 50}), huawei2025.Share(99, []int{99, 50}); math.Abs(a-0.745) > 1e-12 || math.Abs(a+b-1) > 1e-12 {
		t.Errorf("shares %g and %g", a, b)
	}
	if huawei2025.Share(huawei2025.Average, nil) != 1 || huawei2025.Share(50, []int{50}) != 1 {
		t.Error("one alone must be all")
	}
}

func TestDetect(t *testing.T) {
	for line, want := range map[string]bool{
		"day,time," + a: true, coldHeader: true, requestHeader: true, "\ufefffuncID,cpu_request,runtime,triggerType-invocationType\r": true,
		"day,time,0,1": false, "day,minute,cold_starts": false, "function,minute,count": false, "": false,
	} {
		if got := huawei2025.Detect([]byte(strings.TrimSpace(line))); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// The result does not depend on the workers, and a known function keeps its number.
func TestReadAlike(t *testing.T) {
	dir := write(t, region2())
	o := huawei2025.DefaultOptions()
	o.Workers = 1
	one, days := read(t, open(t, dir, o))
	o.Workers = 8
	many, sameDays := read(t, open(t, dir, o))
	if !reflect.DeepEqual(one, many) || !slices.Equal(days.days, sameDays.days) {
		t.Error("eight workers read something else than one")
	}
	known := one[b]
	known.ID = 0
	again, _ := read(t, open(t, dir, o), known)
	if again[b].ID != 0 || again[a].ID != 1 {
		t.Errorf("functions %+v", again)
	}
}

// A store takes all three, and finds them whole.
func TestIngest(t *testing.T) {
	store, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]map[string]string{
		"series": region2(), "requests": {"r.csv": requestRows}, "cold": {"R2/c.csv": region2()["cold_start/R2/day_00.csv"]},
	} {
		if _, _, err := store.Ingest(t.Context(), open(t, write(t, files), huawei2025.DefaultOptions()), parquet.DefaultIngestOptions(name)); err != nil {
			t.Error(err)
		} else if err := store.Verify(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
}

// requestsOf is a table of n requests of one day, not in their order.
func requestsOf(n int) string {
	rnd := rand.New(rand.NewPCG(3, 4))
	var text strings.Builder
	text.WriteString(requestHeader)
	for i := range n {
		took := rnd.ExpFloat64() / 20
		end := 2592000 + 86399*rnd.Float64()
		fmt.Fprintf(&text, "%.3f,%.3f,%064x,%d,%d,pool22-300-128-%010d,%d,%.6f,0.000112,%.6f,%.6f,0.000364,0.001994,0.000016,0.000006,0.291506,32.308594,1018\n",
			end, end+0.001, i, 1+i%4, i%300, i%1000, i%90, took, took, took+0.003)
	}
	return text.String()
}

// Memory does not grow with the number of requests: beyond those that are held they lie on
// disk.
func TestMemoryIsFlat(t *testing.T) {
	peak := func(n int) uint64 {
		in := open(t, write(t, map[string]string{"r.csv": requestsOf(n)}), huawei2025.DefaultOptions())
		s := &heapSink{}
		if _, err := in.Read(context.Background(), nil, s); err != nil {
			t.Fatal(err)
		}
		if s.n != n {
			t.Fatalf("%d requests, expected %d", s.n, n)
		}
		return s.peak
	}
	// What is held of them is bounded by rows.DefaultHeld, far above these: each takes a
	// record of 24 bytes, and nothing of its row of 200.
	few, many := peak(5_000), peak(40_000)
	if many > few+35_000*64 {
		t.Errorf("the heap has %d KB with 5,000 requests and %d KB with 40,000", few>>10, many>>10)
	}
}

// A heapSink notes how large the heap is while a day is passed on.
type heapSink struct {
	collector
	n    int
	peak uint64
}

func (h *heapSink) Invocations(_ int, seq iter.Seq2[datasets.Invocation, error]) error {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.peak = max(h.peak, m.HeapAlloc)
	for _, err := range seq {
		if err != nil {
			return err
		}
		h.n++
	}
	return nil
}

// FuzzInput reads whatever stands in each kind of file.
func FuzzInput(f *testing.F) {
	f.Add(region2()["quantiles/R2/requests/day_00.csv"], region2()["quantiles/R2/totalCost_quantile_050/day_00.csv"])
	f.Add(requestRows, region2()["runtime_triggerType/df.csv"])
	f.Add(region2()["cold_start/R2/day_00.csv"], requestHeader+"1e9,-1,,,400.0,p-1-2-3,7,,,,,,,,,,,\n")
	f.Fuzz(func(t *testing.T, one, other string) {
		dir := write(t, map[string]string{"requests/d.csv": one, "totalCost_avg/d.csv": other})
		in, err := huawei2025.Open(context.Background(), dir, huawei2025.DefaultOptions())
		if err != nil {
			return
		}
		defer in.Close()
		p := in.Provenance()
		if err := datasets.CheckGaps(p.Span, p.Gaps); err != nil {
			t.Fatal(err)
		}
		c := new(collector)
		functions, err := in.Read(context.Background(), nil, c)
		if errors.Is(err, datasets.ErrNoRows) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, fn := range functions {
			if err := errors.Join(fn.Execution.Validate(), fn.Initialisation.Validate(), fn.Termination.Validate()); err != nil || fn.CPU <= 0 || fn.Memory <= 0 {
				t.Fatalf("function %+v: %v", fn, err)
			}
		}
	})
}

// A null sink takes everything.
type null struct{ n int }

func (n *null) Day(c *datasets.Counts) error { n.n += len(c.Count); return nil }

func (n *null) Invocations(_ int, seq iter.Seq2[datasets.Invocation, error]) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
		n.n++
	}
	return nil
}

func (*null) Rows(string, int64) error                       { return nil }
func (*null) Reject(_ string, e *datasets.SyntaxError) error { return e }

// BenchmarkRead opens and reads 100,000 requests, and two days of the requests and the median
// cost of 2,418 functions, as many as region 2 has.
func BenchmarkRead(b *testing.B) {
	const functions = 2418
	rnd := rand.New(rand.NewPCG(5, 6))
	days := map[string]string{}
	for day := range 2 {
		for _, metric := range []string{"requests", "totalCost_quantile_050"} {
			var text strings.Builder
			text.WriteString("day,time")
			for f := range functions {
				fmt.Fprintf(&text, ",%d---%d---pool22-300-128", f, f%600)
			}
			for minute := range datasets.MinutesPerDay {
				fmt.Fprintf(&text, "\n%d,%d", day, 86400*day+60*minute)
				for range functions {
					text.WriteByte(',')
					if rnd.IntN(8) > 0 {
						continue
					}
					if metric == "requests" {
						fmt.Fprintf(&text, "%d.0", 1+rnd.IntN(100))
					} else {
						fmt.Fprintf(&text, "%v", rnd.ExpFloat64())
					}
				}
			}
			days[fmt.Sprintf("%s/day_%02d.csv", metric, day)] = text.String()
		}
	}
	for name, files := range map[string]map[string]string{"requests": {"r.csv": requestsOf(100_000)}, "series": days} {
		b.Run(name, func(b *testing.B) {
			dir, size := write(b, files), 0
			for _, text := range files {
				size += len(text)
			}
			b.SetBytes(int64(size))
			for b.Loop() {
				var s null
				if _, err := open(b, dir, huawei2025.DefaultOptions()).Read(context.Background(), nil, &s); err != nil || s.n == 0 {
					b.Fatal(s.n, err)
				}
			}
		})
	}
}

// An archive beside a table that is read is left alone, and it is said so.
func TestArchiveBeside(t *testing.T) {
	files := map[string]string{"triggers.csv": region2()["runtime_triggerType/df.csv"], "R2.zip": "PK\x05\x06" + strings.Repeat("\x00", 18)}
	_, err := huawei2025.Open(t.Context(), write(t, files), huawei2025.DefaultOptions())
	if err == nil || !strings.HasSuffix(err.Error(), "; R2.zip and other archives lie beside files that are read: unpack them") {
		t.Errorf("error %v", err)
	}
	files["c.csv"] = region2()["cold_start/R2/day_00.csv"]
	in := open(t, write(t, files), huawei2025.DefaultOptions())
	if notes := in.Provenance().Notes; !slices.Contains(notes, `archives beside files that were read, which were left alone: "R2.zip"`) {
		t.Errorf("notes %q", notes)
	}
}
