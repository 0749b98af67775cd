package pipelines

import (
	"fmt"
	"strings"

	"github.com/incendio-faas/incendio/internal/null"
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
		Trace: s.Trace, Window: window, Requests: s.Requests, Seed: s.Seed, Load: null.Float(s.Load),
		Machine:     &report.Machine{Invokers: s.Cluster.Invokers, Cores: int(s.Cluster.Cores), MemoryMB: s.Cluster.MemoryMB},
		FirstMinute: s.Window.From, StepMinutes: curves.Step,
	}
	clairvoyant := make(map[string]bool)
	for _, r := range scheduler.Baselines() {
		clairvoyant[r.Name] = r.Clairvoyant
	}
	for _, p := range s.Policies {
		row := report.Policy{Name: p.Name, Kind: p.Kind, Summary: p.Summary}
		if clairvoyant[p.Name] {
			row.Kind = report.Oracle
		}
		c := curves.Policies[p.Name]
		for i, ms := range c.Quantiles {
			row.CDF = append(row.CDF, report.CDFPoint{LatencyMS: null.Float(ms), Share: null.Float(float64(i) / float64(len(c.Quantiles)-1))})
		}
		for i := range c.Started {
			row.SLOCurve = append(row.SLOCurve, report.SLOPoint{
				WaitMS:     null.Float(float64(sim.WaitLimits[i]) / float64(decide.Millisecond)),
				Dispatched: null.Float(c.Dispatched[i]), Executing: null.Float(c.Started[i]),
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
