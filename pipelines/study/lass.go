package study

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/queueing"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// An edgeFunction is one of the study of LaSS: it asks for cores cores, and for burst
// during the burst.
type edgeFunction struct {
	name         string
	execution    time.Duration
	cores, burst float64
}

var edgeFunctions = []edgeFunction{
	{"small", 100 * time.Millisecond, 1, 1},
	{"steady", 200 * time.Millisecond, 3, 3},
	{"greedy", 300 * time.Millisecond, 3, 24},
}

const (
	edgeMinutes = 24
	burstFrom   = 8 // minutes
	burstTo     = 16
	edgeWait    = 100 * decide.Millisecond // of a request, as LaSS's default deadline
)

// edgeTrace has Poisson arrivals of what each function asks for, each its own application.
func edgeTrace(rnd uint64) *datasets.Trace {
	t := &datasets.Trace{Name: "edge", Span: datasets.Window{From: 0, To: edgeMinutes}}
	var all []datasets.Invocation
	for i, f := range edgeFunctions {
		t.Functions = append(t.Functions, datasets.Function{
			ID: datasets.FunctionID(i), Owner: "edge", App: f.name, Name: f.name, Memory: 256 << 20, CPU: 1,
			Execution:      datasets.Distribution{Prob: []float64{0, 1}, Value: []time.Duration{f.execution / 2, f.execution + f.execution/2}},
			Initialisation: datasets.Constant(500 * time.Millisecond), Termination: datasets.Constant(300 * time.Millisecond),
		})
		draw := seed.Stream(rnd, "edge "+f.name)
		for at := 0.0; ; {
			cores := f.cores
			if at >= burstFrom*60 && at < burstTo*60 {
				cores = f.burst
			}
			at += draw.ExpFloat64() * f.execution.Seconds() / cores
			if at >= edgeMinutes*60 {
				break
			}
			all = append(all, datasets.Invocation{
				Function: datasets.FunctionID(i), Arrival: time.Duration(at * float64(time.Second)).Truncate(time.Microsecond),
				Duration: time.Duration((0.5 + draw.Float64()) * float64(f.execution)).Truncate(time.Microsecond),
			})
		}
	}
	slices.SortFunc(all, func(a, b datasets.Invocation) int {
		return cmp.Or(cmp.Compare(a.Arrival, b.Arrival), cmp.Compare(a.Function, b.Function))
	})
	t.Source = datasets.Singles{all}
	return t
}

