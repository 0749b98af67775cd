package alps_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	slicer "github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/train/alps"
)

// trace has a function of 20 ms, one of 2 s and one that is never invoked, over an hour.
func trace() *datasets.Trace {
	t := &datasets.Trace{Name: "test", Span: datasets.Window{From: 0, To: 60}}
	c := &datasets.Counts{Offset: []int{0}}
	for i, d := range []time.Duration{20 * time.Millisecond, 2 * time.Second, time.Minute} {
		t.Functions = append(t.Functions, datasets.Function{
			ID: datasets.FunctionID(i), Owner: "o", App: "a", Name: []string{"short", "long", "never"}[i], CPU: 1, Execution: datasets.Constant(d),
		})
		for m := range int32(60) {
			if i < 2 {
				c.Minute = append(c.Minute, m)
				c.Count = append(c.Count, 20)
			}
		}
		c.Offset = append(c.Offset, len(c.Minute))
	}
	t.Source = datasets.Memory{c}
	return t
}

// TestFit: the short function is first; the stretches of the long one vary by more than
// the ceiling of slices, so it has the least slice; the third was not learned.
func TestFit(t *testing.T) {
	fit := func(rnd uint64) (*slicer.Ranking, *alps.Report) {
		o := alps.DefaultOptions()
		o.Minutes = 40
		p, r, err := alps.Fit(context.Background(), trace(), datasets.Window{From: 0, To: 60}, 0.5, rnd, o)
		if err != nil {
			t.Fatal(err)
		}
		return p, r
	}
	p, r := fit(1)
	if len(p.Classes) != 2 || p.Classes[1].Key.Name != "short" || p.Classes[1].Rank != 1 || p.Classes[1].Slice != 20000 ||
		p.Classes[0].Rank != 2 || p.Classes[0].Slice != 3000 || p.Classes[0].MeanUS < 1e6 {
		t.Errorf("classes are %+v", p.Classes)
	}
	// Of 40 minutes with 40 invocations each a half, in rounds of 10 s.
	if r.Window != (datasets.Window{From: 20, To: 60}) || r.Functions != 2 || r.Rounds < 200 || r.Rounds > 240 || r.Invocations < 700 || r.Invocations > 900 {
		t.Errorf("report is %+v", r)
	}
	if again, _ := fit(1); !reflect.DeepEqual(p, again) {
		t.Error("the same seed led to another policy")
	}
	if other, _ := fit(2); reflect.DeepEqual(p, other) {
		t.Error("another seed led to the same policy")
	}
}

func TestFitRefuses(t *testing.T) {
	fit := func(w datasets.Window, share float64, o alps.Options) error {
		_, _, err := alps.Fit(context.Background(), trace(), w, share, 1, o)
		return err
	}
	hour := datasets.Window{From: 0, To: 60}
	if err := fit(hour, 1e-9, alps.DefaultOptions()); !errors.Is(err, alps.ErrNothing) {
		t.Errorf("error is %v, want %v", err, alps.ErrNothing)
	}
	bad := alps.DefaultOptions()
	bad.Minutes, bad.FrontEnd.Recent = 0, 0
	for want, err := range map[string]error{
		"share of one core must be in (0, 1], got 0": fit(hour, 0, alps.DefaultOptions()),
		"minutes must be at least 1, got 0":          fit(hour, 1, bad),
		"front_end.recent must be in [1, 100000":     fit(hour, 1, bad),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
}
