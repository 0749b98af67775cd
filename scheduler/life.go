package scheduler

import (
	"errors"
	"fmt"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// ErrImpossible is wrapped by the errors of events that cannot have happened: of what is not
// there, or not in the state that the event ends.
var ErrImpossible = errors.New("impossible event")

// An impossibleEvent is the error of one.
type impossibleEvent struct {
	kind decide.EventKind
	at   decide.Time
	why  string
}

func (e *impossibleEvent) Error() string {
	return fmt.Sprintf("scheduler: %v: %v at %d us: %s", ErrImpossible, e.kind, e.at, e.why)
}

func (e *impossibleEvent) Unwrap() error { return ErrImpossible }

func impossible(ev *decide.Event, format string, args ...any) error {
	return &impossibleEvent{ev.Kind, ev.At, fmt.Sprintf(format, args...)}
}

// check reports an event that cannot have happened, and brings the others within what can
// have been measured: a time does not go back, and nothing took longer than its container lives.
func (s *Scheduler) check(ev *decide.Event) error {
	v := s.view
	now := v.Now()
	if ev.At < 0 || ev.At > decide.Latest {
		return within(ev)
	}
	ev.At = max(ev.At, now)
	switch ev.Kind {
	case decide.Tick:
		return nil
	case decide.Arrival:
		switch f := ev.Function; {
		case !s.there(f):
			return impossible(ev, "there is no function %d", f)
		case ev.Request < 0 || int(ev.Request) > 2*v.Requests()+1024:
			return impossible(ev, "the number of the request must be a small one, got %d with %d in use", ev.Request, v.Requests())
		case v.Present(ev.Request):
			return impossible(ev, "request %d is there already", ev.Request)
		}
		return nil
	case decide.Cancelled:
		if !v.Present(ev.Request) {
			return impossible(ev, "there is no request %d", ev.Request)
		}
		return nil
	case decide.Drained, decide.Lost:
		i := ev.Invoker
		switch {
		case i < 0 || int(i) >= v.Invokers() || s.state.Gone(i):
			return impossible(ev, "there is no invoker %d", i)
		case ev.Kind == decide.Drained && !v.Open(i):
			return impossible(ev, "it is drained already")
		}
		return nil
	case decide.Returned:
		if i := ev.Invoker; i < 0 || int(i) >= v.Invokers() || !s.state.Gone(i) {
			return impossible(ev, "invoker %d was not lost", i)
		}
		return nil
	case decide.Removed:
		if f := ev.Function; !s.there(f) {
			return impossible(ev, "there is no function %d", f)
		}
		return nil
	case decide.Ready, decide.Completion, decide.Ended, decide.Failed:
	case decide.Deployed, decide.Changed, decide.Joined, decide.Adopted:
		return impossible(ev, "it has a method of its own")
	default:
		return impossible(ev, "events of this kind are not known")
	}
	c := ev.Container
	if c < 0 || int(c) >= v.Containers() {
		return impossible(ev, "there is no container %d", c)
	}
	status := v.Status(c)
	switch {
	case ev.Took < 0:
		return impossible(ev, "it must not have taken a negative time, got %d us", ev.Took)
	case ev.Kind == decide.Ready && status != decide.Initialising, ev.Kind == decide.Ended && status != decide.Terminating,
		ev.Kind == decide.Failed && (status == decide.Gone || status == decide.Pending):
		return impossible(ev, "the container is %v", status)
	case ev.Kind == decide.Completion && !v.Executes(c, ev.Request):
		return impossible(ev, "the container, which is %v, does not execute the request", status)
	}
	ev.Took = min(ev.Took, ev.At-v.Created(c))
	return nil
}

// gone reports whether f was removed.
func (s *Scheduler) gone(f decide.FunctionID) bool { return int(f) < len(s.removed) && s.removed[f] }

// there reports whether f is a function that was not removed.
func (s *Scheduler) there(f decide.FunctionID) bool { return s.view.IsFunction(f) && !s.gone(f) }

// forewarn lets what the time brings before ev use nothing that ev takes away.
func (s *Scheduler) forewarn(ev *decide.Event) {
	switch ev.Kind {
	case decide.Drained, decide.Lost:
		s.state.Close(ev.Invoker)
	case decide.Failed:
		switch s.view.Status(ev.Container) {
		case decide.Idle:
			s.state.Terminate(ev.Container)
		case decide.Busy: // there may be room for another request in it
			s.state.Retire(ev.Container)
		}
	case decide.Removed:
		for int(ev.Function) >= len(s.removed) {
			s.removed = append(s.removed, false)
		}
		s.removed[ev.Function] = true
	}
}

// late reports whether what the time has ended before ev is what ev is about, of a container one that was
// created at that time: another may have its number by now.
func (s *Scheduler) late(ev *decide.Event, created decide.Time) bool {
	switch ev.Kind {
	case decide.Cancelled:
		return !s.view.Present(ev.Request)
	case decide.Ready:
		return s.view.Status(ev.Container) != decide.Initialising || s.view.Created(ev.Container) != created
	case decide.Failed:
		return s.view.Status(ev.Container) == decide.Gone || s.view.Created(ev.Container) != created
	}
	return false
}

// befall takes in what policies do not know as an event, and shows it to them as those that
// they do.
func (s *Scheduler) befall(ev decide.Event) {
	switch ev.Kind {
	case decide.Failed:
		s.fail(ev.Container)
	case decide.Cancelled:
		s.cancel(ev.Request)
	case decide.Drained:
		s.close(ev.Invoker)
	case decide.Lost:
		var there []decide.ContainerID
		for c := range decide.ContainerID(s.view.Containers()) {
			if s.view.Status(c) != decide.Gone && s.view.Invoker(c) == ev.Invoker {
				there = append(there, c)
			}
		}
		s.fail(there...)
		s.state.Leave(ev.Invoker)
	case decide.Returned:
		s.state.Return(ev.Invoker)
	case decide.Removed:
		s.remove(ev.Function)
	}
	s.tick()
}

// fail forgets the containers, all of them before anything is decided. What they were to
// execute waits again or is given up.
func (s *Scheduler) fail(containers ...decide.ContainerID) {
	type loss struct {
		request   decide.RequestID
		container decide.ContainerID
		executed  bool
	}
	var losses []loss
	var seen []decide.Event
	for _, c := range containers {
		status, f := s.view.Status(c), s.view.Function(c)
		s.lost = s.state.Fail(c, s.lost[:0])
		if int(c) < len(s.timers) {
			s.timers[c].deadline = decide.Forever
		}
		for _, r := range s.lost {
			losses = append(losses, loss{r, c, status == decide.Busy})
			if status == decide.Busy { // an execution less, about which nothing was learned
				seen = append(seen, decide.Event{At: s.view.Now(), Kind: decide.Completion, Function: f, Request: r, Container: c, Took: s.view.Execution(f)})
			}
		}
		if status != decide.Pending {
			seen = append(seen, decide.Event{At: s.view.Now(), Kind: decide.Ended, Function: f, Request: decide.None, Container: c, Took: s.view.Termination(f)})
		}
	}
	for _, ev := range seen {
		s.stack.Pool.Observe(s.view, ev)
	}
	for _, l := range losses {
		if !l.executed {
			s.forget(l.request)
		}
		s.again(l.request, l.container, l.executed)
	}
	for _, c := range containers {
		s.admit(s.view.Invoker(c))
	}
}

// again lets r, which container c failed, wait anew, or gives it up.
func (s *Scheduler) again(r decide.RequestID, c decide.ContainerID, executed bool) {
	f, arrival := s.view.Request(r)
	gone := s.gone(f)
	if n := s.state.Failures(r); n > s.opts.Retries || arrival+s.opts.Timeout <= s.view.Now() || gone {
		kind, cause := decide.Drop, decide.FailedTooOften
		if executed {
			kind = decide.Report
		}
		switch {
		case gone:
			cause = decide.OfRemoved
		case n <= s.opts.Retries:
			cause = decide.TimedOut
		}
		s.state.Forsake(r, true)
		s.out = append(s.out, decide.Decision{Kind: kind, Cause: cause, Function: f, Request: r, Container: c, Invoker: decide.None})
		return
	}
	s.state.Requeue(r)
	s.welcome(r)
}

// welcome shows a request that waits anew to the stack, and lets it start.
func (s *Scheduler) welcome(r decide.RequestID) {
	f, _ := s.view.Request(r)
	s.decide(decide.Event{At: s.view.Now(), Kind: decide.Arrival, Function: f, Request: r, Container: decide.None}, decide.None)
}

// cancel ends the request r wherever it is. The container that is created for it is ready for
// others then; the one that executes it is told to stop, and tells when it has by a Completion.
func (s *Scheduler) cancel(r decide.RequestID) {
	f, _ := s.view.Request(r)
	c := s.view.In(r)
	switch {
	case c == decide.None:
		s.state.Dequeue(r)
		s.state.Forsake(r, false)
		s.out = append(s.out, decide.Decision{Kind: decide.Stop, Function: f, Request: r, Container: decide.None, Invoker: decide.None})
		s.forget(r)
	case s.view.Executes(c, r):
		s.out = append(s.out, decide.Decision{Kind: decide.Stop, Function: f, Request: r, Container: c, Invoker: s.view.Invoker(c)})
	default:
		s.forsake(r, c, decide.Stop)
	}
}

// forget tells the stack that the request r neither waits nor has a container created for it any
// more, where no event or time-out says so.
func (s *Scheduler) forget(r decide.RequestID) {
	if p, ok := s.stack.Pool.(decide.Forgetter); ok {
		p.Forget(s.view, r)
	}
}

// forsake ends the request r, for which container c is being created.
func (s *Scheduler) forsake(r decide.RequestID, c decide.ContainerID, kind decide.DecisionKind) {
	f, _ := s.view.Request(r)
	s.state.Unbind(c)
	s.forget(r)
	if s.view.Status(c) == decide.Pending {
		s.state.Cancel(c)
	}
	cause := decide.Unstated
	if kind == decide.Drop {
		cause = decide.TimedOut
	}
	s.state.Forsake(r, kind == decide.Drop)
	s.out = append(s.out, decide.Decision{Kind: kind, Cause: cause, Function: f, Request: r, Container: decide.None, Invoker: decide.None})
}

// close lets invoker i finish what it has and take no more.
func (s *Scheduler) close(i decide.InvokerID) {
	s.vacate(decide.OfDrained, func(c decide.ContainerID) bool { return s.view.Invoker(c) == i })
}

// vacate ends the containers for which of holds, as soon as they are idle. Requests that
// pending ones are decided on for wait again.
func (s *Scheduler) vacate(cause decide.Cause, of func(decide.ContainerID) bool) {
	var again []decide.RequestID
	for c := range decide.ContainerID(s.view.Containers()) {
		if s.view.Status(c) == decide.Gone || !of(c) {
			continue
		}
		switch s.view.Status(c) {
		case decide.Pending:
			if r := s.state.Unbind(c); r != decide.None {
				again = append(again, r)
			}
			s.state.Cancel(c)
		case decide.Idle:
			s.end(c, cause)
		case decide.Initialising, decide.Busy:
			s.state.Retire(c)
		}
	}
	for _, r := range again {
		s.forget(r)
		f, arrival := s.view.Request(r)
		if late := arrival+s.opts.Timeout <= s.view.Now(); late || s.gone(f) {
			cause := decide.OfRemoved
			if late {
				cause = decide.TimedOut
			}
			s.state.Forsake(r, true)
			s.out = append(s.out, decide.Decision{Kind: decide.Drop, Cause: cause, Function: f, Request: r, Container: decide.None, Invoker: decide.None})
			continue
		}
		s.state.Requeue(r)
		s.welcome(r)
	}
}

// remove drops what waits for f and ends its containers.
func (s *Scheduler) remove(f decide.FunctionID) {
	for r := s.view.Oldest(f); r != decide.None; r = s.view.Oldest(f) {
		s.drop(r, decide.OfRemoved)
		s.forget(r)
	}
	s.vacate(decide.OfRemoved, func(c decide.ContainerID) bool { return s.view.Function(c) == f })
}

// A startLimit is when a container must have initialised (request None), or when the request
// for which it is created must have started. Created tells whether it is still that container.
type startLimit struct {
	at        decide.Time
	container decide.ContainerID
	request   decide.RequestID
	created   decide.Time
}

func (l startLimit) Before(o startLimit) bool {
	return l.at < o.at || l.at == o.at && (l.container < o.container || l.container == o.container && l.request < o.request)
}

// bound notes that container c is being created for r, which may be None.
func (s *Scheduler) bound(r decide.RequestID, c decide.ContainerID) {
	if s.opts.StartTimeout > 0 && r != decide.None {
		_, arrival := s.view.Request(r)
		s.limitStart(startLimit{arrival + s.opts.Timeout, c, r, arrival})
	}
}

// limitStart notes l. A limit that is kept stays among the others until its time comes, which may be
// a minute later; where such are many, they are taken out, so that memory depends on how many
// containers there are and not on how many there were.
func (s *Scheduler) limitStart(l startLimit) {
	if len(s.starts) >= 4*s.view.Containers()+64 { // a container has at most two that count
		s.starts = slices.DeleteFunc(s.starts, func(l startLimit) bool { return !s.counts(l) })
		slices.SortStableFunc(s.starts, func(a, b startLimit) int {
			switch {
			case a.Before(b):
				return -1
			case b.Before(a):
				return 1
			}
			return 0
		})
	}
	s.starts.Push(l)
}

// counts reports whether what l limits is still to start.
func (s *Scheduler) counts(l startLimit) bool {
	status := s.view.Status(l.container)
	if l.request == decide.None {
		return status == decide.Initialising && s.view.Created(l.container) == l.created
	}
	_, arrival := s.view.Request(l.request)
	return (status == decide.Pending || status == decide.Initialising) && s.view.CreatedFor(l.container) == l.request && arrival == l.created
}

// overdue gives up what should have started by now.
func (s *Scheduler) overdue(now decide.Time) {
	for len(s.starts) > 0 && s.starts[0].at <= now {
		l := s.starts.Pop()
		c := l.container
		switch {
		case !s.counts(l):
		case l.request != decide.None:
			s.forsake(l.request, c, decide.Drop)
		default:
			s.out = append(s.out, decide.Decision{Kind: decide.End, Cause: decide.StartLate, Function: s.view.Function(c), Request: decide.None, Container: c, Invoker: s.view.Invoker(c)})
			s.fail(c)
		}
	}
}
