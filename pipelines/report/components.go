package report

import (
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/incendio-faas/incendio/features/prophet"
)

// An Outlook is the plot of a forecast: what was observed, and what the model says of
// these times and later ones. All slices have one value per time; those that are nil are
// not drawn.
type Outlook struct {
	Title    string
	Times    []time.Time // ascending
	Observed []float64   // NaN where there is no value
	Yhat     []float64
	Lower    []float64
	Upper    []float64
	Cap      []float64 // of a logistic trend
	Floor    []float64
	History  time.Time // its end
}

// An Axis says what the times of a panel are.
type Axis int

// The axes: the calendar, or one period of a seasonality.
const (
	Calendar Axis = iota
	HoursOfDay
	DaysOfWeek
	MonthsOfYear
	DaysOfPeriod // of any other length, counted from its start
)

// A Panel is the plot of one component of a decomposition.
type Panel struct {
	Name         string
	Axis         Axis
	Times        []time.Time // ascending, at least two
	Value        []float64   // a value per time, in units of y, or shares of the trend
	Lower, Upper []float64   // its interval; nil if there is none
	Share        bool        // of the trend: drawn in percent
	Steps        bool        // constant between times, as holidays are
}

// DrawOutlook writes the plot as an SVG file.
func DrawOutlook(w io.Writer, o Outlook) error {
	if len(o.Times) < 2 {
		return fmt.Errorf("plot of the forecast: it needs at least two times, got %d", len(o.Times))
	}
	for _, v := range [][]float64{o.Observed, o.Yhat, o.Lower, o.Upper, o.Cap, o.Floor} {
		if v != nil && len(v) != len(o.Times) {
			return fmt.Errorf("plot of the forecast: %d values for %d times", len(v), len(o.Times))
		}
	}
	keys := []key{{name: "observed", line: stroke(ink, 3, 3, 6)}, {name: "forecast", line: stroke(series2, 1.5)}}
	if o.Lower != nil {
		keys = append(keys, key{name: "interval", line: draw.LineStyle{Color: series2.alpha(0.22)}, fill: true})
	}
	if o.Cap != nil {
		keys = append(keys, key{name: "capacity and floor", line: stroke(ink, 1, 6, 3)})
	}
	top := legendHeight(keys, margin) + 8
	s := newSheet(top + 360)
	s.legend(keys, margin, 0)

	xs := secondsOf(o.Times)
	y := noLimits()
	for _, values := range [][]float64{o.Observed, o.Yhat, o.Lower, o.Upper, o.Cap, o.Floor} {
		for _, v := range values {
			y.add(v)
		}
	}
	p := newPlot()
	spanOf(xs).set(&p.X)
	y.widen(0.04).set(&p.Y)
	p.X.Tick.Marker, p.Y.Tick.Marker = calendarTicks(8), linearTicks(4, plain)
	p.X.Label.Text = "time, UTC"
	if o.Lower != nil {
		p.Add(newBand(xs, o.Lower, o.Upper, series2.alpha(0.22)))
	}
	p.Add(curve{segments(xs, o.Yhat), stroke(series2, 1.2)})
	p.Add(dots{xs, o.Observed}) // on top: a line through days is as dense as an area
	for _, bound := range [][]float64{o.Cap, o.Floor} {
		p.Add(curve{segments(xs, bound), stroke(ink, 1, 6, 3)})
	}
	if end := secondsOf([]time.Time{o.History})[0]; end > p.X.Min && end < p.X.Max {
		p.Add(curve{[][]point{{{end, p.Y.Min}, {end, p.Y.Max}}}, stroke(axis, 1, 2, 3)})
	}
	drawAligned([]*plot.Plot{p}, []draw.Canvas{s.crop(margin, figureWidth-margin, top, top+356)})
	return s.file(w, "Forecast of "+o.Title, "Observed values, the forecast, and its interval; the dotted line is the end of the history.")
}

