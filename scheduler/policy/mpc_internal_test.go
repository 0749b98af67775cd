package policy

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// cost of having path[k] containers in the intervals after the lead, by the definition.
func (m *mpcModel) total(path []int, lead int, queue float64, arrivals []float64) float64 {
	var sum float64
	for k, l := range arrivals {
		w := path[0]
		if k >= lead {
			w = path[k-lead]
		}
		c, left := m.step(w, l, queue)
		if queue = left; k >= lead {
			before := 0
			if k > lead {
				before = path[k-lead] - path[k-lead-1]
			}
			sum += c + m.move(path[k-lead+1]-path[k-lead], before)
		}
	}
	return sum
}

// TestMPCPlan: a plan begins with the containers there are, has no fewer than none and no
// more than there may be, and starts and reclaims in different intervals. Where a queue costs nothing and
// changes of starts do not either, no other plan is cheaper.
func TestMPCPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := DefaultMPCOptions()
		weight := rapid.Float64Range(0, 2)
		o.Cold, o.Start, o.Idle = weight.Draw(t, "cold"), weight.Draw(t, "start"), weight.Draw(t, "idle")
		exact := rapid.Bool().Draw(t, "exact")
		if exact {
			o.Queue, o.Smooth = 0, 0
		} else {
			o.Queue, o.Smooth = weight.Draw(t, "queue"), weight.Draw(t, "smooth")
		}
		p := planner{model: mpcModel{
			MPCOptions: o, interval: 5,
			execution: rapid.Float64Range(0.5, 10).Draw(t, "execution"), initialise: rapid.Float64Range(0, 20).Draw(t, "initialise"),
		}}
		// It is not worth more to reclaim a container than to start one costs: else both are for ever.
		o.Reclaim = rapid.Float64Range(0, 1).Draw(t, "reclaim") * o.Start * p.model.initialise
		p.model.Reclaim = o.Reclaim
		live, lead := rapid.IntRange(0, 3).Draw(t, "live"), rapid.IntRange(0, 2).Draw(t, "lead")
		queue := float64(rapid.IntRange(0, 2).Draw(t, "waiting"))
		horizon := rapid.IntRange(1, 4).Draw(t, "horizon")
		arrivals := rapid.SliceOfN(rapid.Float64Range(0, 1), lead+horizon, lead+horizon).Draw(t, "arrivals")
		plan := p.plan(live, lead, queue, arrivals)
		if len(plan) != horizon+1 || plan[0] != live {
			t.Fatalf("plan %v from %d over %d", plan, live, horizon)
		}
		for _, w := range plan {
			if w < 0 || w > max(live, mpcMost) {
				t.Fatalf("plan %v", plan)
			}
		}
		least := math.Inf(1)
		path := append([]int{live}, make([]int, horizon)...)
		var try func(k int)
		try = func(k int) {
			if k > horizon {
				least = min(least, p.model.total(path, lead, queue, arrivals))
				return
			}
			for w := range 5 {
				path[k] = w
				try(k + 1)
			}
		}
		try(1)
		got := p.model.total(plan, lead, queue, arrivals)
		if exact && got > least+1e-9 {
			t.Fatalf("plan %v costs %g, another one %g", plan, got, least)
		}
	})
}

// TestMPCStartsInTime: before a burst that is forecast the containers start so early that they
// count in its interval, and after it they are reclaimed.
func TestMPCStartsInTime(t *testing.T) {
	for _, lead := range []int{0, 2} {
		o := DefaultMPCOptions()
		o.Idle = 0.1
		p := planner{model: mpcModel{MPCOptions: o, interval: 5, execution: 5, initialise: 4 + 5*float64(lead)}}
		arrivals := make([]float64, lead+12)
		arrivals[lead+5] = 3
		plan := p.plan(0, lead, 0, arrivals)
		for k, w := range plan {
			if want := map[bool]int{true: 3}[k == 5]; w != want {
				t.Errorf("lead %d: plan %v, want 3 containers in interval 5 alone", lead, plan)
				break
			}
		}
	}
}

// TestMPCPlanAsTried: a plan is the one that is found by trying every move from every state in order.
func TestMPCPlanAsTried(t *testing.T) {
	var p planner // keeps its tables
	rapid.Check(t, func(t *rapid.T) {
		o := DefaultMPCOptions()
		weight := rapid.SampledFrom([]float64{0, 0.001, 0.5, 1}) // ties
		o.Cold, o.Start, o.Idle = weight.Draw(t, "cold"), weight.Draw(t, "start"), weight.Draw(t, "idle")
		o.Queue, o.Smooth, o.Reclaim = weight.Draw(t, "queue"), weight.Draw(t, "smooth"), weight.Draw(t, "reclaim")
		m := mpcModel{MPCOptions: o, interval: 5, execution: rapid.Float64Range(0.5, 10).Draw(t, "execution"), initialise: 1}
		p.model = m
		live, horizon := rapid.IntRange(0, 20).Draw(t, "live"), rapid.IntRange(1, 6).Draw(t, "horizon")
		arrivals := rapid.SliceOfN(rapid.SampledFrom([]float64{0, 0.3, 1, 4}), horizon, horizon).Draw(t, "arrivals")
		width := max(live, min(mpcMost, int(math.Ceil(slices.Max(arrivals)*m.execution/m.interval))+1)) + 1
		states := make([][]mpcState, horizon+1)
		for k := range states {
			states[k] = slices.Repeat([]mpcState{{cost: math.Inf(1)}}, width)
		}
		states[0][live] = mpcState{}
		for k, l := range arrivals {
			for from, a := range states[k] {
				cost, left := m.step(from, l, a.queue)
				for to := range width {
					if c := cost + a.cost + m.move(to-from, int(a.start)); c < states[k+1][to].cost {
						states[k+1][to] = mpcState{cost: c, queue: left, from: int32(from), start: int32(to - from)}
					}
				}
			}
		}
		want, at := make([]int, horizon+1), 0
		for w, s := range states[horizon] {
			if s.cost < states[horizon][at].cost {
				at = w
			}
		}
		for k := horizon; k >= 0; k-- {
			want[k], at = at, int(states[k][at].from)
		}
		if got := p.plan(live, 0, 0, arrivals); !slices.Equal(got, want) {
			t.Fatalf("plan %v, want %v", got, want)
		}
	})
}

// move is the cost of starting x containers, or reclaiming -x, after x0 were started before.
func (m *mpcModel) move(x, x0 int) float64 { return m.shift(x) + m.change(max(0, x)-max(0, x0)) }
