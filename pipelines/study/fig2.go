package study

import (
	"context"
	"fmt"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/rank"
)

// The strategies of Fig. 2 as caches of containers that differ in what a hit is worth.
const (
	mostWarm    = "A: most warm starts"
	mostBenefit = "B: most latency benefit"
)

// strategies are FaasCache with every cold start of the same cost, which keeps what is
// used most for its size, and with the cost that it has.
func strategies() []sim.Contender {
	cacheOf := func(cost func(decide.Profile) decide.Time) sim.NewStack {
		return func(_ *datasets.Trace, s policy.Site) (scheduler.Stack, error) {
			profiles := slices.Clone(s.Profiles)
			for i := range profiles {
				profiles[i].Initialise = cost(profiles[i])
			}
			p := policy.FaasCache(profiles)
			return scheduler.Stack{Dispatcher: p.Dispatcher, Pool: p.Pool, Placer: p.Placer}, nil
		}
	}
	return []sim.Contender{
		{Name: mostWarm, New: cacheOf(func(decide.Profile) decide.Time { return decide.Second })},
		{Name: mostBenefit, New: cacheOf(func(p decide.Profile) decide.Time { return p.Initialise })},
	}
}

// spread gives every function a median of its own.
func spread(t *datasets.Trace, rnd uint64) *datasets.Trace {
	out := *t
	out.Functions = slices.Clone(t.Functions)
	for i := range out.Functions {
		f := &out.Functions[i]
		scale := uniform(rnd, "fig2 start costs", uint64(i), 1.0/16, 16)
		f.Initialisation, f.Termination = times(f.Initialisation, scale), times(f.Termination, scale)
	}
	return &out
}

// fig2 compares the strategies at several memory sizes, and then every policy.
func fig2(ctx context.Context, l *lab) error {
	t, o, err := l.platform()
	if err != nil {
		return err
	}
	spreadOut := spread(t, l.Seed)
	var largest int64
	for i := range t.Functions {
		largest = max(largest, t.Functions[i].Memory)
	}
	table := Table{Title: "Two ways to keep containers in too little memory", Columns: []Column{
		{"memory_mb", "memory MB", "%d"}, {"warm_a", "warm starts A", "%.0f"}, {"warm_b", "warm starts B", "%.0f"}, {"warm_ratio", "A / B", "%.2f"},
		{"mean_a_ms", "mean ms A", "%.0f"}, {"mean_b_ms", "mean ms B", "%.0f"}, {"latency_ratio", "A / B", "%.3f"},
	}}
	var memory, ratioWarm, ratioLatency []float64
	best := -1
	least := int(largest>>20) + 1
	for _, share := range []int{8, 6, 4, 3, 2, 1} {
		c := o
		c.Cluster.MemoryMB = max(least, o.Cluster.MemoryMB/share)
		if len(memory) > 0 && float64(c.Cluster.MemoryMB) == memory[len(memory)-1] {
			continue
		}
		rep, err := sim.CompareSeeds(ctx, spreadOut, func(uint64) ([]sim.Contender, error) { return strategies(), nil }, c, l.Seeds, l.Workers)
		if err != nil {
			return err
		}
		if len(memory) == 0 {
			l.describe(rep)
		}
		a, b := row(rep, mostWarm), row(rep, mostBenefit)
		warmA, warmB := warmStarts(a), warmStarts(b)
		meanA, meanB := meanLatency(a), meanLatency(b)
		w, d := mean(warmA)/max(1, mean(warmB)), mean(meanA)/mean(meanB)
		table.add(c.Cluster.MemoryMB, warmA, warmB, w, meanA, meanB, d)
		memory, ratioWarm, ratioLatency = append(memory, float64(c.Cluster.MemoryMB)), append(ratioWarm, w), append(ratioLatency, d)
		if best < 0 || d > ratioLatency[best] {
			best = len(memory) - 1
		}
	}
	l.say("Initialisation times are those of the trace times a factor between 1/16 and 16, drawn for each function: without a spread of costs the two strategies are one.")
	l.table(table)
	l.out.Figures = append(l.out.Figures, report.Lines(report.Chart{
		ID: "fig2", Title: "Most warm starts against most latency benefit", Head: "Strategy A over strategy B, by memory of an invoker",
		Caption: fmt.Sprintf("At %g MB A has %.2f times the warm starts of B and %.2f times its mean latency.", memory[best], ratioWarm[best], ratioLatency[best]),
	}, report.Scale{Label: "memory of an invoker, MB (log scale)", Log: true}, report.Scale{Zero: true}, []report.Line{
		{Name: "warm starts", X: memory, Y: ratioWarm, Marks: true}, {Name: "mean latency", X: memory, Y: ratioLatency, Marks: true},
	}))
	l.claim("more warm starts (A) against more benefit (B)", "2 times the warm starts, and still 19.2 % more latency",
		fmt.Sprintf("at %g MB %.2f times the warm starts, and %s latency", memory[best], ratioWarm[best], against(ratioLatency[best], 1)),
		"the paper names neither strategy nor memory; here both are Greedy-Dual caches, alike but for what a hit is worth, so they differ less")

	rep, err := l.compare(ctx, t, o, []string{"all"})
	if err != nil {
		return err
	}
	var marks []report.Mark
	var warm, latency []float64
	for i := range rep.Policies {
		r := &rep.Policies[i]
		if r.Kind == sim.KindBound {
			continue
		}
		x, y := mean(warmStarts(r))/float64(rep.Requests), mean(meanLatency(r))
		marks = append(marks, report.Mark{Name: r.Name, X: x, Y: y})
		warm, latency = append(warm, x), append(latency, y)
	}
	rho := rank.Spearman(warm, latency)
	l.out.Figures = append(l.out.Figures, report.Scatter(report.Chart{
		ID: "fig2-policies", Title: "Warm starts and latency of every policy", Head: "Mean latency, ms (log scale)",
		Caption: fmt.Sprintf("Over %d policies the rank correlation of warm starts and mean latency is %.2f; −1 would mean that warm starts decide.", len(marks), rho),
	}, report.Scale{Label: "share of requests that started warm at once", Percent: true}, report.Scale{Log: true}, marks))
	l.claim("warm starts decide the latency", "positively correlated in most cases, but not all",
		fmt.Sprintf("rank correlation of warm starts and mean latency %.2f over %d policies", rho, len(marks)),
		"policies differ in the order of starting too, which changes latency and hardly the number of warm starts")
	return nil
}
