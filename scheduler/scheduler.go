// Package scheduler decides, inside the control plane of a FaaS platform, which
// request starts next, on which invoker, and which containers to prewarm, keep and end.
//
// A [Scheduler] is fed with events and answers with decisions:
//
//	for ev := range events {
//		decisions, err := s.Handle(ev)
//		if err != nil {
//			log(err) // an impossible event, which has changed nothing
//		}
//		for _, d := range decisions {
//			platform.Do(d)
//		}
//		timer.Reset(s.Wake())
//	}
//
// It is composed of a [Stack]: a dispatcher, a pool and a placer (package decide).
// [Baselines] names the stacks that need no bundle. [Use] reads a bundle, and with it the
// forecasters, priorities and agents of the stack "incendio".
//
// A platform embeds a [Control], which is a Scheduler in the ids and the time of a platform and is
// made from a [Config]; package runner gives it a goroutine, a clock, retries and a state on disk.
// Whoever replays a trace needs neither: package sim.
//
// A Scheduler never reads a clock and draws no random number, so the simulator
// (package sim) runs this very code on a virtual clock. It is not safe for
// concurrent use: one goroutine owns it.
package scheduler

import (
	"slices"

	"github.com/incendio-faas/incendio/internal/heap"
	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Options of a Scheduler that are not the policy's.
type Options struct {
	// Timeout after which a request that still waits is dropped, > 0. Default 60 s
	// (docs/models.md, decision 22).
	Timeout decide.Time `json:"timeout_us"`
	// QueueLimit is how many requests of a function may wait, >= 0; a further one is
	// dropped when it arrives. 0, the default, is no limit.
	QueueLimit int `json:"queue_limit"`
	// Concurrency is how many requests a container executes at once, >= 1. Default 1.
	Concurrency int `json:"concurrency"`

	// Retries is how often a request whose container failed is tried again, in [0, 255];
	// after that it is given up: dropped if it never executed, else reported. Default 0.
	Retries int `json:"retries,omitempty"`
	// StartTimeout, where positive, is how long a container may take to initialise: one that
	// takes longer is ended and counts as failed. A request for which a container is created
	// is then held to Timeout too. 0, the default, waits for as long as it takes.
	StartTimeout decide.Time `json:"start_timeout_us,omitempty"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{Timeout: 60 * decide.Second, Concurrency: 1}
}

// Validate reports all options that are out of range.
func (o Options) Validate() error {
	out := option.Check{Package: "scheduler"}
	out.That(o.Timeout > 0 && o.Timeout <= decide.Latest, "timeout_us", "must be positive and at most %d, got %d", decide.Latest, o.Timeout)
	out.That(o.QueueLimit >= 0, "queue_limit", "must not be negative, got %d", o.QueueLimit)
	out.That(o.Concurrency >= 1, "concurrency", "must be at least 1, got %d", o.Concurrency)
	out.That(o.Retries >= 0 && o.Retries <= 255, "retries", "must be in [0, 255], got %d", o.Retries)
	out.That(o.StartTimeout >= 0 && o.StartTimeout <= decide.Latest, "start_timeout_us", "must be in [0, %d], got %d", decide.Latest, o.StartTimeout)
	return out.Err()
}

// A Scheduler holds the state of the platform and asks its stack what to do.
type Scheduler struct {
	state *decide.State
	view  decide.Snapshot
	stack Stack
	opts  Options

	layered decide.LayeredPool // the stack's pool, if it is one

	// A container has at most one entry in expiry that counts, the one at timers.queued.
	// It may be earlier than the deadline: a container that is used again and again moves
	// its deadline, and the entry follows when it comes to the top.
	expiry heap.Heap[expiry]
	timers []timer // by ContainerID
	out    []decide.Decision

	starts  heap.Heap[startLimit] // with StartTimeout
	removed []bool                // by function, as far as any was
	lost    []decide.RequestID    // scratch
}

// A timer is the keep-alive of a container.
type timer struct {
	deadline decide.Time // counts while it is idle
	queued   decide.Time // Forever: no entry in expiry
}

// New returns a scheduler of an empty platform.
func New(functions []decide.Profile, invokers []decide.InvokerSpec, stack Stack, o Options) (*Scheduler, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	invokers = slices.Clone(invokers)
	for i := range invokers {
		invokers[i].CPULimit = stack.CPUShare * invokers[i].Cores
	}
	state, err := decide.NewState(functions, invokers, o.Concurrency)
	if err != nil {
		return nil, err
	}
	state.SetTimeout(o.Timeout)
	s := &Scheduler{state: state, view: state.Snapshot(), stack: stack, opts: o}
	if p, ok := stack.Pool.(decide.LayeredPool); ok {
		s.layered = p
		if err := state.AddLayers(p.Layers()); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Name is the name of the stack.
func (s *Scheduler) Name() string { return s.stack.Name }

// Snapshot is the view that the policies decide on.
func (s *Scheduler) Snapshot() decide.Snapshot { return s.view }

// Handle takes in what happened and returns what to do, in the order in which to do
// it. The slice is valid until the next call. A time before that of the last event counts as
// that of the last event. An event that cannot have happened, such as one of a container
// that is not there, is an error that wraps [ErrImpossible] and changes nothing.
func (s *Scheduler) Handle(ev decide.Event) ([]decide.Decision, error) {
	if err := s.check(&ev); err != nil {
		return nil, err
	}
	s.out = s.out[:0]
	s.state.Advance(ev.At)
	s.forewarn(&ev)
	if s.view.WaitingAll() > 0 || len(s.expiry) > 0 && s.expiry[0].at <= ev.At || len(s.starts) > 0 {
		var created decide.Time
		if ev.Kind == decide.Ready || ev.Kind == decide.Failed {
			created = s.view.Created(ev.Container)
		}
		if s.expire(); s.late(&ev, created) { // its subject has just ended
			s.tick()
			return s.out, nil
		}
	}
	became := decide.ContainerID(decide.None) // the container that this event made available
	switch ev.Kind {
	case decide.Arrival:
		s.state.Arrive(ev.Request, ev.Function)
		if s.opts.QueueLimit > 0 && s.view.Waiting(ev.Function) > s.opts.QueueLimit {
			s.drop(ev.Request, decide.QueueFull)
		}
	case decide.Ready:
		ev.Function = s.view.Function(ev.Container)
		if r := s.state.Initialised(ev.Container, ev.Took); r != decide.None {
			s.run(r, ev.Container)
		} else {
			became = s.retire(ev.Container)
		}
		s.admit(s.view.Invoker(ev.Container)) // one start less
	case decide.Completion:
		ev.Function = s.view.Function(ev.Container)
		if s.state.Completed(ev.Request, ev.Container, ev.Took) {
			became = s.retire(ev.Container)
		}
	case decide.Ended:
		ev.Function = s.view.Function(ev.Container)
		s.admit(s.state.Terminated(ev.Container, ev.Took))
	case decide.Tick:
	default:
		s.befall(ev)
		return s.out, nil
	}
	s.decide(ev, became)
	return s.out, nil
}

// decide lets the stack see ev and answer it.
func (s *Scheduler) decide(ev decide.Event, became decide.ContainerID) {
	s.stack.Pool.Observe(s.view, ev)
	if s.view.WaitingAll() > 0 {
		s.dispatch(ev)
	}
	if became != decide.None && s.view.Status(became) == decide.Idle {
		s.keepAlive(became)
	}
	if ev.Kind == decide.Tick {
		s.adjust()
		s.dispatch(ev)
	}
}

// Explain returns what the policy says holds the waiting request r, or false where it has no
// reason of its own (see [decide.Explainer]).
func (s *Scheduler) Explain(r decide.RequestID) (decide.Hold, bool) {
	e, ok := s.stack.Dispatcher.(decide.Explainer)
	if !ok || !s.view.IsWaiting(r) {
		return decide.Hold{}, false
	}
	return e.Explain(s.view, r)
}

// Wake returns when Handle wants a Tick, if nothing happens before.
func (s *Scheduler) Wake() decide.Time {
	s.settle()
	return s.WakeBound()
}

// WakeBound returns a time that is not after what Wake returns now, for less work: who
// calls Handle far more often than it wants a Tick asks for the bound after each event,
// and for Wake only where nothing else happens before the bound.
func (s *Scheduler) WakeBound() decide.Time {
	wake := s.stack.Pool.Wake()
	if r := s.view.OldestAll(); r != decide.None {
		_, arrival := s.view.Request(r)
		wake = min(wake, arrival+s.opts.Timeout)
	}
	if len(s.expiry) > 0 { // the entry may be earlier than what it stands for, never later
		wake = min(wake, s.expiry[0].at)
	}
	if len(s.starts) > 0 {
		wake = min(wake, s.starts[0].at)
	}
	return wake
}

// dispatch asks for starts until there are no more, or no room.
func (s *Scheduler) dispatch(ev decide.Event) {
	for s.view.WaitingAll() > 0 {
		st, ok := s.stack.Dispatcher.Next(s.view, ev)
		if !ok {
			return
		}
		if st.Container != decide.None {
			s.state.Dequeue(st.Request)
			if f, _ := s.view.Request(st.Request); s.layered != nil && f != s.view.Function(st.Container) {
				s.upgrade(st.Request, f, st.Container)
			} else {
				s.run(st.Request, st.Container)
			}
			continue
		}
		f, _ := s.view.Request(st.Request)
		inv, ok := s.stack.Placer.Place(s.view, f)
		if !ok || !s.makeRoom(inv, f, false) {
			return
		}
		r := st.Request
		if st.Speculative {
			r = decide.None
		} else {
			s.state.Dequeue(r)
		}
		s.bound(r, s.state.NewContainer(f, inv, r))
		s.admit(inv)
	}
}

// adjust asks the pool for changes until there are no more.
func (s *Scheduler) adjust() {
	for {
		a, ok := s.stack.Pool.Adjust(s.view)
		if !ok {
			return
		}
		switch a.Kind {
		case decide.Prewarm:
			if s.gone(a.Function) {
				continue
			}
			if inv, ok := s.stack.Placer.Place(s.view, a.Function); ok && s.makeRoom(inv, a.Function, true) {
				s.state.NewContainer(a.Function, inv, decide.None)
				s.admit(inv)
			}
		case decide.Retire:
			switch status := s.view.Status(a.Container); {
			case status == decide.Idle:
				s.end(a.Container, decide.Surplus)
			case status == decide.Pending && s.view.CreatedFor(a.Container) == decide.None:
				s.state.Cancel(a.Container)
			case status == decide.Pending, status == decide.Initialising, status == decide.Busy:
				s.state.Retire(a.Container)
			}
		case decide.Deflate:
			s.resize(a.Container, a.Share)
		}
	}
}

// retire ends container c, which has just become idle, if it is to end then; else it returns c.
func (s *Scheduler) retire(c decide.ContainerID) decide.ContainerID {
	if !s.view.IsRetiring(c) {
		return c
	}
	s.end(c, s.retiring(c))
	return decide.None
}

// retiring is why c, which takes no more requests, does not.
func (s *Scheduler) retiring(c decide.ContainerID) decide.Cause {
	switch f := s.view.Function(c); {
	case s.gone(f):
		return decide.OfRemoved
	case !s.view.Open(s.view.Invoker(c)):
		return decide.OfDrained
	case s.view.IsOutdated(c):
		return decide.OfChanged
	}
	return decide.Surplus
}

// resize gives the living container c that part of its CPU.
func (s *Scheduler) resize(c decide.ContainerID, share float64) {
	switch s.view.Status(c) {
	case decide.Gone, decide.Pending, decide.Terminating:
		return
	}
	share = min(1, max(decide.LeastShare, share))
	if share == s.view.Share(c) {
		return
	}
	s.state.Resize(c, share)
	s.out = append(s.out, decide.Decision{
		Kind: decide.Resize, Function: s.view.Function(c), Request: decide.None, Container: c, Invoker: s.view.Invoker(c), Share: share,
	})
}

// makeRoom ends idle containers until one of f fits on inv.
func (s *Scheduler) makeRoom(inv decide.InvokerID, f decide.FunctionID, prewarm bool) bool {
	for s.view.Unclaimed(inv) < s.view.Memory(f) {
		c, ok := s.stack.Pool.Evict(s.view, inv, f, prewarm)
		if !ok {
			return false
		}
		s.end(c, decide.Evicted)
		s.out[len(s.out)-1].For = f
	}
	return true
}

func (s *Scheduler) run(r decide.RequestID, c decide.ContainerID) {
	s.state.Execute(r, c)
	// Field by field: a literal would be built elsewhere and copied, in wider pieces than
	// it was written in, for which the processor has to wait.
	s.out = append(s.out, decide.Decision{})
	d := &s.out[len(s.out)-1]
	d.Kind, d.Request, d.Container = decide.Run, r, c
	d.Function, d.Invoker = s.view.Function(c), s.view.Invoker(c)
}

func (s *Scheduler) end(c decide.ContainerID, cause decide.Cause) {
	s.state.Terminate(c)
	s.out = append(s.out, decide.Decision{Kind: decide.End, Cause: cause, Function: s.view.Function(c), Request: decide.None, Container: c, Invoker: s.view.Invoker(c)})
}

// expired ends c, or takes it down by a layer.
func (s *Scheduler) expired(c decide.ContainerID) {
	if s.layered != nil {
		if layer := s.layered.Downgrade(s.view, c); layer != decide.None {
			s.state.Downgrade(c, layer)
			s.out = append(s.out, decide.Decision{Kind: decide.Downgrade, Cause: decide.KeptEnough, Function: layer, Request: decide.None, Container: c, Invoker: s.view.Invoker(c)})
			s.admit(s.view.Invoker(c))
			s.keepAlive(c)
			return
		}
	}
	s.end(c, decide.KeptEnough)
}

// upgrade builds a container of f on the layer c, for request r.
func (s *Scheduler) upgrade(r decide.RequestID, f decide.FunctionID, c decide.ContainerID) {
	s.state.Upgrade(c, f, r)
	s.bound(r, c)
	if s.opts.StartTimeout > 0 {
		s.limitStart(startLimit{s.view.Now() + s.opts.StartTimeout, c, decide.None, s.view.Created(c)})
	}
	s.out = append(s.out, decide.Decision{Kind: decide.Upgrade, Function: f, Request: r, Container: c, Invoker: s.view.Invoker(c)})
}

func (s *Scheduler) drop(r decide.RequestID, cause decide.Cause) {
	f, _ := s.view.Request(r)
	s.state.Abandon(r)
	s.out = append(s.out, decide.Decision{Kind: decide.Drop, Cause: cause, Function: f, Request: r, Container: decide.None, Invoker: decide.None})
}

// admit starts the pending containers of inv whose turn has come.
func (s *Scheduler) admit(inv decide.InvokerID) {
	for {
		if p := s.state.FirstPending(inv); p == decide.None || s.gone(s.view.Function(p)) {
			return // there is none, or it is about to be cancelled
		}
		c, ok := s.state.Admit(inv)
		if !ok {
			return
		}
		s.time(c)
		s.out = append(s.out, decide.Decision{Kind: decide.Create, Function: s.view.Function(c), Request: s.view.CreatedFor(c), Container: c, Invoker: inv})
		if s.opts.StartTimeout > 0 {
			s.limitStart(startLimit{s.view.Now() + s.opts.StartTimeout, c, decide.None, s.view.Created(c)})
		}
	}
}

// time makes room for the timer of c.
func (s *Scheduler) time(c decide.ContainerID) {
	for int(c) >= len(s.timers) {
		s.timers = append(s.timers, timer{decide.Forever, decide.Forever})
	}
}

// keepAlive sets the time at which c, just idle, is ended unless it is used before.
func (s *Scheduler) keepAlive(c decide.ContainerID) {
	d := s.stack.Pool.KeepAlive(s.view, c)
	if d >= decide.Forever-s.view.Now() {
		if len(s.expiry) > 0 { // else no deadline is looked at
			s.timers[c].deadline = decide.Forever
		}
		return
	}
	at := s.view.Now() + d
	t := &s.timers[c]
	t.deadline = at
	if at < t.queued {
		s.enqueue(at, c)
	}
}

func (s *Scheduler) enqueue(at decide.Time, c decide.ContainerID) {
	s.timers[c].queued = at
	s.expiry.Push(expiry{at, c})
}

// settle makes the first entry of expiry the deadline of an idle container.
func (s *Scheduler) settle() {
	for len(s.expiry) > 0 {
		e := &s.expiry[0]
		c := e.container
		t := &s.timers[c]
		deadline := decide.Forever
		if s.view.Status(c) == decide.Idle {
			deadline = t.deadline
		}
		if deadline == e.at {
			return
		}
		if counts := t.queued == e.at; !counts {
			s.expiry.Pop() // another entry does
		} else if t.queued = deadline; t.queued == decide.Forever {
			s.expiry.Pop() // it has none until it is idle again
		} else {
			s.expiry.Replace(expiry{deadline, c})
		}
	}
}

// expire drops the requests and ends the containers whose time is up.
func (s *Scheduler) expire() {
	now := s.view.Now()
	for r := s.view.OldestAll(); r != decide.None; r = s.view.OldestAll() {
		if _, arrival := s.view.Request(r); arrival+s.opts.Timeout > now {
			break
		}
		requeued := s.state.Requeued(r)
		if s.drop(r, decide.TimedOut); requeued { // after others that arrived later, in the queues of policies
			s.forget(r)
		}
	}
	// No entry is later than what it stands for: only where one is due is it looked into.
	for len(s.expiry) > 0 && s.expiry[0].at <= now {
		if s.settle(); len(s.expiry) > 0 && s.expiry[0].at <= now {
			c := s.expiry.Pop().container
			s.timers[c].queued = decide.Forever
			s.expired(c)
		}
	}
	s.overdue(now)
}

// An expiry is a time at which a container may have been idle for long enough.
type expiry struct {
	at        decide.Time
	container decide.ContainerID
}

func (e expiry) Before(o expiry) bool {
	return e.at < o.at || e.at == o.at && e.container < o.container
}
