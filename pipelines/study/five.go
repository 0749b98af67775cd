package study

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/metric"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A profile is a workload of Section VIII-A. The paper names the five and gives no times;
// the initialisations are medians of cold starts of FunctionBench's counterparts in
// Iluvatar's measurements (linpack, pyaes, hello, float_operation, cnn), the executions
// and rates are chosen: long and short ones, such that MM, Float and Prime are frequent.
type profile struct {
	name                      string
	initialisation, execution time.Duration
	rate                      float64 // per second
}

var fiveProfiles = []profile{
	{"MM", 2960 * time.Millisecond, 800 * time.Millisecond, 3.0},
	{"Prime", 1080 * time.Millisecond, 600 * time.Millisecond, 3.0},
	{"Request", 1180 * time.Millisecond, 200 * time.Millisecond, 1.5},
	{"Float", 1200 * time.Millisecond, 100 * time.Millisecond, 6.0},
	{"Cifar", 4150 * time.Millisecond, 1240 * time.Millisecond, 1.0},
}

const (
	fiveMinutes  = 30
	terminations = 0.6 // of the initialisation, as in Fig. 4
)

// fiveFunctions is a trace of Poisson arrivals to the five, with executions spread around
// their means: half as long to half as long again.
func fiveFunctions(rnd uint64) *datasets.Trace {
	t := &datasets.Trace{Name: "five functions", Span: datasets.Window{From: 0, To: fiveMinutes}, Start: time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC)}
	var all []datasets.Invocation
	for i, p := range fiveProfiles {
		e := p.execution
		t.Functions = append(t.Functions, datasets.Function{
			ID: datasets.FunctionID(i), Owner: "paper", App: p.name, Name: p.name, Trigger: datasets.HTTP, Memory: 128 << 20, CPU: 1,
			Execution:      datasets.Distribution{Prob: []float64{0, 1}, Value: []time.Duration{e / 2, e + e/2}},
			Initialisation: datasets.Constant(p.initialisation), Termination: datasets.Constant(time.Duration(terminations * float64(p.initialisation))),
			Assumed: datasets.AssumedMemory | datasets.AssumedCPU | datasets.AssumedExecution | datasets.AssumedStartCost,
		})
		draw := seed.Stream(rnd, "five functions "+p.name)
		for at := draw.ExpFloat64() / p.rate; at < fiveMinutes*60; at += draw.ExpFloat64() / p.rate {
			all = append(all, datasets.Invocation{
				Function: datasets.FunctionID(i), Arrival: time.Duration(at * float64(time.Second)).Truncate(time.Microsecond),
				Duration: time.Duration((0.5 + draw.Float64()) * float64(e)).Truncate(time.Microsecond),
			})
		}
	}
	slices.SortFunc(all, func(a, b datasets.Invocation) int {
		return cmp.Or(cmp.Compare(a.Arrival, b.Arrival), cmp.Compare(a.Function, b.Function))
	})
	t.Source = datasets.Singles{all}
	return t
}

// memoryFactor is how much memory the cluster has over what the requests in execution
// need: it is where keeping the wrong containers begins to cost. At the paper's 64 GB an
// invoker nothing would ever be evicted; with much less, no method keeps up.
const memoryFactor = 3.5

// fiveCluster is two invokers with that memory for the functions of t, whose sizes are drawn.
func fiveCluster(t *datasets.Trace) sim.Cluster {
	const invokers, step = 2, 64 // MB
	busy := 0.0                  // MB
	for i, p := range fiveProfiles {
		busy += p.rate * p.execution.Seconds() * float64(t.Functions[i].Memory) / (1 << 20)
	}
	return sim.Cluster{Invokers: invokers, Cores: 4, MemoryMB: step * int(math.Ceil(memoryFactor*busy/invokers/step)), StartLimit: 4, Sharing: sim.PS}
}

// A five is what the studies of Fig. 10 to 12 share: the five busiest functions under
// each method.
type five struct {
	methods   []string
	functions []string
	of        map[string][]served // by method and function
	reports   map[string]*sim.Result
}

// learned are the methods that run a bundle; they stand behind the others.
func (f *five) learned() []string {
	i := slices.IndexFunc(f.methods, func(m string) bool { return m == scheduler.IncendioName })
	if i < 0 {
		return nil
	}
	return f.methods[i:]
}

