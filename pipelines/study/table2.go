package study

import (
	"context"
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// The methods of the paper's tables, in its order.
var methods = []string{"native", "hotc", "faascache", scheduler.IncendioName, scheduler.WithoutScheduler, scheduler.WithoutPredictor}

// The speed-ups of Table II on four traces, and the latency benefits of Table III in
// 10^3 s, by method.
var (
	publishedTraces  = []string{"Azure19", "Azure21", "Alibaba", "Huawei"}
	publishedSpeedup = map[string][]float64{
		"native": {1, 1, 1, 1}, "hotc": {1.13, 1.15, 1.06, 1.22}, "faascache": {1.21, 1.23, 1.12, 1.30},
		scheduler.IncendioName: {1.39, 1.37, 1.19, 1.43}, scheduler.WithoutScheduler: {1.33, 1.31, 1.17, 1.37}, scheduler.WithoutPredictor: {1.24, 1.29, 1.16, 1.34},
	}
	publishedBenefit = map[string]float64{
		"native": 34.215, "hotc": 52.498, "faascache": 55.307,
		scheduler.IncendioName: 59.881, scheduler.WithoutScheduler: 58.280, scheduler.WithoutPredictor: 57.934,
	}
)

// tablesLoad is the load of the study's own workload: busy, as the paper's testbed was,
// but not more than can be served.
const tablesLoad = 0.8

// methodsOf replays the paper's methods, native first, on the platform.
func methodsOf(ctx context.Context, l *lab) (*sim.Report, []string, error) {
	t, o, err := l.platform()
	if err != nil {
		return nil, nil, err
	}
	if l.Trace == nil && o.ScaleArrivals == 1 {
		base, err := sim.OfferedLoad(ctx, t, o)
		if err != nil {
			return nil, nil, err
		}
		o.ScaleArrivals = tablesLoad / base
	}
	names := l.known(methods...)
	rep, err := l.compare(ctx, t, o, names)
	if err != nil {
		return nil, nil, err
	}
	l.describe(rep)
	return rep, names, nil
}

// table2 is the speed-up of each method over native.
func table2(ctx context.Context, l *lab) error {
	rep, names, err := methodsOf(ctx, l)
	if err != nil {
		return err
	}
	table := Table{Title: "Speed-up over native", Columns: []Column{{"policy", "policy", ""}, {"speedup", "here", "%.3f"}, {"mean_ms", "mean ms", "%.1f"}, {"dropped", "dropped %", "%.2f"}}}
	for _, name := range publishedTraces {
		table.Columns = append(table.Columns, Column{"paper_" + name, name, "%.2f"})
	}
	var bars []report.Bar
	for _, name := range names {
		r := row(rep, name)
		speedup := speedupOf(r)
		cells := []any{name, speedup, meanLatency(r), 100 * float64(r.Dropped) / float64(rep.Requests)}
		paper := publishedSpeedup[name]
		for _, v := range paper {
			cells = append(cells, v)
		}
		table.add(cells...)
		bars = append(bars,
			report.Bar{Group: name, Name: "here", Values: []float64{mean(speedup)}, Note: fmt.Sprintf("%.2f", mean(speedup))},
			report.Bar{Group: name, Name: "paper, Azure19", Values: []float64{0, paper[0]}, Note: fmt.Sprintf("%.2f", paper[0])})
	}
	l.table(table)
	l.out.Figures = append(l.out.Figures, report.Stacks(report.Chart{
		ID: "table2", Title: "Speed-up over native", Head: "Sum of latencies under native over that under the policy",
		Caption: fmt.Sprintf("The speed-ups of the paper's methods on %s, beside those that it gives for Azure 2019.", rep.Trace),
	}, report.Scale{}, []string{"here", "paper"}, bars))
	for _, pair := range [][2]string{{"faascache", sim.Native}, {"hotc", sim.Native}, {"faascache", "hotc"}, {scheduler.IncendioName, "faascache"}, {scheduler.IncendioName, scheduler.WithoutScheduler}, {scheduler.WithoutScheduler, scheduler.WithoutPredictor}} {
		a, b := row(rep, pair[0]), row(rep, pair[1])
		if a == nil || b == nil {
			continue
		}
		pa, pb := publishedSpeedup[pair[0]][0], publishedSpeedup[pair[1]][0]
		ratio := mean(speedupOf(a)) / mean(speedupOf(b))
		why := "the order is the same; the size depends on how short of memory and CPU the cluster is"
		switch {
		case math.Abs(ratio-1) < 0.01:
			why = "they are alike here: at this load and memory either half of incendio does most of the work"
			if pair[1] == sim.Native || pair[1] == "hotc" || pair[1] == "faascache" {
				why = "they are alike here, where memory suffices for most of what is kept"
			}
		case ratio < 1:
			why = "the order is the other way round: the paper's native lacked memory for most requests and dropped half of them, here it does not"
			if pair[1] == scheduler.WithoutScheduler || pair[1] == scheduler.WithoutPredictor {
				why = "the order is the other way round: where requests queue, choosing among them is worth more than having containers ready, and where they do not, less"
			}
		}
		l.claim(pair[0]+" over "+pair[1], fmt.Sprintf("%.2f", pa/pb), fmt.Sprintf("%.2f", ratio), why)
	}
	return nil
}

// table3 is the latency that the warm starts of each method have saved.
func table3(ctx context.Context, l *lab) error {
	rep, names, err := methodsOf(ctx, l)
	if err != nil {
		return err
	}
	table := Table{Title: "Latency benefit: what the warm starts would have cost cold", Columns: []Column{
		{"policy", "policy", ""}, {"benefit_s", "benefit s", "%.0f"}, {"over_native", "over native", "%.3f"}, {"warm", "warm %", "%.2f"}, {"mean_ms", "mean ms", "%.1f"},
		{"paper_benefit_ks", "paper 10^3 s", "%.3f"}, {"paper_over_native", "paper over native", "%.3f"},
	}}
	native := row(rep, sim.Native)
	base := mean(benefitOf(native))
	var bars []report.Bar
	for _, name := range names {
		r := row(rep, name)
		benefit := benefitOf(r)
		over, paper := mean(benefit)/max(base, 1e-9), publishedBenefit[name]/publishedBenefit["native"]
		table.add(name, benefit, over, 100*mean(warmStarts(r))/float64(rep.Requests), meanLatency(r),
			publishedBenefit[name], paper)
		bars = append(bars,
			report.Bar{Group: name, Name: "here", Values: []float64{over}, Note: fmt.Sprintf("%.2f", over)},
			report.Bar{Group: name, Name: "paper", Values: []float64{0, paper}, Note: fmt.Sprintf("%.2f", paper)})
		if name != sim.Native {
			l.claim("benefit of "+name+" over native's", fmt.Sprintf("%.2f", paper), fmt.Sprintf("%.2f", over),
				"only immediate warm starts have a benefit: a policy that lets requests wait for a busy container, rather than start another, has less of it and may still be sooner")
		}
	}
	l.table(table)
	l.out.Figures = append(l.out.Figures, report.Stacks(report.Chart{
		ID: "table3", Title: "Latency benefit over native's", Head: "Latency benefit of warm starts, native = 1",
		Caption: fmt.Sprintf("What the warm starts of each method have saved on %s, over what those of native have.", rep.Trace),
	}, report.Scale{}, []string{"here", "paper"}, bars))
	return nil
}
