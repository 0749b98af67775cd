package policy

import "github.com/incendio-faas/incendio/scheduler/decide"

// NightcoreOptions are the parameters of [Nightcore].
type NightcoreOptions struct {
	Keep decide.Time // that idle containers are kept, >= 0
	Gain float64     // weight of a new measurement in the moving averages, in (0, 1]
}

// DefaultNightcoreOptions are a gain of 0.001, as in the authors' code, and the keep-alive of
// OpenWhisk, as Nightcore has none.
func DefaultNightcoreOptions() NightcoreOptions {
	return NightcoreOptions{Keep: NativeKeepAlive, Gain: 0.001}
}

// nightcoreSpare is how many times its target of containers a function may have.
const nightcoreSpare = 2

// Nightcore is the managed concurrency of Jia and Witchel, "Nightcore: Efficient and
// Scalable Serverless Computing for Latency-Sensitive, Interactive Microservices" (ASPLOS
// 2021). A function executes no more requests at once than, by Little's law, its load
// needs,
//
//	target = max(1, round(lambda d))
//
// with d the time that an execution takes and lambda the rate of its arrivals, both moving
// averages, lambda of the inverse of the gaps between arrivals. Further requests wait in the function's queue, although there are containers
// or room for them: bursts are spread over time instead of over the CPUs. A container is
// created while the function has fewer than the target, and serves the queue rather than
// the request that it was created after. Before the first two arrivals and the first completion there
// is no limit.
//
// The average of inverse gaps is what leaves room: it is above the rate unless arrivals are
// evenly spaced, and of a Poisson process it has no mean, so that bursts count for much. The inverse of the
// mean gap was tried: then the target is the load itself, with nothing to spare, and queues
// grow without end.
//
// Two things differ from the authors' code. The target is kept to whenever a request starts,
// as the paper has it, not only when one arrives. Containers above twice the target end when
// they become idle, after the paper; the code ends none. What makes Nightcore fast, calls
// between functions on one machine that do not pass the gateway, is not modelled: a request
// here calls no other.
//
// Requests of different functions start in order of arrival where memory is short.
func Nightcore(profiles []decide.Profile, o NightcoreOptions) Stack {
	p := &nightcore{LRU: LRU{Keep: o.Keep}, gain: o.Gain, functions: make([]managed, len(profiles))}
	for f := range p.functions {
		p.functions[f].last = decide.None
	}
	return Stack{Dispatcher: p, Pool: p, Placer: LeastLoaded{}}
}

// nightcore is the dispatcher and the pool of [Nightcore].
type nightcore struct {
	candidates
	LRU
	gain      float64
	functions []managed
}

// managed is what is known of a function.
type managed struct {
	rate      average     // arrivals per microsecond
	execution average     // in microseconds
	last      decide.Time // arrival
	running   int         // requests
}

// average is an exponentially weighted moving average, which begins with the first value.
type average struct {
	value float64
	known bool
}

func (a *average) add(x, gain float64) {
	if !a.known {
		a.value, a.known = x, true
		return
	}
	a.value += gain * (x - a.value)
}

// target is how many requests may execute at once; negative: any number.
func (m *managed) target() int {
	if !m.rate.known || !m.execution.known {
		return -1
	}
	return max(1, int(m.execution.value*m.rate.value+0.5))
}

// below reports whether n is less than the target.
func (m *managed) below(n int) bool {
	t := m.target()
	return t < 0 || n < t
}

// Observe implements decide.Pool.
func (p *nightcore) Observe(_ decide.Snapshot, ev decide.Event) {
	switch ev.Kind {
	case decide.Arrival:
		m := &p.functions[ev.Function]
		if m.last != decide.None {
			m.rate.add(1/float64(max(1, ev.At-m.last)), p.gain)
		}
		m.last = ev.At
	case decide.Completion:
		m := &p.functions[ev.Function]
		m.execution.add(float64(ev.Took), p.gain)
		m.running = max(0, m.running-1) // it may have executed before it was known
	}
}

// Deployed implements decide.Deployer.
func (p *nightcore) Deployed(_ decide.Snapshot, f decide.FunctionID, _ decide.Profile) {
	p.functions = upTo(p.functions, f+1, managed{last: decide.None})
}

// Next implements decide.Dispatcher.
func (p *nightcore) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	// A target, what executes and what is available change by events of the function alone.
	if ev.Kind != decide.Ended && ev.Kind != decide.Tick && s.Waiting(ev.Function) > 0 {
		m := &p.functions[ev.Function]
		if c := s.Available(ev.Function); c != decide.None && m.below(m.running) {
			m.running++
			return decide.Start{Request: s.Oldest(ev.Function), Container: c}, true
		}
	}
	return p.another(s, func(f decide.FunctionID) bool { return p.wants(s, f) })
}

// wants reports whether f, which has no container with room for a request, shall get another one.
func (p *nightcore) wants(s decide.Snapshot, f decide.FunctionID) bool {
	return s.StartingCount(f) < s.Waiting(f) && p.functions[f].below(s.Live(f))
}

// KeepAlive implements decide.Pool.
func (p *nightcore) KeepAlive(s decide.Snapshot, c decide.ContainerID) decide.Time {
	f := s.Function(c)
	if t := p.functions[f].target(); t >= 0 && s.Live(f) > nightcoreSpare*t {
		return 0
	}
	return p.Keep
}

var nightcoreRow = row(Row{Name: "nightcore", Source: "Jia and Witchel, Nightcore, ASPLOS 2021: managed concurrency, as much as the load needs"}, DefaultNightcoreOptions(), []field[NightcoreOptions]{
	keepFor(func(o *NightcoreOptions) *decide.Time { return &o.Keep }),
	number("gain", "weight of a new measurement in the moving averages", 1e-4, 1, func(o *NightcoreOptions) *float64 { return &o.Gain }),
}, func(s Site, o NightcoreOptions) Stack {
	return Nightcore(s.Profiles, o)
})
