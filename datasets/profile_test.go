package datasets_test

import (
	"context"
	"errors"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
)

// Two days, from 12:00 of the first to 12:15 of the second: 1455 minutes.
func TestProfile(t *testing.T) {
	tr := &datasets.Trace{
		Span:      datasets.Window{From: 720, To: 1440 + 735},
		Functions: make([]datasets.Function, 6),
		Source: datasets.Memory{
			//                 never, rare, hourly, by the minute, by the second, more
			counts(0, 6, [3]int64{2, 720, 24}, [3]int64{3, 750, 1455}, [3]int64{4, 1439, 1456}, [3]int64{5, 1439, 60*1455 + 1}),
			counts(1, 6, [3]int64{1, 734, 1}),
		},
	}
	p, err := tr.Profile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name        string
		functions   int
		invocations int64
	}{
		{"never", 1, 0}, {"at most once a day", 1, 1}, {"at most once an hour", 1, 24},
		{"at most once a minute", 1, 1455}, {"at most once a second", 1, 1456}, {"more than once a second", 1, 60*1455 + 1},
	}
	for i, w := range want {
		if c := p.Classes[i]; c.Name != w.name || c.Functions != w.functions || c.Invocations != w.invocations {
			t.Errorf("class %+v, expected %+v", c, w)
		}
	}
	// 12:00 has 30 minutes of the first day and 15 of the second, 12:30 of the first only.
	var day [48]datasets.Slot
	for i := range day {
		switch {
		case i < 24: // the second day has all of them
			day[i].Minutes = 30
		case i == 24:
			day[i] = datasets.Slot{Minutes: 45, PerMinute: 25. / 45}
		default:
			day[i].Minutes = 30
		}
	}
	day[25].PerMinute = 1455. / 30
	day[47].PerMinute = (1456 + 60*1455 + 1) / 30.
	if p.Day != day {
		t.Errorf("day %v, expected %v", p.Day, day)
	}
}

// A span of three quarters of an hour leaves the rest of the day unobserved.
func TestProfileOfAPartOfADay(t *testing.T) {
	tr := &datasets.Trace{
		Span:      datasets.Window{From: 45, To: 90},
		Functions: make([]datasets.Function, 1),
		Source:    datasets.Memory{counts(0, 1, [3]int64{0, 45, 30}, [3]int64{0, 89, 60})},
	}
	p, err := tr.Profile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := ([48]datasets.Slot{1: {15, 2}, 2: {30, 2}}); p.Day != want {
		t.Errorf("day %v, expected %v", p.Day, want)
	}
}

type stuck struct{ datasets.Source }

func (stuck) Day(context.Context, int) (*datasets.Counts, error) { return nil, errors.New("no day") }

func TestProfileOfWhatCannotBeRead(t *testing.T) {
	tr := &datasets.Trace{Span: datasets.Window{To: 30 * 1440}, Source: stuck{}}
	if _, err := tr.Profile(t.Context()); err == nil || err.Error() != "no day" {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.Profile(ctx); err == nil {
		t.Error("a stopped reading gave a profile")
	}
}
