// Package alps learns, offline and from a trace, what package scheduler/alps learns on a
// machine as it runs: which functions an invoker shall serve first, and for how long at a
// time.
//
// [Fit] replays one core's part of the training window through the same simulation of
// shortest-remaining-time-first, round by round, and pools the stretches of CPU of all
// rounds. A machine that is given the result need not learn it anew after every start, and
// knows functions that are not invoked every ten seconds; what it cannot do is follow a
// function whose executions become longer.
package alps

import (
	"context"
	"errors"
	"fmt"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// ErrNothing is returned for a window in which no invocation falls to one core.
var ErrNothing = errors.New("no invocation to learn from")

// Options of the training.
type Options struct {
	// FrontEnd are the options of the rounds and of what is made of them.
	FrontEnd alps.Options `json:"front_end"`
	// Minutes at the end of the window that are replayed, >= 1. Default 1440, a day.
	Minutes int `json:"minutes"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{FrontEnd: alps.DefaultOptions(), Minutes: datasets.MinutesPerDay}
}

// Validate reports all options that are out of range.
func (o Options) Validate() error {
	var out option.Check
	out.Within("front_end", o.FrontEnd.Validate())
	out.That(o.Minutes >= 1, "minutes", "must be at least 1, got %d", o.Minutes)
	return out.Err()
}

// A Report says what was learned from.
type Report struct {
	Window      datasets.Window `json:"window"` // that was replayed
	Rounds      int64           `json:"rounds"`
	Invocations int64           `json:"invocations"` // of one core's part
	Functions   int             `json:"functions"`   // that were learned
}

// Fit learns the ranks and slices of the functions of t from the window w. The share, in
// (0, 1], is the part of the invocations that falls to one core, which is drawn from rnd
// as the times of arrival within a minute are. Equal arguments give equal results.
func Fit(ctx context.Context, t *datasets.Trace, w datasets.Window, share float64, rnd uint64, o Options) (*alps.Ranking, *Report, error) {
	if err := o.Validate(); err != nil {
		return nil, nil, fmt.Errorf("alps: %w", err)
	}
	if !(share > 0 && share <= 1) {
		return nil, nil, fmt.Errorf("alps: share of one core must be in (0, 1], got %g", share)
	}
	w.From = max(w.From, w.To-o.Minutes)
	var (
		report = &Report{Window: w}
		stats  = make([]alps.Stats, len(t.Functions))
		key    = seed.Key(rnd, "alps training")
		jobs   []alps.Job
		end    decide.Time // of the round
		n      uint64
	)
	learn := func() {
		if len(jobs) == 0 {
			return
		}
		report.Rounds++
		jobs = jobs[max(0, len(jobs)-o.FrontEnd.Recent):]
		report.Invocations += int64(len(jobs))
		alps.Simulate(jobs, o.FrontEnd.Check, func(class int32, length decide.Time) { stats[class].Add(float64(length)) })
		jobs = jobs[:0]
	}
	for inv, err := range datasets.Placed(ctx, t, w, rnd, datasets.Uniform) {
		if err != nil {
			return nil, nil, fmt.Errorf("alps: read arrivals: %w", err)
		}
		n++
		if seed.Uniform(key, n) >= share {
			continue
		}
		at := decide.FromDuration(inv.Arrival)
		if at >= end {
			learn()
			end = (at/o.FrontEnd.Every + 1) * o.FrontEnd.Every
		}
		cpu := decide.Time(float64(decide.FromDuration(inv.Duration)) * t.Functions[inv.Function].CPU)
		jobs = append(jobs, alps.Job{Class: int32(inv.Function), Begin: at, CPU: cpu})
	}
	learn()
	if report.Rounds == 0 {
		return nil, nil, fmt.Errorf("alps: window %v of trace %q: %w", w, t.Name, ErrNothing)
	}
	p, err := alps.Learned(t.Functions, stats, o.FrontEnd)
	if err != nil {
		return nil, nil, err
	}
	report.Functions = len(p.Classes)
	return p, report, nil
}
