package study

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// The workload of ALPS's and SFS's comparison with CFS: one machine, functions from 10 ms
// to 5 s, all warm.
const (
	sharingClasses  = 12
	sharingShortest = 10e-3 // s
	sharingLongest  = 5.0   // s
	sharingMinutes  = 12
	sharingCores    = 4
	sharingSeeds    = 5
	sharingShort    = 0.25 // s: functions below it count as short
)

var sharingLoads = []float64{0.5, 0.8, 0.95, 1.05}

// sharingTrace has functions of means from the shortest to the longest, equal steps in the
// logarithm apart and the longer the less often invoked, by the root of the mean: most
// requests are short, most work is long, as in production. Single executions are between
// half and one and a half of the mean, arrivals are Poisson.
func sharingTrace(rnd uint64, load float64) *datasets.Trace {
	t := &datasets.Trace{Name: "one machine", Span: datasets.Window{From: 0, To: sharingMinutes}}
	means, upTo := make([]float64, sharingClasses), make([]float64, sharingClasses)
	var weights, work float64
	for i := range means {
		means[i] = sharingShortest * math.Pow(sharingLongest/sharingShortest, float64(i)/(sharingClasses-1))
		weights += 1 / math.Sqrt(means[i])
		work += math.Sqrt(means[i])
		upTo[i] = weights
		d := time.Duration(means[i] * float64(time.Second))
		t.Functions = append(t.Functions, datasets.Function{
			ID: datasets.FunctionID(i), Owner: "o", App: "a", Name: fmt.Sprintf("%.0fms", 1000*means[i]), Memory: 32 << 20, CPU: 1,
			Execution: datasets.Distribution{Prob: []float64{0, 1}, Value: []time.Duration{d / 2, d + d/2}}, Initialisation: datasets.Constant(0), Termination: datasets.Constant(0),
		})
	}
	rate := load * sharingCores * weights / work
	draw := seed.Stream(rnd, fmt.Sprintf("sharing at load %g", load))
	var all []datasets.Invocation
	for at := draw.ExpFloat64() / rate; at < sharingMinutes*60; at += draw.ExpFloat64() / rate {
		f, _ := slices.BinarySearch(upTo, weights*draw.Float64())
		all = append(all, datasets.Invocation{
			Function: datasets.FunctionID(f), Arrival: time.Duration(at * float64(time.Second)).Truncate(time.Microsecond),
			Duration: time.Duration(means[f] * (0.5 + draw.Float64()) * float64(time.Second)).Truncate(time.Microsecond),
		})
	}
	t.Source = datasets.Singles{all}
	return t
}

// A shared is what a discipline made of one seed at one load.
type shared struct{ mean, short, long, p99 float64 } // ms

// sharings replays under native with each discipline.
func sharings(ctx context.Context, l *lab, rows []string) (map[string][][]shared, error) {
	n := max(l.Seeds, sharingSeeds)
	l.say("One machine of %d cores, %d functions from %.0f ms to %.0f s, the longer the less often invoked (by the root of the duration), Poisson arrivals over %d minutes, the first two as warm-up; nothing starts cold, so that only the sharing of the cores differs. %d seeds.",
		sharingCores, sharingClasses, 1000*sharingShortest, sharingLongest, sharingMinutes, n)
	out := map[string][][]shared{}
	for _, r := range rows {
		out[r] = make([][]shared, len(sharingLoads))
		for k := range sharingLoads {
			out[r][k] = make([]shared, n)
		}
	}
	g, ctx := parallel.WithContext(ctx)
	g.SetLimit(l.Workers)
	for k, load := range sharingLoads {
		for i := range n {
			g.Go(func() error {
				rnd := l.Seed + uint64(i)
				t := sharingTrace(rnd, load)
				o := sim.DefaultOptions()
				o.Seed, o.Window, o.WarmupMinutes = rnd, datasets.Window{From: 2, To: sharingMinutes}, 2
				o.Cluster = sim.Cluster{Invokers: 1, Cores: sharingCores, MemoryMB: 1 << 20, Sharing: sim.PS}
				w, err := sim.Load(ctx, t, o.Draw)
				if err != nil {
					return err
				}
				for _, r := range rows {
					p, err := sim.Baseline(r, rnd)
					if err != nil {
						return err
					}
					var seen outcomes
					run := o
					run.Observer = &seen
					res, err := sim.Run(ctx, t, w, p.New, run)
					if err != nil {
						return err
					}
					out[r][k][i] = sharedOf(t, res, seen.all)
				}
				return nil
			})
		}
	}
	return out, g.Wait()
}

func sharedOf(t *datasets.Trace, res *sim.Result, all []sim.Outcome) shared {
	var short, long, nShort, nLong float64
	for _, x := range all {
		ms := float64(x.Done-x.Arrival) / float64(decide.Millisecond)
		if t.Functions[x.Function].Execution.Mean().Seconds() < sharingShort {
			short, nShort = short+ms, nShort+1
		} else {
			long, nLong = long+ms, nLong+1
		}
	}
	return shared{res.Latency.Mean, short / max(1, nShort), long / max(1, nLong), res.Latency.P99}
}

