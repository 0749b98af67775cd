package agent

import (
	"github.com/incendio-faas/incendio/internal/codec"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Code implements decide.Coder.
func (d *Clustered) Code(c *codec.Codec) {
	d.tracker.code(c)
	codec.Int(c, &d.selector.current)
	codec.Int(c, &d.selector.rival)
	codec.Int(c, &d.selector.streak)
	codec.Int(c, &d.windows)
	for _, x := range append([]decide.Dispatcher{d.global}, d.dispatchers...) { // one that several share has one state
		if x, ok := x.(decide.Coder); ok {
			x.Code(c)
		}
	}
	if k := d.selector.current; k < decide.None || k >= len(d.dispatchers) {
		d.selector.current = decide.None
		c.Fail(codec.ErrTruncated)
	}
}

func (t *Tracker) code(c *codec.Codec) {
	codec.Bool(c, &t.started)
	codec.Int(c, &t.from)
	codec.Int(c, &t.last)
	codec.Slice(c, &t.counts, codec.Int[int32])
	codec.Slice(c, &t.active, codec.Int[decide.FunctionID])
	codec.Slice(c, &t.bins, codec.Int[int32])
	codec.Int(c, &t.inits)
	codec.Fixed(c, t.sums[:], codec.Float[float64])
	codec.Fixed(c, t.vector[:], codec.Float[float64])
	codec.Int(c, &t.windows)
}
