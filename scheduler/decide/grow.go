package decide

import "fmt"

// A Deployer is a dispatcher, pool or placer that has something for each function, and is told of
// those that come later.
type Deployer interface {
	// Deployed tells that f is there, which is the last of Snapshot.Functions then, or that it
	// has changed; p is what is known of it. It may be told again. What f has measured
	// of the function stays.
	Deployed(s Snapshot, f FunctionID, p Profile)
}

// A Joiner is a dispatcher, pool or placer that has something for each invoker, or for all
// together, and is told when others come.
type Joiner interface {
	// Joined tells that invoker i is there. It may be told again.
	Joined(s Snapshot, i InvokerID)
}

// A size is what a container holds: its function may have another by now.
type size struct {
	memory int64
	cpu    float64
}

// size of c, in bytes and cores.
func (s *State) size(c ContainerID) (memory int64, cpu float64) {
	if s.sizes != nil {
		z := &s.sizes[c]
		return z.memory, z.cpu
	}
	fn := &s.functions[s.containers[c].function]
	return fn.Memory, fn.CPU
}

// resize gives c the size of its function.
func (s *State) resize(c ContainerID) {
	if s.sizes == nil {
		return
	}
	for int(c) >= len(s.sizes) {
		s.sizes = append(s.sizes, size{})
	}
	fn := &s.functions[s.containers[c].function]
	s.sizes[c] = size{fn.Memory, fn.CPU}
}

// ContainerMemory is what container c holds, in bytes: that of its function, if that has not
// changed since c was decided on.
func (v Snapshot) ContainerMemory(c ContainerID) int64 {
	memory, _ := v.s.size(c)
	return memory
}

// fits reports a function that no invoker could take of those that ever were.
func (s *State) fits(p Profile) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if p.Memory > s.largest {
		return fmt.Errorf("a container of %d bytes fits no invoker, the largest has %d", p.Memory, s.largest)
	}
	return nil
}

// spare is how many ranks are left for functions to come: none where none ever came.
func (s *State) spare() int {
	if !s.grown {
		return 0
	}
	return len(s.functions)/2 + 64
}

// Deploy adds a function, and returns its number. An error changes nothing.
func (s *State) Deploy(p Profile) (FunctionID, error) {
	if err := s.fits(p); err != nil {
		return None, err
	}
	f := FunctionID(len(s.functions))
	s.functions = append(s.functions, newFunction(p))
	s.grown = true
	if o := s.order; o != nil {
		if len(o.order) < o.room {
			o.rank = append(o.rank, int32(len(o.order)))
			o.order = append(o.order, f)
		} else {
			s.order = nil // sorted anew when it is needed
		}
	}
	s.changes.add(f)
	return f, nil
}

// Change gives f the memory, the CPU and the expected times of p. Containers that there are keep
// their size, and pending ones get the new one. An error changes nothing.
func (s *State) Change(f FunctionID, p Profile) error {
	fn := &s.functions[f]
	if err := s.fits(p); err != nil {
		return err
	}
	if p.Memory != fn.Memory || p.CPU != fn.CPU {
		if s.sizes == nil {
			sizes := make([]size, len(s.containers))
			for c := range sizes {
				sizes[c].memory, sizes[c].cpu = s.size(ContainerID(c))
			}
			s.sizes = sizes
		}
		s.order = nil
		for c := range s.containers {
			box := &s.containers[c]
			if box.status != Pending || box.function != f {
				continue
			}
			inv := &s.invokers[box.invoker]
			inv.pending += p.Memory - fn.Memory
			if box.request != None {
				inv.promised += p.CPU - fn.CPU
			}
			s.sizes[c] = size{p.Memory, p.CPU}
		}
	}
	fn.Memory, fn.CPU, fn.Execution, fn.Initialise, fn.Termination = p.Memory, p.CPU, p.Execution, p.Initialise, p.Termination
	s.changes.add(f)
	s.gains++
	return nil
}

// Join adds an empty invoker, and returns its number. An error changes nothing.
func (s *State) Join(spec InvokerSpec) (InvokerID, error) {
	if err := spec.Validate(); err != nil {
		return None, err
	}
	s.invokers = append(s.invokers, newInvoker(spec))
	s.largest = max(s.largest, spec.Memory)
	s.gains++
	return InvokerID(len(s.invokers) - 1), nil
}

// Adopt takes in a container of f on invoker i that is there already: it initialises or is idle.
// Its memory must be free (Snapshot.UsedMemory).
func (s *State) Adopt(f FunctionID, i InvokerID, initialises bool) ContainerID {
	s.changes.add(f)
	s.gains++
	c := s.slot()
	s.containers[c] = container{
		function: f, invoker: i, status: Initialising, request: None, since: s.now, created: s.now,
		share: 1, head: None, warmPrev: None, warmNext: None, idlePrev: None, idleNext: None,
	}
	s.resize(c)
	fn, inv := &s.functions[f], &s.invokers[i]
	inv.used += fn.Memory
	if initialises {
		fn.starting++
		inv.starting++
		return c
	}
	s.makeIdle(c)
	s.linkWarm(c)
	return c
}

// AdoptRequest takes in the request r of f that arrived at the given time, not after now: it waits
// where c is None; else the adopted container c initialises for it or has room and executes it.
func (s *State) AdoptRequest(r RequestID, f FunctionID, arrival Time, c ContainerID) {
	for int(r) >= len(s.requests) {
		s.requests = append(s.requests, request{})
	}
	fn := &s.functions[f]
	fn.arrivals++
	fn.inSystem++
	s.inSystem++
	switch {
	case arrival >= fn.lastArrival:
		fn.prevArrival, fn.lastArrival = fn.lastArrival, arrival
	case arrival > fn.prevArrival:
		fn.prevArrival = arrival
	}
	q := &s.requests[r]
	*q = request{function: f, stage: ordered, arrival: arrival, prev: None, next: None, fPrev: None, fNext: None}
	switch {
	case c == None:
		s.Requeue(r)
	case s.containers[c].status == Initialising:
		s.containers[c].request = r
		_, cpu := s.size(c)
		s.invokers[s.containers[c].invoker].promised += cpu
		q.prev = RequestID(c)
	default:
		s.Execute(r, c)
	}
}

// IsOutdated reports whether the function of c has had another memory or CPU since c was decided on.
func (v Snapshot) IsOutdated(c ContainerID) bool {
	if v.s.sizes == nil {
		return false
	}
	fn := &v.s.functions[v.s.containers[c].function]
	return v.s.sizes[c] != size{fn.Memory, fn.CPU}
}
