package invocations_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/invocations"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// stored takes the files in dir into a store.
func stored(t testing.TB, dir string) *datasets.Trace {
	t.Helper()
	in, err := invocations.Open(t.Context(), dir, invocations.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	store, err := parquet.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d, _, err := store.Ingest(t.Context(), in, parquet.DefaultIngestOptions("x"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Quarantined.Rows > 0 {
		t.Fatalf("quarantined %+v", d.Quarantined)
	}
	trace, err := store.Trace(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// many is a function with that many invocations, every other one cold.
func many(name string, n int) string {
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	var b strings.Builder
	for i := range n {
		cold := ""
		if i%2 == 0 {
			cold = fmt.Sprintf("%.3f", 100*rnd.ExpFloat64()+1)
		}
		fmt.Fprintf(&b, "%s,%d.%06d,%.3f,%s,%g,%d\n", name, rnd.IntN(2*86400), rnd.IntN(1e6), 10*rnd.ExpFloat64()+0.01, cold, 3.1, i%3)
	}
	return b.String()
}

// What is read, written and read again is the same: every invocation, names and numbers,
// execution, start costs, memory and CPU.
func TestWriteGivesTheTraceBack(t *testing.T) {
	const header = "function,arrival,duration_ms,cold_ms,end_ms,cpu\n"
	for name, text := range map[string]string{
		"in order":        header + "f,2026-03-02T00:00:00Z,1.5,,,\ng,2026-03-03T23:59:59.999999Z,,,,\nf,2026-03-04T01:00:00Z,2,,,\n",
		"not in order":    header + "late,2026-03-03T00:00:07Z,3,,,\nlate,2026-03-02T05:00:00Z,3,,,\nearly,2026-03-02T00:00:01Z,4,,,\n",
		"over days":       header + "late,90000,3,,,\nearly,7,3,,,\nlater,180000,5,,,\nearly,90001,5,,,\n",
		"moved away":      header + "late,180000,3,,,\nearly,7,3,,,\n", // its day has no other row
		"a day between":   header + "f,7,3,,,\nf,1000000,5,,,\n",
		"two at once":     header + "g,7,3,,,\nf,7,3,,,\ng,7,3,,,\n",
		"one start":       header + "f,7,3,1.234,,0.5\nf,8,3,,,2\n",
		"two starts":      header + "f,7,3,1.234,,\nf,8,3,900.001,,\nf,9,3,,,\n",
		"three starts":    header + "f,7,3,10,,\nf,8,3,20.001,,\nf,9,3,55,,\n",
		"five starts":     header + "f,7,3,10,,\nf,8,3,20.001,,\nf,9,3,55,,\nf,10,3,56,,\nf,11,3,900,,\n",
		"ends":            header + "f,7,3,10,7,\nf,8,3,20,14.5,\nf,9,3,30,,\n",
		"ends as assumed": header + "f,7,3,10,6,\nf,8,3,20,12,\n",
		"many starts":     "function,arrival,duration_ms,cold_ms,memory_mb,cpu\n" + many("f", 101) + many("g", 500),
	} {
		t.Run(name, func(t *testing.T) {
			want := stored(t, write(t, map[string]string{"in.csv": text}))
			dir := filepath.Join(t.TempDir(), "out")
			out, err := invocations.Write(t.Context(), dir, want, 1)
			if err != nil {
				t.Fatal(err)
			}
			if got := stored(t, dir); got.Digest != want.Digest {
				t.Errorf("read %+v from %v, expected %+v from %v", got.Functions, got.Start, want.Functions, want.Start)
			}
			if len(out.Lost) > 0 || len(out.Days) != want.Days() {
				t.Errorf("%+v", out)
			}
		})
	}
}

func TestWriteByHand(t *testing.T) {
	const rows = "function,arrival,duration_ms,cold_ms,end_ms,memory_mb,cpu,app,trigger\n"
	want := stored(t, write(t, map[string]string{"in.csv": rows + "late,2026-03-03T00:00:07.5Z,3,10,2,128,0.5,a,http\nearly,2026-03-02T00:00:01Z,,,,,,,\nlate,2026-03-03T00:00:08Z,4,10,2,128,0.5,a,http\n"}))
	dir := t.TempDir()
	out, err := invocations.Write(t.Context(), dir, want, 1)
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"2026-03-02.csv": "owner,app,function,trigger,arrival,duration_ms,cold_ms,end_ms,memory_mb,cpu\n" +
			",a,late,http,2026-03-03T00:00:07.500000Z,3.000,10.000,2.000,128,0.5\n,,early,others,2026-03-02T00:00:01.000000Z,,,,,\n",
		"2026-03-03.csv": "owner,app,function,trigger,arrival,duration_ms,cold_ms,end_ms,memory_mb,cpu\n" +
			",a,late,http,2026-03-03T00:00:08.000000Z,4.000,,,128,0.5\n",
	} {
		if raw, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(raw) != text {
			t.Errorf("%s: %q, error %v", file, raw, err)
		}
	}
	if days := []datasets.WrittenDay{{Day: 1, Functions: 1, Invocations: 1}, {Day: 2, Functions: 1, Invocations: 2}}; !reflect.DeepEqual(out.Days, days) {
		t.Errorf("days %+v", out.Days)
	}
}

// Start costs that too few invocations have to tell are told as nearly as they can be,
// and that they are not exact is said.
func TestWriteWithFewInvocations(t *testing.T) {
	ms := func(v ...time.Duration) datasets.Distribution {
		d := datasets.Distribution{Prob: []float64{0, 0.01, 0.25, 0.5, 0.75, 0.99, 1}}
		for _, v := range v {
			d.Value = append(d.Value, v*time.Millisecond)
		}
		return d
	}
	trace := &datasets.Trace{
		Start: time.Unix(0, 0).UTC(), Span: datasets.Window{To: 1440},
		Functions: []datasets.Function{
			{Name: "f", Trigger: datasets.HTTP, Memory: 1 << 20, CPU: 1, Initialisation: ms(10, 20, 25, 50, 75, 90, 100), Termination: ms(6, 12, 15, 30, 45, 54, 60)},
			{ID: 1, Name: "never", Trigger: datasets.HTTP},
		},
		Source: datasets.Singles{{{Arrival: 1, Duration: 1}, {Arrival: time.Second}, {Arrival: 2 * time.Second}}},
	}
	for i := range trace.Source.(datasets.Singles)[0] {
		inv := &trace.Source.(datasets.Singles)[0][i]
		inv.Arrival, inv.Duration = time.Duration(i)*time.Second, time.Millisecond
	}
	dir := t.TempDir()
	out, err := invocations.Write(t.Context(), dir, trace, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"functions that are never invoked: 1 of 2",
		"the exact start costs of 1 of 2 functions, which have too few invocations to tell them",
	}
	if !reflect.DeepEqual(out.Lost, want) {
		t.Errorf("lost %q", out.Lost)
	}
	got := stored(t, dir).Functions[0].Initialisation
	if got.Quantile(0) != 10*time.Millisecond || got.Quantile(0.5) != 50*time.Millisecond || got.Quantile(1) != 100*time.Millisecond {
		t.Errorf("initialisation %v", got)
	}
}

// Of counts, the invocations are those that a simulation with this seed replays.
func TestWriteDrawsAsASimulation(t *testing.T) {
	trace := &datasets.Trace{
		Start: time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC), Span: datasets.Window{To: 1440},
		Functions: []datasets.Function{
			{Name: "f", Trigger: datasets.HTTP, Execution: datasets.Distribution{Prob: []float64{0, 1}, Value: []time.Duration{0, time.Second}}, Assumed: datasets.AssumedStartCost},
			{ID: 1, Name: "g", Trigger: datasets.HTTP, Execution: datasets.Constant(time.Second), Assumed: datasets.AssumedExecution | datasets.AssumedStartCost},
		},
		Source: datasets.Memory{{Offset: []int{0, 1, 2}, Minute: []int32{0, 3}, Count: []int64{50, 2}}},
	}
	dir := t.TempDir()
	out, err := invocations.Write(t.Context(), dir, trace, 9)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Lost) != 1 || !strings.Contains(out.Lost[0], "of 1 of 1 days lay within their minutes") {
		t.Errorf("lost %q", out.Lost)
	}
	back := stored(t, dir)
	seq, ok := back.DayInvocations(t.Context(), 0, back.Span)
	if !ok {
		t.Fatal("no invocations")
	}
	var got []datasets.Invocation
	for inv, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, inv)
	}
	i := 0
	for want, err := range datasets.Arrivals(t.Context(), trace, trace.Span, 9) {
		if err != nil {
			t.Fatal(err)
		}
		want.Duration = max(time.Microsecond, want.Duration.Truncate(time.Microsecond))
		if want.Function == 1 {
			want.Duration = datasets.Unknown
		}
		if got[i] != want {
			t.Fatalf("invocation %d: %+v, expected %+v", i, got[i], want)
		}
		i++
	}
	if i != len(got) || i != 52 {
		t.Errorf("%d and %d invocations", i, len(got))
	}
}

func TestWriteLeavesNothingHalfDone(t *testing.T) {
	trace := stored(t, write(t, map[string]string{"in.csv": "function,arrival,duration_ms\nf,1,2\nf,90000,3\n"}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "made")
	if _, err := invocations.Write(ctx, dir, trace, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
	if _, err := invocations.Write(t.Context(), write(t, map[string]string{"mine": ""}), trace, 1); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("error %v", err)
	}
}
