package scheduler

import (
	"github.com/incendio-faas/incendio/internal/codec"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/envelope"
	"github.com/incendio-faas/incendio/scheduler/forecast"
	"github.com/incendio-faas/incendio/scheduler/index"
)

// code writes what s is beside its state and its stack, or reads it.
func (s *Scheduler) code(c *codec.Codec) {
	codec.Slice(c, &s.expiry, func(c *codec.Codec, e *expiry) {
		codec.Int(c, &e.at)
		codec.Int(c, &e.container)
	})
	codec.Slice(c, &s.timers, func(c *codec.Codec, t *timer) {
		codec.Int(c, &t.deadline)
		codec.Int(c, &t.queued)
	})
	codec.Slice(c, &s.starts, func(c *codec.Codec, l *startLimit) {
		codec.Int(c, &l.at)
		codec.Int(c, &l.container)
		codec.Int(c, &l.request)
		codec.Int(c, &l.created)
	})
	codec.Slice(c, &s.removed, codec.Bool[bool])
}

// codeStack writes what the stack has learned, or takes it up.
func (s *Scheduler) codeStack(c *codec.Codec) {
	if p, ok := s.stack.Pool.(decide.Coder); ok {
		p.Code(c)
	}
	switch d := s.stack.Dispatcher.(type) {
	case *index.Index, *envelope.Envelope: // with the pool
	case decide.Coder:
		d.Code(c)
	}
}

// Code implements decide.Coder.
func (g *guard) Code(c *codec.Codec) {
	codec.Slice(c, &g.queue, func(c *codec.Codec, d *deadline) {
		codec.Int(c, &d.at)
		codec.Int(c, &d.arrival)
		codec.Int(c, &d.request)
	})
	codec.Bool(c, &g.last)
	if d, ok := g.inner.(decide.Coder); ok {
		d.Code(c)
	}
}

// Code implements decide.Coder.
func (p *pool) Code(c *codec.Codec) {
	p.signals.code(c)
	codec.Int(c, &p.next)
	codec.Slice(c, &p.counts, codec.Float[float64])
	codec.Bool(c, &p.due)
	codec.Int(c, &p.rolled)
	codec.Slice(c, &p.plan, func(c *codec.Codec, x *change) {
		codec.Int(c, &x.function)
		codec.Int(c, &x.n)
		codec.Float(c, &x.value)
	})
	codec.Int(c, &p.covered)
	if source, ok := p.source.(decide.Coder); ok {
		source.Code(c)
	}
}

// Code implements decide.Coder.
func (p *watchedLRU) Code(c *codec.Codec) { p.signals.code(c) }

func (g *signals) code(c *codec.Codec) {
	codec.Int(c, &g.start)
	codec.Slice(c, &g.rate, codec.Float[float64])
	codec.Slice(c, &g.forecast, func(c *codec.Codec, f *forecast.Forecast) { f.Code(c) })
	codec.Slice(c, &g.cached, func(c *codec.Codec, t *cachedTerms) {
		codec.Float(c, &t.sum)
		codec.Int(c, &t.until)
	})
}
