package sim

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// decisionSample: the time of one in so many decisions is measured, so that
// reading the clock does not become what is measured.
const decisionSample = 64

// A machine is the platform that a scheduler believes to control, and the books on it.
type machine struct {
	sched       *scheduler.Scheduler
	observer    Observer
	concurrency int32
	timeout     decide.Time
	slack       float64
	memory      []int64 // of a container by function, bytes
	cpu         []int64 // of an invocation by function, in cpuUnits
	startCPU    int64   // of an initialisation, in cpuUnits
	draws       *draws
	tally       *tally

	now      decide.Time
	due      decide.Time // before which nothing happens that is no arrival
	wake     decide.Time // before which the scheduler wants no tick
	events   eventHeap   // Ready and Ended
	finish   tournament  // the next completion of every invoker
	invokers []invoker

	faults    *faults               // nil: nothing fails
	processor func(i int) processor // a fresh one of invoker i

	jobs       []job // by RequestID
	free       []decide.RequestID
	containers []container // by ContainerID
	inFlight   int         // requests that have neither completed nor been dropped
}

type invoker struct {
	ps       ps        // the discipline that most runs have needs no interface
	other    processor // nil: ps
	memory   int64     // held
	capacity int64
	starting int
	limit    int
}

// A job is a request that is in the system. It fills a line of the cache, as a
// container does.
type job struct {
	number    uint64
	arrival   decide.Time
	work      decide.Time
	dispatch  decide.Time
	start     decide.Time
	function  decide.FunctionID
	container decide.ContainerID
	stage     stage
	class     Class
	crashes   bool // its execution ends with a crash
	_         [13]byte
}

// A stage says how far a request or a container is, by the simulator's own books.
type stage uint8

const (
	absent stage = iota
	waiting
	ordered      // a request for which a container initialises
	initialising // from here on stages of containers
	idle
	busy // also of a request
	terminating
)

type container struct {
	since     decide.Time // began to initialise, or has initialised, or began to terminate
	terminate decide.Time // how long it will take
	memory    int64
	cpu       int64   // in cpuUnits, all of it
	share     float64 // of its CPU that it has
	function  decide.FunctionID
	invoker   decide.InvokerID
	request   decide.RequestID // for which it was created
	running   int32
	stage     stage
	used      bool
	stillborn bool        // it fails to start
	due       decide.Time // when it is ready or has ended
}

func newMachine(t *datasets.Trace, s *scheduler.Scheduler, w *Workload, sh policy.Sharing, o Options) *machine {
	m := &machine{
		sched:       s,
		observer:    o.Observer,
		concurrency: int32(o.Scheduler.Concurrency),
		timeout:     o.Scheduler.Timeout,
		slack:       o.Cluster.CPUSlack,
		memory:      make([]int64, len(t.Functions)),
		cpu:         make([]int64, len(t.Functions)),
		draws:       newDraws(t, o.Seed),
		tally:       newTally(t, w, o),
		now:         decide.Time(w.from) * decide.Minute,
		invokers:    make([]invoker, o.Cluster.Invokers),
	}
	for f := range t.Functions {
		m.memory[f], m.cpu[f] = t.Functions[f].Memory, cpuUnits(t.Functions[f].CPU)
	}
	if o.Cluster.StartCPU > 0 {
		m.startCPU = cpuUnits(o.Cluster.StartCPU)
	}
	cores := cpuUnits(o.Cluster.Cores)
	m.processor = m.processors(t, sh, cores, o.Seed)
	if o.Faults.any() {
		m.faults = newFaults(o.Faults, o.Seed, len(m.invokers), m.now)
	}
	for i := range m.invokers {
		m.invokers[i] = invoker{
			ps:       ps{cores: cores, rate: workUnit},
			other:    m.processor(i),
			capacity: int64(o.Cluster.MemoryMB) << 20,
			limit:    o.Cluster.StartLimit,
		}
	}
	m.finish = newTournament(len(m.invokers))
	m.tally.now = m.now
	m.wake = s.Wake()
	m.due = m.next()
	return m
}

