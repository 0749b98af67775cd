package decide

import "fmt"

// A Profile is what is known of a function before it is seen to run.
type Profile struct {
	Owner       int32   // number of the owner, for policies that divide between tenants
	App         int32   // number of the application, for policies that work on applications
	Language    int32   // number of the language that it is written in, >= 0, for policies that share runtimes
	Memory      int64   // bytes of a container
	CPU         float64 // cores that an invocation can use
	Execution   Time    // expected
	Initialise  Time    // expected
	Termination Time    // expected
	PerMinute   float64 // arrivals to expect of a function that is deployed; 0: not known
}

// An InvokerSpec is the size of an invoker.
type InvokerSpec struct {
	Memory     int64   // bytes
	Cores      float64 // > 0
	StartLimit int     // containers that may initialise at once; 0: no limit
	CPULimit   float64 // cores' worth of invocations that may execute at once; 0: no limit
}

// A ContainerStatus is a stage in the life of a container.
type ContainerStatus uint8

// The stages, in order; Busy and Idle alternate. A Pending container is decided on
// but waits for memory that others are still terminating from, or for its turn to start.
const (
	Gone ContainerStatus = iota
	Pending
	Initialising
	Idle
	Busy
	Terminating
)

func (s ContainerStatus) String() string {
	return [...]string{"gone", "pending", "initialising", "idle", "busy", "terminating"}[s]
}

// State is the one record of requests, containers and invokers. It is changed by
// package scheduler alone, event by event; policies read it through a Snapshot.
//
// Everything that a policy asks often is kept as a count or a linked list over
// array indexes, so that an event costs a constant time and allocates nothing.
type State struct {
	now         Time
	concurrency int32 // requests that a container executes at once
	timeout     Time  // of waiting requests

	functions  []function
	containers []container
	sizes      []size        // of containers; nil while none can have another than its function
	freed      []ContainerID // slots to use again
	requests   []request
	invokers   []invoker
	largest    int64 // memory that one of them has or had

	inSystem    int   // requests, of all functions
	dropped     int64 // requests
	droppedWork Time  // that they were expected to execute

	queue   list         // all waiting requests, in order of arrival
	backlog []FunctionID // functions with waiting requests
	order   *memoryOrder // nil until somebody asks for it
	grown   bool         // a function was deployed
	changes changes      // of functions
	gains   uint64       // how often something was given back that a start could need

	layers  []Layer
	layerAt []FunctionID // their numbers
}

// A function fills two lines of the cache: what every request changes is on the first.
type function struct {
	Memory    int64
	CPU       float64
	Execution Time
	waiting   list // its waiting requests, in order of arrival
	backlogAt int32
	warm      ContainerID // the available container used last, head of the list over warmNext
	available int32
	idle      int32
	busy      int32
	starting  int32 // pending and initialising
	retiring  int32 // of the busy and the starting

	arrivals    int64
	completions int64
	lastArrival Time
	prevArrival Time
	Initialise  Time
	Termination Time
	App         int32
	inSystem    int32 // requests that wait, execute or have a container created for them
	Language    int32
	layer       int32 // that it stands for; None: it is a function
}

// A container fills a line of the cache: its fields are read together.
type container struct {
	since    Time // when the status began
	created  Time
	share    float64 // of its CPU
	function FunctionID
	invoker  InvokerID
	running  int32
	request  RequestID // for which it is created

	warmPrev, warmNext ContainerID // of the same function, available ones, last used first
	idlePrev, idleNext ContainerID // on the same invoker, in order of becoming idle; Pending: in order of decision

	status   ContainerStatus
	used     bool // it has executed something
	retiring bool // it takes no more requests
	upgraded bool // it initialises on a layer

	head RequestID // of what it executes, a list over fNext
}

