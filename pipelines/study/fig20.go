package study

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/knapsack"
)

const (
	fig20Instances = 12 // of each size
	fig20Copies    = 4  // of a class, at most
	fig20Nodes     = 100_000
	fig20Budget    = 60 * time.Millisecond // for a method at a size, at the least one decision
	fig20Hidden    = 64                    // units of an untrained network
)

// fig20Sizes are numbers of classes: functions with a request that waits.
var fig20Sizes = []int{8, 16, 32, 64, 128, 256}

// problems are random instances of the FPS problem on the free part of an invoker, with
// the sizes of containers of Section VIII-A.
func problems(rnd uint64, classes int, memory int64, cores float64) []knapsack.Problem {
	out := make([]knapsack.Problem, fig20Instances)
	draw := seed.Stream(rnd, fmt.Sprintf("fig20 %d classes %d bytes", classes, memory))
	for i := range out {
		p := knapsack.Problem{Memory: memory, CPU: cores}
		for range classes {
			p.Classes = append(p.Classes, knapsack.Class{
				Value: draw.Float64(), Memory: []int64{128, 64, 32}[draw.IntN(3)] << 20, CPU: []float64{1, 0.75, 0.5}[draw.IntN(3)], Copies: 1 + draw.IntN(fig20Copies),
			})
		}
		out[i] = p
	}
	return out
}

// observations are random observations of n candidates.
func observations(draw *rand.Rand, n int) []*agent.Observation {
	out := make([]*agent.Observation, fig20Instances)
	for i := range out {
		o := agent.NewObservation(n)
		o.N = n
		for k := range o.Candidates {
			o.Candidates[k] = draw.Float32()
		}
		for k := range o.Global {
			o.Global[k] = draw.Float32()
		}
		for k := range n {
			o.Mask[k] = 1 / float32(n)
		}
		for k := range o.Legal {
			o.Legal[k] = true
		}
		out[i] = o
	}
	return out
}

// network is one of n candidates: the first of the bundle if it has that many, else one of
// random weights, which takes as long.
func (l *lab) network(n int, draw *rand.Rand) (*agent.Network, error) {
	if l.Subject != nil {
		for _, name := range scheduler.NetworkFiles(l.Subject.Models.Clusters) {
			if net := l.Subject.Models.Networks[name]; net != nil && net.Candidates == n {
				return net, nil
			}
		}
	}
	net, err := agent.NewNetwork(n, fig20Hidden)
	if err != nil {
		return nil, err
	}
	for _, layer := range net.Layers() {
		for i := range layer.Weight {
			layer.Weight[i] = float32(draw.NormFloat64()) / 8
		}
	}
	return net, nil
}

