package policy

import (
	"math"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/timeseries"
)

// MPCOptions are the parameters of [MPC]. The paper calls its own calibrated by hand and does not
// tell them: the defaults are ours, with costs in seconds of waiting.
type MPCOptions struct {
	Interval decide.Time // of control, > 0
	Horizon  int         // intervals that are planned, >= 1
	Clip     float64     // standard deviations above the mean that a forecast may be, >= 0
	Cold     float64     // alpha: of a second of a start and an execution that a request is expected to wait for, >= 0
	Queue    float64     // beta: of a second of execution that a waiting request waits for in an interval, >= 0
	Idle     float64     // gamma: of a second of a container that does nothing, >= 0
	Start    float64     // delta: of a second of initialisation, >= 0
	Reclaim  float64     // eta: what it is worth to end a container, >= 0
	Smooth   float64     // rho: of the square of changes of containers and of starts, >= 0
}

// DefaultMPCOptions price idle memory about as RUM does: 0.002 s a second are 200 MB at
// 99.69 GB s a second.
func DefaultMPCOptions() MPCOptions {
	return MPCOptions{
		Interval: 5 * decide.Second, Horizon: 12, Clip: 3,
		Cold: 1, Queue: 1, Idle: 0.002, Start: 0.5, Reclaim: 0.001, Smooth: 0.001,
	}
}

const (
	mpcWindow    = 120 // intervals that the forecast looks back on; ours
	mpcHarmonics = 10  // of the forecast, as in IceBreaker, from which it is taken
	mpcMost      = 64  // containers of a function, as in the paper
)

// MPC is the controller of Nguyen, Bhuyan and Elmroth, "Taming Cold Starts: Proactive
// Serverless Scheduling with Model Predictive Control" (MASCOTS 2025, arXiv 2508.07640). At every
// control interval it forecasts, for each function, the arrivals of the intervals to come, by a
// parabola and ten harmonics clipped to [0, mean + 3 standard deviations], plans its
// containers over the horizon, and carries the first step of the plan out.
//
// The plan chooses the containers to start, x, and to reclaim, r, never both in one interval, so
// as to minimise, over the intervals k with the arrivals l, an execution time L_w, an
// initialisation L_c, and mu = interval/L_w executions of a container in an interval,
//
//	alpha max(0, l - mu w) (L_c + L_w) + beta q L_w + delta x L_c
//	+ gamma max(0, w interval - l L_w) - eta r + rho ((x - r)^2 + (x_k - x_(k-1))^2)
//	q' = q + l - served,  served = min(q + l, mu w),  w_(k+D+1) = w_(k+D) + x_k - r_k,  0 <= w <= 64
//
// with D = floor(L_c / interval). The paper solves a relaxation by convex
// programming; here w is an integer, and the plan is found by dynamic programming over it. The queue
// and the last x of a state are those of the cheapest plan that leads to it, so it may miss
// the optimum where a queue remains. A reclaim takes as long as a start in this model, which makes
// the containers after D intervals the only state. Idle capacity is in container seconds,
// where the paper counts requests, which would make a container of a short function
// the more expensive one; and what arrives in an interval may be served in it.
//
// Requests are shaped: one that finds its function's containers at work waits for them, or
// for what the next plan starts, while the queue of its function takes them less time
// than a start would. Where it takes longer, or the function has no container, one starts
// at once; this bound is ours, as the plan is of a fluid, in which a queue forms at a load of
// 1 alone. Idle containers end by plan, and the least recently used one where there is no room.
//
// Dispatching by the plan's numbers is not modelled: a request starts as soon as a container is there.
func MPC(profiles []decide.Profile, o MPCOptions) Parts {
	p := &mpc{
		LRU: LRU{Keep: decide.Forever}, periods: newPeriods(o.Interval, len(profiles)), opts: o,
		histories: make([]history, len(profiles)),
		fourier:   timeseries.NewFourier(mpcWindow, 2, mpcHarmonics),
		window:    make([]float64, mpcWindow),
	}
	return Parts{newActivator(len(profiles), shape, true), p, LeastLoaded{}}
}

// shape is MPC's rule: requests wait that the containers there are serve before another
// one is ready.
func shape(s decide.Snapshot, f decide.FunctionID) bool { return !worth(s, f, s.Initialise(f)) }

// mpc is the pool of [MPC].
type mpc struct {
	LRU
	periods
	fleet
	opts      MPCOptions
	histories []history // of arrivals
	fourier   *timeseries.Fourier
	window    []float64
	arrivals  []float64 // that are forecast
	planner   planner
}

// Wake implements decide.Pool.
func (p *mpc) Wake() decide.Time { return p.periods.Wake() }

// Adjust implements decide.Pool.
func (p *mpc) Adjust(s decide.Snapshot) (decide.Adjustment, bool) { return p.fleet.Adjust(s) }

