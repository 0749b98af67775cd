package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
)

// unseen is rows of the forecast at phases of a seasonality that the history never saw.
type unseen struct {
	Seasonality string   `json:"seasonality"`
	Phases      []string `json:"phases"` // days of the week, times of the day, months, or days of the period
	Rows        int      `json:"rows"`
}

func (d *decomposed) unseen() []unseen {
	var out []unseen
	for _, u := range d.fitted.Unseen(d.forecast.Time, d.columns) {
		out = append(out, unseen{u.Seasonality.Name, phases(u), len(u.Times)})
	}
	return out
}

// warnUnseen says which phases of the forecast nothing is known of.
func (d *decomposed) warnUnseen(log *slog.Logger) {
	const shown = 8
	for _, u := range d.unseen() {
		names := strings.Join(u.Phases[:min(shown, len(u.Phases))], ", ")
		if n := len(u.Phases) - shown; n > 0 {
			names += fmt.Sprintf(", and %d more", n)
		}
		log.Warn("the forecast has phases that the history never saw: there the seasonality is held near the level and not learned",
			"file", d.name, "seasonality", u.Seasonality, "phases", names, "rows", u.Rows)
	}
}

// phases names the phases of u, in their order, each once.
func phases(u prophet.Unseen) []string {
	period := u.Seasonality.Period
	name, order := func(t time.Time) string { return fmt.Sprintf("day %.4g of %g", phase(t, period), period) }, func(t time.Time) int { return int(phase(t, period) * 1e4) }
	switch {
	case period == 7:
		name = func(t time.Time) string { return t.Weekday().String() }
		order = func(t time.Time) int { return (int(t.Weekday()) + 6) % 7 }
	case period == 1:
		name = func(t time.Time) string { return t.Format("15:04") }
		order = func(t time.Time) int { return t.Hour()*60 + t.Minute() }
	case period < 1:
		name = func(t time.Time) string {
			return fmt.Sprintf("minute %.4g of %.4g", phase(t, period)*1440, period*1440)
		}
	case 360 <= period && period <= 370:
		name = func(t time.Time) string { return t.Month().String() }
		order = func(t time.Time) int { return int(t.Month()) }
	}
	at := map[string]int{}
	for _, t := range u.Times {
		at[name(t)] = order(t)
	}
	var out []string
	for n := range at {
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b string) int {
		if at[a] != at[b] {
			return at[a] - at[b]
		}
		return strings.Compare(a, b)
	})
	return out
}

// phase is the days of t since the period began.
func phase(t time.Time, period float64) float64 {
	turn := prophet.Days(t) / period
	return (turn - float64(int(turn))) * period
}
