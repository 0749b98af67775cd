package datasets_test

import (
	"math"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// Three days of which nobody observed the second, nor the noon of the first.
func gapped() *datasets.Trace {
	return &datasets.Trace{
		Span:      datasets.Window{From: 0, To: 3 * 1440},
		Gaps:      []datasets.Window{{From: 720, To: 735}, {From: 1440, To: 2880}},
		Functions: make([]datasets.Function, 1),
		Source:    datasets.Memory{counts(0, 1, [3]int64{0, 719, 30}), counts(1, 1), counts(2, 1, [3]int64{0, 720, 45})},
	}
}

func TestGapsAreNoZeros(t *testing.T) {
	tr := gapped()
	if n := tr.Observed(tr.Span); n != 2*1440-15 {
		t.Errorf("%d minutes observed", n)
	}
	if n := tr.Observed(datasets.Window{From: 730, To: 1500}); n != 705 {
		t.Errorf("%d minutes observed from the first gap to the second, expected 705", n)
	}
	rows, err := tr.Dense(t.Context(), datasets.Window{From: 719, To: 1441})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range rows[0] {
		minute := 719 + i
		if missing := minute >= 720 && minute < 735 || minute >= 1440; math.IsNaN(v) != missing {
			t.Fatalf("minute %d is %v", minute, v)
		}
	}
	rates, err := tr.Rates(t.Context(), tr.Span)
	if err != nil || rates[0] != 75./(2*1440-15) {
		t.Errorf("rates %v, error %v", rates, err)
	}
	p, err := tr.Profile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.Day[0].Minutes != 60 || p.Day[24] != (datasets.Slot{Minutes: 45, PerMinute: 1}) {
		t.Errorf("slots %v and %v: must have 60 and 45 minutes", p.Day[0], p.Day[24])
	}
}

func TestCheckGaps(t *testing.T) {
	span := datasets.Window{From: 10, To: 100}
	for _, c := range []struct {
		gaps []datasets.Window
		ok   bool
	}{
		{nil, true},
		{[]datasets.Window{{From: 11, To: 20}, {From: 21, To: 99}}, true},
		{[]datasets.Window{{From: 10, To: 20}}, false},
		{[]datasets.Window{{From: 20, To: 100}}, false},
		{[]datasets.Window{{From: 20, To: 20}}, false},
		{[]datasets.Window{{From: 20, To: 30}, {From: 30, To: 40}}, false},
		{[]datasets.Window{{From: 50, To: 60}, {From: 20, To: 30}}, false},
	} {
		if err := datasets.CheckGaps(span, c.gaps); (err == nil) != c.ok {
			t.Errorf("%v: error %v", c.gaps, err)
		}
	}
}

func TestGapsAreContent(t *testing.T) {
	tr, at := gapped(), time.Unix(0, 0)
	base := datasets.ContentDigest(at, tr.Span, tr.Functions, []string{"a"})
	one := datasets.ContentDigest(at, tr.Span, tr.Functions, []string{"a"}, tr.Gaps[0])
	if two := datasets.ContentDigest(at, tr.Span, tr.Functions, []string{"a"}, tr.Gaps...); base == one || one == two || base == two {
		t.Error("traces with other gaps must have other digests")
	}
}
