package workloads_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/invocations"
	"github.com/incendio-faas/incendio/datasets/parquet"
	"github.com/incendio-faas/incendio/datasets/synthetic/workloads"
)

func TestProfilesAreThoseOfTheTable(t *testing.T) {
	all := workloads.Profiles()
	sets := map[string]int{}
	for _, p := range all {
		sets[p.Set]++
		for name, d := range map[string]datasets.Distribution{"execution": p.Execution, "initialisation": p.Initialisation, "termination": p.Termination} {
			if err := d.Validate(); err != nil || d.Quantile(0) <= 0 {
				t.Errorf("%s of %s: %v, error %v", name, p.Name, d, err)
			}
		}
		if p.AssumedTermination == (p.Name == "java-hello") {
			t.Errorf("%s: only Java-hello has a measured termination", p.Name)
		}
	}
	if want := map[string]int{"paper": 5, "functionbench": 12, "serverlessbench": 1, "sebs": 4}; !reflect.DeepEqual(sets, want) {
		t.Errorf("sets %v, expected %v", sets, want)
	}
	// Incendio, Fig. 4.
	i := slices.IndexFunc(all, func(p workloads.Profile) bool { return p.Name == "java-hello" })
	hello := all[i]
	if hello.Execution.Quantile(0.3) != 8*time.Millisecond || hello.Initialisation.Quantile(0.3) != 4023*time.Millisecond || hello.Termination.Quantile(0.3) != 2401*time.Millisecond {
		t.Errorf("%+v", hello)
	}
}

// Prime Number takes what the paper measured at each limit; what computes takes longer in
// proportion, what waits does not.
func TestExecutionAtALimitOfCPU(t *testing.T) {
	o := workloads.DefaultOptions()
	o.Profiles, o.Instances = []string{"paper/prime-number", "functionbench/pyaes", "functionbench/dd"}, 40
	trace, err := workloads.Stream(o)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[float64]time.Duration{
		"prime-number": {1: 3505 * time.Millisecond, 0.75: 4811 * time.Millisecond, 0.5: 7995 * time.Millisecond},
		"pyaes":        {1: 238770 * time.Microsecond, 0.75: 318360 * time.Microsecond, 0.5: 477540 * time.Microsecond},
		"dd":           {1: 102808 * time.Microsecond, 0.75: 102808 * time.Microsecond, 0.5: 102808 * time.Microsecond},
	}
	memory := map[int64]int{}
	for _, f := range trace.Functions {
		if got := f.Execution.Quantile(0.5); got != want[f.App][f.CPU] {
			t.Errorf("%s with %g cores takes %v, expected %v", f.Name, f.CPU, got, want[f.App][f.CPU])
		}
		memory[f.Memory>>20]++
	}
	// 120 draws of one in three: 40, with a deviation of 5.2.
	for _, mb := range []int64{128, 64, 32} {
		if n := memory[mb]; n < 20 || n > 60 {
			t.Errorf("%d of 120 functions have %d MB", n, mb)
		}
	}
	if len(memory) != 3 {
		t.Errorf("memory %v", memory)
	}
}

// all are the invocations of a day.
func all(t testing.TB, trace *datasets.Trace, day int, w datasets.Window) []datasets.Invocation {
	t.Helper()
	seq, ok := trace.DayInvocations(t.Context(), day, w)
	if !ok {
		t.Fatalf("day %d has no invocations", day)
	}
	var out []datasets.Invocation
	for inv, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, inv)
	}
	return out
}

// Gaps of a Poisson process are exponential: their mean is that of the rate and their
// coefficient of variation 1, across midnights too.
func TestArrivalsArePoisson(t *testing.T) {
	o := workloads.DefaultOptions()
	o.Profiles, o.Instances, o.Rate, o.Duration = []string{"serverlessbench"}, 1, 10, 72*time.Hour
	trace, err := workloads.Stream(o)
	if err != nil {
		t.Fatal(err)
	}
	var n, sum, squares float64
	last := time.Duration(0)
	for day := range 3 {
		for _, inv := range all(t, trace, day, trace.Span) {
			gap := (inv.Arrival - last).Seconds()
			n, sum, squares, last = n+1, sum+gap, squares+gap*gap, inv.Arrival
		}
	}
	mean := sum / n
	cv := math.Sqrt(squares/n-mean*mean) / mean
	// 43,200 are expected, with a deviation of 208; that of the CV is 1/sqrt(n).
	if math.Abs(n-43200) > 4*208 || math.Abs(mean-6) > 0.12 || math.Abs(cv-1) > 0.02 {
		t.Errorf("%g arrivals, gaps of %g s on average with a coefficient of variation of %g", n, mean, cv)
	}
}

