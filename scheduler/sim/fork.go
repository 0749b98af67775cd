package sim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// A Player is a run that goes event by event and can be forked: the same platform goes on
// several times from one moment, under other choices and with other futures. It is for
// measuring what a choice is worth.
type Player struct {
	machine  *machine
	trace    *datasets.Trace
	workload *Workload
	next     int // of the workload

	observer Observer // of the run; nil: none

	mark  decide.Time // up to which delay is integrated
	delay float64     // us, requests in the system over time
	drops int64
}

// Play begins a run as [Run] does, of a loaded workload whose containers are of functions, on
// invokers that share their cores equally and do not fail.
func Play(t *datasets.Trace, w *Workload, newStack NewStack, o Options) (*Player, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if !w.held || w.apps != nil || o.Faults.any() || o.Scheduler.Concurrency > 1 {
		return nil, errors.New("sim: a run that is forked needs a loaded workload, containers of functions that execute one request at a time, and no faults")
	}
	if w.requests == 0 {
		return nil, w.empty(t)
	}
	if err := fits(t, o.Cluster); err != nil {
		return nil, err
	}
	site := policy.Site{Profiles: Profiles(t), Invokers: o.Cluster.Specs(), Start: decide.Time(w.from) * decide.Minute}
	stack, err := newStack(t, site)
	if err != nil {
		return nil, fmt.Errorf("build policy: %w", err)
	}
	s, err := scheduler.New(site.Profiles, site.Invokers, stack, o.Scheduler)
	if err != nil {
		return nil, err
	}
	sharing, err := o.sharing(stack.Sharing)
	if err != nil {
		return nil, fmt.Errorf("simulate %s: %w", stack.Name, err)
	}
	if sharing.Name != PS {
		return nil, fmt.Errorf("sim: a run that is forked needs sharing %s, got %q", PS, sharing.Name)
	}
	p := &Player{trace: t, workload: w, observer: o.Observer, mark: decide.Time(w.from) * decide.Minute}
	o.Observer = p
	p.machine = newMachine(t, s, w, sharing, o)
	return p, nil
}

// Now is the time of the last event.
func (p *Player) Now() decide.Time { return p.machine.now }

// Begin is when the window of the workload begins, and End when it ends.
func (p *Player) Begin() decide.Time { return p.machine.tally.begin }

// End is described with Begin.
func (p *Player) End() decide.Time { return p.machine.tally.end }

// Snapshot is the view of the scheduler.
func (p *Player) Snapshot() decide.Snapshot { return p.machine.sched.Snapshot() }

// arrival of the next request, or Forever.
func (p *Player) arrival() decide.Time {
	if p.next < len(p.workload.items) {
		return p.workload.items[p.next].arrival
	}
	return decide.Forever
}

// Next is when the next event happens, or Forever.
func (p *Player) Next() decide.Time { return min(p.machine.due, p.arrival()) }

// Step lets the next event happen. Nothing happens where there is none.
func (p *Player) Step() error {
	m, n := p.machine, p.machine.inFlight
	at := p.arrival()
	var err error
	switch {
	case m.due <= at && m.due < decide.Forever:
		err = m.step()
	case at < decide.Forever:
		err = m.arrive(p.workload.first+uint64(p.next), p.workload.items[p.next])
		p.next++
	}
	p.delay += float64(n) * float64(m.now-p.mark)
	p.mark = m.now
	return err
}

// Until steps while the next event is before at.
func (p *Player) Until(ctx context.Context, at decide.Time) error {
	for n := 0; p.Next() < at; n++ {
		if n&0xfff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := p.Step(); err != nil {
			return err
		}
	}
	return nil
}

// Handled implements Observer.
func (p *Player) Handled(s decide.Snapshot, ev decide.Event, decisions []decide.Decision) {
	if p.observer != nil {
		p.observer.Handled(s, ev, decisions)
	}
}

// Finished implements Observer: a request that is dropped counts with its execution.
func (p *Player) Finished(o Outcome) {
	if o.Class == Dropped {
		p.drops++
		p.delay += float64(o.Work)
	}
	if p.observer != nil {
		p.observer.Finished(o)
	}
}

