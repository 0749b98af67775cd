package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// CIDREOptions are the parameters of [CIDRE] that a platform may choose.
type CIDREOptions struct {
	Target decide.Time // how long the queue of a function should take to serve, > 0
}

// DefaultCIDREOptions are as in the authors' code.
func DefaultCIDREOptions() CIDREOptions { return CIDREOptions{Target: 200 * decide.Millisecond} }

// Other parameters of the conditional scaling in the authors' code.
const (
	cidreSamples = 10  // executions and waits that are averaged
	cidreShare   = 0.8 // of the mean wait, or of the containers, in its conditions
)

// CIDRE is "Concurrency-Informed Orchestration" (ASPLOS 2025). A request that finds all
// containers of its function busy does two things at once: it waits in the function's
// queue, and it starts a new container speculatively. Whichever is available first
// serves it, so it waits for a busy container where that is the shorter way, and never
// longer than for a cold start that begins when it arrives.
//
// Speculation is conditional. It stops for a function that has more containers than
// its requests of mean duration d need to be served within the target (200 ms
// in the authors' code), 0.8 n > desired, where
//
//	desired = min(outstanding, max(1, outstanding d / target))
//
// and resumes when the mean wait of the last ten requests passes their mean execution,
// 0.8 wait > d. A function without any container always gets one.
//
// It never stops where executions take longer than a start: there the wait for a busy
// container is the longer one. The code does not have this exception; without it a
// function of long executions waits for the one container it has until its requests are dropped.
//
// Idle containers are kept until the room is needed. Then the one with the least
//
//	clock + frequency * cost / (size * K)
//
// is evicted, where K is the number of the function's warm containers and the rest is
// FaasCache's (see [FaasCache]): the priority of a redundant container is divided by its
// redundancy.
//
// This is a reconstruction of the paper's three ideas on the conditions that the authors'
// code has. What that code has beyond them is left out: it changes the number of
// containers at most once a second, and kills the last one of too many; with the
// first a speculative start could be later than a cold start.
func CIDRE(profiles []decide.Profile, o CIDREOptions) Stack {
	d := newSpeculative(len(profiles), o.Target)
	return Stack{Dispatcher: d, Placer: LeastLoaded{}, Pool: &cip{
		dispatcher: d,
		weight:     weights(profiles), frequency: make([]float64, len(profiles)), used: make([]float64, len(profiles)),
	}}
}

// speculative is the dispatcher of [CIDRE]: each function's requests start in order of
// arrival, warm where they can, and functions that want a container get it in the order of
// their oldest requests.
type speculative struct {
	candidates
	target    float64 // in microseconds
	functions []speculation
}

func newSpeculative(functions int, target decide.Time) *speculative {
	d := &speculative{target: float64(target), functions: make([]speculation, functions)}
	for f := range d.functions {
		d.functions[f].cold = true
	}
	return d
}

// speculation is what the conditions need of a function.
type speculation struct {
	cold             bool // containers may be started speculatively
	executed, waited recent
}

// recent is the mean of the last values.
type recent struct {
	values [cidreSamples]decide.Time
	n      int
	sum    decide.Time
}

func (r *recent) add(v decide.Time) {
	at := r.n % cidreSamples
	r.sum += v - r.values[at]
	r.values[at] = v
	r.n++
}

func (r *recent) mean() float64 { return float64(r.sum) / float64(max(1, min(r.n, cidreSamples))) }

// observe renews the conditions; the pool shows it every event.
func (d *speculative) observe(s decide.Snapshot, ev decide.Event) {
	if ev.Kind == decide.Completion {
		d.functions[ev.Function].executed.add(ev.Took)
	}
	if ev.Kind != decide.Completion && ev.Kind != decide.Arrival {
		return
	}
	f := ev.Function
	p := &d.functions[f]
	execution := p.executed.mean()
	if p.executed.n == 0 {
		execution = float64(s.Execution(f)) // nothing measured yet
	}
	outstanding := float64(s.Waiting(f) + s.BusyCount(f))
	desired := min(outstanding, max(1, outstanding*execution/d.target))
	switch {
	case cidreShare*p.waited.mean() > execution:
		p.cold = true
	case cidreShare*float64(s.Live(f)) > desired:
		p.cold = false
	}
}

