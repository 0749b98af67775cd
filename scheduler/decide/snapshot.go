package decide

import "math"

// A Snapshot is the read-only view of the State on which a choice is made. Slices
// that it returns belong to the State: they are valid until the choice is made and
// must not be modified.
type Snapshot struct{ s *State }

// Now is the time of the event that is being decided on.
func (v Snapshot) Now() Time { return v.s.now }

// Timeout is after how long a request that still waits is dropped; Forever: never.
func (v Snapshot) Timeout() Time { return v.s.timeout }

// Functions is the number of functions, and of layers, which come after them and have no requests.
func (v Snapshot) Functions() int { return len(v.s.functions) }

// Profile returns what is known of f: its times are running means of what was measured.
func (v Snapshot) Profile(f FunctionID) Profile {
	fn := &v.s.functions[f]
	return Profile{
		App: fn.App, Language: fn.Language, Memory: fn.Memory, CPU: fn.CPU, Execution: fn.Execution, Initialise: fn.Initialise, Termination: fn.Termination,
	}
}

// App is the number of f's application.
func (v Snapshot) App(f FunctionID) int32 { return v.s.functions[f].App }

// Language is the number of the language that f is written in.
func (v Snapshot) Language(f FunctionID) int32 { return v.s.functions[f].Language }

// Memory of a container of f, in bytes.
func (v Snapshot) Memory(f FunctionID) int64 { return v.s.functions[f].Memory }

// CPU that an invocation of f can use, in cores.
func (v Snapshot) CPU(f FunctionID) float64 { return v.s.functions[f].CPU }

// Execution is the mean time that an invocation of f executes.
func (v Snapshot) Execution(f FunctionID) Time { return v.s.functions[f].Execution }

// Initialise is the mean time that a container of f takes to start.
func (v Snapshot) Initialise(f FunctionID) Time { return v.s.functions[f].Initialise }

// Termination is the mean time that a container of f takes to end.
func (v Snapshot) Termination(f FunctionID) Time { return v.s.functions[f].Termination }

// Arrivals is the number of requests to f so far.
func (v Snapshot) Arrivals(f FunctionID) int64 { return v.s.functions[f].arrivals }

// LastArrival is when the last request to f arrived, or None.
func (v Snapshot) LastArrival(f FunctionID) Time { return v.s.functions[f].lastArrival }

// PreviousArrival is when the last request but one to f arrived, or None.
func (v Snapshot) PreviousArrival(f FunctionID) Time { return v.s.functions[f].prevArrival }

// Backlog returns the functions with waiting requests, in an order that depends on
// the history alone.
func (v Snapshot) Backlog() []FunctionID { return v.s.backlog }

// BacklogAt is the place of f, which has waiting requests, in Backlog.
func (v Snapshot) BacklogAt(f FunctionID) int { return int(v.s.functions[f].backlogAt) }

// Changes returns the functions of which anything has changed since an earlier call that
// returned now as its since, the first change first and some of them often. It returns
// false where that is not known, as at the first call, for which since is 0: then all
// may have changed. The slice is valid until the next event.
func (v Snapshot) Changes(since uint64) (functions []FunctionID, now uint64, ok bool) {
	return v.s.changes.after(since)
}

// Gains counts how often something has happened that could give back memory or CPU, or
// change how much of them a container needs. While it stays, and of a function nothing
// changes, there is no more room for it than there was.
func (v Snapshot) Gains() uint64 { return v.s.gains }

// Waiting is the number of waiting requests of f.
func (v Snapshot) Waiting(f FunctionID) int { return int(v.s.functions[f].waiting.n) }

// InSystem is the number of requests of f that wait, execute, or have a container created
// for them.
func (v Snapshot) InSystem(f FunctionID) int { return int(v.s.functions[f].inSystem) }

// InSystemAll is InSystem of all functions together.
func (v Snapshot) InSystemAll() int { return v.s.inSystem }

// Dropped is the number of requests that were given up so far, and DroppedWork how long they
// were expected to execute.
func (v Snapshot) Dropped() int64 { return v.s.dropped }

// DroppedWork is described with Dropped.
func (v Snapshot) DroppedWork() Time { return v.s.droppedWork }