// DrawComponents writes the panels under each other as one SVG file.
func DrawComponents(w io.Writer, title string, panels []Panel) error {
	const titleRoom, room = 28, 150
	if len(panels) == 0 {
		return errors.New("plot of the components: there are none")
	}
	s := newSheet(vg.Length(len(panels)) * (titleRoom + room))
	var plots []*plot.Plot
	var areas []draw.Canvas
	var top vg.Length
	for i, pn := range panels {
		if n := len(pn.Times); n < 2 || len(pn.Value) != n || pn.Lower != nil && (len(pn.Lower) != n || len(pn.Upper) != n) {
			return fmt.Errorf("plot of component %q: it needs at least two times and a value for each", pn.Name)
		}
		plots = append(plots, pn.plot(series2+role(i%7)))
		name := fit(capital(words(pn.Name)), 500)
		if pn.Share {
			name += ", share of the trend"
		}
		s.say(style(ink, true), margin, top+lineHeight+4, name)
		areas = append(areas, s.crop(margin, figureWidth-margin, top+titleRoom, top+titleRoom+room))
		top += titleRoom + room
	}
	drawAligned(plots, areas)
	return s.file(w, "Components of "+title, "Each term of the model: the trend and holidays over time, seasonalities over one period.")
}

// plot draws the panel in the colour of r.
func (pn Panel) plot(r role) *plot.Plot {
	xs := secondsOf(pn.Times)
	p := newPlot()
	spanOf(xs).set(&p.X)
	p.X.Tick.Marker = pn.Axis.ticks(pn.Times)
	p.Y.Tick.Marker = linearTicks(3, plain)
	if pn.Share {
		p.Y.Tick.Marker = linearTicks(3, percentTick)
	}
	y := noLimits()
	for _, values := range [][]float64{pn.Value, pn.Lower, pn.Upper} {
		for _, v := range values {
			y.add(v)
		}
	}
	y.widen(0.06).set(&p.Y)
	if pn.Lower != nil {
		p.Add(newBand(xs, pn.Lower, pn.Upper, r.alpha(0.22)))
	}
	values := pn.Value
	if pn.Steps {
		xs, values = stairs(xs, values)
	}
	p.Add(curve{segments(xs, values), stroke(r, 1.5)})
	return p
}

// stairs holds each value until the next time.
func stairs(xs, ys []float64) (x, y []float64) {
	for i := range xs {
		if i > 0 {
			x, y = append(x, xs[i]), append(y, ys[i-1])
		}
		x, y = append(x, xs[i]), append(y, ys[i])
	}
	return x, y
}

// ticks are those of the axis over times.
func (a Axis) ticks(times []time.Time) plot.Ticker {
	first := times[0]
	at := func(label string, t time.Time) plot.Tick {
		return plot.Tick{Value: secondsOf([]time.Time{t})[0], Label: label}
	}
	var ticks []plot.Tick
	switch a {
	case HoursOfDay:
		for h := 0; h <= 24; h += 3 {
			ticks = append(ticks, at(fmt.Sprintf("%02d:00", h), first.Add(time.Duration(h)*time.Hour)))
		}
	case DaysOfWeek:
		for i := range 7 {
			t := first.AddDate(0, 0, i)
			ticks = append(ticks, at(t.Weekday().String(), t))
		}
	case MonthsOfYear:
		for i := 0; i <= 12; i += 2 {
			t := first.AddDate(0, i, 0)
			ticks = append(ticks, at(t.Format("2 January"), t))
		}
	case DaysOfPeriod:
		begin := secondsOf(times[:1])[0]
		unit, name := day.Seconds(), "d"
		switch span := times[len(times)-1].Sub(first); {
		case span < 3*time.Hour:
			unit, name = 60, "min"
		case span < 3*day:
			unit, name = 3600, "h"
		}
		inUnits := linearTicks(5, plain)
		return plot.TickerFunc(func(lo, hi float64) []plot.Tick {
			ticks := inUnits((lo-begin)/unit, (hi-begin)/unit)
			for i := range ticks {
				ticks[i].Value = begin + ticks[i].Value*unit
				ticks[i].Label += " " + name
			}
			return ticks
		})
	default:
		return calendarTicks(8)
	}
	return plot.ConstantTicks(ticks)
}

// calendarTicks are timeTicks that stand at the beginnings of months or years if there
// are many of them.
func calendarTicks(n int) plot.TickerFunc {
	return func(lo, hi float64) []plot.Tick {
		if !(hi-lo > (80 * day).Seconds()) || !finite(hi-lo) {
			return timeTicks(n)(lo, hi)
		}
		months := 1
		for _, months = range []int{1, 2, 3, 6, 12, 24, 60, 120, 240, 600} {
			if (hi-lo)/(30.4*day.Seconds()) <= float64(n*months) {
				break
			}
		}
		layout := "2006"
		if months < 12 {
			layout = "Jan 2006"
		}
		first := time.Unix(int64(lo), 0).UTC()
		years := max(1, months/12)
		t := time.Date(first.Year()/years*years, 1, 1, 0, 0, 0, 0, time.UTC)
		var ticks []plot.Tick
		for ; float64(t.Unix()) <= hi; t = t.AddDate(0, months, 0) {
			if x := float64(t.Unix()); x >= lo {
				ticks = append(ticks, plot.Tick{Value: x, Label: t.Format(layout)})
			}
		}
		return ticks
	}
}

