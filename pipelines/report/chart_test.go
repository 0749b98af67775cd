package report_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/pipelines/report"
)

// wellFormed fails unless the file is XML, and has none of the words for what is no number.
func wellFormed(t *testing.T, f report.Figure) string {
	t.Helper()
	text := string(f.File())
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%s: %v", f.ID, err)
		}
	}
	for _, bad := range []string{"NaN", "Inf"} {
		if strings.Contains(text, bad) {
			t.Errorf("%s holds %s", f.ID, bad)
		}
	}
	return text
}

func TestCharts(t *testing.T) {
	c := report.Chart{ID: "x", Title: "A <title>", Caption: "Found & said."}
	nan, inf := math.NaN(), math.Inf(1)
	for name, f := range map[string]report.Figure{
		"lines": report.Lines(c, report.Scale{Log: true}, report.Scale{Percent: true}, []report.Line{
			{Name: "one", X: []float64{0, 1, 10, nan}, Y: []float64{0.1, 0.2, 0.3, 1}, Marks: true}, {Name: "two", X: []float64{1, 2}, Y: []float64{inf, 0.5}}, {Name: "none"},
		}),
		"stacks": report.Stacks(c, report.Scale{Label: "s"}, []string{"a", "b"}, []report.Bar{
			{Name: "one", Group: "first", Values: []float64{1, 2}, Note: "3 in all"}, {Name: "two", Group: "second", Values: []float64{nan, -1}},
		}),
		"scatter": report.Scatter(c, report.Scale{Zero: true}, report.Scale{Zero: true}, []report.Mark{
			{Name: "one", X: 1, Y: 1, Front: true}, {Name: "two", X: 2, Y: 0, Front: true}, {Name: "lost", X: nan, Y: 1},
		}),
		"boxes": report.Boxes(c, report.Scale{Log: true}, []report.BoxGroup{{Name: "f", Boxes: []report.Box{{Name: "one", P25: 1, P50: 2, P75: 3, P99: 100}, {Name: "two", P25: 1, P50: 1, P75: 1, P99: 1}}}}),
	} {
		text := wellFormed(t, f)
		if !strings.Contains(text, "A &lt;title&gt;") || !strings.Contains(text, "one") || !strings.Contains(text, "two") {
			t.Errorf("%s: lacks its title or a name:\n%s", name, text)
		}
	}
	for name, f := range map[string]report.Figure{
		"lines":   report.Lines(c, report.Scale{}, report.Scale{}, []report.Line{{Name: "one", X: []float64{nan}, Y: []float64{1}}}),
		"stacks":  report.Stacks(c, report.Scale{}, []string{"a"}, []report.Bar{{Name: "one", Values: []float64{0}}}),
		"scatter": report.Scatter(c, report.Scale{Log: true}, report.Scale{}, []report.Mark{{Name: "one", X: 0, Y: 1}}),
		"boxes":   report.Boxes(c, report.Scale{}, nil),
	} {
		if f.SVG != "" || !strings.Contains(f.Caption, "not drawn") {
			t.Errorf("%s: nothing to draw, got caption %q and %d bytes", name, f.Caption, len(f.SVG))
		}
	}
}

// TestManyPolicies: with 40 policies the lines of a few have names, the rest are counted,
// every policy has its bar, and the front keeps its names in the scatter.
func TestManyPolicies(t *testing.T) {
	p := samplePolicies()
	for i := range 30 {
		q := p.Policies[3]
		q.Name = fmt.Sprintf("other-%d", i)
		q.Latency.Mean += 1000 + float64(i)
		p.Policies = append(p.Policies, q)
	}
	for _, f := range report.PolicyFigures(p) {
		text := wellFormed(t, f)
		switch f.ID {
		case "latency-cdf", "slo-curve", "live-memory":
			if !strings.Contains(text, ">30 others<") || !strings.Contains(text, ">native<") || strings.Contains(text, ">other-7<") {
				t.Errorf("%s: names are not those of the leading policies", f.ID)
			}
		case "state-shares":
			for _, q := range p.Policies {
				if q.Kind == report.Simulated && !strings.Contains(text, ">"+q.Name+"<") {
					t.Errorf("%s: has no bar of %s", f.ID, q.Name)
				}
			}
		case "cold-wasted":
			if !strings.Contains(text, ">incendio<") || strings.Count(text, ">other-") > 8 {
				t.Errorf("%s: the front has no name, or 30 points in one place have too many", f.ID)
			}
		}
	}
}