// reportSharings makes the table and the figures, and returns the means over the seeds of
// what of returns, over native's of the same seed, by row and load.
func reportSharings(l *lab, id string, rows []string, got map[string][][]shared) map[string][]shared {
	table := Table{Title: "Duration from arrival to completion, mean ms", Columns: []Column{
		{"load", "load", "%.2f"}, {"policy", "policy", ""}, {"mean_ms", "all", "%.0f"}, {"of_native", "of native (CFS)", "%.3f"},
		{"short_ms", fmt.Sprintf("below %.0f ms", 1000*sharingShort), "%.1f"}, {"long_ms", "longer ones", "%.0f"}, {"p99_ms", "p99", "%.0f"},
	}}
	ratios := map[string][]shared{}
	lines := make([]report.Line, 0, 2*len(rows))
	for k, load := range sharingLoads {
		for _, r := range rows {
			estimate := func(purpose string, of func(shared) float64) sim.Estimate {
				var v []float64
				for _, s := range got[r][k] {
					v = append(v, of(s))
				}
				return sim.Estimated(v, seed.Key(l.Seed, fmt.Sprintf("%s %s %s %g", id, purpose, r, load)))
			}
			var ratio []float64
			for i, s := range got[r][k] {
				ratio = append(ratio, s.mean/got[sim.Native][k][i].mean)
			}
			over := func(of func(shared) float64) float64 {
				var sum float64
				for i, s := range got[r][k] {
					sum += of(s) / of(got[sim.Native][k][i])
				}
				return sum / float64(len(ratio))
			}
			mean := func(s shared) float64 { return s.mean }
			short := func(s shared) float64 { return s.short }
			long := func(s shared) float64 { return s.long }
			table.add(load, r, estimate("mean", mean), sim.Estimated(ratio, seed.Key(l.Seed, fmt.Sprintf("%s ratio %s %g", id, r, load))),
				estimate("short", short), estimate("long", long), estimate("p99", func(s shared) float64 { return s.p99 }))
			ratios[r] = append(ratios[r], shared{mean: over(mean), short: over(short), long: over(long)})
		}
	}
	l.table(table)
	for _, r := range rows {
		if r == sim.Native {
			continue
		}
		var mean []float64
		for _, s := range ratios[r] {
			mean = append(mean, s.mean)
		}
		lines = append(lines, report.Line{Name: r, X: sharingLoads, Y: mean, Marks: true})
	}
	var bars []report.Bar
	last := len(sharingLoads) - 1
	for _, group := range []struct {
		name string
		of   func(shared) float64
	}{{"all functions", func(s shared) float64 { return s.mean }}, {"short functions", func(s shared) float64 { return s.short }}, {"long functions", func(s shared) float64 { return s.long }}} {
		for _, r := range rows {
			v := group.of(ratios[r][last])
			bars = append(bars, report.Bar{Group: group.name, Name: r, Values: []float64{v}, Note: fmt.Sprintf("%.2f", v)})
		}
	}
	best := slices.MinFunc(rows[1:], func(a, b string) int { return int(1e6 * (ratios[a][last].mean - ratios[b][last].mean)) })
	l.out.Figures = append(l.out.Figures,
		report.Lines(report.Chart{ID: id, Title: "Duration against CFS", Head: "Mean duration over that under native, whose machines share as CFS does",
			Caption: fmt.Sprintf("At load %.2f %s takes %.2f of the mean duration under CFS.", sharingLoads[last], best, ratios[best][last].mean)},
			report.Scale{Label: "load"}, report.Scale{Zero: true}, lines),
		report.Stacks(report.Chart{ID: id + "-length", Title: "Who gains and who pays", Head: fmt.Sprintf("Mean duration over that under native, at load %.2f", sharingLoads[last]),
			Caption: fmt.Sprintf("Short functions have a mean below %.0f ms.", 1000*sharingShort)}, report.Scale{}, []string{"over native"}, bars))
	return ratios
}

// atLoads says how much less than under CFS a figure is at each load.
func atLoads(r []shared, of func(shared) float64) string {
	var parts []string
	for k, load := range sharingLoads {
		parts = append(parts, fmt.Sprintf("%s at load %g", against(of(r[k]), 1), load))
	}
	return strings.Join(parts, ", ")
}

// alps compares ALPS with CFS and with the SRPT that it learns from.
func alps(ctx context.Context, l *lab) error {
	rows := l.known(sim.Native, "alps", "srpt")
	got, err := sharings(ctx, l, rows)
	if err != nil {
		return err
	}
	ratios := reportSharings(l, "alps", rows, got)
	if r, ok := ratios["alps"]; ok {
		l.claim("mean duration under ALPS against CFS", "57.2 % less, on production workloads of Huawei and Azure", atLoads(r, func(s shared) float64 { return s.mean }),
			"the gain is waiting, so it grows with the load; the abstract does not say at which load its figure was measured")
	}
	if a, s := ratios["alps"], ratios["srpt"]; a != nil && s != nil {
		last := len(sharingLoads) - 1
		l.claim("ALPS approximates SRPT", "without starving long functions", fmt.Sprintf("at load %.2f %.2f of CFS, SRPT %.2f; long functions %.2f and %.2f", sharingLoads[last], a[last].mean, s[last].mean, a[last].long, s[last].long),
			"ALPS ranks functions, not requests, and learns from the recent past; what it lacks of SRPT is that")
	}
	return nil
}

// sfs compares SFS with CFS and with first in first out, of both of which it is made.
func sfs(ctx context.Context, l *lab) error {
	rows := l.known(sim.Native, "sfs", "fifo", "srpt")
	got, err := sharings(ctx, l, rows)
	if err != nil {
		return err
	}
	ratios := reportSharings(l, "sfs", rows, got)
	if r, ok := ratios["sfs"]; ok {
		l.claim("short functions under SFS against CFS", "a significant improvement of short functions' duration", atLoads(r, func(s shared) float64 { return s.short }),
			"most of them end within their first slice, and no longer wait for long ones; that wait grows with the load")
		l.claim("longer functions under SFS against CFS", "a small impact on relatively longer functions", atLoads(r, func(s shared) float64 { return s.long }),
			"what is demoted shares what FILTER leaves, and short functions leave sooner; this model has no cost of switching")
	}
	return nil
}
