package policy

import (
	"github.com/incendio-faas/incendio/internal/codec"
	"github.com/incendio-faas/incendio/internal/heap"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Code implements decide.Coder.
func (p *gdsf) Code(c *codec.Codec) {
	p.cache.code(c)
	codec.Float(c, &p.clock)
	codec.Slice(c, &p.weight, codec.Float[float64])
	codec.Slice(c, &p.frequency, codec.Float[float64])
	codec.Slice(c, &p.priority, codec.Float[float64])
}

func (h *cache) code(c *codec.Codec) {
	one := func(c *codec.Codec, e *entry) {
		codec.Float(c, &e.priority)
		codec.Int(c, &e.since)
		codec.Int(c, &e.container)
		codec.Int(c, &e.life)
		codec.Bool(c, &e.in)
	}
	codec.Slice(c, &h.heaps, func(c *codec.Codec, q *heap.Heap[entry]) { codec.Slice(c, q, one) })
	codec.Slice(c, &h.queued, one)
	codec.Slice(c, &h.life, codec.Int[uint32])
}

// Code implements decide.Coder.
func (p *hybrid) Code(c *codec.Codec) {
	codec.Slice(c, &p.apps, func(c *codec.Codec, a *idleTimes) {
		codec.Slice(c, &a.counts, codec.Int[uint32])
		if c.Reading() && len(a.counts) == 0 {
			a.counts = nil
		}
		codec.Float(c, &a.in)
		codec.Float(c, &a.beyond)
		codec.Float(c, &a.square)
		codec.Slice(c, &a.recent, codec.Float[float64])
		codec.Int(c, &a.end)
		codec.Int(c, &a.prewarm)
		codec.Int(c, &a.keep)
		codec.Int(c, &a.reload)
		codec.Slice(c, &a.functions, codec.Int[decide.FunctionID])
	})
	codec.Slice(c, &p.executed, codec.Bool[bool])
	codec.Slice(c, &p.reloads, func(c *codec.Codec, r *reload) {
		codec.Int(c, &r.at)
		codec.Int(c, &r.app)
	})
	codec.Slice(c, &p.due, codec.Int[decide.FunctionID])
}

// Code implements decide.Coder.
func (p *lass) Code(c *codec.Codec) {
	codec.Int(c, &p.machines.n)
	codec.Float(c, &p.machines.memory)
	codec.Float(c, &p.machines.cores)
	codec.Slice(c, &p.profiles, func(c *codec.Codec, x *decide.Profile) { x.Code(c) })
	codec.Slice(c, &p.functions, func(c *codec.Codec, f *lassFunction) {
		codec.Fixed(c, f.arrivals[:], codec.Int[uint32])
		codec.Int(c, &f.total)
		codec.Int(c, &f.at)
		codec.Bool(c, &f.active)
		codec.Int(c, &f.wanted)
		codec.Int(c, &f.target)
		codec.Float(c, &f.share)
		codec.Float(c, &f.cores)
		codec.Int(c, &f.used)
	})
	codec.Slice(c, &p.active, codec.Int[decide.FunctionID])
	codec.Int(c, &p.next)
	codec.Slice(c, &p.plan, func(c *codec.Codec, a *decide.Adjustment) { a.Code(c) })
}

// Code implements decide.Coder.
func (p *Knapsack) Code(c *codec.Codec) {
	codec.Slice(c, &p.plan, func(c *codec.Codec, k *pick) {
		codec.Int(c, &k.function)
		codec.Int(c, &k.n)
		codec.Float(c, &k.value)
	})
	codec.Int(c, &p.now)
	codec.Int(c, &p.kind)
}

// Code implements decide.Coder.
func (p *Random) Code(c *codec.Codec) {
	state, err := p.source.MarshalBinary()
	text := string(state)
	if codec.String(c, &text); err == nil && c.Reading() && c.Err() == nil {
		err = p.source.UnmarshalBinary([]byte(text))
	}
	if err != nil {
		c.Fail(err)
	}
}
