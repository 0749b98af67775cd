package policy

import (
	"math"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// KnativeOptions are the parameters of [Knative], by the names of its config-autoscaler.
type KnativeOptions struct {
	Target         float64     // share of a container's concurrency that is aimed at, in (0, 1]
	Stable         decide.Time // stable window, at least two ticks of 2 s
	PanicWindow    float64     // the panic window as a share of the stable one, in (0, 1]
	PanicThreshold float64     // times the containers that are ready at which panic begins, > 1
	Grace          decide.Time // how long the last container stays after a stable window without requests, >= 0
}

// DefaultKnativeOptions are Knative's: 70 %, 60 s, a tenth, twice, 30 s.
func DefaultKnativeOptions() KnativeOptions {
	return KnativeOptions{
		Target: 0.7, Stable: 60 * decide.Second, PanicWindow: 0.1, PanicThreshold: 2, Grace: 30 * decide.Second,
	}
}

// What Knative's defaults say and hardly anybody changes.
const (
	knativeTick    = 2 * decide.Second
	knativeMaxUp   = 1000 // times the ready containers that a tick may ask for
	knativeMaxDown = 2    // a tick keeps at least this part of the ready containers: one half
)

// Knative is the autoscaler of Knative Serving (its "KPA", with concurrency as the metric),
// from its documentation and defaults. Every two seconds it averages, for each function, the
// requests in the system over two windows, a stable one of 60 s and a panic window of 6 s, and
// wants
//
//	ceil(average / (0.7 * concurrency))
//
// containers, where concurrency is what a container executes at once. A tick asks for no
// more than 1000 times and no less than half of the containers that are ready. The stable
// window decides, until the panic window wants twice what is ready: then the larger of the
// two does, and until a whole stable window has passed without that, the number
// never falls. After a stable window without requests the last container stays for the
// grace period of 30 s and ends: scale to zero.
//
// A request whose function has no container at all starts one at once, as the
// activator does by poking the autoscaler; any other waits for what is there or for the
// next tick. It waits in the activator's queue, so whichever container is ready first
// serves it. Kubernetes evicts no pod for another of the same priority, so no
// idle container ends for the sake of another function: what finds no room waits for it.
// Containers that are too many end in the order of a ReplicaSet, those that are not
// ready first; one at work is drained.
//
// What is not modelled: the sampling of metrics from some of the pods, the target
// burst capacity (the activator's way in and out of the path costs no time here), the delays
// of Kubernetes itself beyond the initialisation, and revisions.
func Knative(profiles []decide.Profile, o KnativeOptions) Stack {
	p := &knative{
		ttl: ttl{LRU{Keep: decide.Forever}}, fleet: fleet{drain: true}, opts: o,
		ticks:     max(1, int(o.Stable/knativeTick)),
		functions: make([]knativeFunction, len(profiles)),
	}
	p.panicTicks = max(1, int(math.Round(o.PanicWindow*float64(p.ticks))))
	return Stack{Dispatcher: newActivator(len(profiles), wait, false), Pool: p, Placer: withoutEviction{}}
}

// knative is the pool of [Knative].
type knative struct {
	ttl
	fleet
	opts       KnativeOptions
	ticks      int // of the stable window
	panicTicks int
	functions  []knativeFunction
	active     []decide.FunctionID // with requests in the stable window, or containers
	next       decide.Time
}

// knativeFunction is what the autoscaler knows of a function.
type knativeFunction struct {
	usage
	ring          []decide.Time // area of usage by tick
	filled        int           // ticks since it became active
	stable, short decide.Time   // sums over the windows
	active        bool

	panicked  decide.Time // when panic was last called for; 0: no panic
	most      int         // containers wanted since panic began
	idleSince decide.Time // when nothing was first wanted; 0: something is
}

// Deployed implements decide.Deployer.
func (p *knative) Deployed(_ decide.Snapshot, f decide.FunctionID, _ decide.Profile) {
	p.functions = upTo(p.functions, f+1, knativeFunction{})
}

// Observe implements decide.Pool.
func (p *knative) Observe(s decide.Snapshot, ev decide.Event) {
	switch ev.Kind {
	case decide.Arrival, decide.Completion:
		f := &p.functions[ev.Function]
		if !f.active {
			f.active = true
			f.usage = usage{at: ev.At}
			if len(p.active) == 0 {
				p.next = ev.At - ev.At%knativeTick + knativeTick
			}
			p.active = append(p.active, ev.Function)
		}
		f.see(s, ev.Function)
	case decide.Tick:
		if ev.At >= p.next {
			p.scale(s)
			p.next = ev.At - ev.At%knativeTick + knativeTick
		}
	}
}

// Wake implements decide.Pool.
func (p *knative) Wake() decide.Time {
	if len(p.active) == 0 {
		return decide.Forever
	}
	return p.next
}

// scale is a tick of the autoscaler.
func (p *knative) scale(s decide.Snapshot) {
	slices.Sort(p.active)
	per := p.opts.Target * float64(s.Concurrency())
	p.active = slices.DeleteFunc(p.active, func(id decide.FunctionID) bool {
		f := &p.functions[id]
		p.measure(s, id)
		stable := float64(f.stable) / float64(decide.Time(min(f.filled, p.ticks))*knativeTick)
		short := float64(f.short) / float64(decide.Time(min(f.filled, p.panicTicks))*knativeTick)
		ready := s.IdleCount(id) + s.BusyCount(id)
		n := f.desired(s.Now(), int(math.Ceil(stable/per)), int(math.Ceil(short/per)), ready, &p.opts)
		p.want(s, id, n)
		if n > 0 || f.stable > 0 || s.Live(id) > 0 {
			return false
		}
		*f = knativeFunction{ring: f.ring}
		clear(f.ring)
		return true
	})
	p.settle(s)
}

// measure takes the usage since the last tick into the windows.
func (p *knative) measure(s decide.Snapshot, id decide.FunctionID) {
	f := &p.functions[id]
	if f.ring == nil {
		f.ring = make([]decide.Time, p.ticks)
	}
	area, _ := f.take(s, id)
	at := f.filled % p.ticks
	f.stable += area - f.ring[at]
	f.short += area
	if f.filled >= p.panicTicks {
		f.short -= f.ring[(f.filled-p.panicTicks)%p.ticks]
	}
	f.ring[at] = area
	f.filled++
}

// desired is the number of containers to have, where the windows want these numbers
// and so many are ready.
func (f *knativeFunction) desired(now decide.Time, stable, short, ready int, o *KnativeOptions) int {
	from := max(1, ready)
	least, most := ready/knativeMaxDown, from*knativeMaxUp
	switch over := float64(short) >= o.PanicThreshold*float64(from); {
	case over:
		f.panicked = now
	case f.panicked > 0 && now > f.panicked+o.Stable:
		f.panicked, f.most = 0, 0
	}
	n := min(max(stable, least), most)
	if f.panicked > 0 {
		f.most = max(f.most, n, min(max(short, least), most))
		n = f.most
	}
	if n > 0 {
		f.idleSince = 0
		return n
	}
	if f.idleSince == 0 {
		f.idleSince = now
	}
	if now < f.idleSince+o.Grace {
		return 1
	}
	return 0
}

// wait is Knative's rule: no container starts for a request but the first of its function.
func wait(s decide.Snapshot, f decide.FunctionID) bool { return s.Live(f) > 0 }

// activator is the dispatcher of [Knative] and [MPC]: requests wait for the containers that there
// are, and start one where their function's rule says not to wait.
type activator struct {
	waits    func(s decide.Snapshot, f decide.FunctionID) bool
	evicts   bool // idle containers for those that it starts
	place    decide.Placer
	stranded []decide.FunctionID // shall not wait and found no room for a container, the first one first
	listed   []bool              // in stranded
	least    int64               // memory of any of them at least
}

// newActivator returns one for so many functions. The answer of waits may turn false by an
// arrival of its function alone.
func newActivator(functions int, waits func(decide.Snapshot, decide.FunctionID) bool, evicts bool) *activator {
	d := &activator{waits: waits, evicts: evicts, place: withoutEviction{}, listed: make([]bool, functions), least: math.MaxInt64}
	if evicts {
		d.place = LeastLoaded{}
	}
	return d
}

// Deployed implements decide.Deployer.
func (d *activator) Deployed(_ decide.Snapshot, f decide.FunctionID, p decide.Profile) {
	if d.listed = upTo(d.listed, f+1, false); d.listed[f] {
		d.least = min(d.least, p.Memory)
	}
}

// room is the memory that a new container can have on any invoker.
func (d *activator) room(s decide.Snapshot) int64 {
	most := int64(-1)
	for i := range decide.InvokerID(s.Invokers()) {
		free := s.Unclaimed(i)
		if d.evicts {
			free += s.IdleMemory(i)
		}
		most = max(most, free)
	}
	return most
}

// Next implements decide.Dispatcher.
func (d *activator) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	if st, ok := overtake(s, ev); ok {
		return st, true
	}
	if f := ev.Function; ev.Kind == decide.Arrival && !d.listed[f] && s.Waiting(f) > 0 && !d.waits(s, f) {
		d.listed[f] = true
		d.stranded = append(d.stranded, f)
		d.least = min(d.least, s.Memory(f))
	}
	// Mostly memory is what all of them lack: then no look at each.
	most := d.room(s)
	if most < d.least {
		return decide.Start{}, false
	}
	chosen := decide.FunctionID(decide.None)
	d.least = math.MaxInt64
	d.stranded = slices.DeleteFunc(d.stranded, func(f decide.FunctionID) bool {
		if s.Waiting(f) == 0 || d.waits(s, f) {
			d.listed[f] = false
			return true
		}
		d.least = min(d.least, s.Memory(f))
		if chosen == decide.None && s.Memory(f) <= most {
			if _, ok := d.place.Place(s, f); ok {
				chosen = f
			}
		}
		return false
	})
	if chosen == decide.None {
		return decide.Start{}, false
	}
	return decide.Start{Request: s.Oldest(chosen), Container: decide.None, Speculative: true}, true
}

var knativeRow = row(Row{Name: "knative", Source: "Knative Serving's autoscaler: concurrency over a stable and a panic window, scale to zero"}, DefaultKnativeOptions(), []field[KnativeOptions]{
	number("target", "share of a container's concurrency that is aimed at", 0.01, 1, func(o *KnativeOptions) *float64 { return &o.Target }),
	timed("stable_s", "stable window, in seconds", decide.Second, 6, 3600, func(o *KnativeOptions) *decide.Time { return &o.Stable }),
	number("panic_window", "panic window as a share of the stable one", 0.01, 1, func(o *KnativeOptions) *float64 { return &o.PanicWindow }),
	number("panic_threshold", "times the ready containers at which panic begins", 1.1, 10, func(o *KnativeOptions) *float64 { return &o.PanicThreshold }),
	timed("grace_s", "how long the last container stays after a stable window without requests, in seconds", decide.Second, 0, 3600, func(o *KnativeOptions) *decide.Time { return &o.Grace }),
}, func(s Site, o KnativeOptions) Stack {
	return Knative(s.Profiles, o)
})
