package scheduler

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/priority"
)

// IncendioName is the name of the stack that runs a bundle.
const IncendioName = "incendio"

// Parts are what the stack "incendio" is composed of. [Open] reads them from a
// bundle; training composes them while they are being learned.
type Parts struct {
	Priority *priority.Model
	Forecast forecast.Source // primed with what arrived before Start
	Rate     []float64       // arrivals per minute in training, one for each function
	Pool     PoolOptions
	SLO      SLO

	// Index, where not nil, is the stack, in its envelope: it takes nothing but Rate of the
	// other parts.
	Index *IndexSettings

	// Start is when the clock begins, on a minute, and First the forecasts of that
	// minute; nil expects nothing.
	Start decide.Time
	First []forecast.Forecast

	// Dispatcher builds the dispatcher behind the SLO guard. One that has a method
	// Observe(decide.Snapshot, decide.Event) is shown every event.
	Dispatcher func(decide.Signals) (decide.Dispatcher, error)
}

// observer sees every event once the state has taken it in.
type observer interface {
	Observe(s decide.Snapshot, ev decide.Event)
}

// Incendio composes the stack of Incendio (Fig. 7): the dispatcher behind an SLO
// guard, the pool that follows the forecast, and the placer that prefers room without
// eviction.
//
// Where the parts have an index it is that, see package scheduler/index.
func Incendio(p Parts) (Stack, error) {
	if p.Index != nil {
		return indexed(*p.Index, p.Rate)
	}
	switch {
	case p.Priority == nil || p.Forecast == nil || p.Dispatcher == nil:
		return Stack{}, errors.New("scheduler: incendio needs a priority model, a forecast and a dispatcher")
	case p.Start < 0 || p.Start%decide.Minute != 0:
		return Stack{}, fmt.Errorf("scheduler: start must be on a minute, got %d us", p.Start)
	case p.First != nil && len(p.First) != len(p.Rate):
		return Stack{}, fmt.Errorf("scheduler: first has forecasts of %d functions, expected as many as rate, %d", len(p.First), len(p.Rate))
	}
	for _, err := range []error{p.Priority.Validate(), p.Pool.Validate(), p.SLO.Validate()} {
		if err != nil {
			return Stack{}, err
		}
	}
	for f, rate := range p.Rate {
		if !(rate >= 0) || math.IsInf(rate, 0) {
			return Stack{}, fmt.Errorf("scheduler: rate of function %d must not be negative, got %g", f, rate)
		}
	}
	n := len(p.Rate)
	g := &signals{
		model: p.Priority, start: p.Start, rate: slices.Clone(p.Rate),
		forecast: make([]forecast.Forecast, n), cached: make([]cachedTerms, n),
	}
	inner, err := p.Dispatcher(g)
	if err != nil {
		return Stack{}, err
	}
	guarded := newGuard(inner, p.SLO)
	pl := &pool{
		signals: g, source: p.Forecast, price: p.Pool.MemoryPrice / decide.RUMMemory,
		next: p.Start + decide.Minute, counts: make([]float64, n), covered: n,
	}
	if p.First != nil {
		copy(g.forecast, p.First)
		pl.due, pl.rolled = true, p.Start
	}
	if o, ok := inner.(observer); ok {
		pl.observers = append(pl.observers, o)
	}
	if g, ok := guarded.(*guard); ok {
		pl.observers = append(pl.observers, g)
	}
	return Stack{
		Name: IncendioName, Dispatcher: guarded, Pool: pl,
		Placer: policy.LeastLoaded{}, CPUShare: p.Pool.CPUShare,
	}, nil
}
