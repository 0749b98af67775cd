package policy

import (
	"math"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/queueing"
)

// LaSSOptions are the parameters of [LaSS].
type LaSSOptions struct {
	Wait     decide.Time // that a request may wait for a container, >= 0
	Quantile float64     // share of requests that wait no longer, in (0, 1)
	Deflate  float64     // part of its CPU that a container may lose, in [0, 1)
}

// DefaultLaSSOptions are a wait of 100 ms for 95 % of requests, and deflation by up to
// 30 %, as in the paper.
func DefaultLaSSOptions() LaSSOptions {
	return LaSSOptions{Wait: 100 * decide.Millisecond, Quantile: 0.95, Deflate: 0.3}
}

// The controller's clock; the paper names no figures.
const (
	lassEpoch = 5 * decide.Second
	lassShort = 2  // epochs of the window for bursts
	lassLong  = 24 // and of the one for everything else: two minutes
	lassBurst = 2  // times the long-run rate that the rate of the short window must be to be believed
)

// LaSS is the controller of Wang, Ali-Eldin and Shenoy, "LaSS: Running Latency Sensitive
// Serverless Computations at the Edge" (HPDC 2021). Every five seconds it estimates the
// arrival rate of each function, over two minutes, or over ten seconds where that rate is
// twice as high, and gives it as many containers as the queueing model asks for
// ([queueing.LaSSServers]), prewarmed.
//
// Under overload it divides what there is by hierarchical weighted max-min fairness:
// among applications, then among the functions of each, all weights equal. A function
// never gets less than its guaranteed share, if it asks for that much. From the
// functions that have more than their part it is taken back: their containers are
// deflated, to 70 % of their CPU at the least, and what is still too much is terminated,
// idle ones first and busy ones after their request.
//
// In LaSS a container owns its CPU. Here it holds memory, and CPU while it executes, of which
// an invoker gives away no more than it has (CPUShare 1). So there are two capacities to
// divide: memory, of which a container takes its size, and CPU, of which a function takes
// what its requests execute. Deflation is of CPU alone. Of the functions that can start a
// request the one goes first that has used the least of its part of the CPU; one without
// any container gets one at once. Containers of a function that is no longer used are
// kept for ten minutes, as in OpenWhisk, on which LaSS is built, or until the room is needed.
//
// As all containers of a function have the same share, the paper's weighted round robin
// among them would be an even one; the one used last is taken instead.
func LaSS(profiles []decide.Profile, invokers []decide.InvokerSpec, o LaSSOptions) Stack {
	p := &lass{
		LRU: LRU{Keep: NativeKeepAlive}, opts: o, profiles: slices.Clone(profiles),
		functions: make([]lassFunction, len(profiles)),
		next:      lassEpoch,
	}
	for f := range p.functions {
		p.functions[f].share, p.functions[f].cores = 1, profiles[f].CPU
	}
	p.machines = machinesOf(invokers)
	return Stack{Dispatcher: &fairShare{pool: p}, Pool: p, Placer: LeastLoaded{}}
}

// Deployed implements decide.Deployer.
func (p *lass) Deployed(_ decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	p.profiles = upTo(p.profiles, f+1, profile)
	p.profiles[f] = profile
	p.functions = upTo(p.functions, f+1, lassFunction{share: 1, cores: profile.CPU})
	if x := &p.functions[f]; !x.active {
		x.cores = profile.CPU
	}
}

// fairShare is the dispatcher of [LaSS]: of the functions that can start a request, it
// takes the one that has used the least of the CPU that it may have in this epoch.
type fairShare struct {
	candidates
	pool *lass
}

// Next implements decide.Dispatcher.
func (d *fairShare) Next(s decide.Snapshot, _ decide.Event) (decide.Start, bool) {
	// One that has a container gets more of them from the controller, or does not.
	wants := func(f decide.FunctionID) bool { return s.Live(f) == 0 }
	return d.best(s, wants, func(f decide.FunctionID, _ bool) float64 {
		p := &d.pool.functions[f]
		return (float64(p.used) + float64(s.BusyCount(f))*float64(s.Execution(f))) * s.CPU(f) / p.cores
	})
}

// lass is the pool of [LaSS].
type lass struct {
	LRU
	machines
	opts      LaSSOptions
	profiles  []decide.Profile
	functions []lassFunction
	active    []decide.FunctionID // with arrivals in the long window, ascending
	next      decide.Time         // end of the epoch
	plan      []decide.Adjustment // the first one last
}