// dots are single observations. Those that would lie on each other are drawn once.
type dots struct{ xs, ys []float64 }

// Plot implements plot.Plotter.
func (d dots) Plot(c draw.Canvas, p *plot.Plot) {
	const cell = 1.5
	x, y := p.Transforms(&c)
	radius := vg.Length(1.6)
	if len(d.ys) > 500 {
		radius = 0.9
	}
	seen := map[[2]int]bool{}
	for i, v := range d.ys {
		if !drawable(v) {
			continue
		}
		at := vg.Point{X: x(d.xs[i]), Y: y(flat(v))}
		box := [2]int{int(math.Round(float64(at.X) / cell)), int(math.Round(float64(at.Y) / cell))}
		if !seen[box] && c.Contains(at) {
			seen[box] = true
			c.DrawGlyph(draw.GlyphStyle{Color: ink.alpha(0.8), Radius: radius, Shape: draw.CircleGlyph{}}, at)
		}
	}
}

var variables = regexp.MustCompile(`var\(--[a-z0-9-]+,(#[0-9a-f]{6})\)`)

// file writes the drawing as a file of its own, on paper and with the colours of the
// light theme, since not all programs that show SVG know variables.
func (s *sheet) file(w io.Writer, title, caption string) error {
	svg := string(s.figure("plot", title, caption).SVG)
	head, body, _ := strings.Cut(svg, ">\n")
	width, height := s.svg.Size()
	head = strings.Replace(head, "<svg ", fmt.Sprintf(`<svg width="%g" height="%g" `, width.Points(), height.Points()), 1)
	svg = fmt.Sprintf("%s>\n<rect width=\"%g\" height=\"%g\" fill=\"%s\"/>\n%s", head, width.Points(), height.Points(), themes[paper][1], body)
	_, err := io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+variables.ReplaceAllString(svg, "$1"))
	return err
}

// PanelsOf are the plots of the components of a forecast of f, as Prophet has them: the
// trend, all holidays together, seasonalities over one period of theirs, and regressors.
func PanelsOf(f *prophet.Fitted, fc *prophet.Forecast) []Panel {
	out := []Panel{{Name: "trend", Times: fc.Time, Value: fc.Trend, Lower: fc.TrendLower, Upper: fc.TrendUpper}}
	for _, mode := range []prophet.Mode{"", prophet.Multiplicative} {
		var sum []float64
		for _, h := range fc.Holidays {
			if h.Mode != mode {
				continue
			}
			if sum == nil {
				sum = make([]float64, len(h.Value))
			}
			for i, v := range h.Value {
				sum[i] += v
			}
		}
		if sum != nil {
			out = append(out, Panel{Name: "holidays", Times: fc.Time, Value: sum, Share: mode == prophet.Multiplicative, Steps: true})
		}
	}
	for i, s := range f.Seasonalities {
		times, axis := onePeriod(s.Period)
		out = append(out, Panel{Name: s.Name, Axis: axis, Times: times, Value: f.Cycle(i, times), Share: s.Mode == prophet.Multiplicative})
	}
	for _, r := range fc.Regressors {
		out = append(out, Panel{Name: r.Name, Times: fc.Time, Value: r.Value, Share: r.Mode == prophet.Multiplicative})
	}
	return out
}

// onePeriod are times through a period of so many days, from a Sunday that begins a year.
func onePeriod(period float64) ([]time.Time, Axis) {
	const points = 400
	start := time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC)
	axis := DaysOfPeriod
	switch {
	case period == 1:
		axis = HoursOfDay
	case period == 7:
		axis = DaysOfWeek
	case period >= 365 && period <= 366:
		axis, period = MonthsOfYear, 365
	}
	length := time.Duration(min(period*24*float64(time.Hour), math.MaxInt64/2))
	times := make([]time.Time, points+1)
	for i := range times {
		times[i] = start.Add(length / points * time.Duration(i))
	}
	return times, axis
}
