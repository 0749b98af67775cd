package decide

import (
	"fmt"
	"math"
)

// longest is the longest time that a profile may expect: no sum of a few overflows.
const longest = Forever >> 20

// Latest is the latest time that an event may have.
const Latest = Forever >> 2

// Validate reports a value that is out of range.
func (p Profile) Validate() error {
	if p.Memory <= 0 || p.Memory > math.MaxInt64>>8 || !(p.CPU > 0) || math.IsInf(p.CPU, 0) || p.App < None || p.Owner < None ||
		!(p.PerMinute >= 0) || math.IsInf(p.PerMinute, 0) {
		return fmt.Errorf("memory and CPU must be positive and finite, got %+v", p)
	}
	if min(p.Execution, p.Initialise, p.Termination) < 0 || max(p.Execution, p.Initialise, p.Termination) > longest {
		return fmt.Errorf("times must be in [0, %d] us, got %+v", longest, p)
	}
	return nil
}

// Validate reports a value that is out of range.
func (i InvokerSpec) Validate() error {
	if i.Memory <= 0 || i.Memory > math.MaxInt64>>8 || !(i.Cores > 0) || math.IsInf(i.Cores, 0) ||
		i.StartLimit < 0 || !(i.CPULimit >= 0) || math.IsInf(i.CPULimit, 0) {
		return fmt.Errorf("memory and cores must be positive and finite and limits not negative, got %+v", i)
	}
	return nil
}

func newFunction(p Profile) function {
	return function{
		App: p.App, Language: p.Language, Memory: p.Memory, CPU: p.CPU, Execution: p.Execution, Initialise: p.Initialise, Termination: p.Termination,
		waiting: list{None, None, 0}, backlogAt: None, warm: None, lastArrival: None, prevArrival: None, layer: None,
	}
}

func newInvoker(spec InvokerSpec) invoker {
	return invoker{InvokerSpec: spec, idleHead: None, idleTail: None, pendingHead: None, pendingTail: None}
}

// Close lets invoker i take no more containers.
func (s *State) Close(i InvokerID) {
	s.invokers[i].closed = true
	s.gains++
}

// Limit lets invokers execute as much at once as share of their cores; 0 is no limit.
func (s *State) Limit(share float64) {
	for i := range s.invokers {
		s.invokers[i].CPULimit = share * s.invokers[i].Cores
	}
	s.gains++
}

// Leave makes it known that invoker i, on which nothing lives, is not there.
func (s *State) Leave(i InvokerID) { s.invokers[i].gone = true }

// Return opens invoker i, which was lost.
func (s *State) Return(i InvokerID) {
	s.invokers[i].closed, s.invokers[i].gone = false, false
	s.gains++
}

// FirstPending is the container that Admit lets start next on invoker i, or None.
func (s *State) FirstPending(i InvokerID) ContainerID { return s.invokers[i].pendingHead }

// Gone reports whether invoker i was lost.
func (s *State) Gone(i InvokerID) bool { return s.invokers[i].gone }

// Requeue puts r, for which a container is no longer created or in which it no longer executes,
// back into the queue, where its arrival belongs.
func (s *State) Requeue(r RequestID) {
	q := &s.requests[r]
	f, arrival := q.function, q.arrival
	s.changes.add(f)
	q.stage, q.requeued = waiting, true
	fn := &s.functions[f]
	// Those that fail have waited and executed: most that wait came later.
	after := s.queue.head
	for after != None && s.requests[after].arrival <= arrival {
		after = s.requests[after].next
	}
	q.next = after
	if after != None {
		q.prev = s.requests[after].prev
		s.requests[after].prev = r
	} else {
		q.prev, s.queue.tail = s.queue.tail, r
	}
	if q.prev != None {
		s.requests[q.prev].next = r
	} else {
		s.queue.head = r
	}
	s.queue.n++
	after = fn.waiting.head
	for after != None && s.requests[after].arrival <= arrival {
		after = s.requests[after].fNext
	}
	q.fNext = after
	if after != None {
		q.fPrev = s.requests[after].fPrev
		s.requests[after].fPrev = r
	} else {
		q.fPrev, fn.waiting.tail = fn.waiting.tail, r
	}
	if q.fPrev != None {
		s.requests[q.fPrev].fNext = r
	} else {
		fn.waiting.head = r
	}
	if fn.waiting.n++; fn.waiting.n == 1 {
		fn.backlogAt = int32(len(s.backlog))
		s.backlog = append(s.backlog, f)
	}
}

