package features

import (
	"fmt"
	"math"
	"path"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
	"github.com/incendio-faas/incendio/pipelines/report"
)

// An example is the function whose decomposition the report shows.
type example struct {
	salience float64
	total    float64 // invocations
	function datasets.FunctionID
	fitted   *prophet.Fitted // nil of the zero value
	series   []float64
}

// total is the sum of a series without its gaps.
func total(series []float64) float64 {
	sum := 0.0
	for _, y := range series {
		if !math.IsNaN(y) {
			sum += y
		}
	}
	return sum
}

// tellsMore prefers the clearer effects and, where there are none, the busier function.
func (e example) tellsMore(o example) bool {
	return o.fitted == nil || e.salience > o.salience || e.salience == o.salience && e.total > o.total
}

// section samples the example for the report.
func (e example) section(t *datasets.Trace, g fit.Grid, missing string) *report.Decomposition {
	if e.fitted == nil {
		return nil
	}
	every := max(1, len(e.series)/1500)
	d := &report.Decomposition{Function: ShortName(&t.Functions[e.function]), Missing: missing}
	for at := 0; at+every <= len(e.series); at += every {
		observed := 0
		for _, y := range e.series[at : at+every] {
			if !math.IsNaN(y) {
				observed++
			}
		}
		if observed == 0 { // a gap
			continue
		}
		d.Times = append(d.Times, g.At(at+every/2))
		d.Observed = append(d.Observed, total(e.series[at:at+every])/float64(observed))
	}
	fc := e.fitted.Forecast(d.Times)
	d.Trend = fc.Trend
	for _, c := range fc.Terms() {
		d.Components = append(d.Components, report.Component{Name: c.Name, Values: c.Value})
	}
	return d
}

// ShortName is a function's name as a reader can take it in: the trace's ids are
// hashes of 64 digits.
func ShortName(f *datasets.Function) string {
	if len(f.Name) > 16 {
		return fmt.Sprintf("function %d (%s…)", f.ID, f.Name[:8])
	}
	return path.Join(f.App, f.Name)
}
