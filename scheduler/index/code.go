package index

import (
	"github.com/incendio-faas/incendio/internal/codec"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Code implements decide.Coder.
func (p *Index) Code(c *codec.Codec) {
	codec.Slice(c, &p.functions, func(c *codec.Codec, f *function) {
		codec.Float(c, &f.gap)
		codec.Float(c, &f.order)
		codec.Float(c, &f.evict)
		codec.Float(c, &f.keep)
		codec.Float(c, &f.exec)
		codec.Float(c, &f.init)
		codec.Bool(c, &f.fresh)
	})
	codec.Int(c, &p.gains)
	codec.Bool(c, &p.settled)
	codec.Int(c, &p.placed)
	codec.Int(c, &p.wake)
	codec.Float(c, &p.cores)
	codec.Int(c, &p.invokers)
	codec.Float(c, &p.starting)
	codec.Int(c, &p.sampled)
	codec.Float(c, &p.kappa)
	codec.Float(c, &p.rise)
	codec.Float(c, &p.work)
	codec.Float(c, &p.offered)
	codec.Slice(c, &p.plan, func(c *codec.Codec, a *decide.Adjustment) { a.Code(c) })
}
