package scheduler

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

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
	name:  "slices",
	since: goldenVersion,
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
			g.Sharing = m.goldenSharing()
		}
		return nil
	},
	replay: func(m *Models, g *Golden) error {
		if (m.Slices == nil) != (g.Sharing == nil) {
			return fmt.Errorf("%s: golden cases of %s: %t, which is there: %t", GoldenFile, SlicesFile, g.Sharing != nil, m.Slices != nil)
		}
		if m.Slices == nil {
			return nil
		}
		got, want := m.goldenSharing(), g.Sharing
		if got.By != want.By || len(got.Classes) != len(want.Classes) {
			return fmt.Errorf("%s: %s: %d classes under %s, expected %d under %s", GoldenFile, SlicesFile, len(got.Classes), got.By, len(want.Classes), want.By)
		}
		for i := range got.Classes {
			if g, w := &got.Classes[i], &want.Classes[i]; g.Function != w.Function || g.Rank != w.Rank || !slices.Equal(g.Slices, w.Slices) || !same(g.Work, w.Work) {
				return fmt.Errorf("%s: %v has rank %d and slices of %v us, and took %g us, expected %v with %d, %v and %g", GoldenFile, g.Function, g.Rank, g.Slices, g.Work, w.Function, w.Rank, w.Slices, w.Work)
			}
		}
		return sameValues(SlicesFile, got.Values, want.Values)
	},
}

// GoldenSharing is how machines share their CPU by SlicesFile.
type GoldenSharing struct {
	By      string        `json:"by"`
	Classes []GoldenSlice `json:"classes"` // of every function that was learned, and first of one that was not
	Values  []GoldenValue `json:"values"`
}

// A GoldenSlice is how a machine schedules a function.
type GoldenSlice struct {
	Function forecast.Key  `json:"function"`
	Rank     int32         `json:"rank"`
	Slices   []decide.Time `json:"slices_us"` // by the parts of goldenUse of the CPU that were used
	Work     float64       `json:"work_us"`   // all CPU in the simulation, and the deviation of one stretch
}

// goldenUse are shares of the CPU that were used.
var goldenUse = []float64{0, 0.6, 0.85, 1}

func (m *Models) goldenSharing() *GoldenSharing {
	o := &m.Slices.Options
	g := &GoldenSharing{By: m.Slices.Sharing, Values: []GoldenValue{
		{"seconds between rounds", o.Every.Seconds()}, {"invocations of a round", float64(o.Recent)},
		{"seconds to a look", o.Check.Seconds()}, {"means in a slice", o.Alpha}, {"deviations off it", o.Beta}, {"divisor of the penalty", o.Gamma},
		{"percent from which on there is one", o.Theta}, {"weight of the last round", o.Smooth},
		{"shortest slice in seconds", o.MinSlice.Seconds()}, {"longest slice in seconds", o.MaxSlice.Seconds()},
	}}
	functions := []datasets.Function{{Owner: "golden", App: "golden", Name: "never seen"}}
	work := []float64{0}
	for i := range m.Slices.Classes {
		c := &m.Slices.Classes[i]
		functions = append(functions, datasets.Function{Owner: c.Key.Owner, App: c.Key.App, Name: c.Key.Name})
		work = append(work, float64(c.Runs)*c.MeanUS+c.StdUS)
	}
	t := m.Slices.Table(functions)
	for i := range functions {
		g.Classes = append(g.Classes, GoldenSlice{Function: forecast.KeyOf(&functions[i]), Rank: t.Rank(int32(i)), Work: work[i]})
	}
	for _, used := range goldenUse {
		t.Use(used)
		for i := range g.Classes {
			g.Classes[i].Slices = append(g.Classes[i].Slices, t.Slice(int32(i)))
		}
	}
	return g
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
