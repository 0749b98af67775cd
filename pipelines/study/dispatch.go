package study

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/knapsack"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A dispatchRun is how many instances are drawn from a replay, and under which load.
type dispatchRun struct {
	instances    int
	load, memory float64 // as in a decisionCell
	nodes        int     // of branch and bound
}

var dispatching = dispatchRun{instances: 10_000, load: 1.075, memory: 0.5, nodes: 10_000}

// dispatchSites are what is free where an instance is solved: what a completion or two give back, and
// invokers that are empty.
var dispatchSites = []struct {
	name   string
	memory int64
	cores  float64
}{
	{"512 MB, 1 core", 512 << 20, 1}, {"1 GB, 2 cores", 1 << 30, 2}, {"2 GB, 8 cores", 2 << 30, 8}, {"8 GB, 8 cores", 8 << 30, 8}, {"64 GB, 8 cores", 64 << 30, 8},
}

// dispatchMethods solve a problem; the first is exact.
var dispatchMethods = []struct {
	name  string
	solve func(s *knapsack.Solver, p knapsack.Problem) float64
}{
	{"exact (DP)", func(s *knapsack.Solver, p knapsack.Problem) float64 { return s.Exact(p).Value }},
	{"branch and bound", func(s *knapsack.Solver, p knapsack.Problem) float64 {
		v, _ := s.Branch(p, knapsack.Limit{Nodes: dispatching.nodes})
		return v.Value
	}},
	{"greedy", func(s *knapsack.Solver, p knapsack.Problem) float64 { return s.Greedy(p).Value }},
	{"greedy, repaired", func(s *knapsack.Solver, p knapsack.Problem) float64 { return s.Swap(p).Value }},
	{"refill", func(s *knapsack.Solver, p knapsack.Problem) float64 { return s.Refill(p).Value }},
}

// A backlog draws instances of the FPS problem from a run: of all events at which requests of two
// functions or more wait, each is kept with the same probability.
type backlog struct {
	src  *rand.Rand
	n    int
	seen int
	kept [][]knapsack.Class
}

// Handled implements sim.Observer.
func (b *backlog) Handled(s decide.Snapshot, _ decide.Event, _ []decide.Decision) {
	waiting := s.Backlog()
	if len(waiting) < 2 {
		return
	}
	b.seen++
	at := len(b.kept)
	if at < b.n {
		b.kept = append(b.kept, nil)
	} else if at = b.src.IntN(b.seen); at >= b.n {
		return
	}
	classes := make([]knapsack.Class, 0, len(waiting))
	for _, f := range waiting {
		// Worth the more the shorter it executes: the order that the index learned too.
		value := 1 / (1 + s.Execution(f).Seconds())
		classes = append(classes, knapsack.Class{
			Value: value, Copies: s.Waiting(f), CPU: math.Ceil(s.CPU(f)/knapsack.DefaultCPUQuantum) * knapsack.DefaultCPUQuantum,
			Memory: (s.Memory(f) + knapsack.DefaultMemoryQuantum - 1) / knapsack.DefaultMemoryQuantum * knapsack.DefaultMemoryQuantum,
		})
	}
	b.kept[at] = classes
}

// Finished implements sim.Observer.
func (*backlog) Finished(sim.Outcome) {}