// half says which half of incendio the difference is due to, by its ablations.
func (f *five) half() string {
	ours, dispatcher, pool := f.reports[scheduler.IncendioName], f.reports[scheduler.WithoutPredictor], f.reports[scheduler.WithoutScheduler]
	if ours == nil || dispatcher == nil || pool == nil {
		return "the cluster and the load are others than the paper's"
	}
	which := "the dispatcher, which lets requests wait for a container that will soon be free rather than end one of another function"
	if math.Abs(pool.Latency.Mean-ours.Latency.Mean) < math.Abs(dispatcher.Latency.Mean-ours.Latency.Mean) {
		which = "the pool, which has containers ready before they are asked for"
	}
	return fmt.Sprintf("what makes the difference here is %s: the mean is %.0f ms without the predictor and %.0f ms without the scheduler", which, dispatcher.Latency.Mean, pool.Latency.Mean)
}

// served is how the requests of a function were served.
type served struct {
	result  sim.FunctionResult
	latency []float64 // ms, sorted
}

// quantile is the smallest latency that a share p of the requests does not exceed.
func (s served) quantile(p float64) float64 {
	return metric.Empirical(s.latency, p)
}

// runFive replays under the paper's methods.
func runFive(ctx context.Context, l *lab) (*five, error) {
	t, o := l.Trace, l.options(l.Window)
	if t == nil {
		shaped, err := sim.Shape{Sizes: sim.PaperSizes, StartCost: sim.TraceCost, StartSigma: 0}.Apply(fiveFunctions(l.Seed), l.Seed)
		if err != nil {
			return nil, err
		}
		t = shaped
		o.Cluster, o.Window, o.WarmupMinutes = fiveCluster(t), datasets.Window{From: 2, To: fiveMinutes}, 2
		l.say("Five functions with Poisson arrivals over %d minutes; memory of 128, 64 or 32 MB and 1, 0.75 or 0.5 cores at random, as in Section VIII-A. Executions and rates are chosen, initialisations are medians measured with FunctionBench; termination is %.1f of them.",
			fiveMinutes, terminations)
	}
	w, err := sim.Load(ctx, t, o.Draw)
	if err != nil {
		return nil, err
	}
	names := l.known(methods...)
	policies, err := replay.Policies(ctx, names, l.options(o.Window), l.Subject)
	if err != nil {
		return nil, err
	}
	load, err := sim.OfferedLoad(ctx, t, o)
	if err != nil {
		return nil, err
	}
	l.say("%d requests on %d invokers of %g cores and %d MB, of which %d at a time initialise on each (0: any number); load %.2f.",
		w.Requests(), o.Cluster.Invokers, o.Cluster.Cores, o.Cluster.MemoryMB, o.Cluster.StartLimit, load)
	l.say("One seed: these studies show distributions, not means.")
	results := make([]*sim.Result, len(policies))
	seen := make([]outcomes, len(policies))
	g, ctx := parallel.WithContext(ctx)
	g.SetLimit(l.Workers)
	for i, p := range policies {
		g.Go(func() error {
			run := o
			run.Observer = &seen[i]
			r, err := sim.Run(ctx, t, w, p.New, run)
			results[i] = r
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	f := &five{methods: names, of: map[string][]served{}, reports: map[string]*sim.Result{}}
	busiest := make([]int, len(t.Functions))
	for i := range busiest {
		busiest[i] = i
	}
	slices.SortStableFunc(busiest, func(a, b int) int {
		return cmp.Compare(results[0].Functions[b].Requests(), results[0].Functions[a].Requests())
	})
	if len(busiest) > len(fiveProfiles) {
		busiest = busiest[:len(fiveProfiles)]
	}
	slices.Sort(busiest)
	for _, i := range busiest {
		f.functions = append(f.functions, t.Functions[i].Name)
	}
	for k, name := range names {
		rows := make([]served, len(busiest))
		for j, i := range busiest {
			rows[j].result = results[k].Functions[i]
			for _, x := range seen[k].all {
				if int(x.Function) == i {
					rows[j].latency = append(rows[j].latency, float64(x.Done-x.Arrival)/float64(decide.Millisecond))
				}
			}
			slices.Sort(rows[j].latency)
		}
		f.of[name], f.reports[name] = rows, results[k]
	}
	return f, nil
}

// fig10 is the shares of warm, delayed, cold and dropped requests, by function and method.
func fig10(ctx context.Context, l *lab) error {
	f, err := runFive(ctx, l)
	if err != nil {
		return err
	}
	table := Table{Title: "Shares of the requests, %", Columns: []Column{
		{"function", "function", ""}, {"policy", "policy", ""}, {"warm", "warm", "%.2f"}, {"delayed_warm", "delayed warm", "%.2f"}, {"cold", "cold", "%.2f"}, {"dropped", "dropped", "%.2f"},
	}}
	var bars []report.Bar
	shares := func(r sim.FunctionResult) []float64 {
		n := max(1, float64(r.Requests()))
		return []float64{float64(r.Warm) / n, float64(r.DelayedWarm) / n, float64(r.Cold) / n, float64(r.Dropped) / n}
	}
	add := func(function, method string, r sim.FunctionResult) {
		s := shares(r)
		table.add(function, method, 100*s[0], 100*s[1], 100*s[2], 100*s[3])
		bars = append(bars, report.Bar{Group: function, Name: method, Values: s})
	}
	for j, name := range f.functions {
		for _, m := range f.methods {
			add(name, m, f.of[m][j].result)
		}
	}
	total := map[string][]float64{}
	for _, m := range f.methods {
		r := f.reports[m]
		sum := sim.FunctionResult{Warm: r.Warm, Cold: r.Cold, DelayedWarm: r.DelayedWarm, Dropped: r.Dropped}
		add("all", m, sum)
		total[m] = shares(sum)
	}
	l.table(table)
	l.out.Figures = append(l.out.Figures, report.Stacks(report.Chart{
		ID: "fig10", Title: "How requests are served", Head: "Share of the requests, by function and method",
		Caption: fmt.Sprintf("Under native %s of all requests start warm at once, and %s are dropped.", percent(total["native"][0]), percent(total["native"][3])),
	}, report.Scale{Percent: true}, []string{"warm", "delayed warm", "cold", "dropped"}, bars))
	paper := map[string][2]string{"native": {"27.2 %", "55.9 %"}, "hotc": {"91.08 %", "2.3 %"}, "faascache": {"97.16 %", "0.3 %"}, scheduler.IncendioName: {"95.17 %", "0.6 %"}}
	for _, m := range f.methods {
		if p, ok := paper[m]; ok {
			l.claim("warm starts and drops under "+m, p[0]+" warm, "+p[1]+" dropped",
				fmt.Sprintf("%s warm and %s after a wait, %s dropped", percent(total[m][0]), percent(total[m][1]), percent(total[m][3])),
				"the paper counts a request that waited for a warm container as warm; its native was overloaded by starting containers, which take no CPU here")
		}
	}
	return nil
}

// fig11 is the mean latency and the number of warm starts of each method.
func fig11(ctx context.Context, l *lab) error {
	f, err := runFive(ctx, l)
	if err != nil {
		return err
	}
	table := Table{Title: "All five functions", Columns: []Column{
		{"policy", "policy", ""}, {"latency_s", "latency, sum s", "%.0f"}, {"mean_ms", "mean ms", "%.0f"}, {"against_native", "of native's", "%.3f"}, {"warm", "warm starts", "%.0f"}, {"served_warm", "with delayed ones", "%.0f"},
	}}
	byFunction := Table{Title: "Mean latency by function, ms", Columns: []Column{{"policy", "policy", ""}}}
	for _, name := range f.functions {
		byFunction.Columns = append(byFunction.Columns, Column{name, name, "%.0f"})
	}
	var bars []report.Bar
	var marks []report.Mark
	native := f.reports["native"].Latency.Mean
	for _, m := range f.methods {
		r := f.reports[m]
		table.add(m, r.LatencySum.Seconds(), r.Latency.Mean, r.Latency.Mean/native, float64(r.Warm), float64(r.Warm+r.DelayedWarm))
		cells := []any{m}
		b := report.Bar{Name: m, Note: fmt.Sprintf("%.0f s, %d warm", r.LatencySum.Seconds(), r.Warm)}
		for _, s := range f.of[m] {
			cells = append(cells, s.result.Latency.Seconds()*1000/max(1, float64(s.result.Requests())))
			b.Values = append(b.Values, s.result.Latency.Seconds())
		}
		byFunction.add(cells...)
		bars = append(bars, b)
		marks = append(marks, report.Mark{Name: m, X: float64(r.Warm) / float64(r.Requests), Y: r.Latency.Mean})
	}
	l.table(table)
	l.table(byFunction)
	sooner := slices.MinFunc(f.methods, func(a, b string) int { return cmp.Compare(f.reports[a].Latency.Mean, f.reports[b].Latency.Mean) })
	warmest := slices.MaxFunc(f.methods, func(a, b string) int { return cmp.Compare(f.reports[a].Warm, f.reports[b].Warm) })
	l.out.Figures = append(l.out.Figures,
		report.Stacks(report.Chart{ID: "fig11", Title: "Overall latency by function", Head: "Sum of latencies by function, s",
			Caption: fmt.Sprintf("%s has the least latency, %s the most immediate warm starts.", sooner, warmest)}, report.Scale{Label: "s"}, f.functions, bars),
		report.Scatter(report.Chart{ID: "fig11-warm", Title: "Latency and warm starts", Head: "Mean latency, ms",
			Caption: fmt.Sprintf("%s has the least latency, %s the most immediate warm starts.", sooner, warmest)},
			report.Scale{Label: "share of requests that start warm at once", Percent: true}, report.Scale{Zero: true}, marks))
	paper := map[string]string{"native": "30.3 % less", "hotc": "20.1 % less", "faascache": "13.5 % less"}
	if ours := f.reports[scheduler.IncendioName]; ours != nil {
		for _, m := range f.methods {
			if p, ok := paper[m]; ok {
				l.claim("latency of incendio against "+m, p, against(ours.Latency.Mean, f.reports[m].Latency.Mean),
					f.half())
			}
		}
	}
	if m := f.reports["faascache"]; m != nil {
		l.claim("faascache against native", "19.5 % less (from 30.3 % and 13.5 %)", against(m.Latency.Mean, native), "the paper's native dropped more than half of its requests; here it drops none, and which container is ended matters less than that one must be")
	}
	return nil
}

// fig12 is the quartiles and the tail of the latency, by function and method.
func fig12(ctx context.Context, l *lab) error {
	f, err := runFive(ctx, l)
	if err != nil {
		return err
	}
	table := Table{Title: "Latency, ms", Columns: []Column{
		{"function", "function", ""}, {"policy", "policy", ""}, {"p25_ms", "p25", "%.0f"}, {"p50_ms", "p50", "%.0f"}, {"p75_ms", "p75", "%.0f"}, {"p99_ms", "p99", "%.0f"},
	}}
	var groups []report.BoxGroup
	for j, name := range f.functions {
		g := report.BoxGroup{Name: name}
		for _, m := range f.methods {
			s := f.of[m][j]
			b := report.Box{Name: m, P25: s.quantile(0.25), P50: s.quantile(0.5), P75: s.quantile(0.75), P99: s.quantile(0.99)}
			table.add(name, m, b.P25, b.P50, b.P75, b.P99)
			g.Boxes = append(g.Boxes, b)
		}
		groups = append(groups, g)
	}
	l.table(table)
	p99 := func(m string, j int) float64 { return f.of[m][j].quantile(0.99) }
	paper := map[string]string{"MM": "9.3 % less than the second best", "Float": "14.5 % less than the second best", "Prime": "20.1 % less than the second best", "Cifar": "equal to the others", "Request": "equal to the others"}
	caption := "Boxes reach from the 25th to the 75th percentile, with the median; the line above ends at the 99th."
	l.out.Figures = append(l.out.Figures, report.Boxes(report.Chart{ID: "fig12", Title: "Tail latency", Head: "Latency, ms (log scale): quartiles and 99th percentile", Caption: caption}, report.Scale{Log: true}, groups))
	for j, name := range f.functions {
		claim, ok := paper[name]
		if !ok {
			continue
		}
		best, others := "", 0.0
		for _, m := range f.methods[:len(f.methods)-len(f.learned())] { // the paper's figure has no ablations
			if best == "" || p99(m, j) < others {
				best, others = m, p99(m, j)
			}
		}
		if f.reports[scheduler.IncendioName] == nil {
			l.claim("99th percentile of "+name, "incendio: "+claim, fmt.Sprintf("no bundle; of the others %s is best with %.0f ms", best, others), "add --bundle champion to compare")
			continue
		}
		l.claim("99th percentile of "+name, "incendio: "+claim, fmt.Sprintf("%s than %s, the best other", against(p99(scheduler.IncendioName, j), others), best),
			f.half())
	}
	return nil
}
