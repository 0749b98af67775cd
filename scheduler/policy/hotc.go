package policy

import (
	"math"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/timeseries"
)

// HotCOptions are the parameters of [HotC].
type HotCOptions struct {
	Alpha  float64 // of the quadratic smoothing, in (0, 1)
	States int     // of relative errors of the forecast that the chain tells apart, >= 1
	Memory float64 // share of all memory above which the oldest containers end, in (0, 1]
}

// DefaultHotCOptions are a smoothing factor of 0.8 and 80 % of the memory, as published, and
// five states.
func DefaultHotCOptions() HotCOptions { return HotCOptions{Alpha: 0.8, States: 5, Memory: 0.8} }

const (
	hotcPeriod = decide.Minute // between two forecasts; ours
	hotcNone   = 0.01          // containers that a forecast must be above to be one; ours
)

// HotC is the container manager of Suo et al., "Tackling Cold Start of Serverless
// Applications by Efficient and Adaptive Container Runtime Reusing" (CLUSTER 2021). Once a minute
// it forecasts how many containers each function will use at once in the next one and has as
// many live: missing ones are prewarmed, and those that are too many end.
//
// The forecast y of the peak of the requests in the system is by quadratic exponential
// smoothing ([timeseries.Quadratic]), corrected by a Markov chain. The error of each forecast,
//
//	e = (peak - y) / max(1, y),
//
// falls in one of k equal intervals of [-1, 1], what is beyond in the outer ones. From the
// interval that has followed the present one most often, with the middle m, the corrected
// forecast is y + m max(1, y), rounded up.
//
// If containers hold more than 80 % of the memory, the oldest idle ones end, and
// none is prewarmed beyond that. Requests start under [FCFS], and evict the least
// recently used container where there is no room.
//
// This is a reconstruction from descriptions: neither code nor the constants of the chain were at
// hand, nor what it does where a forecast is 0, to which no relative error can be added. HotC
// reuses a container for every function of the same runtime configuration, after cleaning its
// volumes; traces do not tell configurations, so here a container serves one function.
func HotC(profiles []decide.Profile, invokers []decide.InvokerSpec, o HotCOptions) Stack {
	p := &hotc{
		LRU: LRU{Keep: decide.Forever}, periods: newPeriods(hotcPeriod, len(profiles)), opts: o,
		functions: make([]hotcFunction, len(profiles)),
	}
	p.machines = machinesOf(invokers)
	return Stack{Dispatcher: FCFS{}, Pool: p, Placer: LeastLoaded{}}
}

// hotc is the pool of [HotC].
type hotc struct {
	LRU
	periods
	fleet
	machines
	opts      HotCOptions
	functions []hotcFunction
}

// hotcFunction is what is known of a function.
type hotcFunction struct {
	smooth   timeseries.Quadratic
	chain    *timeseries.Chain
	forecast float64 // of the period, by smoothing alone
	known    bool    // there is one
}

// Wake implements decide.Pool.
func (p *hotc) Wake() decide.Time { return p.periods.Wake() }

// Adjust implements decide.Pool. No container is prewarmed above the limit of memory.
func (p *hotc) Adjust(s decide.Snapshot) (decide.Adjustment, bool) {
	for {
		a, ok := p.fleet.Adjust(s)
		if !ok || a.Kind != decide.Prewarm || p.used(s)+float64(s.Memory(a.Function)) <= p.opts.Memory*p.memory {
			return a, ok
		}
	}
}

// used is the memory that containers hold or are promised, in bytes.
func (p *hotc) used(s decide.Snapshot) float64 {
	used := p.memory
	for i := range decide.InvokerID(s.Invokers()) {
		used -= float64(s.Unclaimed(i))
	}
	return used
}

// Deployed implements decide.Deployer.
func (p *hotc) Deployed(s decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	p.periods.Deployed(s, f, profile)
	p.functions = upTo(p.functions, f+1, hotcFunction{})
}

// Observe implements decide.Pool.
func (p *hotc) Observe(s decide.Snapshot, ev decide.Event) {
	if !p.see(s, ev) {
		return
	}
	p.done(func(id decide.FunctionID) bool {
		_, peak, _ := p.take(s, id)
		n := p.functions[id].next(float64(peak), &p.opts)
		p.want(s, id, n)
		if n > 0 || peak > 0 || s.Live(id) > 0 {
			return false
		}
		p.functions[id].rest(&p.opts)
		return true
	})
	p.settle(s)
	p.relieve(s)
}

// next takes in the peak of a period and returns the containers for the next one.
func (f *hotcFunction) next(peak float64, o *HotCOptions) int {
	if f.chain == nil {
		f.chain = timeseries.NewChain(o.States)
	}
	if f.known {
		e := (peak - f.forecast) / max(1, f.forecast)
		f.chain.Observe(min(o.States-1, max(0, int(math.Floor((e+1)/2*float64(o.States))))))
	}
	f.smooth.Observe(peak, o.Alpha)
	f.forecast, f.known = max(0, f.smooth.Forecast(1, o.Alpha)), true
	y := f.forecast
	if state, ok := f.chain.Next(); ok {
		middle := (2*float64(state)+1)/float64(o.States) - 1
		y += middle * max(1, y)
	}
	return int(math.Ceil(max(0, y-hotcNone)))
}

// rest is what periods without any request lead to.
func (f *hotcFunction) rest(o *HotCOptions) {
	f.smooth, f.forecast = timeseries.Quadratic{}, 0
	f.smooth.Observe(0, o.Alpha)
}

// relieve plans the end of idle containers, the ones used the longest ago first, until what
// is left holds no more than the limit of memory.
func (p *hotc) relieve(s decide.Snapshot) {
	over := p.used(s) - p.opts.Memory*p.memory
	if over <= 0 {
		return
	}
	p.spare = p.spare[:0]
	for i := range decide.InvokerID(s.Invokers()) {
		for c := s.IdleHead(i); c != decide.None; c = s.IdleNext(c) {
			p.spare = append(p.spare, c)
		}
	}
	p.eldest(s)
	for _, c := range p.spare {
		if over <= 0 {
			break
		}
		over -= float64(s.Memory(s.Function(c)))
		p.plan = append(p.plan, decide.Adjustment{Kind: decide.Retire, Container: c})
	}
}

var hotcRow = row(Row{Name: "hotc", Source: "Suo et al., HotC, CLUSTER 2021: containers by quadratic smoothing and a Markov chain of its errors", Reconstruction: true}, DefaultHotCOptions(), []field[HotCOptions]{
	number("alpha", "factor of the quadratic smoothing", 0.01, 0.99, func(o *HotCOptions) *float64 { return &o.Alpha }),
	whole("states", "relative errors of the forecast that the Markov chain tells apart", 1, 25, func(o *HotCOptions) *int { return &o.States }),
	number("memory", "share of all memory above which the oldest idle containers end", 0.1, 1, func(o *HotCOptions) *float64 { return &o.Memory }),
}, func(s Site, o HotCOptions) Stack {
	return HotC(s.Profiles, s.Invokers, o)
})
