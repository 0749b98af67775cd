package synthetic_test

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic"
)

func generate(t *testing.T, o synthetic.Options) *datasets.Trace {
	t.Helper()
	tr, err := synthetic.Generate(o)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func totals(t *testing.T, tr *datasets.Trace) (byFunction, byDay []int64) {
	t.Helper()
	byFunction, byDay = make([]int64, len(tr.Functions)), make([]int64, tr.Days())
	for day := range byDay {
		c, err := tr.Day(t.Context(), day)
		if err != nil {
			t.Fatal(err)
		}
		for f := range tr.Functions {
			_, count := c.Function(datasets.FunctionID(f))
			for _, n := range count {
				byFunction[f] += n
				byDay[day] += n
			}
		}
	}
	return byFunction, byDay
}

// The published statistics, all from Shahrad et al., USENIX ATC 2020. The sample
// run has about a hundred applications, so that a share of one half has a
// standard deviation of 5 %; the draws are stratified, which is much closer, and
// the tolerances leave room for timers, whose rate is rounded to a period.
func TestPublishedStatistics(t *testing.T) {
	for _, c := range []struct {
		seed      uint64
		functions int
	}{{1, 240}, {2, 240}, {3, 240}, {1, 1000}} {
		o := synthetic.DefaultOptions()
		o.Seed, o.Functions = c.seed, c.functions
		tr := generate(t, o)
		byFunction, byDay := totals(t, tr)

		type app struct {
			functions int
			perDay    float64
			memory    int64
		}
		apps := map[string]*app{}
		var total, timers, short float64
		for f, fn := range tr.Functions {
			a := apps[fn.App]
			if a == nil {
				a = new(app)
				apps[fn.App] = a
			}
			a.functions++
			a.perDay += float64(byFunction[f]) / float64(o.Days)
			a.memory = max(a.memory, fn.Memory)
			total += float64(byFunction[f])
			if fn.Trigger == datasets.Timer {
				timers++
			}
			if fn.Execution.Mean() < time.Second {
				short++
			}
			if byFunction[f] == 0 {
				t.Errorf("seed %d: function %d is never invoked", c.seed, f)
			}
		}
		share := func(is func(*app) bool) float64 {
			n := 0
			for _, a := range apps {
				if is(a) {
					n++
				}
			}
			return float64(n) / float64(len(apps))
		}
		var busiest []float64
		for _, a := range apps {
			busiest = append(busiest, a.perDay*float64(o.Days))
		}
		slices.Sort(busiest)
		var head float64
		for _, x := range busiest[len(busiest)-int(math.Ceil(0.186*float64(len(busiest)))):] {
			head += x
		}
		for _, s := range []struct {
			what              string
			got, want, within float64
		}{
			{"applications with one function (Section 3.2)", share(func(a *app) bool { return a.functions == 1 }), 0.54, 0.03},
			{"applications with at most ten functions (Section 3.2)", share(func(a *app) bool { return a.functions <= 10 }), 0.95, 0.03},
			{"applications at most once an hour (Section 3.3)", share(func(a *app) bool { return a.perDay <= 24*1.01 }), 0.45, 0.05},
			{"applications at most once a minute (Section 3.3)", share(func(a *app) bool { return a.perDay <= 1440*1.01 }), 0.81, 0.05},
			{"applications of at most 400 MB (Section 3.5)", share(func(a *app) bool { return a.memory <= 400<<20 }), 0.90, 0.04},
			{"applications of at most 170 MB (Section 3.5)", share(func(a *app) bool { return a.memory <= 170<<20 }), 0.5, 0.06},
			{"functions below one second on average (Section 3.4)", short / float64(o.Functions), 0.5, 0.1},
			{"functions with a timer (Section 3.2)", timers / float64(o.Functions), 0.156, 0.07},
			// The paper has 0.996; here the head is cut, see the package comment.
			{"invocations of the busiest 18.6 % of applications", head / total, 0.91, 0.05},
		} {
			if math.Abs(s.got-s.want) > s.within {
				t.Errorf("seed %d, %d functions: %s: %.3f, expected %.3f within %.3f", c.seed, c.functions, s.what, s.got, s.want, s.within)
			}
		}
		t.Logf("seed %d, %d functions: %d applications, %.0f invocations", c.seed, c.functions, len(apps), total)
		if c.functions == 240 && (total < 1e6 || total > 2e6) {
			t.Errorf("seed %d: %.0f invocations, expected 1 to 2 million", c.seed, total)
		}
		// The holiday, a Tuesday, stands out from the Tuesdays before and after it,
		// and the weekend from the week.
		if got := float64(byDay[8]) / (float64(byDay[1]+byDay[15]) / 2); got > 0.85 {
			t.Errorf("seed %d: the holiday has %.2f of a Tuesday's invocations", c.seed, got)
		}
		if got := float64(byDay[5]+byDay[6]) / float64(byDay[3]+byDay[4]); got > 0.9 {
			t.Errorf("seed %d: a weekend has %.2f of the two days before it", c.seed, got)
		}
	}
}

func TestTimersAreExact(t *testing.T) {
	tr := generate(t, synthetic.DefaultOptions())
	rows, err := tr.Dense(t.Context(), tr.Span)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for f, fn := range tr.Functions {
		if fn.Trigger != datasets.Timer {
			continue
		}
		var at []int
		for m, n := range rows[f] {
			if n > 0 {
				at = append(at, m)
			}
			if n > 1 {
				t.Errorf("timer %d fires %g times in minute %d", f, n, m)
			}
		}
		for i := 2; i < len(at); i++ {
			if at[i]-at[i-1] != at[1]-at[0] {
				t.Errorf("timer %d fires after %d and %d minutes", f, at[1]-at[0], at[i]-at[i-1])
				break
			}
		}
		seen++
	}
	if seen < 10 {
		t.Errorf("%d timers", seen)
	}
}

func TestChains(t *testing.T) {
	tr := generate(t, synthetic.DefaultOptions())
	byFunction, _ := totals(t, tr)
	seen := 0
	for f, fn := range tr.Functions {
		if fn.Trigger != datasets.Orchestration || f == 0 || tr.Functions[f-1].App != fn.App {
			continue
		}
		// A follower has at most the invocations of the one before it, and its anchor.
		if byFunction[f] <= byFunction[f-1]+1 && byFunction[f] > byFunction[f-1]/3 && byFunction[f-1] > 100 {
			seen++
		}
	}
	if seen == 0 {
		t.Error("no chain")
	}
}

func TestGenerateIsReproducible(t *testing.T) {
	o := synthetic.Options{Functions: 50, Days: 3, Holidays: []int{1}, Seed: 7}
	a, b := generate(t, o), generate(t, o)
	if a.Digest != b.Digest || !reflect.DeepEqual(a.Functions, b.Functions) || !reflect.DeepEqual(a.Source, b.Source) {
		t.Error("equal options gave different traces")
	}
	o.Seed = 8
	if generate(t, o).Digest == a.Digest {
		t.Error("another seed gave the same trace")
	}
	// So do other holidays.
	o.Seed, o.Holidays = 7, nil
	if h := generate(t, o); h.Digest == a.Digest {
		t.Error("a holiday has no effect")
	}
}

func TestStoreGivesTheTraceBack(t *testing.T) {
	o := synthetic.Options{Functions: 30, Days: 2, Seed: 3}
	want := generate(t, o)
	in, err := synthetic.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	opts := parquet.DefaultIngestOptions("sample")
	if _, changed, err := s.Ingest(t.Context(), in, opts); err != nil || !changed {
		t.Fatalf("changed %t, error %v", changed, err)
	}
	got, err := s.Trace(t.Context(), "sample")
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != want.Digest || !reflect.DeepEqual(got.Functions, want.Functions) || got.Span != want.Span || !got.Start.Equal(want.Start) {
		t.Errorf("stored trace has digest %s, expected %s", got.Digest, want.Digest)
	}
	if _, changed, err := s.Ingest(t.Context(), in, opts); err != nil || changed {
		t.Errorf("again: changed %t, error %v", changed, err)
	}
	o.Seed = 4
	if in, err = synthetic.New(o); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Ingest(t.Context(), in, opts); err == nil {
		t.Error("other options under the same name were accepted")
	}
}

func TestEverySizeWorks(t *testing.T) {
	for _, functions := range []int{1, 2, 3, 7, 100} {
		tr := generate(t, synthetic.Options{Functions: functions, Days: 1, Seed: 1})
		if len(tr.Functions) != functions {
			t.Errorf("%d functions, expected %d", len(tr.Functions), functions)
		}
		for i, f := range tr.Functions {
			for _, d := range []datasets.Distribution{f.Execution, f.Initialisation, f.Termination} {
				if err := d.Validate(); err != nil || d.Mean() <= 0 {
					t.Errorf("function %d: %v, mean %v", i, err, d.Mean())
				}
			}
		}
	}
}

func TestHolidays(t *testing.T) {
	want := []datasets.Holiday{{Name: "public holiday", Day: time.Date(2026, time.March, 10, 0, 0, 0, 0, time.UTC)}}
	if got := synthetic.Holidays(synthetic.DefaultOptions()); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, expected %v", got, want)
	}
	if d := synthetic.Start().Weekday(); d != time.Monday {
		t.Errorf("the trace starts on a %v", d)
	}
	if got := synthetic.Holidays(synthetic.Options{Days: 8, Holidays: []int{8}}); got != nil {
		t.Errorf("a holiday after the last day: %v", got)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []synthetic.Options{{}, {Functions: 1}, {Functions: 1, Days: 367}, {Functions: 1, Days: 1, Holidays: []int{-1}}} {
		if _, err := synthetic.New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	o := synthetic.DefaultOptions()
	for b.Loop() {
		if _, err := synthetic.Generate(o); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(o.Functions*o.Days*b.N)/b.Elapsed().Seconds(), "function-days/s")
}
