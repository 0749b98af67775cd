package policy

import (
	"math"
	"slices"

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
// [decide.RUMMemory] GB s a second.
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

	mpcKnown = 1 << 15 // forecasts that are kept
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
func MPC(profiles []decide.Profile, o MPCOptions) Stack {
	p := &mpc{
		LRU: LRU{Keep: decide.Forever}, periods: newPeriods(o.Interval, len(profiles)), opts: o,
		histories: make([]history, len(profiles)),
		fourier:   timeseries.NewFourier(mpcWindow, 2, mpcHarmonics),
		window:    make([]float64, mpcWindow),
		known:     map[mpcKey][]float64{},
	}
	return Stack{Dispatcher: newActivator(len(profiles), shape, true), Pool: p, Placer: LeastLoaded{}}
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
	known     map[mpcKey][]float64 // forecasts that were made
	window    []float64
	arrivals  []float64 // that are forecast
	planner   planner
}

// Wake implements decide.Pool.
func (p *mpc) Wake() decide.Time { return p.periods.Wake() }

// Adjust implements decide.Pool.
func (p *mpc) Adjust(s decide.Snapshot) (decide.Adjustment, bool) { return p.fleet.Adjust(s) }

// Deployed implements decide.Deployer.
func (p *mpc) Deployed(s decide.Snapshot, f decide.FunctionID, profile decide.Profile) {
	p.periods.Deployed(s, f, profile)
	p.histories = upTo(p.histories, f+1, history{})
}

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
	key, few := mpcKeyOf(x, steps)
	if few {
		if known, is := p.known[key]; is {
			copy(p.arrivals, known)
			return
		}
	}
	p.fourier.Forecast(x, p.arrivals)
	var mean, square float64
	for _, v := range x {
		if v == 0 { // as most are
			continue
		}
		mean += v / mpcWindow
		square += v * v / mpcWindow
	}
	most := mean + p.opts.Clip*math.Sqrt(max(0, square-mean*mean))
	for k, v := range p.arrivals {
		p.arrivals[k] = min(most, max(0, v))
	}
	if few {
		if len(p.known) == mpcKnown {
			clear(p.known)
		}
		p.known[key] = slices.Clone(p.arrivals)
	}
}

// mpcKey tells a forecast: its steps, and the window in which at most two values are not 0, as in
// half of all.
type mpcKey struct {
	steps  int
	at     [2]int
	values [2]float64
}

// mpcKeyOf returns the key of a window, and whether it has one.
func mpcKeyOf(x []float64, steps int) (key mpcKey, few bool) {
	key.steps = steps
	n := 0
	for i, v := range x {
		if v == 0 {
			continue
		}
		if n == len(key.at) {
			return key, false
		}
		key.at[n], key.values[n] = i, v
		n++
	}
	return key, true
}

// mpcModel is the cost of an interval for one function.
type mpcModel struct {
	MPCOptions
	interval, execution, initialise float64 // s
}

// step is an interval with w containers, in which l requests arrive: its cost, and the queue
// that is left of q.
func (m *mpcModel) step(w int, l, q float64) (cost, left float64) {
	return m.serving(m.serve(w), float64(w)*m.interval, l, q)
}

// serve is what w containers can serve in an interval.
func (m *mpcModel) serve(w int) float64 { return float64(w) * m.interval / m.execution }

// serving is step with containers that can serve so many requests in so many seconds of theirs.
func (m *mpcModel) serving(serve, seconds, l, q float64) (cost, left float64) {
	if v := q + l - serve; v > 0 {
		left = v
	}
	if v := l - serve; v > 0 {
		cost = m.Cold * v * (m.initialise + m.execution)
	}
	cost += m.Queue * q * m.execution
	if v := seconds - l*m.execution; v > 0 {
		cost += m.Idle * v
	}
	return cost, left
}

// shift is what starting x containers, or reclaiming -x, costs, whatever was started before.
func (m *mpcModel) shift(x int) float64 {
	c := m.Smooth * float64(x*x)
	if x < 0 {
		c += m.Reclaim * float64(x)
		x = 0
	}
	return c + m.Start*float64(x)*m.initialise
}

// change is the other one, >= 0: of starting d more, or -d fewer, than before.
func (m *mpcModel) change(d int) float64 { return m.Smooth * float64(d) * float64(d) }

// A planner finds plans. It keeps its tables for the next one.
type planner struct {
	model  mpcModel
	states []mpcState // shape (horizon+1, containers+1)
	shifts []float64  // of -containers .. containers, and as many changes
	serves []float64  // by containers
	out    []int
}

