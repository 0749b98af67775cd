package fit

import (
	"fmt"
	"math"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
)

// A Regressor is a quantity that is known at every time, whose effect is estimated.
type Regressor struct {
	Name string `json:"name"`
	// PriorScale of the coefficient; 0 means HolidaysPriorScale, as in Prophet.
	PriorScale float64 `json:"prior_scale"`
	// Mode; empty means the model's.
	Mode prophet.Mode `json:"mode"`
	// Standardise says when mean and standard deviation over the history are taken out;
	// empty means Auto.
	Standardise Standardise `json:"standardise"`
}

// Standardise says when a regressor is standardised.
type Standardise string

// A regressor that is constant is never standardised: its deviation is 0.
const (
	Auto   Standardise = "auto" // unless its values are 0 and 1
	Always Standardise = "always"
	Never  Standardise = "never"
)

// standardised is r with what takes x, its values at times, to its column.
func (r Regressor) standardised(x []float64, times []time.Time) (prophet.Regressor, error) {
	out := prophet.Regressor{Name: r.Name, Scale: 1, PriorScale: r.PriorScale, Mode: r.Mode}
	if len(x) != len(times) {
		return out, fmt.Errorf("regressor %q: %d values for %d observations: must be as many", r.Name, len(x), len(times))
	}
	var sum float64
	binary := true
	for i, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return out, fmt.Errorf("regressor %q is %g at %v: must be finite wherever y is known", r.Name, v, times[i].UTC())
		}
		sum += v
		binary = binary && (v == 0 || v == 1)
	}
	if constant(x) || r.Standardise == Never || binary && r.Standardise != Always {
		return out, nil
	}
	out.Mean = sum / float64(len(x))
	var squares float64
	for _, v := range x {
		squares += (v - out.Mean) * (v - out.Mean)
	}
	out.Scale = math.Sqrt(squares / float64(len(x)-1))
	return out, nil
}