// arrive lets everything up to the arrival of r happen, and r arrive.
func (m *machine) arrive(n uint64, r request) error {
	for m.due <= r.arrival {
		if err := m.step(); err != nil {
			return err
		}
	}
	var id decide.RequestID
	if k := len(m.free); k > 0 {
		id, m.free = m.free[k-1], m.free[:k-1]
	} else {
		id = decide.RequestID(len(m.jobs))
		m.jobs = append(m.jobs, job{})
	}
	j := &m.jobs[id] // class, dispatch and start are set when they are known
	j.number, j.function, j.stage, j.arrival, j.work, j.container = n, r.function, waiting, r.arrival, r.work, decide.None
	j.crashes = false
	if m.faults != nil {
		m.faults.arrived(id)
	}
	m.inFlight++
	m.clock(r.arrival) // before it waits
	m.tally.waiting++
	return m.handle(decide.Event{At: r.arrival, Kind: decide.Arrival, Function: r.function, Request: id, Container: decide.None})
}

// drain runs on until all requests are done and the window is over.
func (m *machine) drain(ctx context.Context) error {
	end := m.tally.end
	for n := 0; ; n++ {
		if n&0xffff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		at := m.due
		if m.inFlight == 0 && at > end {
			break
		}
		if at == decide.Forever {
			return fmt.Errorf("%w: %d requests are in the system and nothing is going to happen", ErrInvariant, m.inFlight)
		}
		if err := m.step(); err != nil {
			return err
		}
	}
	m.clock(max(m.now, end))
	return m.tally.check()
}

// next is the time of the next event that is not an arrival.
func (m *machine) next() decide.Time {
	at := min(m.finish.at(), m.events.at(), m.wake)
	if m.faults != nil {
		at = min(at, m.faults.at())
	}
	return at
}

// step handles the next event that is not an arrival.
func (m *machine) step() error {
	finish, event := m.finish.at(), m.events.at()
	switch {
	case m.faults != nil && m.faults.at() <= min(finish, event, m.wake):
		return m.fault()
	case finish <= event && finish <= m.wake:
		return m.complete(m.finish.top(), finish)
	case event <= m.wake:
		e := m.events.pop()
		if box := &m.containers[e.container]; m.faults != nil && (box.due != e.at || e.ended != (box.stage == terminating) || box.stage == absent) {
			m.due = m.next() // of a container that was lost meanwhile
			return nil
		}
		if e.ended {
			return m.ended(e.container, e.at)
		}
		return m.ready(e.container, e.at)
	}
	if wake := m.sched.Wake(); wake > m.wake { // that was but its bound
		m.wake = wake
		m.due = m.next()
		return nil
	}
	m.clock(m.wake)
	if err := m.handle(decide.Event{At: m.now, Kind: decide.Tick, Function: decide.None, Request: decide.None, Container: decide.None}); err != nil {
		return err
	}
	if m.wake = m.sched.Wake(); m.wake <= m.now {
		return fmt.Errorf("%w: after the tick at %d us another one is asked for at %d us", ErrInvariant, m.now, m.wake)
	}
	m.due = m.next()
	return nil
}

func (m *machine) complete(i decide.InvokerID, at decide.Time) error {
	inv := &m.invokers[i]
	var id decide.RequestID
	var next decide.Time
	if inv.other == nil {
		id, next = inv.ps.finish(at)
	} else {
		id, next = inv.other.finish(at)
	}
	m.finish.set(i, next)
	if id == decide.None { // a discipline's own affair
		m.due = m.next()
		return nil
	}
	if id < decide.None {
		return m.ready(started(id), at)
	}
	j := &m.jobs[id]
	c := j.container
	m.clock(at)
	box := &m.containers[c]
	if j.crashes {
		return m.crashed(c, at)
	}
	box.running--
	if box.running == 0 {
		box.stage = idle
		m.tally.working -= box.memory
	}
	m.done(id, j, at)
	return m.handle(decide.Event{At: at, Kind: decide.Completion, Function: j.function, Request: id, Container: c, Took: at - j.start})
}