// WaitingAll is the number of waiting requests of all functions.
func (v Snapshot) WaitingAll() int { return int(v.s.queue.n) }

// Oldest is the waiting request of f that arrived first, or None.
func (v Snapshot) Oldest(f FunctionID) RequestID { return v.s.functions[f].waiting.head }

// OldestAll is the waiting request that arrived first, or None.
func (v Snapshot) OldestAll() RequestID { return v.s.queue.head }

// After is the waiting request that arrived next after the waiting request r, or None.
func (v Snapshot) After(r RequestID) RequestID { return v.s.requests[r].next }

// Request returns the function and the arrival of a request that is in the system.
func (v Snapshot) Request(r RequestID) (FunctionID, Time) {
	q := &v.s.requests[r]
	return q.function, q.arrival
}

// IsWaiting reports whether r is in the queue.
func (v Snapshot) IsWaiting(r RequestID) bool {
	return int(r) < len(v.s.requests) && v.s.requests[r].stage == waiting
}

// Available is the container of f that can execute a request now and was used last,
// or None. Where invokers have a CPU limit, it is on one that is below it.
func (v Snapshot) Available(f FunctionID) ContainerID {
	return v.withCPU(v.s.functions[f].warm)
}

// NextAvailable is the available container of the same function that was used before c, or None.
func (v Snapshot) NextAvailable(c ContainerID) ContainerID {
	return v.withCPU(v.s.containers[c].warmNext)
}

// FirstWarm is the container of f that has room for a request and was used last, or
// None, whatever the CPU of its invoker.
func (v Snapshot) FirstWarm(f FunctionID) ContainerID { return v.s.functions[f].warm }

// NextWarm is the container of the same function after c in the order of FirstWarm, or None.
func (v Snapshot) NextWarm(c ContainerID) ContainerID { return v.s.containers[c].warmNext }

// withCPU is c or the first after it whose invoker may execute one more invocation.
func (v Snapshot) withCPU(c ContainerID) ContainerID {
	for c != None {
		box := &v.s.containers[c]
		if box.running > 0 || v.s.invokers[box.invoker].hasCPU(v.s.functions[box.function].CPU*box.share) {
			break // requests of a container share its CPU: one more takes none
		}
		c = box.warmNext
	}
	return c
}

// IdleCount is the number of idle containers of f.
func (v Snapshot) IdleCount(f FunctionID) int { return int(v.s.functions[f].idle) }

// BusyCount is the number of containers of f that execute.
func (v Snapshot) BusyCount(f FunctionID) int { return int(v.s.functions[f].busy) }

// StartingCount is the number of containers of f that are pending or initialise.
func (v Snapshot) StartingCount(f FunctionID) int { return int(v.s.functions[f].starting) }

// RetiringCount is the number of containers of f that are busy or starting and take
// no more requests.
func (v Snapshot) RetiringCount(f FunctionID) int { return int(v.s.functions[f].retiring) }

// Live is the number of containers of f that are or will be able to execute more requests.
func (v Snapshot) Live(f FunctionID) int {
	fn := &v.s.functions[f]
	return int(fn.idle + fn.busy + fn.starting - fn.retiring)
}

// Containers is one more than the largest ContainerID so far.
func (v Snapshot) Containers() int { return len(v.s.containers) }

// Status of container c.
func (v Snapshot) Status(c ContainerID) ContainerStatus { return v.s.containers[c].status }

// Function of container c.
func (v Snapshot) Function(c ContainerID) FunctionID { return v.s.containers[c].function }

// Invoker of container c.
func (v Snapshot) Invoker(c ContainerID) InvokerID { return v.s.containers[c].invoker }

// Since is when the status of container c began: an idle one is idle since then.
func (v Snapshot) Since(c ContainerID) Time { return v.s.containers[c].since }

// Created is when container c was decided on.
func (v Snapshot) Created(c ContainerID) Time { return v.s.containers[c].created }

// Used reports whether container c has executed a request.
func (v Snapshot) Used(c ContainerID) bool { return v.s.containers[c].used }

// Running is the number of requests that container c executes.
func (v Snapshot) Running(c ContainerID) int { return int(v.s.containers[c].running) }

