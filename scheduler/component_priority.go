package scheduler

import (
	"errors"
	"fmt"
	"slices"

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
		for _, err := range []error{m.Settings.Model.Validate(), m.Settings.Policy.Validate(), m.Settings.SLO.Validate()} {
			if err != nil {
				return err
			}
		}
		return nil
	},
	golden: func(m *Models, in goldenInput, g *Golden) error {
		for range 4 {
			var v priority.Values
			for k := range v {
				low, high := m.Settings.Model.Low[k], m.Settings.Model.High[k]
				v[k] = low + (high-low)*in.src.Float64()
			}
			g.Priority = append(g.Priority, GoldenPriority{slices.Clone(v[:]), m.Settings.Model.Score(&v)})
		}
		return nil
	},
	replay: func(m *Models, g *Golden) error {
		for _, p := range g.Priority {
			var v priority.Values
			if len(p.Factors) != len(v) {
				return fmt.Errorf("%s: %d priority factors, expected %d", GoldenFile, len(p.Factors), len(v))
			}
			copy(v[:], p.Factors)
			if got := m.Settings.Model.Score(&v); !near(got, p.Want) {
				return fmt.Errorf("%s: priority of %v is %g, expected %g", GoldenFile, v, got, p.Want)
			}
		}
		return nil
	},
}

// Settings is the content of PriorityFile: the priority model, and the parameters of
// the pool and of the SLO guard that were tuned with it.
type Settings struct {
	Model  *priority.Model `json:"model"`
	Policy PoolOptions     `json:"policy"`
	SLO    SLO             `json:"slo"`
}

// A GoldenPriority is the score of a function's factors.
type GoldenPriority struct {
	Factors []float64 `json:"factors"` // priority.Values
	Want    float64   `json:"want"`
}