// Next implements decide.Dispatcher.
func (d *speculative) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	if st, ok := overtake(s, ev); ok {
		f, arrival := s.Request(st.Request)
		d.functions[f].waited.add(s.Now() - arrival)
		return st, true
	}
	return d.another(s, func(f decide.FunctionID) bool { return d.wants(s, f) })
}

// wants reports whether f, which has no container with room for a request, shall get
// another one: there is at most one on its way for each request that waits.
func (d *speculative) wants(s decide.Snapshot, f decide.FunctionID) bool {
	return s.Live(f) == 0 || s.StartingCount(f) < s.Waiting(f) && (d.functions[f].cold || s.Execution(f) > s.Initialise(f))
}

// cip is the pool of [CIDRE].
type cip struct {
	dispatcher *speculative
	clock      float64
	weight     []float64 // cost / size by function
	frequency  []float64
	used       []float64 // the clock at the last use
}

// Deployed implements decide.Deployer.
func (p *cip) Deployed(_ decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	p.weight, p.frequency, p.used = upTo(p.weight, f+1, 0), upTo(p.frequency, f+1, 0), upTo(p.used, f+1, 0)
	p.weight[f] = weightOf(profile)
	p.dispatcher.functions = upTo(p.dispatcher.functions, f+1, speculation{cold: true})
}

// Observe implements decide.Pool.
func (p *cip) Observe(s decide.Snapshot, ev decide.Event) {
	if ev.Kind == decide.Arrival {
		p.frequency[ev.Function]++
		p.used[ev.Function] = p.clock
	}
	p.dispatcher.observe(s, ev)
}

// KeepAlive implements decide.Pool.
func (*cip) KeepAlive(decide.Snapshot, decide.ContainerID) decide.Time { return decide.Forever }

// Evict implements decide.Pool. Priorities fall when a function gets containers, so no
// heap of them would hold; an invoker has few idle containers.
func (p *cip) Evict(s decide.Snapshot, i decide.InvokerID, _ decide.FunctionID, _ bool) (decide.ContainerID, bool) {
	victim, least := decide.ContainerID(decide.None), 0.0
	for c := s.IdleHead(i); c != decide.None; c = s.IdleNext(c) {
		f := s.Function(c)
		warm := float64(s.IdleCount(f) + s.BusyCount(f))
		if v := p.used[f] + p.frequency[f]*p.weight[f]/warm; victim == decide.None || v < least {
			victim, least = c, v
		}
	}
	if victim == decide.None {
		return victim, false
	}
	p.clock = max(p.clock, least)
	if f := s.Function(victim); s.Live(f) == 1 { // this one
		p.frequency[f] = 0
	}
	return victim, true
}

// Adjust implements decide.Pool: nothing is prewarmed.
func (*cip) Adjust(decide.Snapshot) (decide.Adjustment, bool) { return decide.Adjustment{}, false }

// Wake implements decide.Pool.
func (*cip) Wake() decide.Time { return decide.Forever }

var cidreRow = row(Row{Name: "cidre", Source: "CIDRE, ASPLOS 2025: speculative starts, eviction by concurrency-informed priority", Reconstruction: true}, DefaultCIDREOptions(), []field[CIDREOptions]{
	timed("target_ms", "how long the queue of a function should take to serve, in ms", decide.Millisecond, 1, 1e6, func(o *CIDREOptions) *decide.Time { return &o.Target }),
}, func(s Site, o CIDREOptions) Stack {
	return CIDRE(s.Profiles, o)
})