// lassFunction is what the controller knows of a function.
type lassFunction struct {
	arrivals [lassLong]uint32 // by epoch, a ring
	total    uint32           // of them
	at       int              // the current epoch in the ring
	active   bool

	wanted int         // containers that the model asks for
	target int         // containers that it may have
	share  float64     // of its CPU that each has
	cores  float64     // that they may use
	used   decide.Time // that they have executed for in this epoch
}

// Observe implements decide.Pool.
func (p *lass) Observe(s decide.Snapshot, ev decide.Event) {
	if ev.Kind == decide.Arrival {
		f := &p.functions[ev.Function]
		f.arrivals[f.at]++
		f.total++
		if !f.active {
			f.active = true
			p.active = append(p.active, ev.Function)
		}
	}
	if ev.Kind == decide.Completion {
		p.functions[ev.Function].used += ev.Took
	}
	if ev.Kind == decide.Tick && ev.At >= p.next {
		p.control(s)
		p.next = ev.At - ev.At%lassEpoch + lassEpoch
	}
}

// Wake implements decide.Pool.
func (p *lass) Wake() decide.Time {
	if len(p.active) == 0 {
		return decide.Forever
	}
	return p.next
}

// rate is the estimated number of arrivals per microsecond.
func (f *lassFunction) rate() float64 {
	short := uint32(0)
	for k := range lassShort {
		short += f.arrivals[(f.at-k+lassLong)%lassLong]
	}
	long := float64(f.total) / float64(lassLong*lassEpoch)
	if burst := float64(short) / float64(lassShort*lassEpoch); burst >= lassBurst*long {
		return burst
	}
	return long
}

// control ends an epoch: it sets the targets and plans what leads there.
func (p *lass) control(s decide.Snapshot) {
	slices.Sort(p.active)
	p.demand(s)
	p.divide(s)
	p.plan = p.plan[:0]
	for c := range decide.ContainerID(s.Containers()) {
		switch s.Status(c) {
		case decide.Initialising, decide.Idle, decide.Busy:
			if f := &p.functions[s.Function(c)]; f.active && s.Share(c) != f.share {
				p.plan = append(p.plan, decide.Adjustment{Kind: decide.Deflate, Container: c, Share: f.share})
			}
		}
	}
	for _, id := range p.active {
		f := &p.functions[id]
		for n := s.Live(id); n < f.target; n++ {
			p.plan = append(p.plan, decide.Adjustment{Kind: decide.Prewarm, Function: id})
		}
	}
	p.terminate(s)
	slices.Reverse(p.plan)
	p.advance()
}

// advance begins the next epoch, and forgets functions without arrivals in the long window.
func (p *lass) advance() {
	p.active = slices.DeleteFunc(p.active, func(id decide.FunctionID) bool {
		f := &p.functions[id]
		f.at = (f.at + 1) % lassLong
		f.total -= f.arrivals[f.at]
		f.used = 0
		f.arrivals[f.at] = 0
		if f.total > 0 {
			return false
		}
		*f = lassFunction{share: 1, cores: p.profiles[id].CPU}
		return true
	})
}

// demand asks the model for the containers that each function wants.
func (p *lass) demand(s decide.Snapshot) {
	for _, id := range p.active {
		f := &p.functions[id]
		service := 1 / float64(max(1, s.Execution(id)))
		n, err := queueing.LaSSServers(f.rate(), service, float64(p.opts.Wait), p.opts.Quantile)
		if err != nil { // more than the model can count: as many as execute at once
			n = int(math.Ceil(f.rate() / service))
		}
		f.wanted = max(1, n)
	}
}

// divide sets targets and shares: what is wanted, or what is fair where that is too much.
func (p *lass) divide(s decide.Snapshot) {
	n := len(p.active)
	memory, cpu := make([]float64, n), make([]float64, n) // that is wanted
	for k, id := range p.active {
		f := &p.functions[id]
		memory[k] = float64(f.wanted) * float64(s.Memory(id))
		// By the profile: what is measured in deflated containers takes longer, not more CPU.
		cpu[k] = f.rate() * float64(p.profiles[id].Execution) * s.CPU(id)
	}
	fairMemory, fairCPU := p.fair(s, memory, p.memory), p.fair(s, cpu, p.cores)
	for k, id := range p.active {
		f := &p.functions[id]
		f.target, f.share = f.wanted, 1
		if fairMemory[k] < memory[k] {
			f.target = int(fairMemory[k] / float64(s.Memory(id)))
		}
		if part := fairCPU[k] / cpu[k]; cpu[k] > 0 && part < 1 {
			f.share = max(1-p.opts.Deflate, part)
			f.target = min(f.target, int(math.Ceil(fairCPU[k]/(s.CPU(id)*f.share))))
		}
		f.target = max(1, f.target)
		f.cores = float64(f.target) * s.CPU(id) * f.share
		if fairCPU[k] < cpu[k] {
			f.cores = min(f.cores, fairCPU[k])
		}
	}
}