// Forsake ends the request r, which is out of the queue and executes nowhere, because it was
// dropped or because nobody wants it.
func (s *State) Forsake(r RequestID, dropped bool) {
	q := &s.requests[r]
	q.stage = absent
	fn := &s.functions[q.function]
	fn.inSystem--
	s.inSystem--
	if dropped {
		s.dropped++
		s.droppedWork += fn.Execution
	}
}

// Failures counts that a container failed r, and returns how often one did.
func (s *State) Failures(r RequestID) int {
	q := &s.requests[r]
	q.failures = uint8(min(math.MaxUint8, int(q.failures)+1))
	return int(q.failures)
}

// Requeued reports whether r came into the queue after others that arrived later.
func (s *State) Requeued(r RequestID) bool { return s.requests[r].requeued }

// Unbind lets the starting container c start for no request in particular. It returns the
// request that it started for.
func (s *State) Unbind(c ContainerID) RequestID {
	box := &s.containers[c]
	r := box.request
	if r != None {
		box.request = None
		s.changes.add(box.function)
		s.gains++
		_, cpu := s.size(c)
		s.invokers[box.invoker].promised -= cpu
	}
	return r
}

// Fail forgets container c, which no longer exists, and frees its memory; a pending one is
// cancelled. It returns in lost, to which it appends, the requests that it was to execute or
// executed. They are out of the queue.
func (s *State) Fail(c ContainerID, lost []RequestID) []RequestID {
	box := &s.containers[c]
	fn, inv := &s.functions[box.function], &s.invokers[box.invoker]
	if box.status == Pending {
		if box.request != None {
			lost = append(lost, box.request)
		}
		s.Cancel(c)
		return lost
	}
	s.changes.add(box.function)
	s.gains++
	memory, cpu := s.size(c)
	switch box.status {
	case Initialising:
		fn.starting--
		inv.starting--
		if box.request != None {
			inv.promised -= cpu
			lost = append(lost, box.request)
		}
	case Idle:
		s.unlinkWarm(c)
		s.unlinkIdle(c)
		fn.idle--
	case Busy:
		if box.running < s.concurrency && !box.retiring {
			s.unlinkWarm(c)
		}
		for r := box.head; r != None; r = s.requests[r].fNext {
			lost = append(lost, r)
			s.requests[r].stage = ordered
		}
		inv.running -= box.running
		if inv.running == 0 {
			inv.cpu, inv.wanted = 0, 0
		} else {
			inv.cpu -= cpu * box.share
			inv.wanted -= cpu
		}
		fn.busy--
	case Terminating:
		inv.terminating -= memory
	}
	if box.retiring && box.status != Terminating {
		fn.retiring--
	}
	inv.used -= memory
	*box = container{status: Gone, function: box.function, invoker: box.invoker, request: None, head: None, warmPrev: None, warmNext: None, idlePrev: None, idleNext: None}
	s.freed = append(s.freed, c)
	return lost
}

// In returns the container that executes r or is created for it, or None.
func (v Snapshot) In(r RequestID) ContainerID {
	if q := &v.s.requests[r]; q.stage == ordered || q.stage == executing {
		return ContainerID(q.prev)
	}
	return None
}

// Present reports whether r is in the system.
func (v Snapshot) Present(r RequestID) bool {
	return r >= 0 && int(r) < len(v.s.requests) && v.s.requests[r].stage != absent
}

// Requests is one more than the largest RequestID so far.
func (v Snapshot) Requests() int { return len(v.s.requests) }

// Executes reports whether c executes r.
func (v Snapshot) Executes(c ContainerID, r RequestID) bool {
	return r >= 0 && int(r) < len(v.s.requests) && v.s.requests[r].stage == executing && v.s.requests[r].prev == RequestID(c)
}

// FirstExecuting is a request that c executes, or None.
func (v Snapshot) FirstExecuting(c ContainerID) RequestID { return v.s.containers[c].head }

// NextExecuting is another request of the same container after r, which executes, or None.
func (v Snapshot) NextExecuting(r RequestID) RequestID { return v.s.requests[r].fNext }

// RealFunctions is the number of functions without the layers.
func (v Snapshot) RealFunctions() int { return len(v.s.functions) - len(v.s.layers) }

// IsFunction reports whether f is the number of a function, and not of a layer or of nothing.
func (v Snapshot) IsFunction(f FunctionID) bool {
	return f >= 0 && int(f) < len(v.s.functions) && v.s.functions[f].layer == None
}
