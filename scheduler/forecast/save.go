package forecast

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"slices"
)

// stateVersion is that of what Save writes.
const stateVersion = 2

// savedRuntime is the first value that Save writes.
type savedRuntime struct {
	Version int
	Columns []string // of the model
	Next    int
	Out     []Forecast
}

// savedPredictor follows for every function.
type savedPredictor struct {
	Follow, Arrivals []byte
	Median, Mean     blend
	Errors           residuals
	Experts          []float32
	Waits            bool
	Last             Forecast
}

// Save writes all that rt has learned since it began, so that a Runtime of the same model
// and functions can go on from there: its forecasts will be those that rt would make, bit
// for bit.
func (rt *Runtime) Save(w io.Writer) error {
	e := gob.NewEncoder(w)
	if err := e.Encode(savedRuntime{stateVersion, rt.columns, rt.next, rt.out}); err != nil {
		return fmt.Errorf("forecast: save: %w", err)
	}
	for i := range rt.functions {
		p := &rt.functions[i]
		s := savedPredictor{Median: p.median, Mean: p.mean, Errors: p.errors, Experts: p.experts, Waits: p.waits, Last: p.last}
		var err error
		if p.follow != nil {
			s.Follow, err = p.follow.MarshalBinary()
		} else {
			s.Arrivals, err = p.arrivals.MarshalBinary()
		}
		if err == nil {
			err = e.Encode(s)
		}
		if err != nil {
			return fmt.Errorf("forecast: save function %d: %w", i, err)
		}
	}
	return nil
}

// Restore takes up what Save wrote. The model may be another one if its rows have the same
// columns and the functions the same classes: tonight's bundle goes on with what yesterday's has
// learned. On an error rt must not be used.
func (rt *Runtime) Restore(r io.Reader) error {
	d := gob.NewDecoder(r)
	var head savedRuntime
	if err := d.Decode(&head); err != nil {
		return fmt.Errorf("forecast: restore: %w", err)
	}
	switch {
	case head.Version != stateVersion:
		return fmt.Errorf("forecast: restore: version must be %d, got %d", stateVersion, head.Version)
	case !slices.Equal(head.Columns, rt.columns):
		return errors.New("forecast: restore: the state is of a model whose rows have other columns")
	case len(head.Out) != len(rt.functions):
		return fmt.Errorf("forecast: restore: state of %d functions, expected %d", len(head.Out), len(rt.functions))
	}
	for i := range rt.functions {
		if err := rt.functions[i].restore(d); err != nil {
			return fmt.Errorf("forecast: restore function %d: %w", i, err)
		}
	}
	rt.next = head.Next
	copy(rt.out, head.Out)
	return nil
}

func (p *predictor) restore(d *gob.Decoder) error {
	var s savedPredictor
	if err := d.Decode(&s); err != nil {
		return err
	}
	if (p.follow != nil) != (len(s.Follow) > 0) {
		return errors.New("it is of another class in the state than in the model")
	}
	if p.follow == nil {
		return p.arrivals.UnmarshalBinary(s.Arrivals)
	}
	for _, b := range []*blend{&s.Median, &s.Mean} {
		for _, n := range []int{len(b.All.Regret), len(b.All.Square), len(s.Experts)} {
			if n != allExperts {
				return fmt.Errorf("%d experts, expected %d", n, allExperts)
			}
		}
		if len(b.Guard.Regret) != len(b.Pair) || len(b.Guard.Square) != len(b.Pair) {
			return errors.New("guards of another number of experts")
		}
	}
	for i := range s.Errors.Levels {
		w := &s.Errors.Levels[i]
		if len(w.Recent) != len(w.Sorted) || len(w.Recent) > ownErrors || w.Next < 0 || w.Next >= ownErrors {
			return errors.New("windows of errors out of range")
		}
		if w.Recent != nil { // with room to grow
			w.Recent = append(make([]float32, 0, ownErrors), w.Recent...)
			w.Sorted = append(make([]float32, 0, ownErrors), w.Sorted...)
		}
	}
	if err := p.follow.UnmarshalBinary(s.Follow); err != nil {
		return err
	}
	p.median, p.mean, p.errors, p.experts = s.Median, s.Mean, s.Errors, s.Experts
	p.waits, p.last = s.Waits, s.Last
	return nil
}