// clocked is the median time of f(0), f(1), … in microseconds: several calls of each of n
// as long as the budget lasts.
func (l *lab) clocked(n int, f func(i int)) float64 {
	f(0) // grows what it keeps between calls
	var took []float64
	begin := l.Now()
	for i := 0; i == 0 || l.Now().Sub(begin) < fig20Budget; i++ {
		// Several calls to a reading: one may be shorter than the clock can tell.
		const calls = 4
		from := l.Now()
		for k := range calls {
			f((i*calls + k) % n)
		}
		took = append(took, l.Now().Sub(from).Seconds()*1e6/calls)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// fig20 measures what a decision costs, and what the solutions are worth.
func fig20(ctx context.Context, l *lab) error {
	sites := []struct {
		name   string
		memory int64
		cores  float64
	}{{"a whole invoker, 64 GB and 8 cores", 64 << 30, 8}, {"what one completion frees, 512 MB and 1 core", 512 << 20, 1}}
	type method struct {
		name  string
		solve func(s *knapsack.Solver, p knapsack.Problem) float64
	}
	methods := []method{
		{"exact (DP)", func(s *knapsack.Solver, p knapsack.Problem) float64 { return s.Exact(p).Value }},
		{"branch and bound", func(s *knapsack.Solver, p knapsack.Problem) float64 {
			v, _ := s.Branch(p, knapsack.Limit{Nodes: fig20Nodes})
			return v.Value
		}},
		{"greedy, repaired", func(s *knapsack.Solver, p knapsack.Problem) float64 { return s.Swap(p).Value }},
		{"greedy", func(s *knapsack.Solver, p knapsack.Problem) float64 { return s.Greedy(p).Value }},
	}
	quality := Table{Title: "Value of the solution, of the exact one's", Columns: []Column{{"site", "free", ""}, {"classes", "functions waiting", "%d"}}}
	for _, m := range methods[1:] {
		quality.Columns = append(quality.Columns, Column{m.name, m.name, "%.4f"})
	}
	agents := Table{Title: "An agent's decision, µs", Columns: []Column{{"classes", "functions waiting", "%d"}, {"clustered_us", "of 16 candidates", "%.1f"}, {"all_us", "of all", "%.1f"}}}
	draw := seed.Stream(l.Seed, "fig20 agent")
	var clustered, all []float64
	n16, err := l.network(16, draw)
	if err != nil {
		return err
	}
	few := observations(draw, 16)
	choose := agent.NewGreedy(n16)
	for _, n := range fig20Sizes {
		net, err := l.network(n, draw)
		if err != nil {
			return err
		}
		many, chooseAll := observations(draw, n), agent.NewGreedy(net)
		clustered = append(clustered, l.clocked(len(few), func(i int) { choose.Choose(few[i]) }))
		all = append(all, l.clocked(len(many), func(i int) { chooseAll.Choose(many[i]) }))
		agents.add(n, clustered[len(clustered)-1], all[len(all)-1])
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	sizes := make([]float64, len(fig20Sizes))
	for i, n := range fig20Sizes {
		sizes[i] = float64(n)
	}
	for k, site := range sites {
		cost := Table{Title: "A decision on " + site.name + ", µs", Columns: []Column{{"classes", "functions waiting", "%d"}}}
		for _, m := range methods {
			cost.Columns = append(cost.Columns, Column{m.name, m.name, "%.1f"})
		}
		times := make([][]float64, len(methods))
		for _, n := range fig20Sizes {
			ps := problems(l.Seed, n, site.memory, site.cores)
			var s knapsack.Solver
			worth := make([]float64, len(methods))
			for j, m := range methods {
				for _, p := range ps {
					worth[j] += m.solve(&s, p)
				}
			}
			cells := []any{site.name, n}
			for j := range methods[1:] {
				cells = append(cells, worth[j+1]/worth[0])
			}
			quality.add(cells...)
			cells = []any{n}
			for j, m := range methods {
				us := l.clocked(len(ps), func(i int) { m.solve(&s, ps[i]) })
				times[j] = append(times[j], us)
				cells = append(cells, us)
			}
			cost.add(cells...)
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		l.out.Timing = append(l.out.Timing, cost)
		var lines []report.Line
		for j, m := range methods {
			lines = append(lines, report.Line{Name: m.name, X: sizes, Y: times[j], Marks: true})
		}
		lines = append(lines, report.Line{Name: "agent of 16 candidates", X: sizes, Y: clustered, Marks: true}, report.Line{Name: "agent of all", X: sizes, Y: all, Marks: true})
		id, last := "fig20", len(sizes)-1
		if k > 0 {
			id = "fig20-completion"
		}
		l.out.Figures = append(l.out.Figures, report.Lines(report.Chart{
			ID: id, Title: "What a decision costs", Head: "Time of a decision, µs (log scale): " + site.name,
			Caption: fmt.Sprintf("With %d functions waiting the exact solution takes %.0f µs, an agent of 16 candidates %.0f µs.", fig20Sizes[last], times[0][last], clustered[last]),
		}, report.Scale{Label: "functions with a request that waits (log scale)", Log: true}, report.Scale{Log: true}, lines))
		l.claim("DP and branch and bound against the agent, "+site.name, "two to three orders of magnitude slower",
			fmt.Sprintf("with %d functions DP takes %.1f times, branch and bound %.1f times as long", fig20Sizes[last], times[0][last]/clustered[last], times[1][last]/clustered[last]),
			"requests of a function are alike: a table by function and in quanta of 32 MB and a quarter core is small, and what one completion frees is smaller still")
	}
	l.out.Timing = append(l.out.Timing, agents)
	l.table(quality)
	last := len(sizes) - 1
	l.claim("an agent without clusters against one with", "ten times slower", fmt.Sprintf("choosing among all %d functions takes %.1f times as long as among 16", fig20Sizes[last], all[last]/clustered[last]),
		"the same network costs the same for every cluster; what grows is the number of candidates, which 16 bounds")
	l.claim("an agent's decision", "tens of milliseconds", fmt.Sprintf("%.2g ms", clustered[last]/1000), "a small network, run in the scheduler's own process without a framework")
	l.say("Random values, containers of 128, 64 or 32 MB and 1, 0.75 or 0.5 cores, up to %d requests of a function; %d instances of each size, medians. Branch and bound stops after %d nodes. The agent's time is that of the forward pass, not of the observation.",
		fig20Copies, fig20Instances, fig20Nodes)
	return nil
}