// mpcState is the cheapest way to have so many containers after so many intervals.
type mpcState struct {
	cost  float64 // with the interval that follows, once it has been stepped through
	queue float64 // likewise
	from  int32   // containers one interval before
	start int32   // containers that were started then, < 0: reclaimed
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
	shifts, changes, least := p.moves(most)
	p.serves = p.serves[:0]
	for w := range width {
		p.serves = append(p.serves, m.serve(w))
	}
	for k := range horizon {
		now, next := p.states[k*width:(k+1)*width], p.states[(k+1)*width:(k+2)*width]
		// What is decided now counts from the next interval on: this one has what there is.
		best := 0
		for from := range now {
			a := &now[from]
			cost, left := m.serving(p.serves[from], float64(from)*m.interval, arrivals[lead+k], a.queue)
			a.cost, a.queue = a.cost+cost, left
			if a.cost < now[best].cost {
				best = from
			}
		}
		// No next state costs more than from the cheapest one: from one that is dearer than that none is
		// reached. That leaves few where there are many containers.
		x0 := max(0, int(now[best].start))
		dearest := 0.
		for x := -best; x <= most-best; x++ {
			if c := shifts[most+x] + changes[most+max(0, x)-x0]; c > dearest {
				dearest = c
			}
		}
		limit := now[best].cost + dearest
		// The cheapest one is first, so that few others replace what it led to. Of equally cheap ways
		// the one from the fewest containers remains: below it, the later one.
		for from := best; from >= 0; from-- {
			if now[from].cost+least <= limit {
				leave(now, next, from, shifts, changes, true)
			}
		}
		for from := best + 1; from < width; from++ {
			if now[from].cost+least <= limit {
				leave(now, next, from, shifts, changes, false)
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

// moves returns the parts of the cost of all moves of at most so many containers, each from
// its -most on, and the least one that a move can cost.
func (p *planner) moves(most int) (shifts, changes []float64, least float64) {
	n := 2*most + 1
	if cap(p.shifts) < 2*n {
		p.shifts = make([]float64, 2*n)
	}
	shifts, changes = p.shifts[:n], p.shifts[:2*n][n:]
	for i := range n {
		shifts[i], changes[i] = p.model.shift(i-most), p.model.change(i-most)
		least = min(least, shifts[i])
	}
	return shifts, changes, least
}

// leave takes in the moves from a state to the next ones, which are those that cost less than what
// leads there so far, or as much and ties count.
func leave(now, next []mpcState, from int, shifts, changes []float64, ties bool) {
	a, most := &now[from], len(now)-1
	changes = changes[most-max(0, int(a.start)):]
	cost, queue, down, stay := a.cost, a.queue, shifts[most-from:most], changes[0]
	for to := range down {
		n := &next[to]
		if c := cost + (down[to] + stay); c < n.cost || ties && c == n.cost {
			*n = mpcState{cost: c, queue: queue, from: int32(from), start: int32(to - from)}
		}
	}
	up := next[from:]
	shifts, changes = shifts[most:][:len(up)], changes[:len(up)]
	for x := range up {
		n := &up[x]
		if c := cost + (shifts[x] + changes[x]); c < n.cost || ties && c == n.cost {
			*n = mpcState{cost: c, queue: queue, from: int32(from), start: int32(x)}
		}
	}
}

var mpcRow = row(Row{Name: "mpc", Source: "Nguyen, Bhuyan and Elmroth, MASCOTS 2025: model predictive control of containers, requests wait for them", Reconstruction: true}, DefaultMPCOptions(), []field[MPCOptions]{
	timed("interval_s", "control interval, in seconds", decide.Second, 1, 60, func(o *MPCOptions) *decide.Time { return &o.Interval }),
	whole("horizon", "control intervals that are planned", 1, 60, func(o *MPCOptions) *int { return &o.Horizon }),
	number("clip", "standard deviations above the mean that a forecast may be", 0, 10, func(o *MPCOptions) *float64 { return &o.Clip }),
	number("alpha", "cost of a second of start and execution that a request is expected to wait for", 0, 1000, func(o *MPCOptions) *float64 { return &o.Cold }),
	number("beta", "cost of a second of execution that a waiting request waits for", 0, 1000, func(o *MPCOptions) *float64 { return &o.Queue }),
	number("gamma", "cost of a second of an idle container", 0, 1000, func(o *MPCOptions) *float64 { return &o.Idle }),
	number("delta", "cost of a second of initialisation", 0, 1000, func(o *MPCOptions) *float64 { return &o.Start }),
	number("eta", "what it is worth to end a container", 0, 1000, func(o *MPCOptions) *float64 { return &o.Reclaim }),
	number("rho", "cost of the square of changes of containers and of starts", 0, 1000, func(o *MPCOptions) *float64 { return &o.Smooth }),
}, func(s Site, o MPCOptions) Stack {
	return MPC(s.Profiles, o)
})
