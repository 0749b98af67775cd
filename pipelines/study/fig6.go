package study

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A Task is a function of the case study of Fig. 6 with the number of its requests.
type Task struct {
	Name                                   string
	Requests                               int
	Initialisation, Execution, Termination time.Duration
}

// caseStudy has the requests of Section II-B. The times of Java-hello are those of
// Fig. 4; the paper gives no others but their order, so these are chosen: executions in
// that order, initialisations as FunctionBench's Python functions have them, termination
// in the proportion of Fig. 4.
var caseStudy = []Task{
	{"java-hello", 4, 4023 * time.Millisecond, 8 * time.Millisecond, 2401 * time.Millisecond},
	{"payload", 2, 1200 * time.Millisecond, 100 * time.Millisecond, 716 * time.Millisecond},
	{"mm", 1, 2960 * time.Millisecond, 2000 * time.Millisecond, 1767 * time.Millisecond},
	{"prime", 1, 1080 * time.Millisecond, 3000 * time.Millisecond, 645 * time.Millisecond},
}

// Optimum is the least sum of latencies with which two containers at a time can serve
// the tasks' requests, all there from the begin, by trying every order in each of them.
// A container serves one function; for another it is terminated and a new one
// initialised. It also returns the two orders, as indices of tasks.
func Optimum(tasks []Task) (sum time.Duration, first, second []int) {
	left := make([]int, len(tasks))
	for i, t := range tasks {
		left[i] = t.Requests
	}
	sum = math.MaxInt64
	var orders [2][]int
	// The place of a request in one order does not depend on the other: the first is
	// completed before the second is begun.
	var visit func(slot, last int, at, total time.Duration)
	visit = func(slot, last int, at, total time.Duration) {
		if total >= sum {
			return
		}
		done := true
		for i, t := range tasks {
			if left[i] == 0 {
				continue
			}
			done = false
			start := at
			if last != i {
				start += t.Initialisation
				if last >= 0 {
					start += tasks[last].Termination
				}
			}
			left[i]--
			orders[slot] = append(orders[slot], i)
			visit(slot, i, start+t.Execution, total+start+t.Execution)
			orders[slot] = orders[slot][:len(orders[slot])-1]
			left[i]++
		}
		if slot == 0 {
			visit(1, -1, 0, total) // the rest to the other one
		} else if done {
			sum, first, second = total, slices.Clone(orders[0]), slices.Clone(orders[1])
		}
	}
	visit(0, -1, 0, 0)
	return sum, first, second
}

// caseTrace has a function for each task, on which the requests are scheduled.
func caseTrace(tasks []Task) *datasets.Trace {
	t := &datasets.Trace{Name: "case study", Span: datasets.Window{From: 0, To: 1}}
	for i, k := range tasks {
		t.Functions = append(t.Functions, datasets.Function{
			ID: datasets.FunctionID(i), Owner: "paper", App: k.Name, Name: k.Name, Memory: 128 << 20, CPU: 1,
			Execution: datasets.Constant(k.Execution), Initialisation: datasets.Constant(k.Initialisation), Termination: datasets.Constant(k.Termination),
		})
	}
	return t
}

// arrivals are the requests in an order, a microsecond apart.
func arrivals(tasks []Task, order []int) []datasets.Invocation {
	out := make([]datasets.Invocation, len(order))
	for i, k := range order {
		out[i] = datasets.Invocation{Function: datasets.FunctionID(k), Arrival: time.Duration(i) * time.Microsecond, Duration: tasks[k].Execution}
	}
	return out
}

// fig6Orders is how many orders of arrival the sequences are averaged over.
const fig6Orders = 200

