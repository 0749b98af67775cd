package forecast

import (
	"context"
	"fmt"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit"
)

// A decomposer fits Prophet to batches of functions.
type decomposer struct {
	options Options
	trace   *datasets.Trace
	train   datasets.Window
	all     datasets.Window // training and validation
	fleet   *fit.Fleet

	// Ends of what is known, in minutes since the window began: the rolling origins of the
	// training window, then the whole window; and the holidays that were known then.
	cutoffs  []int
	holidays [][]prophet.Holiday
	refits   int // how many of them are rolling origins
}

// A Decomposition is that of one series. The zero value is that of a series that goes
// without.
type Decomposition struct {
	Origins []features.Origin // fitted on the training window, for rows
	Final   *prophet.Fitted   // fitted on everything, for the run time
	Failed  string            // why there is none
}

// newDecomposer prepares the model; totals are the counts of all functions per minute
// of the training and the validation window. Anomalous days are learned at every rolling
// origin from what came before it, as the rest is.
func newDecomposer(o Options, t *datasets.Trace, s datasets.Splits, holidays []datasets.Holiday, totals []float64, rep *Report) (*decomposer, error) {
	all := datasets.Window{From: s.Train.From, To: s.Valid.To}
	grid := fit.Minutes(t, all)
	d := &decomposer{options: o, trace: t, train: s.Train, all: all, cutoffs: o.cutoffs(s.Train.Len())}
	d.refits = len(d.cutoffs)
	if s.Valid.Len() > 0 {
		d.cutoffs = append(d.cutoffs, all.Len())
	}
	calendar := Calendar(holidays, t, all)
	for _, c := range d.cutoffs {
		d.holidays = append(d.holidays, events(slices.Clone(calendar), fit.AnomalousDays(grid, totals[:c])))
	}
	special := d.holidays[len(d.holidays)-1]
	var err error
	if d.fleet, err = o.prophetModel(all.Len(), special).NewFleet(grid, all.Len()); err != nil {
		return nil, err
	}
	rep.note("decomposition: %s trend, seasonalities %v, %d holidays; refitted at %d rolling origins",
		o.Growth, seasonalityNames(o.prophetModel(s.Train.Len(), nil)), len(special), d.refits)
	for _, p := range []struct {
		name    string
		minutes int
	}{{"daily", datasets.MinutesPerDay}, {"weekly", 7 * datasets.MinutesPerDay}} {
		if s.Train.Len() < 2*p.minutes {
			rep.note("the training window of %d minutes does not cover two periods of the %s seasonality: it is left out", s.Train.Len(), p.name)
		}
	}
	if n := len(holidays) - inSpan(holidays, t, all); n > 0 {
		rep.note("%d of %d holidays lie outside the training and validation windows: nothing is learned of them unless another day of their name is inside", n, len(holidays))
	}
	return d, nil
}

// events adds to the configured holidays the anomalous days of the sum of all functions,
// each with a column of its own, which later days never have, so that an outage does not
// bend the seasonalities. A day that is a holiday already is unusual for a reason that
// is known and gets none: it would take a part of the holiday's effect, which the next
// day of that name would then lack.
func events(holidays, anomalous []prophet.Holiday) []prophet.Holiday {
	known := map[prophet.Day]bool{}
	for _, h := range holidays {
		for _, d := range h.Dates {
			known[d] = true
		}
	}
	for _, h := range anomalous {
		if !slices.ContainsFunc(h.Dates, func(d prophet.Day) bool { return known[d] }) {
			holidays = append(holidays, h)
		}
	}
	return holidays
}

func seasonalityNames(m fit.Model) []string {
	out := []string{}
	for _, s := range m.Seasonalities {
		out = append(out, s.Name)
	}
	return out
}

func inSpan(holidays []datasets.Holiday, t *datasets.Trace, w datasets.Window) int {
	n := 0
	for _, h := range holidays {
		if !h.Day.Before(t.Time(w.From)) && h.Day.Before(t.Time(w.To)) {
			n++
		}
	}
	return n
}

// Calendar returns the holidays of which at least one day lies in w, by name, with all
// their days, later ones included: those are what is forecast.
func Calendar(holidays []datasets.Holiday, t *datasets.Trace, w datasets.Window) []prophet.Holiday {
	days := map[string][]prophet.Day{}
	seen := map[string]bool{}
	for _, h := range holidays {
		days[h.Name] = append(days[h.Name], prophet.DayOf(h.Day))
		seen[h.Name] = seen[h.Name] || inSpan([]datasets.Holiday{h}, t, w) > 0
	}
	var out []prophet.Holiday
	for name, d := range days {
		if seen[name] {
			slices.Sort(d)
			out = append(out, prophet.Holiday{Name: name, Dates: slices.Compact(d)})
		}
	}
	slices.SortFunc(out, func(a, b prophet.Holiday) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}

// Decompose decomposes series, dense counts of the training and the validation window. A
// series that fails, or that comes when the time has expired, says so; the others are not
// harmed. Without Options.Components nothing is decomposed.
func (d *decomposer) Decompose(ctx context.Context, series [][]float64, expired func() bool) ([]Decomposition, error) {
	out := make([]Decomposition, len(series))
	if !d.options.Components {
		return out, nil
	}
	if expired() {
		for i := range out {
			out[i].Failed = fmt.Sprintf("time limit of %v passed before the decomposition", d.options.TimeLimit)
		}
		return out, nil
	}
	err := d.fitInto(ctx, series, out)
	if err == nil || ctx.Err() != nil {
		return out, err
	}
	for i := range series { // one of them is at fault
		if err := d.fitInto(ctx, series[i:i+1], out[i:i+1]); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			out[i] = Decomposition{Failed: fmt.Sprintf("decomposition: %v", err)}
		}
	}
	return out, nil
}

func (d *decomposer) fitInto(ctx context.Context, series [][]float64, out []Decomposition) error {
	rolling, err := d.fleet.RollingHolidays(ctx, series, d.cutoffs, d.holidays, d.options.Workers)
	if err != nil {
		return err
	}
	for i := range out {
		out[i] = Decomposition{Final: rolling[len(rolling)-1].Fitted[i]}
		for _, o := range rolling[:d.refits] {
			out[i].Origins = append(out[i].Origins, features.Origin{From: d.train.From + o.Cutoff, Fitted: o.Fitted[i]})
		}
	}
	return nil
}
