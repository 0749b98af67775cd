package forecast

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/incendio-faas/incendio/internal/codec"
)

// stateVersion is that of what Save writes.
const stateVersion = 2

// Save writes all that rt has learned since it began, so that a Runtime of the same model
// and functions can go on from there: its forecasts will be those that rt would make, bit
// for bit.
func (rt *Runtime) Save(w io.Writer) error {
	c := codec.Writer(nil)
	rt.Code(c)
	if _, err := w.Write(c.Bytes()); err != nil {
		return fmt.Errorf("forecast: save: %w", err)
	}
	return nil
}

// Restore takes up what Save wrote. The model may be another one if its rows have the same
// columns and the functions the same classes: tonight's bundle goes on with what yesterday's has
// learned. On an error rt must not be used.
func (rt *Runtime) Restore(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err == nil {
		c := codec.Reader(data)
		rt.Code(c)
		err = c.Err()
	}
	if err != nil {
		return fmt.Errorf("forecast: restore: %w", err)
	}
	return nil
}

// Code is Save and Restore as a part of something else.
func (rt *Runtime) Code(c *codec.Codec) {
	version, columns, n := stateVersion, slices.Clone(rt.columns), len(rt.functions)
	codec.Int(c, &version)
	if version != stateVersion {
		c.Fail(fmt.Errorf("version must be %d, got %d", stateVersion, version))
		return
	}
	codec.Slice(c, &columns, codec.String[string])
	codec.Int(c, &n)
	switch {
	case c.Err() != nil:
		return
	case !slices.Equal(columns, rt.columns):
		c.Fail(errors.New("the state is of a model whose rows have other columns"))
		return
	case n != len(rt.functions):
		c.Fail(fmt.Errorf("state of %d functions, expected %d", n, len(rt.functions)))
		return
	}
	codec.Int(c, &rt.next)
	codec.Fixed(c, rt.out, codeForecast)
	for i := range rt.functions {
		if rt.functions[i].code(c); c.Err() != nil {
			c.Wrap(fmt.Sprintf("function %d", i))
			return
		}
	}
}

func codeForecast(c *codec.Codec, f *Forecast) { f.Code(c) }

// Code writes or reads f.
func (f *Forecast) Code(c *codec.Codec) {
	codec.Float(c, &f.Mean)
	codec.Float(c, &f.Median)
	codec.Float(c, &f.Q90)
	codec.Float(c, &f.Q99)
}

func (p *predictor) code(c *codec.Codec) {
	trees := p.follow != nil
	if codec.Bool(c, &trees); trees != (p.follow != nil) {
		c.Fail(errors.New("it is of another class in the state than in the model"))
		return
	}
	if !trees {
		p.arrivals.Code(c)
		return
	}
	p.follow.Code(c)
	p.median.code(c)
	p.mean.code(c)
	p.errors.code(c)
	n := len(p.experts)
	codec.Singles(c, &p.experts)
	codec.Bool(c, &p.waits)
	p.last.Code(c)
	if c.Err() == nil && len(p.experts) != n {
		c.Fail(fmt.Errorf("%d experts, expected %d", len(p.experts), n))
	}
}

func (b *blend) code(c *codec.Codec) {
	codec.Fixed(c, b.All.Regret, codec.Float[float64])
	codec.Fixed(c, b.All.Square, codec.Float[float64])
	codec.Fixed(c, b.Guard.Regret, codec.Float[float64])
	codec.Fixed(c, b.Guard.Square, codec.Float[float64])
	codec.Fixed(c, b.Pair[:], codec.Float[float32])
	codec.Float(c, &b.Last)
}

func (r *residuals) code(c *codec.Codec) {
	for i := range r.Levels {
		w := &r.Levels[i]
		codec.Singles(c, &w.Recent)
		codec.Int(c, &w.Next)
		codec.Singles(c, &w.Sorted)
		if !c.Reading() || c.Err() != nil {
			continue
		}
		if len(w.Recent) != len(w.Sorted) || len(w.Recent) > ownErrors || w.Next < 0 || w.Next >= ownErrors {
			c.Fail(errors.New("windows of errors out of range"))
			return
		}
		if len(w.Recent) == 0 {
			w.Recent, w.Sorted = nil, nil
		} else { // with room to grow
			w.Recent = append(make([]float32, 0, ownErrors), w.Recent...)
			w.Sorted = append(make([]float32, 0, ownErrors), w.Sorted...)
		}
	}
	codec.Fixed(c, r.Shift[:], codec.Float[float64])
	codec.Float(c, &r.Own)
	codec.Float(c, &r.Prior)
	codec.Float(c, &r.Most)
}
