package policy_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// handled is an observer of events.
type handled struct {
	sim.Observer
	f func(s decide.Snapshot, ev decide.Event, decisions []decide.Decision)
}

func (handled) Finished(sim.Outcome) {}

func (o handled) Handled(s decide.Snapshot, ev decide.Event, decisions []decide.Decision) {
	o.f(s, ev, decisions)
}

// queues is Mu's gateway, written plainly: what every container has been sent, and what it said.
type queues struct {
	t         *rapid.T
	countSent bool
	ready     map[decide.FunctionID][]decide.ContainerID
	held      map[decide.ContainerID]int // requests, executing ones included
	known     map[decide.ContainerID]int
	last      map[decide.ContainerID]int
	sent      int
	bound     map[decide.RequestID]decide.ContainerID
}

func (q *queues) handled(_ decide.Snapshot, ev decide.Event, decisions []decide.Decision) {
	switch ev.Kind {
	case decide.Arrival:
		best := decide.ContainerID(decide.None)
		for _, c := range q.ready[ev.Function] {
			if best == decide.None || q.known[c] < q.known[best] || q.known[c] == q.known[best] && q.last[c] < q.last[best] {
				best = c
			}
		}
		if best != decide.None {
			q.sent++
			q.last[best] = q.sent
			q.held[best]++
			if q.countSent {
				q.known[best]++
			}
		}
		q.bound[ev.Request] = best
	case decide.Ready:
		q.ready[ev.Function] = append(q.ready[ev.Function], ev.Container)
	case decide.Completion:
		q.held[ev.Container]--
		q.known[ev.Container] = q.held[ev.Container]
	}
	for _, d := range decisions {
		if d.Kind != decide.Run {
			continue
		}
		switch q.bound[d.Request] {
		case decide.None:
			q.held[d.Container]++ // from the gateway
		case d.Container:
		default:
			q.t.Fatalf("request %d runs in container %d, the shortest known queue was in %d", d.Request, d.Container, q.bound[d.Request])
		}
	}
}

// TestMuRoutesToTheShortestKnownQueue: every request runs in the container that the last
// responses said the least waited in.
func TestMuRoutesToTheShortestKnownQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := policy.DefaultMuOptions()
		opts.Keep = decide.Forever
		opts.CountSent = rapid.Bool().Draw(t, "count sent")
		q := &queues{
			t: t, countSent: opts.CountSent,
			ready: make(map[decide.FunctionID][]decide.ContainerID), held: make(map[decide.ContainerID]int),
			known: make(map[decide.ContainerID]int), last: make(map[decide.ContainerID]int),
			bound: make(map[decide.RequestID]decide.ContainerID),
		}
		replay(t, drawn(t, 0.25, 6), func(p []decide.Profile, i []decide.InvokerSpec) policy.Stack { return policy.Mu(p, i, opts) }, 0, handled{f: q.handled})
	})
}

// TestNightcoreManagesConcurrency: no request starts while its function executes as many as
// its load needs, computed again from all gaps and executions.
func TestNightcoreManagesConcurrency(t *testing.T) {
	type history struct {
		rates, executions []float64
		last              decide.Time
		running           int
	}
	average := func(x []float64, gain float64) float64 {
		v := x[0]
		for _, y := range x[1:] {
			v = (1-gain)*v + gain*y
		}
		return v
	}
	rapid.Check(t, func(t *rapid.T) {
		opts := policy.DefaultNightcoreOptions()
		opts.Gain = rapid.Float64Range(0.001, 1).Draw(t, "gain")
		functions := make(map[decide.FunctionID]*history)
		replay(t, drawn(t, 0.25, 6), func(p []decide.Profile, _ []decide.InvokerSpec) policy.Stack { return policy.Nightcore(p, opts) }, 0,
			handled{f: func(_ decide.Snapshot, ev decide.Event, decisions []decide.Decision) {
				h := functions[ev.Function]
				if h == nil {
					h = &history{last: decide.None}
					functions[ev.Function] = h
				}
				switch ev.Kind {
				case decide.Arrival:
					if h.last != decide.None {
						h.rates = append(h.rates, 1/float64(max(1, ev.At-h.last)))
					}
					h.last = ev.At
				case decide.Completion:
					h.executions = append(h.executions, float64(ev.Took))
					h.running--
				}
				for _, d := range decisions {
					if d.Kind != decide.Run {
						continue
					}
					h := functions[d.Function]
					h.running++
					if len(h.rates) == 0 || len(h.executions) == 0 {
						continue
					}
					// The half is what rounding adds; the rest what two orders of summing differ by.
					target := max(1, average(h.rates, opts.Gain)*average(h.executions, opts.Gain)+0.5+1e-6)
					if float64(h.running) > target {
						t.Fatalf("function %d executes %d at once, its target is %g", d.Function, h.running, target)
					}
				}
			}})
	})
}

