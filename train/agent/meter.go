package agent

import (
	"cmp"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A meter integrates the cost of a run: see the package comment. It is a sim.Observer.
type meter struct {
	cost    cost
	decay   float64 // -ln gamma, per second
	signals decide.Signals

	now       decide.Time
	waiting   float64 // sum of the priorities of what has not begun to execute
	executing []float64
	rate      float64 // W
	working   int64   // bytes of containers that execute
	requests  []charged
	running   []int32 // by container
	due       []deadline
	head      int

	initialising []decide.RequestID // that a container is being created for
	batches      []work             // scratch of potential

	// Since the last take.
	accrued  float64
	discount float64

	total   float64 // undiscounted
	arrived float64 // sum of the priorities of all requests
	began   bool
	last    decide.Snapshot

	// Of the requests that count.
	weight, weighted float64 // sum p, sum p * latency in seconds
	latency          float64
	count            int
}

type charged struct {
	p       float64
	invoker decide.InvokerID
	arrival decide.Time
	ready   decide.Time // when its container is expected, once one is being created
	waits   bool        // it is in the queue, as far as is known
}

// work is the waiting requests of a function as one batch.
type work struct {
	p, load float64 // of one request: priority, seconds of all cores
	n       int
	f       decide.FunctionID
}

type deadline struct {
	at      decide.Time
	request decide.RequestID
}

func newMeter(c cost) *meter {
	return &meter{cost: c, decay: -math.Log(c.gamma), discount: 1}
}

// advance integrates up to now, in the state since the last event.
func (m *meter) advance(now decide.Time) {
	for m.head < len(m.due) && m.due[m.head].at <= now {
		d := m.due[m.head]
		m.head++
		m.pass(d.at)
		if r := &m.requests[d.request]; r.waits && r.arrival+m.cost.objective == d.at {
			m.charge(m.cost.slo * r.p)
		}
	}
	m.pass(now)
	if m.head > 1024 && 2*m.head > len(m.due) {
		m.due = m.due[:copy(m.due, m.due[m.head:])]
		m.head = 0
	}
}

func (m *meter) pass(now decide.Time) {
	d := (now - m.now).Seconds()
	if d <= 0 {
		return
	}
	m.now = now
	f := math.Exp(-m.decay * d)
	m.accrued += m.discount * m.rate * (1 - f) / m.decay
	m.discount *= f
	m.total += m.rate * d
}

// charge adds a cost that is due at once.
func (m *meter) charge(x float64) {
	m.accrued += m.discount * x
	m.total += x
}

// take returns the reward and the discount since the last call, up to now.
func (m *meter) take(now decide.Time) (reward, discount float64) {
	m.advance(now)
	reward, discount = -m.accrued, m.discount
	m.accrued, m.discount = 0, 1
	return reward, discount
}

// Handled implements sim.Observer.
func (m *meter) Handled(s decide.Snapshot, ev decide.Event, decisions []decide.Decision) {
	if !m.began {
		m.began, m.now = true, s.Now()
		m.executing = make([]float64, s.Invokers())
	}
	m.last = s
	m.advance(s.Now())
	switch ev.Kind {
	case decide.Arrival:
		for int(ev.Request) >= len(m.requests) {
			m.requests = append(m.requests, charged{})
		}
		r := charged{p: m.signals.Priority(s, ev.Function), arrival: s.Now(), waits: true}
		m.requests[ev.Request] = r
		m.waiting += r.p
		m.arrived += r.p
		if m.cost.slo > 0 {
			m.due = append(m.due, deadline{r.arrival + m.cost.objective, ev.Request})
		}
	case decide.Completion:
		r := &m.requests[ev.Request]
		m.executing[r.invoker] -= r.p
		if s.Executing(r.invoker) == 0 {
			m.executing[r.invoker] = 0 // what is left of sums of fractions
		}
		if m.running[ev.Container]--; m.running[ev.Container] == 0 {
			m.working -= s.Memory(ev.Function)
		}
	}
	for _, d := range decisions {
		switch d.Kind {
		case decide.Run:
			r := &m.requests[d.Request]
			r.waits, r.invoker = false, d.Invoker
			if r.ready > 0 {
				m.forget(d.Request)
			}
			m.waiting -= r.p
			m.executing[d.Invoker] += r.p
			for int(d.Container) >= len(m.running) {
				m.running = append(m.running, 0)
			}
			if m.running[d.Container]++; m.running[d.Container] == 1 {
				m.working += s.Memory(d.Function)
			}
		case decide.Create:
			if d.Request != decide.None {
				r := &m.requests[d.Request]
				r.waits = false // it is dispatched, and still costs
				r.ready = s.Now() + s.Initialise(d.Function)
				m.initialising = append(m.initialising, d.Request)
			}
		case decide.Drop:
			r := &m.requests[d.Request]
			r.waits = false
			m.waiting -= r.p
		}
	}
	m.rate = max(m.waiting, 0)
	var used int64
	for i := range decide.InvokerID(s.Invokers()) {
		used += s.UsedMemory(i)
		if cores, demand := s.InvokerSpec(i).Cores, s.BusyCPU(i); demand > cores {
			m.rate += m.executing[i] * (1 - cores/demand)
		}
	}
	m.rate += m.cost.memory * float64(used-m.working) / (1 << 30) / decide.RUMMemory
}

func (m *meter) forget(r decide.RequestID) {
	i := slices.Index(m.initialising, r)
	m.initialising = slices.Delete(m.initialising, i, i+1)
}

// potential is the shaping potential Phi of the package comment, at a decision.
func (m *meter) potential(s decide.Snapshot) float64 {
	now := s.Now()
	var cost float64
	for _, r := range m.initialising {
		q := &m.requests[r]
		cost += q.p * m.present(max(q.ready-now, 0).Seconds())
	}
	var cores float64
	for i := range decide.InvokerID(s.Invokers()) {
		cores += s.InvokerSpec(i).Cores
	}
	m.batches = m.batches[:0]
	for _, f := range s.Backlog() {
		m.batches = append(m.batches, work{m.signals.Priority(s, f), s.Execution(f).Seconds() * s.CPU(f) / cores, s.Waiting(f), f})
	}
	slices.SortFunc(m.batches, func(a, b work) int {
		if c := cmp.Compare(b.p*a.load, a.p*b.load); c != 0 {
			return c
		}
		return cmp.Compare(a.f, b.f)
	})
	at := 0.0
	for _, b := range m.batches {
		// The middle of the batch stands for its requests.
		took := float64(b.n) * b.load
		cost += b.p * float64(b.n) * m.present(at+(took-b.load)/2)
		at += took
	}
	return -cost
}

// present is the discounted value of a cost of 1 per second for t seconds.
func (m *meter) present(t float64) float64 { return -math.Expm1(-m.decay*t) / m.decay }

// Finished implements sim.Observer.
func (m *meter) Finished(o sim.Outcome) {
	if !o.Counted || int(o.Request) >= len(m.requests) || m.requests[o.Request].arrival != o.Arrival {
		return // the last: dropped before it was ever seen to wait
	}
	p, latency := m.requests[o.Request].p, (o.Done - o.Arrival).Seconds()
	m.weight += p
	m.weighted += p * latency
	m.latency += latency
	m.count++
}

// weightedMS is the mean latency of the requests that counted, weighted by their
// priorities, in milliseconds.
func (m *meter) weightedMS() float64 {
	if m.weight <= 0 {
		return 0
	}
	return m.weighted / m.weight * 1e3
}

// perWeight is the undiscounted cost per unit of priority that arrived, in seconds.
func (m *meter) perWeight() float64 {
	if m.arrived <= 0 {
		return 0
	}
	return m.total / m.arrived
}
