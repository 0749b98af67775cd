package decide

import "github.com/incendio-faas/incendio/internal/codec"

// A Coder is a part of a stack whose state can be saved.
type Coder interface {
	// Code writes what the part has learned and plans, or takes it up in a part that was built in the
	// same way. What it keeps only to be fast it need not.
	Code(c *codec.Codec)
}

// Code writes s, or reads it.
func (s *State) Code(c *codec.Codec) {
	codec.Int(c, &s.now)
	codec.Int(c, &s.concurrency)
	codec.Int(c, &s.timeout)
	codec.Slice(c, &s.functions, codeFunction)
	codec.Slice(c, &s.containers, codeContainer)
	codec.Slice(c, &s.sizes, func(c *codec.Codec, z *size) {
		codec.Int(c, &z.memory)
		codec.Float(c, &z.cpu)
	})
	if c.Reading() && len(s.sizes) == 0 {
		s.sizes = nil
	}
	codec.Slice(c, &s.freed, codec.Int[ContainerID])
	codec.Slice(c, &s.requests, codeRequest)
	codec.Slice(c, &s.invokers, codeInvoker)
	codec.Int(c, &s.largest)
	codec.Int(c, &s.inSystem)
	codec.Int(c, &s.dropped)
	codec.Int(c, &s.droppedWork)
	s.queue.code(c)
	codec.Slice(c, &s.backlog, codec.Int[FunctionID])
	codec.Bool(c, &s.grown)
	codec.Int(c, &s.gains)
}

func (l *list) code(c *codec.Codec) {
	codec.Int(c, &l.head)
	codec.Int(c, &l.tail)
	codec.Int(c, &l.n)
}

func codeFunction(c *codec.Codec, f *function) {
	codec.Int(c, &f.Memory)
	codec.Float(c, &f.CPU)
	codec.Int(c, &f.Execution)
	f.waiting.code(c)
	codec.Int(c, &f.backlogAt)
	codec.Int(c, &f.warm)
	codec.Int(c, &f.available)
	codec.Int(c, &f.idle)
	codec.Int(c, &f.busy)
	codec.Int(c, &f.starting)
	codec.Int(c, &f.retiring)
	codec.Int(c, &f.arrivals)
	codec.Int(c, &f.completions)
	codec.Int(c, &f.lastArrival)
	codec.Int(c, &f.prevArrival)
	codec.Int(c, &f.Initialise)
	codec.Int(c, &f.Termination)
	codec.Int(c, &f.App)
	codec.Int(c, &f.inSystem)
	codec.Int(c, &f.Language)
	codec.Int(c, &f.layer)
}

func codeContainer(c *codec.Codec, b *container) {
	codec.Int(c, &b.since)
	codec.Int(c, &b.created)
	codec.Float(c, &b.share)
	codec.Int(c, &b.function)
	codec.Int(c, &b.invoker)
	codec.Int(c, &b.running)
	codec.Int(c, &b.request)
	codec.Int(c, &b.warmPrev)
	codec.Int(c, &b.warmNext)
	codec.Int(c, &b.idlePrev)
	codec.Int(c, &b.idleNext)
	codec.Int(c, &b.status)
	codec.Bool(c, &b.used)
	codec.Bool(c, &b.retiring)
	codec.Bool(c, &b.upgraded)
	codec.Int(c, &b.head)
}

func codeRequest(c *codec.Codec, q *request) {
	codec.Int(c, &q.function)
	codec.Int(c, &q.stage)
	codec.Int(c, &q.failures)
	codec.Bool(c, &q.requeued)
	codec.Int(c, &q.arrival)
	codec.Int(c, &q.prev)
	codec.Int(c, &q.next)
	codec.Int(c, &q.fPrev)
	codec.Int(c, &q.fNext)
}

func codeInvoker(c *codec.Codec, i *invoker) {
	codec.Int(c, &i.Memory)
	codec.Float(c, &i.Cores)
	codec.Int(c, &i.StartLimit)
	codec.Float(c, &i.CPULimit)
	codec.Bool(c, &i.closed)
	codec.Bool(c, &i.gone)
	codec.Int(c, &i.used)
	codec.Int(c, &i.terminating)
	codec.Int(c, &i.pending)
	codec.Int(c, &i.idleMemory)
	codec.Int(c, &i.starting)
	codec.Float(c, &i.cpu)
	codec.Float(c, &i.wanted)
	codec.Float(c, &i.promised)
	codec.Int(c, &i.running)
	codec.Int(c, &i.idleHead)
	codec.Int(c, &i.idleTail)
	codec.Int(c, &i.pendingHead)
	codec.Int(c, &i.pendingTail)
}

// Code writes p, or reads it.
func (p *Profile) Code(c *codec.Codec) {
	codec.Int(c, &p.Owner)
	codec.Int(c, &p.App)
	codec.Int(c, &p.Language)
	codec.Int(c, &p.Memory)
	codec.Float(c, &p.CPU)
	codec.Int(c, &p.Execution)
	codec.Int(c, &p.Initialise)
	codec.Int(c, &p.Termination)
	codec.Float(c, &p.PerMinute)
}

// Code writes a, or reads it.
func (a *Adjustment) Code(c *codec.Codec) {
	codec.Int(c, &a.Kind)
	codec.Int(c, &a.Function)
	codec.Int(c, &a.Container)
	codec.Float(c, &a.Share)
}
