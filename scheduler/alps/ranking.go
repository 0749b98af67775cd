package alps

import (
	"fmt"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/strictjson"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// A Ranking is what was learned of functions offline: the content of alps.json.
type Ranking struct {
	// Sharing is the discipline that was better on minutes that were not learned from:
	// "alps" with this policy, or "ps".
	Sharing string  `json:"sharing"`
	Options Options `json:"options"`
	Classes []Class `json:"classes"` // in order of their keys
}

// A Class is what was learned of one function.
type Class struct {
	Key    forecast.Key `json:"key"`
	Runs   int64        `json:"runs"`     // stretches of CPU in the simulation, >= 1
	MeanUS float64      `json:"mean_us"`  // of a stretch, in core microseconds, >= 0
	StdUS  float64      `json:"std_us"`   // >= 0
	Rank   int32        `json:"rank"`     // from 1, the first is served first
	Slice  decide.Time  `json:"slice_us"` // before the penalty of a busy machine
}

// Learned returns the policy of statistics by function, of which some may have none.
func Learned(functions []datasets.Function, stats []Stats, o Options) (*Ranking, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	t := NewTable(len(stats), o)
	t.Learn(stats, 0)
	p := &Ranking{Sharing: "alps", Options: o, Classes: make([]Class, 0, len(t.known))}
	for _, k := range t.known {
		c := &t.classes[k]
		p.Classes = append(p.Classes, Class{
			Key: forecast.KeyOf(&functions[k]), Runs: stats[k].N, MeanUS: stats[k].Mean, StdUS: stats[k].Std(), Rank: c.rank, Slice: c.slice,
		})
	}
	slices.SortFunc(p.Classes, func(a, b Class) int { return a.Key.Compare(b.Key) })
	return p, p.Validate()
}

// Parse reads the content of alps.json.
func Parse(data []byte) (*Ranking, error) {
	var p Ranking
	if err := strictjson.Decode(data, &p); err != nil {
		return nil, err
	}
	return &p, p.Validate()
}

// Validate checks what a back end relies on: keys in order and none twice, ranks from 1
// without a gap, and a class of a later rank neither shorter nor with a longer slice.
func (p *Ranking) Validate() error {
	if err := p.Options.Validate(); err != nil {
		return err
	}
	if p.Sharing != "alps" && p.Sharing != "ps" {
		return fmt.Errorf("alps: sharing must be alps or ps, got %q", p.Sharing)
	}
	for i := range p.Classes {
		c := &p.Classes[i]
		switch {
		case i > 0 && p.Classes[i-1].Key.Compare(c.Key) >= 0:
			return fmt.Errorf("alps: classes[%d]: key %v must come after %v", i, c.Key, p.Classes[i-1].Key)
		case c.Runs < 1:
			return fmt.Errorf("alps: classes[%d]: runs must be at least 1, got %d", i, c.Runs)
		case !(c.MeanUS >= 0) || math.IsInf(c.MeanUS, 0) || !(c.StdUS >= 0) || math.IsInf(c.StdUS, 0):
			return fmt.Errorf("alps: classes[%d]: mean_us and std_us must not be negative, got %g and %g", i, c.MeanUS, c.StdUS)
		case c.Slice < p.Options.MinSlice || c.Slice > p.Options.MaxSlice:
			return fmt.Errorf("alps: classes[%d]: slice_us must be in [%d, %d], got %d", i, p.Options.MinSlice, p.Options.MaxSlice, c.Slice)
		}
	}
	order := p.byRank()
	for i, c := range order {
		before := &Class{MeanUS: -1, Slice: p.Options.MaxSlice}
		if i > 0 {
			before = order[i-1]
		}
		switch {
		case c.Rank != before.Rank && c.Rank != before.Rank+1:
			return fmt.Errorf("alps: class %v: rank %d follows %d, expected one more", c.Key, c.Rank, before.Rank)
		case c.Rank == before.Rank && (c.MeanUS != before.MeanUS || c.Slice != before.Slice):
			return fmt.Errorf("alps: class %v: has the rank %d of %v, but not its mean and slice", c.Key, c.Rank, before.Key)
		case c.Rank > before.Rank && c.MeanUS <= before.MeanUS:
			return fmt.Errorf("alps: class %v of rank %d must have longer stretches than %v of rank %d", c.Key, c.Rank, before.Key, before.Rank)
		case c.Slice > before.Slice:
			return fmt.Errorf("alps: class %v: slice_us %d must not be longer than the %d of a shorter class", c.Key, c.Slice, before.Slice)
		}
	}
	return nil
}

func (p *Ranking) byRank() []*Class {
	order := make([]*Class, len(p.Classes))
	for i := range p.Classes {
		order[i] = &p.Classes[i]
	}
	slices.SortStableFunc(order, func(a, b *Class) int { return int(a.Rank) - int(b.Rank) })
	return order
}

// Table is the policy for functions, whose classes are their places in the slice. A
// function that was not learned is a class that was never seen.
func (p *Ranking) Table(functions []datasets.Function) *Table {
	byKey := make(map[forecast.Key]*Class, len(p.Classes))
	last := int32(0)
	for i := range p.Classes {
		c := &p.Classes[i]
		byKey[c.Key] = c
		last = max(last, c.Rank)
	}
	t := NewTable(len(functions), p.Options)
	t.middle = (last + 1) / 2
	for k := range functions {
		if c, ok := byKey[forecast.KeyOf(&functions[k])]; ok {
			t.classes[k] = learned{mean: c.MeanUS, smooth: float64(c.Slice), rank: c.Rank, slice: c.Slice}
			t.known = append(t.known, int32(k))
		}
	}
	t.Use(0)
	return t
}
