package synthetic_test

import (
	"reflect"
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

func TestTimersAreExact(t *testing.T) {
	// With the published load, some fire several times a minute.
	tr := generate(t, synthetic.Options{Functions: 1500, Days: 3, Busiest: synthetic.PublishedBusiest, Seed: 1})
	slow, fast := 0, 0
	rows, err := tr.Dense(t.Context(), tr.Span)
	if err != nil {
		t.Fatal(err)
	}
	for f, fn := range tr.Functions {
		if fn.Trigger != datasets.Timer {
			continue
		}
		var at []int
		for m, n := range rows[f] {
			if n > 0 {
				at = append(at, m)
			}
			if n > 0 && n != rows[f][at[0]] {
				t.Errorf("timer %d fires %g times in minute %d and %g in minute %d", f, n, m, rows[f][at[0]], at[0])
				break
			}
		}
		for i := 2; i < len(at); i++ {
			if at[i]-at[i-1] != at[1]-at[0] {
				t.Errorf("timer %d fires after %d and %d minutes", f, at[1]-at[0], at[i]-at[i-1])
				break
			}
		}
		if rows[f][at[0]] > 1 {
			fast++
			if len(at) != tr.Span.Len() {
				t.Errorf("timer %d fires %g times a minute, but in %d minutes only", f, rows[f][at[0]], len(at))
			}
		} else {
			slow++
		}
	}
	if slow < 50 || fast < 1 {
		t.Errorf("%d timers of at most once a minute, %d of more", slow, fast)
	}
}

// A later function of a chain is invoked 0.6 to 1 times as often as the one before it,
// and mostly in the same minute or the next.
func TestChains(t *testing.T) {
	tr := generate(t, synthetic.DefaultOptions())
	rows, err := tr.Dense(t.Context(), tr.Span)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for f := 1; f < len(tr.Functions); f++ {
		fn, before := tr.Functions[f], tr.Functions[f-1]
		if fn.App != before.App || fn.Trigger != datasets.Orchestration && fn.Trigger != datasets.Queue {
			continue
		}
		var sum, sumBefore, alone float64
		for m, n := range rows[f] {
			sum += n
			sumBefore += rows[f-1][m]
			if n > 0 && rows[f-1][m] == 0 && (m == 0 || rows[f-1][m-1] == 0) {
				alone += n
			}
		}
		if sumBefore < 500 || alone > 1 { // one is the anchor; and two busy functions meet by chance
			continue
		}
		if share := sum / sumBefore; share > 0.55 && share < 1.01 {
			seen++
		}
	}
	if seen < 3 {
		t.Errorf("%d steps of chains", seen)
	}
}

func TestGenerateIsReproducible(t *testing.T) {
	o := synthetic.Options{Functions: 50, Days: 3, Holidays: []int{1}, Busiest: 36000, Seed: 7}
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
	o := synthetic.Options{Functions: 30, Days: 2, Busiest: 36000, Seed: 3}
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
		tr := generate(t, synthetic.Options{Functions: functions, Days: 1, Busiest: 36000, Seed: 1})
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
	if err := (synthetic.Options{Functions: 1, Days: 1, Busiest: 1440}).Validate(); err != nil {
		t.Error(err)
	}
	for _, o := range []synthetic.Options{
		{}, {Functions: 1, Busiest: 36000}, {Functions: 1, Days: 367, Busiest: 36000},
		{Functions: 1, Days: 1, Busiest: 36000, Holidays: []int{-1}}, {Functions: 1, Days: 1, Busiest: 1439}, {Functions: 1, Days: 1, Busiest: 1e8 + 1},
	} {
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