// IsRetiring reports whether container c takes no more requests and ends when it is idle.
func (v Snapshot) IsRetiring(c ContainerID) bool { return v.s.containers[c].retiring }

// Share of its CPU that container c has, in (0, 1]; less than 1 if it was deflated.
func (v Snapshot) Share(c ContainerID) float64 { return v.s.containers[c].share }

// Concurrency is how many requests a container executes at once.
func (v Snapshot) Concurrency() int { return int(v.s.concurrency) }

// Invokers is the number of invokers.
func (v Snapshot) Invokers() int { return len(v.s.invokers) }

// InvokerSpec is the size of invoker i.
func (v Snapshot) InvokerSpec(i InvokerID) InvokerSpec { return v.s.invokers[i].InvokerSpec }

// UsedMemory of invoker i, in bytes: all live containers, terminating ones included.
func (v Snapshot) UsedMemory(i InvokerID) int64 { return v.s.invokers[i].used }

// IdleMemory of invoker i, in bytes: what its idle containers hold.
func (v Snapshot) IdleMemory(i InvokerID) int64 { return v.s.invokers[i].idleMemory }

// Unclaimed is the memory of invoker i in bytes that is or, once the terminating
// containers are gone, will be free and is not promised to a pending container.
func (v Snapshot) Unclaimed(i InvokerID) int64 {
	inv := &v.s.invokers[i]
	if inv.closed {
		return -inv.Memory
	}
	return inv.Memory - inv.used + inv.terminating - inv.pending
}

// Open reports whether invoker i takes containers: it was neither drained nor lost.
func (v Snapshot) Open(i InvokerID) bool { return !v.s.invokers[i].closed }

// Room reports whether a container of f fits on invoker i, if need be after its
// idle containers were evicted, and an invocation of f may execute there.
func (v Snapshot) Room(i InvokerID, f FunctionID) bool {
	inv := &v.s.invokers[i]
	return v.Unclaimed(i)+inv.idleMemory >= v.Memory(f) && inv.hasCPU(v.CPU(f)) && !inv.closed
}

// AnyRoom reports whether Room holds on some invoker.
func (v Snapshot) AnyRoom(f FunctionID) bool {
	for i := range v.s.invokers {
		if v.Room(InvokerID(i), f) {
			return true
		}
	}
	return false
}

// FreeCPU is what the CPU limit of invoker i leaves for another invocation, in cores, up to
// a rounding error; +Inf where there is no limit or nothing executes.
func (v Snapshot) FreeCPU(i InvokerID) float64 {
	inv := &v.s.invokers[i]
	load := inv.cpu + inv.promised
	if inv.CPULimit == 0 || load < rounding {
		return math.Inf(1)
	}
	return inv.CPULimit - load
}

// IdleHead is the container of invoker i that has been idle the longest, or None.
func (v Snapshot) IdleHead(i InvokerID) ContainerID { return v.s.invokers[i].idleHead }

// IdleNext is the container of the same invoker that became idle next after c, or None.
func (v Snapshot) IdleNext(c ContainerID) ContainerID { return v.s.containers[c].idleNext }

// Executing is the number of requests that execute on invoker i.
func (v Snapshot) Executing(i InvokerID) int { return int(v.s.invokers[i].running) }

// BusyCPU of invoker i: the sum of the CPU of the containers that execute, in cores; more than
// InvokerSpec.Cores when cores are shared.
func (v Snapshot) BusyCPU(i InvokerID) float64 { return v.s.invokers[i].cpu }

// Load of invoker i: the CPU of what executes, and of the requests that containers are being
// created for, per core.
func (v Snapshot) Load(i InvokerID) float64 {
	inv := &v.s.invokers[i]
	return (inv.cpu + inv.promised) / inv.Cores
}

// Demand on invoker i is its Load if nothing that executes were deflated.
func (v Snapshot) Demand(i InvokerID) float64 {
	inv := &v.s.invokers[i]
	return (inv.wanted + inv.promised) / inv.Cores
}

// Starting is the number of containers that initialise on invoker i.
func (v Snapshot) Starting(i InvokerID) int { return int(v.s.invokers[i].starting) }

// CreatedFor is the request that container c is created for, or None.
func (v Snapshot) CreatedFor(c ContainerID) RequestID { return v.s.containers[c].request }