// dispatch compares solutions of the static problem on what waits in a replay.
func dispatch(ctx context.Context, l *lab) error {
	t, o, err := l.platform()
	if err != nil {
		return err
	}
	one := o
	one.ScaleArrivals = 1
	base, err := sim.OfferedLoad(ctx, t, one)
	if err != nil {
		return err
	}
	o.ScaleArrivals = dispatching.load / base
	o.Cluster.MemoryMB = max(int(dispatching.memory*float64(o.Cluster.MemoryMB)), largestMB(t))
	seen := &backlog{src: seed.Stream(l.Seed, "dispatch"), n: dispatching.instances}
	o.Observer = seen
	w, err := sim.Load(ctx, t, o.Draw)
	if err != nil {
		return err
	}
	native, err := sim.Baseline(sim.Native, l.Seed)
	if err != nil {
		return err
	}
	if _, err := sim.Run(ctx, t, w, native.New, o); err != nil {
		return err
	}
	if len(seen.kept) == 0 {
		return fmt.Errorf("at load %g on %d MB nothing waits: there is nothing to choose", dispatching.load, o.Cluster.MemoryMB)
	}
	sizes := make([]int, len(seen.kept))
	for i, classes := range seen.kept {
		sizes[i] = len(classes)
	}
	slices.Sort(sizes)
	l.say("%d instances out of %d events of a replay of %s under native at load %g with %d MB an invoker, at which requests of two functions or more wait: of %d functions in the median, %d at most. "+
		"A request is worth 1/(1 + s), s what its function executes in the mean; containers are as large as in the trace, rounded up to the quanta of the exact solution, 32 MB and a quarter core.",
		len(sizes), seen.seen, t.Name, dispatching.load, o.Cluster.MemoryMB, sizes[len(sizes)/2], sizes[len(sizes)-1])
	l.say("Regret is what is missing of the value of the exact solution. Branch and bound stops after %d nodes.", dispatching.nodes)
	regrets := Table{Title: "Regret, %", Columns: []Column{{"site", "free", ""}}}
	times := Table{Title: "Time of a solution, µs", Columns: []Column{{"site", "free", ""}}}
	for k, m := range dispatchMethods {
		if k > 0 {
			regrets.Columns = append(regrets.Columns, Column{m.name + " mean", m.name + ": mean", "%.3f"}, Column{m.name + " p99", "p99", "%.2f"})
		}
		times.Columns = append(times.Columns, Column{m.name + " median", m.name + ": median", "%.1f"}, Column{m.name + " p99", "p99", "%.1f"})
	}
	var s knapsack.Solver
	lines := make([]report.Line, len(dispatchMethods)-1)
	for _, site := range dispatchSites {
		worth, took := make([][]float64, len(dispatchMethods)), make([][]float64, len(dispatchMethods))
		for i, classes := range seen.kept {
			if i&0xff == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			p := knapsack.Problem{Memory: site.memory, CPU: site.cores, Classes: classes}
			for k, m := range dispatchMethods {
				from := l.Now()
				v := m.solve(&s, p)
				took[k] = append(took[k], float64(l.Now().Sub(from))/float64(time.Microsecond))
				worth[k] = append(worth[k], v)
			}
		}
		row, clock := []any{site.name}, []any{site.name}
		for k := range dispatchMethods {
			clock = append(clock, at(took[k], 0.5), at(took[k], 0.99))
			if k == 0 {
				continue
			}
			regret := make([]float64, 0, len(worth[k]))
			for i, v := range worth[k] {
				if best := worth[0][i]; best > 0 {
					regret = append(regret, 100*(1-v/best))
				}
			}
			m, _ := interval(regret)
			row = append(row, m, at(regret, 0.99))
			lines[k-1].Name, lines[k-1].Marks = dispatchMethods[k].name, true
			lines[k-1].X, lines[k-1].Y = append(lines[k-1].X, float64(site.memory>>20)), append(lines[k-1].Y, max(0, m))
		}
		regrets.add(row...)
		times.add(clock...)
	}
	l.table(regrets)
	l.out.Timing = append(l.out.Timing, times)
	l.out.Figures = append(l.out.Figures, report.Lines(report.Chart{
		ID: "dispatch", Title: "What is missing of the exact solution", Head: "Mean regret, %",
		Caption: "Mean regret by the memory that is free.",
	}, report.Scale{Label: "MB free (log scale)", Log: true}, report.Scale{}, lines))
	return nil
}

// at is the smallest of the values that a share p of them does not exceed. It sorts them.
func at(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(len(values)-1, int(p*float64(len(values))))]
}