type request struct {
	function     FunctionID
	stage        requestStage
	failures     uint8 // of containers that were to execute it
	requeued     bool  // it came into the queue after others that arrived later
	arrival      Time
	prev, next   RequestID // of all that wait; prev is the container of others
	fPrev, fNext RequestID // of the function, or of the container that executes it
}

// A requestStage says where a request is.
type requestStage uint8

const (
	absent    requestStage = iota
	waiting                // in the queue
	ordered                // out of it, for a container that is created for it
	executing              // in a container
)

type invoker struct {
	InvokerSpec
	closed      bool  // it takes nothing more
	gone        bool  // it was lost
	used        int64 // held by containers that live, terminating ones included
	terminating int64
	pending     int64 // promised to pending containers
	idleMemory  int64
	starting    int32   // initialising
	cpu         float64 // of what executes
	wanted      float64 // that it could use were nothing deflated
	promised    float64 // CPU of the requests that containers are created for
	running     int32
	idleHead    ContainerID // idle the longest
	idleTail    ContainerID
	pendingHead ContainerID
	pendingTail ContainerID
}

type list struct {
	head, tail RequestID
	n          int32
}

// NewState returns the state of an empty platform. A container executes up to
// concurrency (at least 1) requests at once.
func NewState(functions []Profile, invokers []InvokerSpec, concurrency int) (*State, error) {
	if concurrency < 1 {
		return nil, fmt.Errorf("decide: concurrency must be at least 1, got %d", concurrency)
	}
	if len(invokers) == 0 {
		return nil, fmt.Errorf("decide: no invokers")
	}
	s := &State{
		concurrency: int32(concurrency), timeout: Forever,
		functions: make([]function, len(functions)),
		invokers:  make([]invoker, len(invokers)),
		queue:     list{None, None, 0},
	}
	for i, spec := range invokers {
		if err := spec.Validate(); err != nil {
			return nil, fmt.Errorf("decide: invoker %d: %w", i, err)
		}
		s.invokers[i] = newInvoker(spec)
		s.largest = max(s.largest, spec.Memory)
	}
	for f, p := range functions {
		if err := s.fits(p); err != nil {
			return nil, fmt.Errorf("decide: function %d: %w", f, err)
		}
		s.functions[f] = newFunction(p)
	}
	return s, nil
}

// Snapshot returns the read-only view of s.
func (s *State) Snapshot() Snapshot { return Snapshot{s} }

// SetTimeout makes it known that requests are dropped that have waited for as long as t.
func (s *State) SetTimeout(t Time) { s.timeout = t }

// Advance moves the clock to now; it does not move back.
func (s *State) Advance(now Time) {
	if now > s.now {
		s.now = now
	}
}

// estimateGain weighs a new measurement of a time in its running mean
// (docs/models.md, decision 38).
const estimateGain = 0.1

func (t *Time) learn(x Time) { *t += Time(estimateGain * float64(x-*t)) }

// Arrive puts a new request r of f at the end of the queue.
func (s *State) Arrive(r RequestID, f FunctionID) {
	s.changes.add(f)
	for int(r) >= len(s.requests) {
		s.requests = append(s.requests, request{})
	}
	fn := &s.functions[f]
	fn.arrivals++
	fn.inSystem++
	s.inSystem++
	fn.prevArrival, fn.lastArrival = fn.lastArrival, s.now
	q := &s.requests[r]
	q.function, q.stage, q.failures, q.requeued, q.arrival = f, waiting, 0, false, s.now // field by field: a literal is copied
	q.prev, q.next, q.fPrev, q.fNext = s.queue.tail, None, fn.waiting.tail, None
	if s.queue.tail != None {
		s.requests[s.queue.tail].next = r
	} else {
		s.queue.head = r
	}
	s.queue.tail = r
	s.queue.n++
	if fn.waiting.tail != None {
		s.requests[fn.waiting.tail].fNext = r
	} else {
		fn.waiting.head = r
		fn.backlogAt = int32(len(s.backlog))
		s.backlog = append(s.backlog, f)
	}
	fn.waiting.tail = r
	fn.waiting.n++
}

