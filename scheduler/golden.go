package scheduler

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/incendio-faas/incendio/internal/seed"
)

// Golden is the content of GoldenFile: inputs, what the models made of them when the
// bundle was exported, and what its stacks decided. [Use] replays them, so a model that is read
// or computed otherwise on another machine or by another version is found before it decides, and
// so is one that was changed without its cases.
type Golden struct {
	// Version of the cases. Files of version 0 have no number: their models answer Forecast,
	// Priority and Agents alone.
	Version int `json:"version"`

	Forecast  []GoldenForecast `json:"forecast"`
	Model     *GoldenModel     `json:"model"`
	Priority  []GoldenPriority `json:"priority"`
	Policy    []GoldenValue    `json:"policy"`
	Functions []GoldenFunction `json:"functions"`
	Agents    []GoldenAgent    `json:"agents"`
	Clusters  *GoldenClusters  `json:"clusters"`
	Sharing   *GoldenSharing   `json:"sharing,omitempty"` // of a bundle with SlicesFile
	Indexes   *GoldenIndexes   `json:"indexes,omitempty"` // of a bundle with IndexFile
	Worlds    []GoldenWorld    `json:"worlds"`

	// Of version 0; nobody asks any more.
	Slices json.RawMessage `json:"slices,omitempty"`
	Index  json.RawMessage `json:"index,omitempty"`
}

// goldenVersion is that of the cases that are made.
const goldenVersion = 1

// A GoldenValue is a number that decides.
type GoldenValue struct {
	Name string  `json:"name"`
	Want float64 `json:"want"`
}

// valueTolerance is that of numbers in float64.
const valueTolerance = 1e-9

// same is [near] for numbers that were computed in float64.
func same(got, want float64) bool {
	return math.Abs(got-want) <= valueTolerance*max(1e-6, math.Abs(want))
}

// sameValues reports the first value that is another one.
func sameValues(of string, got, want []GoldenValue) error {
	if len(got) != len(want) {
		return fmt.Errorf("%s: %d values of %s, expected %d", GoldenFile, len(want), of, len(got))
	}
	for i := range got {
		if got[i].Name != want[i].Name || !same(got[i].Want, want[i].Want) {
			return fmt.Errorf("%s: %s: %s is %g, expected %s to be %g", GoldenFile, of, got[i].Name, got[i].Want, want[i].Name, want[i].Want)
		}
	}
	return nil
}

// MakeGolden draws inputs from rnd and answers them with m. Start is the midnight UTC
// of minute 0, and minute the one at which the counts begin.
func (m *Models) MakeGolden(start time.Time, minute int, rnd uint64) (*Golden, error) {
	g := &Golden{Version: goldenVersion}
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
	if g.Version != 0 && g.Version != goldenVersion {
		return fmt.Errorf("%s: version must be 0 or %d, got %d", GoldenFile, goldenVersion, g.Version)
	}
	for _, c := range components {
		if c.replay == nil || g.Version < c.since {
			continue
		}
		if err := c.replay(m, g); err != nil {
			return err
		}
	}
	return nil
}
