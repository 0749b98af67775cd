package scheduler

import (
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// Deploy takes in that a function is there from now on, of which p is known, and returns its
// number, the next one. Errors are those of Handle.
func (s *Scheduler) Deploy(at decide.Time, p decide.Profile) (decide.FunctionID, []decide.Decision, error) {
	return s.deploy(at, p, func() {})
}

// deploy is Deploy; before is called when nothing can go wrong any more, and the stack does not know yet.
func (s *Scheduler) deploy(at decide.Time, p decide.Profile, before func()) (decide.FunctionID, []decide.Decision, error) {
	ev := decide.Event{At: at, Kind: decide.Deployed}
	if err := within(&ev); err != nil {
		return decide.None, nil, err
	}
	f, err := s.state.Deploy(p)
	if err != nil {
		return decide.None, nil, impossible(&ev, "%v", err)
	}
	before()
	s.deployed(f, p)
	s.pass(at)
	s.tick()
	return f, s.out, nil
}

// Change takes in that f has the memory, the CPU and the expected times of p from now on. Where
// memory or CPU are others, the containers that there are end as soon as they have
// executed what they have.
func (s *Scheduler) Change(at decide.Time, f decide.FunctionID, p decide.Profile) ([]decide.Decision, error) {
	ev := decide.Event{At: at, Kind: decide.Changed}
	if err := within(&ev); err != nil {
		return nil, err
	}
	if !s.there(f) {
		return nil, impossible(&ev, "there is no function %d", f)
	}
	resized := p.Memory != s.view.Memory(f) || p.CPU != s.view.CPU(f)
	if err := s.state.Change(f, p); err != nil {
		return nil, impossible(&ev, "%v", err)
	}
	s.deployed(f, p)
	s.pass(at)
	if resized {
		s.vacate(decide.OfChanged, func(c decide.ContainerID) bool {
			return s.view.Function(c) == f && (s.view.IsOutdated(c) || s.view.Status(c) == decide.Pending)
		})
	}
	s.tick()
	return s.out, nil
}

// deployed tells the stack of f, before anything more is decided.
func (s *Scheduler) deployed(f decide.FunctionID, p decide.Profile) {
	for _, x := range s.roles() {
		if d, ok := x.(decide.Deployer); ok {
			d.Deployed(s.view, f, p)
		}
	}
}

// Join takes in that an invoker is there from now on, and returns its number, the next one. One
// of the same size as one that was lost can have its number, see [decide.Returned].
func (s *Scheduler) Join(at decide.Time, spec decide.InvokerSpec) (decide.InvokerID, []decide.Decision, error) {
	ev := decide.Event{At: at, Kind: decide.Joined}
	if err := within(&ev); err != nil {
		return decide.None, nil, err
	}
	spec.CPULimit = s.stack.CPUShare * spec.Cores
	i, err := s.state.Join(spec)
	if err != nil {
		return decide.None, nil, impossible(&ev, "%v", err)
	}
	s.joined(i)
	s.pass(at)
	s.tick()
	return i, s.out, nil
}

// rejoin takes in that invoker i, which was lost, is there again, as it was and empty.
func (s *Scheduler) rejoin(at decide.Time, i decide.InvokerID) ([]decide.Decision, error) {
	if err := within(&decide.Event{At: at, Kind: decide.Joined}); err != nil {
		return nil, err
	}
	s.state.Return(i)
	s.joined(i)
	s.pass(at)
	s.tick()
	return s.out, nil
}

// joined tells the stack that invoker i is there.
func (s *Scheduler) joined(i decide.InvokerID) {
	for _, x := range s.roles() {
		if j, ok := x.(decide.Joiner); ok {
			j.Joined(s.view, i)
		}
	}
}

// An Adoption is what is there of a function and the scheduler does not know of: a container
// with its requests, or requests that wait.
type Adoption struct {
	Function decide.FunctionID
	Invoker  decide.InvokerID
	// Status is Initialising, with no request or the one that the container is created for; Idle,
	// without a request; Busy, with those that it executes; Gone: there is no container, and
	// the requests wait.
	Status   decide.ContainerStatus
	Requests []AdoptedRequest
}

// An AdoptedRequest is a request that has arrived before.
type AdoptedRequest struct {
	Request decide.RequestID
	Arrival decide.Time // not after now
}

// Adopt takes in what is there, and returns the number of the container, if there is one. A
// request that has waited for longer than the time-out is dropped.
func (s *Scheduler) Adopt(at decide.Time, a Adoption) (decide.ContainerID, []decide.Decision, error) {
	ev := decide.Event{At: at, Kind: decide.Adopted}
	if err := s.adoptable(&ev, &a); err != nil {
		return decide.None, nil, err
	}
	s.out = s.out[:0]
	s.state.Advance(at)
	now, c := s.view.Now(), decide.ContainerID(decide.None)
	if a.Status != decide.Gone {
		c = s.state.Adopt(a.Function, a.Invoker, a.Status == decide.Initialising)
		s.time(c)
		if a.Status == decide.Initialising && s.opts.StartTimeout > 0 {
			s.limitStart(startLimit{now + s.opts.StartTimeout, c, decide.None, now})
		}
	}
	for _, r := range a.Requests {
		s.state.AdoptRequest(r.Request, a.Function, min(now, r.Arrival), c)
		if a.Status == decide.Initialising {
			s.bound(r.Request, c)
		}
	}
	if closed := c != decide.None && !s.view.Open(a.Invoker); closed && a.Status == decide.Idle {
		s.end(c, decide.OfDrained)
	} else if closed {
		s.state.Retire(c)
	}
	s.expire()
	if a.Status == decide.Idle || a.Status == decide.Busy {
		s.see(decide.Event{At: now, Kind: decide.Ready, Function: a.Function, Request: decide.None, Container: c, Took: s.view.Initialise(a.Function)})
	}
	for _, r := range a.Requests {
		if s.opts.QueueLimit > 0 && s.view.IsWaiting(r.Request) && s.view.Waiting(a.Function) > s.opts.QueueLimit {
			s.drop(r.Request, decide.QueueFull)
		}
		s.see(decide.Event{At: now, Kind: decide.Arrival, Function: a.Function, Request: r.Request, Container: decide.None})
	}
	if c != decide.None && s.view.Status(c) == decide.Idle {
		s.keepAlive(c)
	}
	s.tick()
	return c, s.out, nil
}

// see lets the stack see ev, and start what it lets start.
func (s *Scheduler) see(ev decide.Event) {
	s.stack.Pool.Observe(s.view, ev)
	if s.view.WaitingAll() > 0 {
		s.dispatch(ev)
	}
}

// adoptable reports an adoption that cannot be.
func (s *Scheduler) adoptable(ev *decide.Event, a *Adoption) error {
	v, n := s.view, len(a.Requests)
	if err := within(ev); err != nil {
		return err
	}
	if !s.there(a.Function) {
		return impossible(ev, "there is no function %d", a.Function)
	}
	if a.Status != decide.Gone {
		i := a.Invoker
		if i < 0 || int(i) >= v.Invokers() || s.state.Gone(i) {
			return impossible(ev, "there is no invoker %d", i)
		}
		if free := v.InvokerSpec(i).Memory - v.UsedMemory(i); free < v.Memory(a.Function) {
			return impossible(ev, "the container has %d bytes, and its invoker has no more than %d left", v.Memory(a.Function), free)
		}
	}
	ok := false
	switch a.Status {
	case decide.Gone:
		ok = n > 0
	case decide.Initialising:
		ok = n <= 1
	case decide.Idle:
		ok = n == 0
	case decide.Busy:
		ok = n > 0 && n <= v.Concurrency()
	}
	if !ok {
		return impossible(ev, "%d requests cannot be in a container that is %d of %v", n, a.Status, [...]decide.ContainerStatus{decide.Initialising, decide.Idle, decide.Busy})
	}
	for k, r := range a.Requests {
		arrival := decide.Event{At: ev.At, Kind: decide.Arrival, Function: a.Function, Request: r.Request}
		if err := s.check(&arrival); err != nil {
			return impossible(ev, "%s", err.(*impossibleEvent).why)
		}
		if r.Arrival < 0 || r.Arrival > max(ev.At, v.Now()) {
			return impossible(ev, "the arrival of request %d must be in [0, %d] us, got %d", r.Request, max(ev.At, v.Now()), r.Arrival)
		}
		for _, o := range a.Requests[:k] {
			if o.Request == r.Request {
				return impossible(ev, "request %d is named twice", r.Request)
			}
		}
	}
	return nil
}

// within reports a time that cannot be.
func within(ev *decide.Event) error {
	switch {
	case ev.At < 0:
		return impossible(ev, "a time must not be negative")
	case ev.At > decide.Latest:
		return impossible(ev, "a time must be at most %d us", decide.Latest)
	}
	return nil
}

// pass begins an answer: it lets the time pass until at, and ends what has waited for as long as it may.
func (s *Scheduler) pass(at decide.Time) {
	s.out = s.out[:0]
	s.state.Advance(at)
	s.expire()
}

// tick lets the stack look at all that has changed.
func (s *Scheduler) tick() {
	s.decide(decide.Event{At: s.view.Now(), Kind: decide.Tick, Function: decide.None, Request: decide.None, Container: decide.None}, decide.None)
}

// roles are the parts of the stack.
func (s *Scheduler) roles() [3]any {
	return [3]any{s.stack.Dispatcher, s.stack.Pool, s.stack.Placer}
}