// A window of a day, and its counts, are those of the whole; the last day ends early.
func TestDaysAndWindows(t *testing.T) {
	o := workloads.DefaultOptions()
	o.Duration = 25 * time.Hour
	trace, err := workloads.Stream(o)
	if err != nil {
		t.Fatal(err)
	}
	whole := all(t, trace, 1, trace.Span)
	if whole[len(whole)-1].Arrival >= 25*time.Hour {
		t.Errorf("the last arrival is at %v", whole[len(whole)-1].Arrival)
	}
	w := datasets.Window{From: 1450, To: 1460}
	part := slices.DeleteFunc(slices.Clone(whole), func(inv datasets.Invocation) bool {
		m := int(inv.Arrival / time.Minute)
		return m < w.From || m >= w.To
	})
	if got := all(t, trace, 1, w); len(got) == 0 || !slices.Equal(got, part) {
		t.Errorf("%d invocations in %v, expected %d", len(got), w, len(part))
	}
	c, err := trace.Day(t.Context(), 1)
	if err != nil || c.Total() != int64(len(whole)) {
		t.Errorf("counts of %d invocations, error %v, expected %d", c.Total(), err, len(whole))
	}
	if _, err := trace.Day(t.Context(), 2); err == nil {
		t.Error("a third day was given")
	}
	again, err := workloads.Stream(o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(all(t, again, 1, trace.Span), whole) {
		t.Error("equal options gave other invocations")
	}
	o.Seed++
	if again, err = workloads.Stream(o); err != nil {
		t.Fatal(err)
	}
	if slices.Equal(all(t, again, 1, trace.Span), whole) {
		t.Error("another seed gave the same invocations")
	}
}

// Through the files and into a store, functions keep what was measured of them.
func TestTheWayBackKeepsWhatWasMeasured(t *testing.T) {
	o := workloads.DefaultOptions()
	o.Profiles, o.Instances, o.Rate, o.Duration = []string{"paper", "serverlessbench", "sebs"}, 2, 3, 6*time.Hour
	trace, err := workloads.Stream(o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := invocations.Write(t.Context(), dir, trace, 1); err != nil {
		t.Fatal(err)
	}
	in, err := invocations.Open(t.Context(), dir, invocations.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	store, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.Ingest(t.Context(), in, parquet.DefaultIngestOptions("w")); err != nil {
		t.Fatal(err)
	}
	back, err := store.Trace(t.Context(), "w")
	if err != nil {
		t.Fatal(err)
	}
	if len(back.Functions) != len(trace.Functions) {
		t.Fatalf("%d functions, expected %d", len(back.Functions), len(trace.Functions))
	}
	for i, f := range back.Functions {
		want := trace.Functions[i]
		if f.Name != want.Name || f.Memory != want.Memory || f.CPU != want.CPU || f.Assumed != 0 {
			t.Errorf("%+v, expected %+v", f, want)
		}
		if !reflect.DeepEqual(f.Initialisation, want.Initialisation) || !reflect.DeepEqual(f.Termination, want.Termination) {
			t.Errorf("%s starts in %v and ends in %v, expected %v and %v", f.Name, f.Initialisation, f.Termination, want.Initialisation, want.Termination)
		}
		// A thousand draws, a hundred and one at a time, have the profile's quartiles but
		// for the last draws and the bins of half a percent.
		for _, p := range []float64{0, 0.25, 0.5, 0.75, 1} {
			low, high := want.Execution.Quantile(max(0, p-0.03)), want.Execution.Quantile(min(1, p+0.03))
			if got := f.Execution.Quantile(p); float64(got) < 0.99*float64(low) || float64(got) > 1.01*float64(high) {
				t.Errorf("%s takes %v at %g, expected %v to %v", f.Name, got, p, low, high)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*workloads.Options){
		`profiles: "cifar": must be of paper, functionbench`: func(o *workloads.Options) { o.Profiles = []string{"cifar"} },
		"profiles is empty":                                            func(o *workloads.Options) { o.Profiles = nil },
		"instances must be in [1, 10000], got 0":                       func(o *workloads.Options) { o.Instances = 0 },
		"rate must be in (0, 1e+06] invocations a minute, got 0":       func(o *workloads.Options) { o.Rate = 0 },
		"rate must be in (0, 1e+06] invocations a minute, got NaN":     func(o *workloads.Options) { o.Rate = math.NaN() },
		"duration must be whole minutes in [1m, 8784h], got 1m30s":     func(o *workloads.Options) { o.Duration = 90 * time.Second },
		"duration must be whole minutes in [1m, 8784h], got 8785h0m0s": func(o *workloads.Options) { o.Duration = 8785 * time.Hour },
	} {
		o := workloads.DefaultOptions()
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
		if _, err := workloads.Stream(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	if err := workloads.DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
}
