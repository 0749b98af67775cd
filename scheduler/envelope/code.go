package envelope

import (
	"github.com/incendio-faas/incendio/internal/codec"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Code implements decide.Coder. Of each stack it is the pool that has a state.
func (e *Envelope) Code(c *codec.Codec) {
	for _, p := range []decide.Pool{e.inner.Pool, e.native.Pool} {
		if p, ok := p.(decide.Coder); ok {
			p.Code(c)
		}
	}
	began := e.shadow != nil
	codec.Bool(c, &began)
	if began {
		if c.Reading() {
			e.shadow = &shadow{}
		}
		e.shadow.code(c)
	}
	codec.Bool(c, &e.fallback)
	codec.Int(c, &e.calls)
	codec.Float(c, &e.ratio)
	codec.Int(c, &e.hold)
	codec.Int(c, &e.left)
	codec.Int(c, &e.bad)
	codec.Int(c, &e.calm)
	codec.Int(c, &e.next)
	codec.Int(c, &e.at)
	codec.Int(c, &e.inSystem)
	codec.Float(c, &e.area)
	codec.Int(c, &e.dropped)
	codec.Bool(c, &e.restored)
	codec.Int(c, &e.cursor)
}

func (w *shadow) code(c *codec.Codec) {
	at := func(c *codec.Codec, t *timed) {
		codec.Float(c, &t.at)
		codec.Int(c, &t.f)
	}
	codec.Float(c, &w.cores)
	codec.Float(c, &w.demand)
	codec.Int(c, &w.free)
	codec.Int(c, &w.timeout)
	codec.Int(c, &w.now)
	codec.Float(c, &w.v)
	codec.Int(c, &w.last)
	codec.Int(c, &w.invokers)
	codec.Slice(c, &w.functions, func(c *codec.Codec, f *shadowed) {
		codec.Int(c, &f.live)
		codec.Int(c, &f.idle)
		codec.Int(c, &f.running)
		codec.Int(c, &f.waiting)
		codec.Int(c, &f.gone)
		codec.Int(c, &f.prev)
		codec.Int(c, &f.next)
		codec.Bool(c, &f.listed)
		codec.Int(c, &f.memory)
		codec.Float(c, &f.cpu)
		codec.Int(c, &f.exec)
		codec.Int(c, &f.init)
	})
	codec.Slice(c, &w.running, at)
	codec.Slice(c, &w.starting, at)
	codec.Slice(c, &w.queue, func(c *codec.Codec, q *queued) {
		codec.Int(c, &q.arrival)
		codec.Int(c, &q.f)
	})
	codec.Int(c, &w.head)
	codec.Int(c, &w.lruHead)
	codec.Int(c, &w.lruTail)
	codec.Int(c, &w.inSystem)
	codec.Float(c, &w.area)
	codec.Int(c, &w.colds)
	codec.Int(c, &w.drops)
}