func (m *machine) ready(c decide.ContainerID, at decide.Time) error {
	m.clock(at)
	box := &m.containers[c]
	if box.stillborn {
		m.faults.figures.FailedStarts++
		m.gone(c)
		return m.handle(decide.Event{At: at, Kind: decide.Failed, Function: decide.None, Request: decide.None, Container: c})
	}
	took := at - box.since
	box.stage, box.since = idle, at
	m.invokers[box.invoker].starting--
	return m.handle(decide.Event{At: at, Kind: decide.Ready, Function: box.function, Request: box.request, Container: c, Took: took})
}

func (m *machine) ended(c decide.ContainerID, at decide.Time) error {
	m.clock(at)
	box := &m.containers[c]
	box.stage = absent
	m.invokers[box.invoker].memory -= box.memory
	m.tally.live -= box.memory
	return m.handle(decide.Event{At: at, Kind: decide.Ended, Function: box.function, Request: decide.None, Container: c, Took: at - box.since})
}

// done frees the number of a request and writes its outcome down. The job keeps its
// values until the next arrival.
func (m *machine) done(id decide.RequestID, j *job, at decide.Time) {
	j.stage = absent
	m.free = append(m.free, id)
	m.inFlight--
	counted := m.tally.add(j, at)
	if m.observer != nil {
		m.observer.Finished(Outcome{
			Number: j.number, Request: id, Function: j.function, Class: j.class, Counted: counted,
			Arrival: j.arrival, Dispatch: j.dispatch, Start: j.start, Done: at, Work: j.work,
		})
	}
}

// handle tells the scheduler what happened now and does what it decides.
func (m *machine) handle(ev decide.Event) error {
	var decisions []decide.Decision
	var err error
	m.tally.events++
	if m.tally.events%decisionSample == 0 {
		began := time.Now()
		decisions, err = m.sched.Handle(ev)
		m.tally.decision.add(int64(time.Since(began)))
	} else {
		decisions, err = m.sched.Handle(ev)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvariant, err)
	}
	for i := range decisions {
		if err := m.do(&decisions[i]); err != nil {
			return fmt.Errorf("at %d us: %w", m.now, err)
		}
	}
	m.wake = m.sched.WakeBound()
	m.due = m.next()
	if m.observer != nil {
		m.observer.Handled(m.sched.Snapshot(), ev, decisions)
	}
	return nil
}

// clock moves the time to at.
func (m *machine) clock(at decide.Time) {
	if at > m.now {
		m.now = at
		m.tally.advance(at)
	}
}

func (m *machine) do(d *decide.Decision) error {
	switch d.Kind {
	case decide.Run:
		return m.run(d)
	case decide.Create:
		return m.create(d)
	case decide.End:
		return m.end(d)
	case decide.Drop:
		return m.drop(d)
	case decide.Report:
		return m.drop(d) // it is not tried again
	case decide.Resize:
		return m.resize(d)
	case decide.Downgrade:
		return m.downgrade(d)
	case decide.Upgrade:
		return m.upgrade(d)
	}
	return fmt.Errorf("%w: decision of unknown kind %d", ErrInvariant, d.Kind)
}