// Dequeue takes the waiting request r out of the queue.
func (s *State) Dequeue(r RequestID) {
	q := &s.requests[r]
	s.changes.add(q.function)
	fn := &s.functions[q.function]
	if q.prev != None {
		s.requests[q.prev].next = q.next
	} else {
		s.queue.head = q.next
	}
	if q.next != None {
		s.requests[q.next].prev = q.prev
	} else {
		s.queue.tail = q.prev
	}
	s.queue.n--
	if q.fPrev != None {
		s.requests[q.fPrev].fNext = q.fNext
	} else {
		fn.waiting.head = q.fNext
	}
	if q.fNext != None {
		s.requests[q.fNext].fPrev = q.fPrev
	} else {
		fn.waiting.tail = q.fPrev
	}
	fn.waiting.n--
	if fn.waiting.n == 0 {
		last := len(s.backlog) - 1
		moved := s.backlog[last]
		s.backlog[fn.backlogAt] = moved
		s.functions[moved].backlogAt = fn.backlogAt
		s.backlog = s.backlog[:last]
		fn.backlogAt = None
	}
	q.stage = ordered // until it is known what becomes of it
}

// Abandon gives the waiting request r up.
func (s *State) Abandon(r RequestID) {
	s.Dequeue(r)
	s.Forsake(r, true)
}

// slot is a number for a container.
func (s *State) slot() ContainerID {
	if n := len(s.freed); n > 0 {
		c := s.freed[n-1]
		s.freed = s.freed[:n-1]
		return c
	}
	s.containers = append(s.containers, container{})
	return ContainerID(len(s.containers) - 1)
}

// NewContainer decides on a container of f on invoker i, for request r or as a
// prewarm (None). It is Pending until Admit lets it start.
func (s *State) NewContainer(f FunctionID, i InvokerID, r RequestID) ContainerID {
	s.changes.add(f)
	c := s.slot()
	inv := &s.invokers[i]
	s.containers[c] = container{
		function: f, invoker: i, status: Pending, request: r, since: s.now, created: s.now,
		share: 1, head: None, warmPrev: None, warmNext: None, idlePrev: inv.pendingTail, idleNext: None,
	}
	if inv.pendingTail != None {
		s.containers[inv.pendingTail].idleNext = c
	} else {
		inv.pendingHead = c
	}
	inv.pendingTail = c
	s.resize(c)
	inv.pending += s.functions[f].Memory
	if r != None {
		inv.promised += s.functions[f].CPU
		s.requests[r].prev = RequestID(c)
	}
	s.functions[f].starting++
	return c
}

// Admit lets the first pending container of invoker i initialise if its memory is
// free and its start is within the limit. It returns false when nothing can start.
func (s *State) Admit(i InvokerID) (ContainerID, bool) {
	inv := &s.invokers[i]
	c := inv.pendingHead
	if c == None || inv.closed {
		return None, false
	}
	box := &s.containers[c]
	need, _ := s.size(c)
	if inv.used+need > inv.Memory || (inv.StartLimit > 0 && int(inv.starting) >= inv.StartLimit) {
		return None, false
	}
	inv.pendingHead = box.idleNext
	if inv.pendingHead != None {
		s.containers[inv.pendingHead].idlePrev = None
	} else {
		inv.pendingTail = None
	}
	box.idleNext = None
	inv.pending -= need
	inv.used += need
	inv.starting++
	box.status, box.since = Initialising, s.now
	return c, true
}

// Initialised makes c available after it took the given time to initialise, and
// returns the request that it was created for.
func (s *State) Initialised(c ContainerID, took Time) RequestID {
	box := &s.containers[c]
	s.changes.add(box.function)
	s.gains++
	fn := &s.functions[box.function]
	if !box.upgraded { // a part says little of the whole
		fn.Initialise.learn(took)
	}
	fn.starting--
	inv := &s.invokers[box.invoker]
	inv.starting--
	r := box.request
	box.request = None
	if r != None {
		_, cpu := s.size(c)
		inv.promised -= cpu
	}
	s.makeIdle(c)
	s.linkWarm(c)
	return r
}

