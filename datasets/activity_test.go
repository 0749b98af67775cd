package datasets_test

import (
	"context"
	"slices"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
)

// activity has two functions: f0 is invoked twice in minute 10 and 30 times in minute
// 25, f1 once in every minute from 1435 to 1444, over midnight.
func activity() *datasets.Trace {
	first := &datasets.Counts{Day: 0, Offset: []int{0, 2, 7}, Minute: []int32{10, 25, 1435, 1436, 1437, 1438, 1439}, Count: []int64{2, 30, 1, 1, 1, 1, 1}}
	second := &datasets.Counts{Day: 1, Offset: []int{0, 0, 5}, Minute: []int32{0, 1, 2, 3, 4}, Count: []int64{1, 1, 1, 1, 1}}
	return &datasets.Trace{
		Name: "activity", Span: datasets.Window{From: 0, To: 2880},
		Functions: make([]datasets.Function, 2), Source: datasets.Memory{first, second},
	}
}

func TestInvocationsAndRates(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		w    datasets.Window
		want int64
	}{{datasets.Window{From: 0, To: 2880}, 42}, {datasets.Window{From: 10, To: 25}, 2}, {datasets.Window{From: 1438, To: 1442}, 4}, {datasets.Window{From: 100, To: 200}, 0}} {
		got, err := activity().Invocations(ctx, c.w)
		if err != nil || got != c.want {
			t.Errorf("Invocations(%v) = %d, %v; want %d", c.w, got, err, c.want)
		}
	}
	rates, err := activity().Rates(ctx, datasets.Window{From: 20, To: 30})
	if err != nil || !slices.Equal(rates, []float64{3, 0}) {
		t.Errorf("Rates = %v, %v; want [3 0]", rates, err)
	}
}

func TestSampleTakesTheBusiestAndDrawsTheRest(t *testing.T) {
	ctx, tr := context.Background(), activity()
	all := datasets.Window{From: 0, To: 2880}
	got, err := tr.Sample(ctx, all, 1, 5, 1)
	if err != nil || !slices.Equal(got, []datasets.Window{{From: 25, To: 30}}) {
		t.Errorf("one window: %v, %v; want the busiest", got, err)
	}
	// There are four windows of five minutes with invocations.
	got, err = tr.Sample(ctx, all, 9, 5, 1)
	want := []datasets.Window{{From: 10, To: 15}, {From: 25, To: 30}, {From: 1435, To: 1440}, {From: 1440, To: 1445}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("all windows: %v, %v; want %v", got, err, want)
	}
	differ := false
	for rnd := range uint64(8) {
		a, err := tr.Sample(ctx, all, 3, 5, rnd)
		b, err2 := tr.Sample(ctx, all, 3, 5, rnd)
		if err != nil || err2 != nil || !slices.Equal(a, b) || !slices.Contains(a, datasets.Window{From: 25, To: 30}) || !slices.IsSortedFunc(a, func(x, y datasets.Window) int { return x.From - y.From }) {
			t.Fatalf("seed %d: %v and %v", rnd, a, b)
		}
		c, err := tr.Sample(ctx, all, 3, 5, rnd+1)
		differ = differ || err == nil && !slices.Equal(a, c)
	}
	if !differ {
		t.Error("no seed draws other windows")
	}
	if _, err := tr.Sample(ctx, datasets.Window{From: 100, To: 200}, 1, 5, 1); err == nil {
		t.Error("a window without invocations was sampled")
	}
}