func (m *machine) run(d *decide.Decision) error {
	j, box := m.job(d.Request), m.container(d.Container)
	if j == nil {
		return noRequest(d.Request)
	}
	if box == nil {
		return noContainer(d.Container)
	}
	own := box.request == d.Request && !box.used
	switch {
	case j.stage != waiting && !(j.stage == ordered && own):
		return fmt.Errorf("%w: request %d runs and does not wait", ErrInvariant, d.Request)
	case box.stage != idle && box.stage != busy:
		return fmt.Errorf("%w: request %d runs in container %d, which cannot execute", ErrInvariant, d.Request, d.Container)
	case box.function != j.function:
		return fmt.Errorf("%w: request %d of function %d runs in container %d of function %d", ErrInvariant, d.Request, j.function, d.Container, box.function)
	case box.running >= m.concurrency:
		return fmt.Errorf("%w: container %d runs more than %d requests", ErrInvariant, d.Container, m.concurrency)
	}
	switch {
	case own, box.since > j.arrival && (!box.used || box.since == m.now):
		j.class = Cold
	case m.now == j.arrival:
		j.class = Warm
	default:
		j.class = DelayedWarm
	}
	if j.stage == waiting {
		j.dispatch = m.now
		m.tally.waiting--
	}
	j.stage, j.start, j.container = busy, m.now, d.Container
	if box.running == 0 {
		box.stage = busy
		m.tally.working += box.memory
	}
	box.running++
	box.used = true
	inv := &m.invokers[box.invoker]
	cpu, work := box.cpu, j.work
	if m.faults != nil {
		part, crashes := m.faults.abort(d.Request, j.number)
		if j.crashes = crashes; crashes {
			work = decide.Time(part * float64(work))
		}
	}
	if box.share < 1 {
		cpu, work = portion(cpu, box.share), decide.Time(math.Ceil(float64(work)/m.speed(box.share)))
	}
	var next decide.Time
	if inv.other == nil {
		next = inv.ps.start(m.now, d.Request, d.Container, cpu, work)
	} else {
		next = inv.other.start(m.now, d.Request, d.Container, cpu, work)
	}
	m.finish.set(box.invoker, next)
	return nil
}

// portion is the share of the CPU that a function can use.
func portion(cpu int64, share float64) int64 { return max(1, int64(math.Round(float64(cpu)*share))) }

// speed is the progress of what executes in a container with that share of its CPU, 1
// for all of it: what it would not have used is taken first.
func (m *machine) speed(share float64) float64 { return min(1, share/(1-m.slack)) }

func (m *machine) resize(d *decide.Decision) error {
	box := m.container(d.Container)
	if box == nil {
		return noContainer(d.Container)
	}
	if box.stage == terminating || !(d.Share > 0 && d.Share <= 1) {
		return fmt.Errorf("%w: container %d is given %g of its CPU", ErrInvariant, d.Container, d.Share)
	}
	if box.stage == busy {
		inv := &m.invokers[box.invoker]
		var cpu processor = &inv.ps
		if inv.other != nil {
			cpu = inv.other
		}
		m.finish.set(box.invoker, cpu.resize(m.now, d.Container, portion(box.cpu, d.Share), m.speed(box.share)/m.speed(d.Share)))
	}
	box.share = d.Share
	return nil
}

func (m *machine) create(d *decide.Decision) error {
	for int(d.Container) >= len(m.containers) {
		m.containers = append(m.containers, container{})
	}
	box := &m.containers[d.Container]
	inv := &m.invokers[d.Invoker]
	memory := m.memory[d.Function]
	switch {
	case box.stage != absent:
		return fmt.Errorf("%w: container %d is created twice", ErrInvariant, d.Container)
	case inv.memory+memory > inv.capacity:
		return fmt.Errorf("%w: invoker %d holds %d bytes of %d and is to create a container of %d", ErrInvariant, d.Invoker, inv.memory, inv.capacity, memory)
	case inv.limit > 0 && inv.starting >= inv.limit:
		return fmt.Errorf("%w: invoker %d initialises %d containers, the limit, and is to create one more", ErrInvariant, d.Invoker, inv.starting)
	}
	decided := m.sched.Snapshot().Created(d.Container)
	var n uint64
	if d.Request != decide.None {
		j := m.job(d.Request)
		if j == nil {
			return noRequest(d.Request)
		}
		if j.stage != waiting || j.function != d.Function {
			return fmt.Errorf("%w: a container of function %d is created for request %d of function %d, which does not wait for one", ErrInvariant, d.Function, d.Request, j.function)
		}
		j.stage, j.dispatch = ordered, decided
		m.tally.waiting--
		n = j.number
	}
	initialise, terminate := m.draws.container(d.Function, n, d.Request != decide.None)
	*box = container{
		function: d.Function, invoker: d.Invoker, stage: initialising, request: d.Request,
		since: m.now, terminate: terminate, memory: memory, cpu: m.cpu[d.Function], share: 1,
	}
	inv.memory += memory
	inv.starting++
	m.tally.live += memory
	m.initialise(d.Container, initialise)
	return nil
}