// Execute starts request r, which has left the queue, in the available container c.
func (s *State) Execute(r RequestID, c ContainerID) {
	box := &s.containers[c]
	s.changes.add(box.function)
	fn := &s.functions[box.function]
	inv := &s.invokers[box.invoker]
	if box.status == Idle {
		s.unlinkIdle(c)
		box.status, box.since = Busy, s.now
		fn.idle--
		fn.busy++
		_, cpu := s.size(c)
		inv.cpu += cpu * box.share // which all requests of a container share
		inv.wanted += cpu
	}
	s.unlinkWarm(c)
	q := &s.requests[r]
	q.stage, q.prev = executing, RequestID(c)
	q.fPrev, q.fNext = None, box.head
	if box.head != None {
		s.requests[box.head].fPrev = r
	}
	box.head = r
	box.running++
	box.used = true
	if box.running < s.concurrency && !box.retiring {
		s.linkWarm(c)
	}
	inv.running++
}

// Completed ends the execution of r in c. It returns true if c became idle.
func (s *State) Completed(r RequestID, c ContainerID, took Time) bool {
	box := &s.containers[c]
	s.leave(r, box)
	s.changes.add(box.function)
	s.gains++
	fn := &s.functions[box.function]
	inv := &s.invokers[box.invoker]
	fn.Execution.learn(took)
	fn.completions++
	fn.inSystem--
	s.inSystem--
	inv.running--
	box.running--
	switch {
	case inv.running == 0:
		inv.cpu, inv.wanted = 0, 0 // what is left of sums of fractions
	case box.running == 0:
		_, cpu := s.size(c)
		inv.cpu -= cpu * box.share
		inv.wanted -= cpu
	}
	if !box.retiring {
		if box.running+1 < s.concurrency {
			s.unlinkWarm(c) // it was used last
		}
		s.linkWarm(c)
	}
	if box.running > 0 {
		return false
	}
	fn.busy--
	s.makeIdle(c)
	if box.retiring {
		s.linkWarm(c) // as every idle one is, until Terminate
	}
	return true
}

// leave takes r off the list of what box executes, and out of the system.
func (s *State) leave(r RequestID, box *container) {
	q := &s.requests[r]
	q.stage = absent
	if q.fPrev != None {
		s.requests[q.fPrev].fNext = q.fNext
	} else {
		box.head = q.fNext
	}
	if q.fNext != None {
		s.requests[q.fNext].fPrev = q.fPrev
	}
}

// Retire lets the busy or starting container c take no more requests than it has.
// Whoever calls it ends c once it is idle.
func (s *State) Retire(c ContainerID) {
	box := &s.containers[c]
	if box.retiring {
		return
	}
	box.retiring = true
	s.changes.add(box.function)
	s.functions[box.function].retiring++
	if box.status == Busy && box.running < s.concurrency {
		s.unlinkWarm(c)
	}
}

// Resize gives container c the part share in (0, 1] of its CPU.
func (s *State) Resize(c ContainerID, share float64) {
	box := &s.containers[c]
	s.changes.add(box.function)
	s.gains++
	if box.status == Busy {
		_, cpu := s.size(c)
		s.invokers[box.invoker].cpu += cpu * (share - box.share)
	}
	box.share = share
}

// Terminate begins to end the idle container c.
func (s *State) Terminate(c ContainerID) {
	box := &s.containers[c]
	s.changes.add(box.function)
	s.gains++
	s.unlinkWarm(c)
	s.unlinkIdle(c)
	fn := &s.functions[box.function]
	fn.idle--
	if box.retiring {
		fn.retiring--
	}
	memory, _ := s.size(c)
	s.invokers[box.invoker].terminating += memory
	box.status, box.since = Terminating, s.now
}