// fair is the two-level max-min division of capacity among the active functions: among
// their applications, and then among the functions of each.
func (p *lass) fair(s decide.Snapshot, demand []float64, capacity float64) []float64 {
	var total float64
	for _, d := range demand {
		total += d
	}
	if total <= capacity {
		return demand
	}
	apps := make(map[int32]int)
	var groups []queueing.Group // by application in order of first appearance
	var members [][]int         // of demand
	for k, id := range p.active {
		a, ok := apps[s.App(id)]
		if !ok {
			a = len(groups)
			apps[s.App(id)] = a
			groups = append(groups, queueing.Group{Weight: 1})
			members = append(members, nil)
		}
		groups[a].Demand = append(groups[a].Demand, demand[k])
		groups[a].Weights = append(groups[a].Weights, 1)
		members[a] = append(members[a], k)
	}
	out := make([]float64, len(demand))
	for a, shares := range queueing.HierarchicalMaxMin(groups, capacity) {
		for i, v := range shares {
			out[members[a][i]] = v
		}
	}
	return out
}

// terminate plans to take back the containers that functions have beyond their target
// where not all get what they want: idle ones first, then busy ones, when they are done.
func (p *lass) terminate(s decide.Snapshot) {
	excess := make(map[decide.FunctionID]int)
	for _, id := range p.active {
		if f := &p.functions[id]; f.target < f.wanted && s.Live(id) > f.target {
			excess[id] = s.Live(id) - f.target
		}
	}
	if len(excess) == 0 {
		return
	}
	for _, status := range []decide.ContainerStatus{decide.Idle, decide.Busy} {
		for c := range decide.ContainerID(s.Containers()) {
			if f := s.Function(c); s.Status(c) == status && excess[f] > 0 && !s.IsRetiring(c) {
				excess[f]--
				p.plan = append(p.plan, decide.Adjustment{Kind: decide.Retire, Container: c})
			}
		}
	}
}

// Evict implements decide.Pool: the containers of functions that have more than their
// target go first, the one that has been idle the longest before the others. A prewarm
// takes no other.
func (p *lass) Evict(s decide.Snapshot, i decide.InvokerID, f decide.FunctionID, prewarm bool) (decide.ContainerID, bool) {
	for c := s.IdleHead(i); c != decide.None; c = s.IdleNext(c) {
		if id := s.Function(c); s.Live(id) > p.functions[id].target {
			return c, true
		}
	}
	if prewarm {
		return decide.None, false
	}
	return p.LRU.Evict(s, i, f, prewarm)
}

// Adjust implements decide.Pool.
func (p *lass) Adjust(decide.Snapshot) (decide.Adjustment, bool) {
	if len(p.plan) == 0 {
		return decide.Adjustment{}, false
	}
	a := p.plan[len(p.plan)-1]
	p.plan = p.plan[:len(p.plan)-1]
	return a, true
}

var lassRow = row(Row{Name: "lass", Source: "Wang, Ali-Eldin and Shenoy, LaSS, HPDC 2021: containers by a queueing model, fair share, deflation", Reconstruction: true}, DefaultLaSSOptions(), []field[LaSSOptions]{
	timed("wait_ms", "how long a request may wait for a container, in ms", decide.Millisecond, 0, 60000, func(o *LaSSOptions) *decide.Time { return &o.Wait }),
	number("quantile", "share of requests that wait no longer", 0.01, 0.9999, func(o *LaSSOptions) *float64 { return &o.Quantile }),
	number("deflate", "part of its CPU that a container may lose under overload", 0, 0.99, func(o *LaSSOptions) *float64 { return &o.Deflate }),
}, func(s Site, o LaSSOptions) Stack {
	stack := LaSS(s.Profiles, s.Invokers, o)
	stack.CPUShare = 1 // a container owns its CPU
	return stack
})