// initialise lets container c become ready after it took the given time, longer if that needs
// CPU which is short.
func (m *machine) initialise(c decide.ContainerID, took decide.Time) {
	if box := &m.containers[c]; m.faults != nil {
		var number uint64
		if box.request != decide.None {
			number = m.jobs[box.request].number
		}
		box.stillborn = m.faults.stillborn(box.request, number)
		box.due = m.now + took
	}
	if m.startCPU == 0 {
		m.events.push(m.now+took, c, false)
		return
	}
	i := m.containers[c].invoker
	inv := &m.invokers[i]
	id := starter(c)
	if inv.other == nil {
		m.finish.set(i, inv.ps.start(m.now, id, decide.ContainerID(id), m.startCPU, took))
	} else {
		m.finish.set(i, inv.other.start(m.now, id, decide.ContainerID(id), m.startCPU, took))
	}
}

// starter is the number under which a processor knows the initialisation of container c, as a
// request and as a container: below None, where there are no others.
func starter(c decide.ContainerID) decide.RequestID { return decide.RequestID(decide.None - 1 - c) }

// started is the container that is initialised under that number.
func started(id decide.RequestID) decide.ContainerID { return decide.ContainerID(decide.None - 1 - id) }

// class is the function that a processor's job belongs to.
func (m *machine) class(id decide.RequestID) int32 {
	if id < decide.None {
		return int32(m.containers[started(id)].function)
	}
	return int32(m.jobs[id].function)
}

func (m *machine) end(d *decide.Decision) error {
	box := m.container(d.Container)
	if box == nil {
		return noContainer(d.Container)
	}
	if box.stage != idle {
		return fmt.Errorf("%w: container %d is ended and is not idle", ErrInvariant, d.Container)
	}
	box.stage, box.since = terminating, m.now
	box.due = m.now + box.terminate
	m.events.push(box.due, d.Container, true)
	return nil
}

func (m *machine) drop(d *decide.Decision) error {
	j := m.job(d.Request)
	if j == nil {
		return noRequest(d.Request)
	}
	if j.stage != waiting {
		return fmt.Errorf("%w: request %d is dropped and does not wait", ErrInvariant, d.Request)
	}
	m.tally.waiting--
	if m.faults != nil && d.Container != decide.None { // which failed it
		m.faults.figures.Retried--
		m.faults.figures.GivenUp++
	}
	j.class, j.dispatch, j.start = Dropped, m.now, j.arrival+m.timeout
	m.done(d.Request, j, j.start+j.work)
	return nil
}

// job is the request of that number that is in the system, or nil.
func (m *machine) job(id decide.RequestID) *job {
	if uint(id) < uint(len(m.jobs)) {
		if j := &m.jobs[id]; j.stage != absent {
			return j
		}
	}
	return nil
}

func noRequest(id decide.RequestID) error {
	return fmt.Errorf("%w: there is no request %d", ErrInvariant, id)
}

// container is the container of that number that is there, or nil.
func (m *machine) container(id decide.ContainerID) *container {
	if uint(id) < uint(len(m.containers)) {
		if c := &m.containers[id]; c.stage != absent {
			return c
		}
	}
	return nil
}

func noContainer(id decide.ContainerID) error {
	return fmt.Errorf("%w: there is no container %d", ErrInvariant, id)
}