// Cancel takes back the decision on the pending container c.
func (s *State) Cancel(c ContainerID) {
	box := &s.containers[c]
	s.changes.add(box.function)
	s.gains++
	inv := &s.invokers[box.invoker]
	fn := &s.functions[box.function]
	if box.idlePrev != None {
		s.containers[box.idlePrev].idleNext = box.idleNext
	} else {
		inv.pendingHead = box.idleNext
	}
	if box.idleNext != None {
		s.containers[box.idleNext].idlePrev = box.idlePrev
	} else {
		inv.pendingTail = box.idlePrev
	}
	memory, cpu := s.size(c)
	inv.pending -= memory
	if box.request != None {
		inv.promised -= cpu
	}
	fn.starting--
	if box.retiring {
		fn.retiring--
	}
	box.status = Gone
	s.freed = append(s.freed, c)
}

// Terminated frees the memory of c and forgets it.
func (s *State) Terminated(c ContainerID, took Time) InvokerID {
	box := &s.containers[c]
	s.changes.add(box.function)
	s.gains++
	fn := &s.functions[box.function]
	fn.Termination.learn(took)
	inv := &s.invokers[box.invoker]
	memory, _ := s.size(c)
	inv.terminating -= memory
	inv.used -= memory
	box.status = Gone
	s.freed = append(s.freed, c)
	return box.invoker
}

// rounding is that of sums of fractions of cores.
const rounding = 1e-9

// hasCPU reports whether one more invocation of f may execute on inv. An invoker on
// which nothing executes takes any.
func (inv *invoker) hasCPU(cpu float64) bool {
	if inv.CPULimit == 0 {
		return true
	}
	load := inv.cpu + inv.promised
	return load < rounding || load+cpu <= inv.CPULimit+rounding
}

// makeIdle puts c at the end of its invoker's idle list.
func (s *State) makeIdle(c ContainerID) {
	box := &s.containers[c]
	fn := &s.functions[box.function]
	inv := &s.invokers[box.invoker]
	box.status, box.since = Idle, s.now
	fn.idle++
	memory, _ := s.size(c)
	inv.idleMemory += memory
	box.idlePrev, box.idleNext = inv.idleTail, None
	if inv.idleTail != None {
		s.containers[inv.idleTail].idleNext = c
	} else {
		inv.idleHead = c
	}
	inv.idleTail = c
}

func (s *State) unlinkIdle(c ContainerID) {
	box := &s.containers[c]
	inv := &s.invokers[box.invoker]
	memory, _ := s.size(c)
	inv.idleMemory -= memory
	if box.idlePrev != None {
		s.containers[box.idlePrev].idleNext = box.idleNext
	} else {
		inv.idleHead = box.idleNext
	}
	if box.idleNext != None {
		s.containers[box.idleNext].idlePrev = box.idlePrev
	} else {
		inv.idleTail = box.idlePrev
	}
	box.idlePrev, box.idleNext = None, None
}

// linkWarm puts c at the head of its function's available containers.
func (s *State) linkWarm(c ContainerID) {
	box := &s.containers[c]
	fn := &s.functions[box.function]
	box.warmPrev, box.warmNext = None, fn.warm
	if fn.warm != None {
		s.containers[fn.warm].warmPrev = c
	}
	fn.warm = c
	fn.available++
}

func (s *State) unlinkWarm(c ContainerID) {
	box := &s.containers[c]
	fn := &s.functions[box.function]
	if box.warmPrev != None {
		s.containers[box.warmPrev].warmNext = box.warmNext
	} else {
		fn.warm = box.warmNext
	}
	if box.warmNext != None {
		s.containers[box.warmNext].warmPrev = box.warmPrev
	}
	box.warmPrev, box.warmNext = None, None
	fn.available--
}