// TestArchipelagoPools: an application that is not given a second pool never leaves its own,
// and no request of a pool starts in a sandbox while one with less slack could.
func TestArchipelagoPools(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := policy.DefaultArchipelagoOptions()
		opts.Pools = rapid.IntRange(1, 4).Draw(t, "pools")
		opts.ScaleOut = 1e9
		w := drawn(t, 1, 1)
		pools := min(opts.Pools, w.options.Cluster.Invokers)
		poolOf := make(map[decide.FunctionID]int)
		replay(t, w, func(p []decide.Profile, i []decide.InvokerSpec) policy.Stack {
			return policy.Archipelago(p, i, opts, 1)
		}, 1,
			handled{f: func(s decide.Snapshot, ev decide.Event, decisions []decide.Decision) {
				for _, d := range decisions {
					if d.Kind != decide.Run && d.Kind != decide.Create {
						continue
					}
					pool := int(d.Invoker) % pools
					if known, ok := poolOf[d.Function]; ok && known != pool {
						t.Fatalf("function %d of pool %d gets a container in pool %d", d.Function, known, pool)
					}
					poolOf[d.Function] = pool
				}
				if len(decisions) != 1 || decisions[0].Kind != decide.Run || ev.Kind == decide.Ready {
					return // bound at an earlier time
				}
				latest := func(r decide.RequestID) float64 {
					f, arrival := s.Request(r)
					return float64(arrival) + opts.Slack*float64(s.Execution(f))
				}
				d := decisions[0]
				for _, f := range s.Backlog() {
					for c := s.FirstWarm(f); c != decide.None; c = s.NextWarm(c) {
						if s.Invoker(c) == d.Invoker && latest(s.Oldest(f)) < latest(d.Request)-1 {
							t.Fatalf("request %d of %d starts, %d of %d has less slack and a sandbox there", d.Request, d.Function, s.Oldest(f), f)
						}
					}
				}
			}})
	})
}

// TestRainbowCakeShares: a layer serves its own language alone, a bare one all; a container
// that is taken down never holds more than it did; and some are built upon.
func TestRainbowCakeShares(t *testing.T) {
	built := 0
	rapid.Check(t, func(t *rapid.T) {
		opts := policy.DefaultRainbowCakeOptions()
		opts.LanguageMemory = rapid.Int64Range(1, 128).Draw(t, "language MB") << 20
		opts.BareMemory = rapid.Int64Range(1, 64).Draw(t, "bare MB") << 20
		w := drawn(t, 0.25, 6)
		w.options.Cluster.MemoryMB = rapid.IntRange(128, 1024).Draw(t, "memory")
		for i := range w.trace.Functions {
			w.trace.Functions[i].Memory = rapid.Int64Range(1, 128).Draw(t, "MB") << 20
		}
		for i := range w.invocations { // so that layers have the time to come down
			w.invocations[i].Arrival *= 20
		}
		w.trace.Span.To = 80
		var profiles []decide.Profile
		language := make(map[decide.ContainerID]int32) // that a layer belongs to
		of := make(map[decide.ContainerID]decide.FunctionID)
		holds := make(map[decide.ContainerID]int64)
		replay(t, w, func(p []decide.Profile, _ []decide.InvokerSpec) policy.Stack {
			profiles = p
			return policy.RainbowCake(p, opts)
		}, 0, handled{f: func(s decide.Snapshot, _ decide.Event, decisions []decide.Decision) {
			for _, d := range decisions {
				c := d.Container
				switch d.Kind {
				case decide.Create:
					of[c], holds[c] = d.Function, profiles[d.Function].Memory
				case decide.Downgrade:
					language[c] = profiles[of[c]].Language
					memory := opts.LanguageMemory
					if int(d.Function) == s.Functions()-1 { // the last layer is the bare one
						language[c], memory = decide.None, opts.BareMemory
					}
					if memory > holds[c] {
						t.Fatalf("container %d of %d bytes is taken down to %d", c, holds[c], memory)
					}
					holds[c] = memory
				case decide.Upgrade:
					built++
					if l := language[c]; l != decide.None && l != profiles[d.Function].Language {
						t.Fatalf("function %d of language %d is built on a layer of language %d", d.Function, profiles[d.Function].Language, l)
					}
					of[c], holds[c] = d.Function, profiles[d.Function].Memory
				}
			}
		}})
	})
	if built == 0 {
		t.Error("nothing was built on a layer")
	}
}
