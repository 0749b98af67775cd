package replay

import "github.com/incendio-faas/incendio/scheduler/sim"

// Curves are the figures of a comparison that only the report draws.
type Curves struct {
	Step     int                     `json:"step_minutes"` // between the values of LiveGB
	Policies map[string]PolicyCurves `json:"policies"`
}

// PolicyCurves are the figures of one policy.
type PolicyCurves struct {
	Quantiles  []float64 `json:"quantiles"`  // of latency in ms
	Dispatched []float64 `json:"dispatched"` // shares within sim.WaitLimits
	Started    []float64 `json:"started"`
	LiveGB     []float64 `json:"live_gb"` // means over steps
}

// mostSteps is how many values of a timeline a figure can show.
const mostSteps = 480

// CurvesOf takes the curves from the results behind a comparison.
func CurvesOf(rep *sim.Report) Curves {
	c := Curves{Step: max(1, (rep.Window.Len()+mostSteps-1)/mostSteps), Policies: map[string]PolicyCurves{}}
	for i, p := range rep.Policies {
		if p.Kind == sim.KindBound {
			continue
		}
		r := rep.Results[i]
		c.Policies[p.Name] = PolicyCurves{r.Quantiles, r.Dispatched, r.Started, thinned(r.LiveGB, c.Step)}
	}
	return c
}

// thinned has the means of every step values.
func thinned(values []float64, step int) []float64 {
	var out []float64
	for i := 0; i < len(values); i += step {
		var sum float64
		part := values[i:min(i+step, len(values))]
		for _, v := range part {
			sum += v
		}
		out = append(out, sum/float64(len(part)))
	}
	return out
}
