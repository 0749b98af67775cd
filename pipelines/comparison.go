package pipelines

import (
	"fmt"
	"strings"

	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/report"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// Comparison is the section of the page on a comparison of policies in the named window.
func Comparison(rep *sim.Report, window string) *report.Policies {
	return comparison(rep, window, replay.CurvesOf(rep))
}

func comparison(s *sim.Report, window string, curves replay.Curves) *report.Policies {
	out := &report.Policies{
		Trace: s.Trace, Window: window, Requests: s.Requests, Seed: s.Seed, Load: report.Real(s.Load),
		Machine:     &report.Machine{Invokers: s.Cluster.Invokers, Cores: int(s.Cluster.Cores), MemoryMB: s.Cluster.MemoryMB},
		FirstMinute: s.Window.From, StepMinutes: curves.Step,
	}
	clairvoyant := make(map[string]bool)
	for _, r := range scheduler.Baselines() {
		clairvoyant[r.Name] = r.Clairvoyant
	}
	slo := func(x sim.SLO) map[string]report.Real {
		return map[string]report.Real{"100": report.Real(x.Within100), "500": report.Real(x.Within500), "1000": report.Real(x.Within1000)}
	}
	for _, p := range s.Policies {
		row := report.Policy{
			Name: p.Name, Kind: p.Kind, Warm: p.Warm, Cold: p.Cold, DelayedWarm: p.DelayedWarm, Dropped: p.Dropped,
			LatencyMS: report.Latency{
				Mean: report.Real(p.Latency.Mean), P25: report.Real(p.Latency.P25), P50: report.Real(p.Latency.P50),
				P75: report.Real(p.Latency.P75), P95: report.Real(p.Latency.P95), P99: report.Real(p.Latency.P99),
			},
			SpeedupVsNative: report.Real(p.SpeedupVsNative), LatencyBenefitS: report.Real(p.LatencyBenefitS),
			WastedGBS: report.Real(p.WastedGBS), RUM: report.Real(p.RUM), SLODispatch: slo(p.SLODispatch), SLOStart: slo(p.SLOStart),
			AppColdPct: report.AppCold{P50: report.Real(p.AppColdPct.P50), P75: report.Real(p.AppColdPct.P75), P90: report.Real(p.AppColdPct.P90)},
		}
		if clairvoyant[p.Name] {
			row.Kind = report.Oracle
		}
		c := curves.Policies[p.Name]
		for i, ms := range c.Quantiles {
			row.CDF = append(row.CDF, report.CDFPoint{LatencyMS: report.Real(ms), Share: report.Real(float64(i) / float64(len(c.Quantiles)-1))})
		}
		for i := range c.Started {
			row.SLOCurve = append(row.SLOCurve, report.SLOPoint{
				WaitMS:     report.Real(float64(sim.WaitLimits[i]) / float64(decide.Millisecond)),
				Dispatched: report.Real(c.Dispatched[i]), Executing: report.Real(c.Started[i]),
			})
		}
		row.LiveGB = c.LiveGB
		out.Policies = append(out.Policies, row)
	}
	return out
}

// SweepFigure draws the policies of all points of a sweep, and their common front.
func SweepFigure(rep *sim.SweepReport) report.Figure {
	var marks []report.Mark
	for _, p := range rep.Points {
		for _, r := range p.Report.Policies {
			if r.Kind == sim.KindBound {
				continue
			}
			m := report.Mark{
				Name: fmt.Sprintf("%s %g", r.Name, p.Value), X: r.WastedGBS,
				Y: float64(r.Cold+r.Dropped) / float64(p.Report.Requests), Quiet: true,
			}
			for _, f := range rep.Pareto {
				if f.Policy == r.Name && f.Value == p.Value {
					m.Front, m.Quiet = true, false
				}
			}
			marks = append(marks, m)
		}
	}
	front := make([]string, len(rep.Pareto))
	for i, f := range rep.Pareto {
		front[i] = fmt.Sprintf("%s at %g", f.Policy, f.Value)
	}
	return report.Scatter(report.Chart{
		ID: "sweep-" + rep.Parameter, Title: "Cold starts against wasted memory, by " + rep.Parameter,
		Head:    "Cold starts and dropped requests, share of the requests, by policy and " + rep.Parameter,
		Caption: "Nothing is below and left of the dashed line: " + strings.Join(front, ", ") + ".",
	}, report.Scale{Label: "wasted memory, GB·s", Zero: true}, report.Scale{Percent: true, Zero: true}, marks)
}
