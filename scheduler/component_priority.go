package scheduler

import (
	"errors"
	"fmt"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/priority"
)

// PriorityFile of a bundle.
const PriorityFile = "priority.json"

// priorityComponent is the priority model and what was tuned with it.
var priorityComponent = component{
	name:  "priority",
	load:  func(m *Models, files readFile) error { return decodeFile(files, PriorityFile, &m.Settings) },
	files: func(m *Models, out map[string][]byte) error { return encodeFile(out, PriorityFile, m.Settings) },
	check: func(m *Models) error {
		if m.Settings.Model == nil {
			return errors.New("scheduler: models need a priority model")
		}
		for _, err := range []error{m.Settings.Model.Validate(), m.Settings.Pool.Validate(), m.Settings.SLO.Validate()} {
			if err != nil {
				return err
			}
		}
		return nil
	},
	golden: func(m *Models, in goldenInput, g *Golden) error {
		for range goldenPriorities {
			var v priority.Values
			for k := range v {
				low, high := m.Settings.Model.Low[k], m.Settings.Model.High[k]
				v[k] = low + (high-low)*in.src.Float64()
			}
			g.Priority = append(g.Priority, GoldenPriority{slices.Clone(v[:]), m.Settings.Model.Score(&v)})
		}
		g.Policy = m.Settings.values()
		return nil
	},
	replay: func(m *Models, g *Golden) error {
		if g.Version == goldenVersion && len(g.Priority) < goldenPriorities {
			return fmt.Errorf("%s: %d golden cases of %s, expected %d", GoldenFile, len(g.Priority), PriorityFile, goldenPriorities)
		}
		for _, p := range g.Priority {
			var v priority.Values
			if len(p.Factors) != len(v) {
				return fmt.Errorf("%s: %d priority factors, expected %d", GoldenFile, len(p.Factors), len(v))
			}
			copy(v[:], p.Factors)
			if got := m.Settings.Model.Score(&v); !same(got, p.Want) {
				return fmt.Errorf("%s: priority of %v is %g, expected %g", GoldenFile, v, got, p.Want)
			}
		}
		if g.Version < goldenVersion {
			return nil
		}
		return sameValues(PriorityFile, m.Settings.values(), g.Policy)
	},
}

// Settings is the content of PriorityFile: the priority model, and the parameters of
// the pool and of the SLO guard that were tuned with it.
type Settings struct {
	Model *priority.Model `json:"model"`
	Pool  PoolOptions     `json:"policy"`
	SLO   SLO             `json:"slo"`
}

// Parts are those of the stack "incendio" under s behind a dispatcher. What knows the
// functions and their future is left to be added.
func (s Settings) Parts(dispatcher func(decide.Signals) (decide.Dispatcher, error)) Parts {
	return Parts{Priority: s.Model, Pool: s.Pool, SLO: s.SLO, Dispatcher: dispatcher}
}

// A GoldenPriority is the score of a function's factors.
type GoldenPriority struct {
	Factors []float64 `json:"factors"` // priority.Values
	Want    float64   `json:"want"`
}

// goldenPriorities is the number of scores in GoldenFile: more than the model has factors.
const goldenPriorities = 12

// values are what the numbers of the pool and of the SLO guard come to.
func (s *Settings) values() []GoldenValue {
	var out []GoldenValue
	add := func(v float64, format string, args ...any) {
		out = append(out, GoldenValue{fmt.Sprintf(format, args...), v})
	}
	price := s.Pool.MemoryPrice / decide.RUMMemory
	for _, mb := range []int64{128, 1024} {
		cost := containerCost(price, mb<<20)
		add(cost, "seconds of waiting that a container of %d MB costs in a minute", mb)
		add(float64(worthwhile(20, 6, 10*cost, cost)), "containers of %d MB that are worth having for 20 arrivals", mb)
	}
	add(s.Pool.CPUShare*8, "cores that may be used at once of 8, 0 for any number")
	for _, init := range []decide.Time{0, 4 * decide.Second, decide.Minute} {
		slo := s.SLO.objective(init)
		add(float64(slo), "objective of a function that initialises for %v, in us", init.Duration())
		add(float64(s.SLO.margin(slo)), "what is left of it when a request is urgent, in us")
	}
	return out
}