// lass compares how an overloaded edge site is divided.
func lass(ctx context.Context, l *lab) error {
	t := edgeTrace(l.Seed)
	o := sim.DefaultOptions()
	o.Seed, o.Window, o.WarmupMinutes = l.Seed, datasets.Window{From: 2, To: edgeMinutes}, 2
	o.Cluster = sim.Cluster{Invokers: 3, Cores: 4, MemoryMB: 4096, Sharing: sim.PS}
	w, err := sim.Load(ctx, t, o.Draw)
	if err != nil {
		return err
	}
	demand, weight := make([]float64, len(edgeFunctions)), make([]float64, len(edgeFunctions))
	asked := 0.0
	for i, f := range edgeFunctions {
		demand[i], weight[i] = f.burst, 1
		asked += f.burst
	}
	fair := queueing.WeightedMaxMin(demand, weight, o.Cluster.TotalCores())
	l.say("An edge site of %d invokers with %g cores and %d MB. Three functions with Poisson arrivals; from minute %d to %d the one called greedy asks for %g cores instead of %g, and all together for %g of %g. Weights are equal.",
		o.Cluster.Invokers, o.Cluster.Cores, o.Cluster.MemoryMB, burstFrom, burstTo, edgeFunctions[2].burst, edgeFunctions[2].cores, asked, o.Cluster.TotalCores())

	table := Table{Title: fmt.Sprintf("Minutes %d to %d", burstFrom+1, burstTo), Columns: []Column{
		{"policy", "policy", ""}, {"function", "function", ""}, {"demand", "asks for, cores", "%.1f"}, {"fair", "fair share", "%.1f"}, {"served", "gets", "%.2f"},
		{"wait_p95_ms", "wait p95 ms", "%.0f"}, {"within", fmt.Sprintf("started in %.0f ms, %%", edgeWait.Seconds()*1000), "%.1f"}, {"dropped", "dropped %", "%.1f"},
	}}
	rows := l.known(sim.Native, "lass", "lass:deflate=0", "fcfs")
	type cell struct{ served, within float64 }
	cells := map[string][]cell{}
	var lines []report.Line
	var bars []report.Bar
	for _, name := range rows {
		p, err := sim.Baseline(name, l.Seed)
		if err != nil {
			return err
		}
		var seen outcomes
		run := o
		run.Observer = &seen
		if _, err := sim.Run(ctx, t, w, p.New, run); err != nil {
			return err
		}
		minutes := make([][]float64, len(edgeFunctions)) // work done, in core minutes
		for i := range minutes {
			minutes[i] = make([]float64, edgeMinutes)
		}
		waits := make([][]float64, len(edgeFunctions))
		dropped := make([]float64, len(edgeFunctions))
		for _, x := range seen.all {
			// The first minute of the burst is left to the reaction.
			inside := x.Arrival >= (burstFrom+1)*decide.Minute && x.Arrival < burstTo*decide.Minute
			if x.Class == sim.Dropped {
				if inside {
					dropped[x.Function]++
					waits[x.Function] = append(waits[x.Function], (x.Start-x.Arrival).Seconds()*1000)
				}
				continue
			}
			if m := int(x.Done / decide.Minute); m < edgeMinutes {
				minutes[x.Function][m] += x.Work.Seconds() / 60
			}
			if inside {
				waits[x.Function] = append(waits[x.Function], (x.Start-x.Arrival).Seconds()*1000)
			}
		}
		for i, f := range edgeFunctions {
			var served float64
			for m := burstFrom + 1; m < burstTo; m++ {
				served += minutes[i][m] / float64(burstTo-burstFrom-1)
			}
			slices.Sort(waits[i])
			n := float64(len(waits[i]))
			within, _ := slices.BinarySearch(waits[i], edgeWait.Seconds()*1000+1e-9)
			c := cell{served, float64(within) / max(1, n)}
			cells[name] = append(cells[name], c)
			p95 := 0.0
			if len(waits[i]) > 0 {
				p95 = waits[i][len(waits[i])*95/100]
			}
			table.add(name, f.name, f.burst, fair[i], served, p95, 100*c.within, 100*dropped[i]/max(1, n))
			bars = append(bars, report.Bar{Group: f.name, Name: name, Values: []float64{served}, Note: fmt.Sprintf("%.2f of a fair %.1f", served, fair[i])})
		}
		line := report.Line{Name: name}
		for m := o.Window.From; m < edgeMinutes; m++ {
			line.X, line.Y = append(line.X, float64(m)), append(line.Y, minutes[1][m])
		}
		lines = append(lines, line)
	}
	slices.SortStableFunc(bars, func(a, b report.Bar) int {
		at := func(name string) int {
			return slices.IndexFunc(edgeFunctions, func(f edgeFunction) bool { return f.name == name })
		}
		return cmp.Compare(at(a.Group), at(b.Group))
	})
	l.table(table)
	native, ours := cells[sim.Native], cells["lass"]
	l.out.Figures = append(l.out.Figures,
		report.Lines(report.Chart{ID: "lass", Title: "What the steady function gets", Head: fmt.Sprintf("Cores that the function called steady gets; it asks for %g throughout", edgeFunctions[1].cores),
			Caption: fmt.Sprintf("From minute %d to %d another function asks for twice the site. Under lass steady gets %.1f cores then, under native %.1f.", burstFrom, burstTo, ours[1].served, native[1].served)},
			report.Scale{Label: "minute"}, report.Scale{Zero: true}, lines),
		report.Stacks(report.Chart{ID: "lass-shares", Title: "Cores under overload", Head: "Cores that each function gets under overload",
			Caption: "Small and steady ask for no more than their fair shares, so a fair policy gives them all of it."}, report.Scale{Label: "cores"}, []string{"cores"}, bars))
	for i, f := range edgeFunctions[:2] {
		l.claim("fair share of "+f.name+" under overload", "a minimum of resources is guaranteed to each function",
			fmt.Sprintf("asks for %.0f, gets %.2f cores; %.2f under native", f.cores, ours[i].served, native[i].served),
			"it asks for less than its fair share, so max-min fairness gives it all of that; native gives room to whoever asks for it first")
		l.claim(f.name+": requests that start within 100 ms under overload", "latency-sensitive work meets its deadlines", fmt.Sprintf("%s, %s under native", percent(ours[i].within), percent(native[i].within)),
			"the queueing model gives it containers for its own arrivals only, so the burst of another function hardly touches it")
	}
	l.claim("deflation against termination alone", "deflation takes CPU back without ending containers, so that less is fragmented and fewer start cold",
		fmt.Sprintf("of steady's requests %s start in 100 ms with deflation, %s without", percent(ours[1].within), percent(cells["lass:deflate=0"][1].within)),
		"a deflated container executes longer and holds its memory longer; here memory suffices, so there is nothing that ending fewer containers could save")
	l.claim("reaction to the burst", "capacity is reprovisioned within hundreds of milliseconds", "not measured: the controller's clock here is five seconds, the paper's is not known",
		"what the paper measures is creating and deflating containers, whose times are given here")
	return nil
}