// Observe implements decide.Pool.
func (p *mpc) Observe(s decide.Snapshot, ev decide.Event) {
	if !p.see(s, ev) {
		return
	}
	p.done(func(id decide.FunctionID) bool {
		_, _, arrivals := p.take(s, id)
		h := &p.histories[id]
		h.add(float64(arrivals), mpcWindow)
		live := s.Live(id)
		p.planner.model = mpcModel{
			MPCOptions: p.opts, interval: p.opts.Interval.Seconds(),
			execution: max(1e-6, s.Execution(id).Seconds()/float64(s.Concurrency())), initialise: s.Initialise(id).Seconds(),
		}
		lead := int(s.Initialise(id) / p.opts.Interval)
		rest := h.zero()
		p.forecast(h, lead+p.opts.Horizon, rest)
		plan := p.planner.plan(live, lead, float64(s.Waiting(id)), p.arrivals)
		p.want(s, id, plan[1])
		return rest && live == 0 && plan[1] == 0 && s.InSystem(id) == 0
	})
	p.settle(s)
}

// forecast sets arrivals to those of so many intervals to come.
func (p *mpc) forecast(h *history, steps int, rest bool) {
	p.arrivals = p.arrivals[:0]
	for range steps {
		p.arrivals = append(p.arrivals, 0)
	}
	if rest {
		return
	}
	x := h.last(p.window)
	p.fourier.Forecast(x, p.arrivals)
	var mean, square float64
	for _, v := range x {
		mean += v / mpcWindow
		square += v * v / mpcWindow
	}
	most := mean + p.opts.Clip*math.Sqrt(max(0, square-mean*mean))
	for k, v := range p.arrivals {
		p.arrivals[k] = min(most, max(0, v))
	}
}

// mpcModel is the cost of an interval for one function.
type mpcModel struct {
	MPCOptions
	interval, execution, initialise float64 // s
}

// step is an interval with w containers, in which l requests arrive: its cost, and the queue
// that is left of q.
func (m *mpcModel) step(w int, l, q float64) (cost, left float64) {
	serve := float64(w) * m.interval / m.execution
	left = max(0, q+l-serve)
	cost = m.Cold*max(0, l-serve)*(m.initialise+m.execution) + m.Queue*q*m.execution +
		m.Idle*max(0, float64(w)*m.interval-l*m.execution)
	return cost, left
}

// move is the cost of starting x containers, or reclaiming -x, after x0 were started before.
func (m *mpcModel) move(x, x0 int) float64 {
	c := m.Smooth * float64(x*x)
	if x < 0 {
		c += m.Reclaim * float64(x)
		x = 0
	}
	d := float64(x - max(0, x0))
	return c + m.Start*float64(x)*m.initialise + m.Smooth*d*d
}

// A planner finds plans. It keeps its tables for the next one.
type planner struct {
	model  mpcModel
	states []mpcState // shape (horizon+1, containers+1)
	out    []int
}

// mpcState is the cheapest way to have so many containers after so many intervals.
type mpcState struct {
	cost  float64
	queue float64
	from  int32 // containers one interval before
	start int32 // containers that were started then, < 0: reclaimed
}

// plan returns the containers of each interval, the first one those that there are, which
// begin to count after lead intervals; arrivals are those of the lead and the horizon.
func (p *planner) plan(live, lead int, queue float64, arrivals []float64) []int {
	m := &p.model
	horizon := len(arrivals) - lead
	need := queue
	for k, l := range arrivals {
		need = max(need, l)
		if k < lead { // nothing can be done about it
			_, queue = m.step(live, l, queue)
		}
	}
	most := max(live, min(mpcMost, int(math.Ceil(max(need, queue)*m.execution/m.interval))+1))
	width := most + 1
	if size := (horizon + 1) * width; cap(p.states) < size {
		p.states = make([]mpcState, size)
	}
	p.states = p.states[:(horizon+1)*width]
	for i := range p.states {
		p.states[i].cost = math.Inf(1)
	}
	p.states[live] = mpcState{queue: queue}
	for k := range horizon {
		now, next := p.states[k*width:(k+1)*width], p.states[(k+1)*width:(k+2)*width]
		for from := range now {
			a := &now[from]
			if math.IsInf(a.cost, 1) {
				continue
			}
			// What is decided now counts from the next interval on: this one has what there is.
			cost, left := m.step(from, arrivals[lead+k], a.queue)
			cost += a.cost
			for to := range next {
				if c := cost + m.move(to-from, int(a.start)); c < next[to].cost {
					next[to] = mpcState{cost: c, queue: left, from: int32(from), start: int32(to - from)}
				}
			}
		}
	}
	p.out = append(p.out[:0], make([]int, horizon+1)...)
	last := p.states[horizon*width:]
	at := 0
	for w := range last {
		if last[w].cost < last[at].cost {
			at = w
		}
	}
	for k := horizon; k >= 0; k-- {
		p.out[k] = at
		at = int(p.states[k*width+at].from)
	}
	return p.out
}