// fig6 serves eight requests with two containers in several orders.
func fig6(ctx context.Context, l *lab) error {
	t := caseTrace(caseStudy)
	o := sim.DefaultOptions()
	o.Cluster = sim.Cluster{Invokers: 2, Cores: 1, MemoryMB: 128, Sharing: sim.PS}
	o.Window = t.Span
	var all []int
	for i, k := range caseStudy {
		for range k.Requests {
			all = append(all, i)
		}
	}
	byLength := slices.Clone(all)
	slices.SortStableFunc(byLength, func(a, b int) int { return int(caseStudy[b].Execution - caseStudy[a].Execution) })
	orders := make([][]int, fig6Orders)
	for n := range orders {
		rnd := seed.Stream(l.Seed, fmt.Sprintf("fig6 order %d", n))
		orders[n] = slices.Clone(all)
		rnd.Shuffle(len(all), func(i, j int) { orders[n][i], orders[n][j] = orders[n][j], orders[n][i] })
	}

	sequences := []struct {
		name, paper, policy string
		fixed               []int
	}{
		{"first come, first served", "seq2", "fcfs", nil},
		{"locality-aware", "seq3", "locality", nil},
		{"random", "seq4", "random", nil},
		{"longest first", "", "fcfs", byLength},
		{"oldest that can start", "", "native", nil},
		{"shortest with its start", "", "sjf", nil},
		{"shortest batch (ESFF)", "", "esff", nil},
		{"knapsack by density", "", "density", nil},
	}
	best, first, second := Optimum(caseStudy)
	n := float64(len(all))
	table := Table{Title: "Mean over eight requests, ms", Columns: []Column{
		{"sequence", "sequence", ""}, {"paper", "paper", ""}, {"policy", "policy", ""}, {"mean_ms", "latency", "%.0f"},
		{"execution_ms", "execution", "%.0f"}, {"start_ms", "own cold start", "%.0f"}, {"wait_ms", "waiting", "%.0f"}, {"cold", "cold starts", "%.2f"}, {"over_best", "over the optimum", "%.2f"},
	}}
	var bars []report.Bar
	var execution float64
	for _, i := range all {
		execution += caseStudy[i].Execution.Seconds() * 1000 / n
	}
	totals := map[string]float64{}
	optimum := best.Seconds() * 1000 / n
	starts, cold := startsOf(first, second)
	table.add("optimum", "seq1", "", optimum, execution, starts/n, optimum-execution-starts/n, float64(cold), 1.0)
	bars = append(bars, report.Bar{Name: "optimum (seq1)", Values: []float64{execution, starts / n, optimum - execution - starts/n}, Note: fmt.Sprintf("%.0f", optimum)})
	for _, q := range sequences {
		var means, startMS, colds []float64
		for k, order := range orders {
			if q.fixed != nil {
				order = q.fixed
			}
			w, err := sim.Single(t, arrivals(caseStudy, order), o.Draw)
			if err != nil {
				return err
			}
			p, err := sim.Baseline(q.policy, l.Seed+uint64(k))
			if err != nil {
				return err
			}
			var seen outcomes
			run := o
			run.Observer = &seen
			r, err := sim.Run(ctx, t, w, p.New, run)
			if err != nil {
				return err
			}
			var start float64
			for _, x := range seen.all {
				if x.Class == sim.Cold {
					start += float64(min(x.Start-x.Dispatch, x.Start-x.Arrival)) / 1000
				}
			}
			means, startMS, colds = append(means, r.Latency.Mean), append(startMS, start/n), append(colds, float64(r.Cold))
			if q.fixed != nil {
				break
			}
		}
		mean := sim.Estimated(means, seed.Key(l.Seed, "fig6 "+q.name))
		start := sim.Estimated(startMS, seed.Key(l.Seed, "fig6 start "+q.name)).Mean
		table.add(q.name, q.paper, q.policy, mean, execution, start, mean.Mean-execution-start, sim.Estimated(colds, 1).Mean, mean.Mean/optimum)
		label := q.name
		if q.paper != "" {
			label += " (" + q.paper + ")"
		}
		bars = append(bars, report.Bar{Name: label, Values: []float64{execution, start, mean.Mean - execution - start}, Note: fmt.Sprintf("%.0f", mean.Mean)})
		totals[q.policy+q.paper] = mean.Mean
	}
	l.say("Four requests to java-hello, two to payload, one each to mm and prime, all at once, on two invokers with room for one container each; %d orders of arrival, drawn from the seed.", fig6Orders)
	l.say("Only the times of java-hello are the paper's (Fig. 4). The optimum is found by trying every order: %s in one container, %s in the other.", sequenceText(first), sequenceText(second))
	l.table(table)
	l.out.Figures = append(l.out.Figures, report.Stacks(report.Chart{
		ID: "fig6", Title: "The order of scheduling", Head: "Mean latency of eight requests in two containers, ms",
		Caption: fmt.Sprintf("In order of arrival the requests take %.2f times as long as in the best order; nearly all of it is waiting for containers to be ended and started.", totals["fcfsseq2"]/optimum),
	}, report.Scale{Label: "ms"}, []string{"execution", "own cold start", "waiting"}, bars))
	l.claim("the best order groups the requests of a function, short ones first", "seq1 is the shortest of all", fmt.Sprintf("the optimum is %s; %s", sequenceText(first), sequenceText(second)),
		"it holds: the most frequent function is served in a row by one container, and the long ones come last")
	l.claim("locality is worse than first come, first served", "severe contention of the two frequent functions on one invoker", fmt.Sprintf("%.0f ms against %.0f ms", totals["localityseq3"], totals["fcfsseq2"]),
		"here the hash decides which functions share an invoker, and a request may go to the other one when that is full; grouping by function then saves starts")
	l.claim("random order", "may reuse containers or thrash them: unstable", fmt.Sprintf("%.0f ms, %.2f of first come, first served", totals["randomseq4"], totals["randomseq4"]/totals["fcfsseq2"]),
		"a random order is another order of arrival; it differs from the strict one by starting what has a container first")
	return nil
}

// startsOf is the time that requests wait for the container created for them, in ms, in
// the optimum's orders, and how many do.
func startsOf(orders ...[]int) (ms float64, cold int) {
	for _, order := range orders {
		last := -1
		for _, i := range order {
			if i != last {
				ms += caseStudy[i].Initialisation.Seconds() * 1000
				cold++
			}
			last = i
		}
	}
	return ms, cold
}

// sequenceText names the tasks of an order, with how often each is served in a row.
func sequenceText(order []int) string {
	text := ""
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && order[j] == order[i] {
			j++
		}
		if text != "" {
			text += ", "
		}
		text += caseStudy[order[i]].Name
		if j-i > 1 {
			text += fmt.Sprintf(" x%d", j-i)
		}
		i = j
	}
	return text
}
