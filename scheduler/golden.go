package scheduler

import (
	"time"

	"github.com/incendio-faas/incendio/internal/seed"
)

// Golden is the content of GoldenFile: inputs and what the models made of them when
// the bundle was exported. Open replays them, so a model that is read or computed
// otherwise on another machine or by another version is found before it decides.
type Golden struct {
	Forecast []GoldenForecast `json:"forecast"`
	Priority []GoldenPriority `json:"priority"`
	Agents   []GoldenAgent    `json:"agents"`
	Slices   []GoldenSlice    `json:"slices,omitempty"` // of a bundle with SlicesFile
	Index    []GoldenIndex    `json:"index,omitempty"`  // of a bundle with IndexFile
}

// MakeGolden draws inputs from rnd and answers them with m. Start is the midnight UTC
// of minute 0, and minute the one at which the counts begin.
func (m *Models) MakeGolden(start time.Time, minute int, rnd uint64) (*Golden, error) {
	g := &Golden{}
	in := goldenInput{seed.Stream(rnd, "golden"), start, minute}
	for _, c := range components {
		if c.golden == nil {
			continue
		}
		if err := c.golden(m, in, g); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// Replay reports the first case of g that m answers otherwise, or a Q-network of m
// that has no case.
func (m *Models) Replay(g *Golden) error {
	for _, c := range components {
		if c.replay == nil {
			continue
		}
		if err := c.replay(m, g); err != nil {
			return err
		}
	}
	return nil
}
