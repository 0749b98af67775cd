package scheduler

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// SlicesFile of a bundle has ranks and slices of functions, for invokers that share their CPU by ALPS.
const SlicesFile = "alps.json"

// TrainedALPSName is the stack "alps-trained", see [Models.TrainedALPS].
const TrainedALPSName = "alps-trained"

// slicesComponent is what was learned for invokers that share their CPU by ALPS; a bundle
// may lack it.
var slicesComponent = component{
	name: "slices",
	load: func(m *Models, files readFile) error {
		data, err := files(SlicesFile)
		if errors.Is(err, bundle.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.Slices, err = alps.Parse(data); err != nil {
			return fmt.Errorf("%s: %w", SlicesFile, err)
		}
		return nil
	},
	files: func(m *Models, out map[string][]byte) error {
		if m.Slices == nil {
			return nil
		}
		return encodeFile(out, SlicesFile, m.Slices)
	},
	golden: func(m *Models, _ goldenInput, g *Golden) error {
		if m.Slices != nil {
			g.Slices = m.goldenSlices()
		}
		return nil
	},
	replay: func(m *Models, g *Golden) error {
		if (m.Slices == nil) != (len(g.Slices) == 0) {
			return fmt.Errorf("%s: %d golden cases of %s, which is there: %t", GoldenFile, len(g.Slices), SlicesFile, m.Slices != nil)
		}
		for i := range g.Slices {
			c := &g.Slices[i]
			if rank, slice := m.sliceOf(c); rank != c.Rank || slice != c.Slice {
				return fmt.Errorf("%s: %v has rank %d and slice %d us, expected %d and %d", GoldenFile, c.Function, rank, slice, c.Rank, c.Slice)
			}
		}
		return nil
	},
}

// A GoldenSlice is how a machine schedules a function of which that share of the CPU was
// used.
type GoldenSlice struct {
	Function forecast.Key `json:"function"`
	Used     float64      `json:"used"`
	Rank     int32        `json:"rank"`
	Slice    decide.Time  `json:"slice_us"`
}

// goldenSlices are of some functions that were learned and of one that was not, on an idle
// machine and on a busy one.
func (m *Models) goldenSlices() []GoldenSlice {
	keys := []forecast.Key{{Owner: "golden", App: "golden", Name: "never seen"}}
	n := len(m.Slices.Classes)
	for i := range min(n, 2*goldenFunctions) {
		keys = append(keys, m.Slices.Classes[i*n/min(n, 2*goldenFunctions)].Key)
	}
	var out []GoldenSlice
	for _, used := range []float64{0, 1} {
		for _, k := range keys {
			c := GoldenSlice{Function: k, Used: used}
			c.Rank, c.Slice = m.sliceOf(&c)
			out = append(out, c)
		}
	}
	return out
}

func (m *Models) sliceOf(c *GoldenSlice) (int32, decide.Time) {
	t := m.Slices.Table([]datasets.Function{{Owner: c.Function.Owner, App: c.Function.App, Name: c.Function.Name}})
	t.Use(c.Used)
	return t.Rank(0), t.Slice(0)
}

// TrainedALPS composes the stack "alps-trained": native, on invokers that serve functions by
// the slices of the bundle. The error says so if it has none.
func (m *Models) TrainedALPS() (Stack, error) {
	if m.Slices == nil {
		return Stack{}, fmt.Errorf("scheduler: policy %q: the bundle has no %s", TrainedALPSName, SlicesFile)
	}
	s := policy.Native(policy.NativeKeepAlive)
	s.Name, s.Sharing = TrainedALPSName, policy.DefaultSharing(policy.SharingALPS)
	s.Sharing.ALPS, s.Sharing.Slices = m.Slices.Options, m.Slices
	return s, nil
}
