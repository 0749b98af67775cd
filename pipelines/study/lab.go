package study

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A lab is where a study is run.
type lab struct {
	Input
	out *Result
}

// say adds a sentence on what is run.
func (l *lab) say(format string, args ...any) {
	l.out.Setup = append(l.out.Setup, fmt.Sprintf(format, args...))
}

func (l *lab) claim(what, paper, ours, why string) {
	l.out.Claims = append(l.out.Claims, Claim{what, paper, ours, why})
}

func (l *lab) table(t Table) { l.out.Tables = append(l.out.Tables, t) }

// platform is a whole platform: the trace of the setting, or the test part of the
// embedded synthetic one.
func (l *lab) platform() (*datasets.Trace, sim.Options, error) {
	if l.Trace != nil {
		return l.Trace, l.options(l.Window), nil
	}
	t, err := synthetic.Stream(l.Config.Synthetic)
	if err != nil {
		return nil, sim.Options{}, err
	}
	w, err := datasets.Split(t.Span).Named(datasets.TestWindow)
	return t, l.options(w), err
}

// options are those of a simulation of w on the cluster of the setting.
func (l *lab) options(w datasets.Window) sim.Options { return l.Config.Simulation.Options(w, l.Seed) }

// describe says what a comparison ran on.
func (l *lab) describe(rep *sim.Report) {
	l.say("%d requests in minutes %v of %s, on %d invokers of %g cores and %d MB; load %.2f.",
		rep.Requests, rep.Window, rep.Trace, rep.Cluster.Invokers, rep.Cluster.Cores, rep.Cluster.MemoryMB, rep.Load)
}

// known are those of the names that can run; what cannot is said.
func (l *lab) known(names ...string) []string {
	var out []string
	for _, name := range names {
		row, _, _ := strings.Cut(name, ":")
		switch {
		case slices.ContainsFunc(scheduler.Baselines(), func(r policy.Row) bool { return r.Name == row }):
			out = append(out, name)
		case slices.ContainsFunc(scheduler.Learned(), func(r scheduler.LearnedRow) bool { return r.Name == row }):
			if l.Subject != nil {
				out = append(out, name)
				continue
			}
			l.out.LeftOut = append(l.out.LeftOut, name+": it runs a bundle; make one with incendio run, then add --bundle champion")
		default:
			l.out.LeftOut = append(l.out.LeftOut, name+": no policy of this program has that name")
		}
	}
	return out
}

// compare replays under the named policies, for each of the seeds.
func (l *lab) compare(ctx context.Context, t *datasets.Trace, o sim.Options, names []string) (*sim.Report, error) {
	return sim.CompareSeeds(ctx, t, func(rnd uint64) ([]sim.Contender, error) {
		return replay.Policies(ctx, names, l.Config.Simulation.Options(o.Window, rnd), l.Subject)
	}, o, l.Seeds, l.Workers)
}

// figure of a row over the seeds: an Estimate where there are several, else the value.
func figure(r *sim.Row, value float64, over func(e *sim.Estimates) sim.Estimate) any {
	if r.OverSeeds == nil {
		return value
	}
	return over(r.OverSeeds)
}

// Figures of a row over the seeds.
func meanLatency(r *sim.Row) any {
	return figure(r, r.Latency.Mean, func(e *sim.Estimates) sim.Estimate { return e.Latency.Mean })
}

func warmStarts(r *sim.Row) any {
	return figure(r, float64(r.Warm), func(e *sim.Estimates) sim.Estimate { return e.Warm })
}

func speedupOf(r *sim.Row) any {
	return figure(r, r.SpeedupVsNative, func(e *sim.Estimates) sim.Estimate { return e.SpeedupVsNative })
}

func benefitOf(r *sim.Row) any {
	return figure(r, r.LatencyBenefitS, func(e *sim.Estimates) sim.Estimate { return e.LatencyBenefitS })
}

// mean of what figure returns.
func mean(cell any) float64 {
	switch v := cell.(type) {
	case float64:
		return v
	case sim.Estimate:
		return v.Mean
	}
	panic("study: a cell that is no number")
}

// row returns the row of a policy, nil if it was not run.
func row(rep *sim.Report, name string) *sim.Row {
	for i := range rep.Policies {
		if rep.Policies[i].Name == name {
			return &rep.Policies[i]
		}
	}
	return nil
}

// percent of a share.
func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// against says how much less a is than b, or more.
func against(a, b float64) string {
	if a <= b {
		return fmt.Sprintf("%.1f %% less", 100*(1-a/b))
	}
	return fmt.Sprintf("%.1f %% more", 100*(a/b-1))
}

// outcomes collects the requests of a run that count, as an observer.
type outcomes struct{ all []sim.Outcome }

// Handled implements sim.Observer.
func (*outcomes) Handled(decide.Snapshot, decide.Event, []decide.Decision) {}

// Finished implements sim.Observer.
func (o *outcomes) Finished(x sim.Outcome) {
	if x.Counted {
		o.all = append(o.all, x)
	}
}