// Fork returns a run of its own in the state of p, of which stack goes on to decide, and with
// nothing counted and nobody looking yet.
func (p *Player) Fork(stack scheduler.Stack) *Player {
	f := *p
	m := *p.machine
	f.machine, f.observer, f.delay, f.drops, f.mark = &m, nil, 0, 0, m.now
	m.sched, m.observer = p.machine.sched.Clone(stack), &f
	m.tally = &tally{trace: p.machine.tally.trace, mark: decide.Forever, now: m.now}
	d := *p.machine.draws
	d.prewarms = slices.Clone(d.prewarms)
	m.draws = &d
	m.events.items = slices.Clone(m.events.items)
	m.finish.levels = slices.Clone(m.finish.levels)
	for i, level := range m.finish.levels {
		m.finish.levels[i] = slices.Clone(level)
	}
	m.invokers = slices.Clone(m.invokers)
	for i := range m.invokers {
		m.invokers[i].ps.jobs = slices.Clone(m.invokers[i].ps.jobs)
	}
	m.jobs, m.free, m.containers = slices.Clone(m.jobs), slices.Clone(m.free), slices.Clone(m.containers)
	return &f
}

// Redraw gives p another future, which does not depend on what p has decided: the requests of
// w from now on, other durations of all that wait, what executes is left with is drawn anew
// given how long it has executed, and the costs of starts to come are drawn from rnd.
func (p *Player) Redraw(w *Workload, rnd uint64) error {
	if !w.held || w.apps != nil {
		return errors.New("sim: a future must be a loaded workload whose containers are of functions")
	}
	m := p.machine
	p.workload = w
	p.next, _ = slices.BinarySearchFunc(w.items, m.now, func(r request, at decide.Time) int {
		if r.arrival <= at {
			return -1
		}
		return 1
	})
	m.draws.initialise, m.draws.terminate = seed.Key(rnd, "initialisation"), seed.Key(rnd, "termination")
	m.draws.prewarm, m.draws.retire = seed.Key(rnd, "prewarm initialisation"), seed.Key(rnd, "prewarm termination")
	key := seed.Key(rnd, "execution")
	for id := range m.jobs {
		if j := &m.jobs[id]; j.stage == waiting || j.stage == ordered {
			j.work = draw(m.draws.functions[j.function].Execution, key, j.number)
		}
	}
	for i := range m.invokers {
		q := &m.invokers[i].ps
		q.advance(m.now)
		jobs := q.jobs
		q.jobs = nil
		for _, x := range jobs {
			if x.who.id >= 0 {
				j, speed := &m.jobs[x.who.id], m.speed(m.containers[x.who.box].share)
				left := float64(max(0, x.done-q.v)) * speed / workUnit
				left = remaining(m.draws.functions[j.function].Execution, float64(j.work)-left, left, seed.Uniform(key, j.number))
				x.done = q.v + int64(math.Ceil(left/speed*workUnit))
			}
			q.jobs = append(q.jobs, psJob{})
			q.up(len(q.jobs)-1, x)
		}
		m.finish.set(decide.InvokerID(i), q.next())
	}
	m.due = m.next()
	return nil
}

// remaining is the rest, in us, of an execution that d describes and that has gone on for so
// many us, at the quantile u of the rest; left where d knows no longer ones.
func remaining(d datasets.Distribution, executed, left, u float64) float64 {
	low, high := 0.0, 1.0
	for range 40 {
		if mid := (low + high) / 2; float64(decide.FromDuration(d.Quantile(mid))) > executed {
			high = mid
		} else {
			low = mid
		}
	}
	rest := float64(decide.FromDuration(d.Quantile(high+u*(1-high)))) - executed
	if rest <= 0 {
		return left
	}
	return rest
}

// Delay is the time in us that requests have spent in the system since p was forked, up to at,
// which is not before the last event, and the time that those in the system then have at
// least still to execute; a dropped one counts with its execution. So of two forks with the same future the
// difference is that of their latencies, as far as it has shown.
func (p *Player) Delay(at decide.Time) (delay float64, drops int64) {
	m := p.machine
	delay = p.delay + float64(m.inFlight)*float64(at-p.mark)
	for id := range m.jobs {
		if j := &m.jobs[id]; j.stage == waiting || j.stage == ordered {
			delay += float64(j.work)
		}
	}
	for i := range m.invokers {
		q := &m.invokers[i].ps
		v := q.v + int64(at-q.last)*q.rate
		for _, x := range q.jobs {
			if x.who.id >= 0 {
				delay += float64(max(0, x.done-v)) / workUnit * m.speed(m.containers[x.who.box].share)
			}
		}
	}
	return delay, p.drops
}
