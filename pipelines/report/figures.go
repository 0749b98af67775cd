package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/incendio-faas/incendio/metric"
)

const perMinute = "invocations/min"

// nothing is a figure that says in a sentence why it cannot be drawn.
func nothing(id, why string) Figure { return Figure{ID: id, Caption: why} }

// decomposition draws what was observed and the terms of the model under each other.
func decomposition(d *Decomposition) Figure {
	const id = "decomposition"
	n := min(len(d.Times), len(d.Observed))
	if n < 2 {
		return nothing(id, "The decomposition is not drawn: it has fewer than two points.")
	}
	unit := cmp.Or(d.Unit, perMinute)
	xs := secondsOf(d.Times)

	type panel struct {
		title  string
		values []float64
		role   role
		height vg.Length
	}
	model := slices.Clone([]float64(d.Trend[:min(n, len(d.Trend))]))
	panels := []panel{{"Observed, and the model's sum of terms, " + unit, d.Observed, muted, 130}, {"Trend", d.Trend, series2, 84}}
	roleOf := map[string]role{"daily": series3, "weekly": series4, "yearly": series5, "holiday": series6, "holidays": series6}
	for i, c := range d.Components {
		for j := range model {
			if j < len(c.Values) {
				model[j] += c.Values[j]
			}
		}
		r, ok := roleOf[c.Name]
		if !ok {
			r = series5 + role(i%4)
		}
		title := capital(words(c.Name))
		panels = append(panels, panel{fit(title, 400) + ", at most ±" + number(c.maxAbs()), c.Values, r, 84})
	}

	const titleRoom = 28
	const timeRoom = 52 // the time axis
	height := vg.Length(timeRoom)
	for _, p := range panels {
		height += p.height + titleRoom
	}
	s := newSheet(height)
	span := spanOf(xs[:n])
	var plots []*plot.Plot
	var areas []draw.Canvas
	top := vg.Length(0)
	for i, pn := range panels {
		p := newPlot()
		span.set(&p.X)
		p.X.Tick.Marker = timeTicks(8)
		p.Y.Tick.Marker = linearTicks(2, plain)
		y := noLimits()
		for _, v := range pn.values[:min(n, len(pn.values))] {
			y.add(v)
		}
		if i == 0 {
			for _, v := range model {
				y.add(v)
			}
		}
		y.widen(0.06).set(&p.Y)
		if i == 0 {
			p.Add(curve{segments(xs, pn.values), draw.LineStyle{Color: muted.alpha(0.55), Width: 0.9}})
			p.Add(curve{segments(xs, model), stroke(series1, 1.5)})
		} else {
			p.Add(curve{segments(xs, pn.values), stroke(pn.role, 1.5)})
		}
		s.say(style(ink, true), margin, top+lineHeight+4, pn.title)
		room := pn.height
		if i == len(panels)-1 {
			room += timeRoom
			p.X.Label.Text = "time, UTC"
		} else {
			ticks := timeTicks(8)
			p.X.Tick.Marker = plot.TickerFunc(func(lo, hi float64) []plot.Tick {
				marks := ticks(lo, hi)
				for j := range marks {
					marks[j].Label = ""
				}
				return marks
			})
			p.X.Tick.Length = 0
		}
		plots = append(plots, p)
		areas = append(areas, s.crop(margin, figureWidth-margin, top+titleRoom, top+titleRoom+room))
		top += titleRoom + pn.height
	}
	drawAligned(plots, areas)
	return s.figure(id, "Decomposition of "+d.Function, decompositionCaption(d, unit))
}

// maxAbs is the largest absolute effect of the component.
func (c *Component) maxAbs() float64 {
	if c.MaxAbs != 0 && c.MaxAbs.Known() {
		return math.Abs(float64(c.MaxAbs))
	}
	return largest(c.Values)
}

// largest is the largest absolute value, 0 where there is none.
func largest(vs []float64) float64 {
	m := 0.0
	for _, v := range vs {
		if finite(v) {
			m = max(m, math.Abs(v))
		}
	}
	return m
}

func decompositionCaption(d *Decomposition, unit string) string {
	text := "Function " + d.Function + ": "
	var terms []string
	for i := range d.Components {
		c := &d.Components[i]
		if m := c.maxAbs(); strings.HasPrefix(c.Name, "holiday") {
			peak := m
			for _, v := range c.Values {
				if finite(v) && math.Abs(v) == m {
					peak = v
					break
				}
			}
			terms = append(terms, fmt.Sprintf("the holiday effect is %s at its largest", number(peak)))
		} else {
			terms = append(terms, fmt.Sprintf("the %s term reaches ±%s", words(c.Name), number(m)))
		}
	}
	first, last := edges(d.Trend)
	switch {
	case !finite(first) || !finite(last):
		text += "the trend is unknown"
	case number(first) == number(last):
		text += "the trend stays at " + number(first)
	case last > first:
		text += fmt.Sprintf("the trend rises from %s to %s", number(first), number(last))
	default:
		text += fmt.Sprintf("the trend falls from %s to %s", number(first), number(last))
	}
	if len(terms) == 0 {
		return text + " " + unit + "; no seasonal or holiday term was fitted."
	}
	return text + " " + unit + ", " + list(terms) + "."
}

// edges are the first and the last known value.
func edges(vs []float64) (first, last float64) {
	first, last = math.NaN(), math.NaN()
	for _, v := range vs {
		if finite(v) {
			if !finite(first) {
				first = v
			}
			last = v
		}
	}
	return first, last
}

// forecast draws the mean and the interval of a forecast over what happened.
func forecast(f *Forecast) Figure {
	const id = "forecast"
	n := min(len(f.Times), max(len(f.Actual), len(f.Mean)))
	if n < 2 {
		return nothing(id, "The forecast is not drawn: it has fewer than two points.")
	}
	xs := secondsOf(f.Times)
	nominal := level(float64(f.Level))
	keys := []key{
		{name: "actual", line: draw.LineStyle{Color: muted.color(), Width: 1}},
		{name: "forecast mean", line: stroke(series1, 1.8), bold: true},
		{name: nominal + " interval", line: draw.LineStyle{Color: series1.alpha(0.2)}, fill: true},
	}
	const height = 320
	s := newSheet(height)
	s.say(style(ink, true), margin, lineHeight-1, "Function "+fit(f.Function, 500)+", "+cmp.Or(f.Unit, perMinute))
	top := s.legend(keys, margin, 20) + 6

	p := newPlot()
	x, y := spanOf(xs[:n]), noLimits()
	for i := range n {
		for _, vs := range []Values{f.Actual, f.Mean, f.Lower, f.Upper} {
			if i < len(vs) {
				y.add(vs[i])
			}
		}
	}
	x.set(&p.X)
	y.widen(0.05).set(&p.Y)
	p.X.Label.Text = "time, UTC"
	p.X.Tick.Marker, p.Y.Tick.Marker = timeTicks(8), linearTicks(4, plain)
	p.Add(newBand(xs, f.Lower, f.Upper, series1.alpha(0.2)))
	p.Add(curve{segments(xs, f.Actual), draw.LineStyle{Color: muted.alpha(0.85), Width: 1}})
	p.Add(curve{segments(xs, f.Mean), stroke(series1, 1.8)})
	drawAligned([]*plot.Plot{p}, []draw.Canvas{s.crop(margin, figureWidth-margin, top, height-2)})
	return s.figure(id, "Forecast for "+f.Function+" with its interval", forecastCaption(f))
}

func forecastCaption(f *Forecast) string {
	var inside metric.Coverage
	var errs metric.Errors
	for i := range min(len(f.Actual), len(f.Mean), len(f.Lower), len(f.Upper)) {
		a, m, lo, hi := f.Actual[i], f.Mean[i], f.Lower[i], f.Upper[i]
		if !finite(a) || !finite(m) || !finite(lo) || !finite(hi) {
			continue
		}
		inside.Add(a, lo, hi)
		errs.Add(a, m, m, 1)
	}
	if inside.N == 0 {
		return "Function " + f.Function + ": nothing was observed that the forecast could be compared with."
	}
	text := fmt.Sprintf("Function %s: the %s interval holds %s of what happened", f.Function, level(float64(f.Level)), percent(inside.Share()))
	if wape := errs.WAPE(); errs.Actual > 0 && finite(wape) {
		text += fmt.Sprintf("; the absolute error of the mean is %s of the volume (WAPE)", percent(wape))
	}
	return text + "."
}

// importance draws the features by their share of the gain.
func importance(m *Importance) Figure {
	const id, most = "importance", 20
	var fs []Feature
	total := 0.0
	for _, f := range m.Features {
		if f.Gain.Known() && f.Gain > 0 {
			f.Gain /= 1e3 // so that the sum of very large gains stays finite
			fs = append(fs, f)
			total += float64(f.Gain)
		}
	}
	if len(fs) == 0 || !finite(total) || total == 0 {
		return nothing(id, "The importance is not drawn: no feature has a gain, so the trees never split.")
	}
	slices.SortStableFunc(fs, func(a, b Feature) int {
		return cmp.Or(cmp.Compare(b.Gain, a.Gain), cmp.Compare(a.Feature, b.Feature))
	})
	shares := make([]float64, len(fs))
	for i, f := range fs {
		shares[i] = float64(f.Gain) / total
	}
	caption := importanceCaption(m, fs, shares)
	names := make([]string, 0, most+1)
	bars := shares
	for i := range min(len(fs), most) {
		names = append(names, fs[i].Feature)
	}
	if rest := len(fs) - most; rest > 0 {
		sum := 0.0
		for _, x := range shares[most:] {
			sum += x
		}
		bars = append(slices.Clone(shares[:most]), sum)
		names = append(names, count(int64(rest), "other feature"))
	}

	const barRoom = 21
	height := vg.Length(len(bars))*barRoom + 60
	s := newSheet(height)
	s.say(style(ink, true), margin, lineHeight-1, "Share of the total gain")
	p := newPlot()
	p.X.Min, p.X.Max = 0, max(1e-9, slices.Max(bars)*1.1)
	p.Y.Min, p.Y.Max = -0.6, float64(len(bars))-0.4
	p.X.Tick.Marker = linearTicks(5, percentTick)
	var ticks []plot.Tick
	for i, name := range names {
		ticks = append(ticks, plot.Tick{Value: float64(len(bars) - 1 - i), Label: cmp.Or(fit(name, 220), dash)})
	}
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	p.Y.Tick.Label = style(ink, false)
	p.Y.Tick.Label.XAlign, p.Y.Tick.Label.YAlign = draw.XRight, draw.YCenter
	p.Y.Tick.Length = 6
	p = quiet(p)
	p.Add(gridLines{x: true}, barPlot{shares: bars, others: len(fs) > most})
	drawAligned([]*plot.Plot{p}, []draw.Canvas{s.crop(margin, figureWidth-margin, 20, height-2)})
	return s.figure(id, "Tree importance by gain", caption)
}

// quiet takes the horizontal grid from a plot that newPlot made.
func quiet(p *plot.Plot) *plot.Plot {
	q := plot.New()
	q.BackgroundColor = nil
	q.X, q.Y = p.X, p.Y
	return q
}

// A barPlot draws horizontal bars, the first on top, with their value at the end.
type barPlot struct {
	shares []float64
	others bool // the last bar sums what is not named
}

// Plot implements plot.Plotter.
func (b barPlot) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	sty := style(ink, false)
	sty.YAlign = draw.YCenter
	for i, v := range b.shares {
		mid := y(float64(len(b.shares) - 1 - i))
		fill := series2.color()
		if b.others && i == len(b.shares)-1 {
			fill = axis.color()
		}
		end := max(x(v), x(0)+0.8)
		c.FillPolygon(fill, []vg.Point{{X: x(0), Y: mid - 6.5}, {X: end, Y: mid - 6.5}, {X: end, Y: mid + 6.5}, {X: x(0), Y: mid + 6.5}})
		c.FillText(sty, vg.Point{X: end + 5, Y: mid + 1.5}, percent(v))
	}
}

func importanceCaption(m *Importance, fs []Feature, shares []float64) string {
	text := fmt.Sprintf("%s carries %s of the total gain", fs[0].Feature, percent(shares[0]))
	if m.Model != "" {
		text = "Model " + m.Model + ": " + text
	}
	if len(fs) > 3 {
		text += fmt.Sprintf("; the first three features together carry %s", percent(shares[0]+shares[1]+shares[2]))
	}
	if unused := len(m.Features) - len(fs); unused > 0 {
		text += fmt.Sprintf("; %s never used", count(int64(unused), "feature"))
		if unused == 1 {
			text = strings.Replace(text, "1 feature never used", "1 feature is never used", 1)
		} else {
			text = strings.Replace(text, "features never used", "features are never used", 1)
		}
	}
	return text + "."
}

// agentReturn draws the return of every training, a panel per cluster.
func agentReturn(a *Agents) Figure {
	return curves("agent-return", "Return per episode", "episode", a, func(r *Run) (x, y Values) { return r.Episode, r.Return }, false, func(c *Cluster) string {
		from, to := fifths(c, func(r *Run) Values { return r.Return })
		if !finite(from) || !finite(to) {
			return ""
		}
		verb := "rises"
		if to < from {
			verb = "falls"
		}
		return fmt.Sprintf("in cluster %s the mean return %s from %s in the first fifth of the training to %s in the last", c.Cluster, verb, number(from), number(to))
	})
}

// agentLoss draws the temporal-difference loss of every training on a logarithmic
// scale, a panel per cluster.
func agentLoss(a *Agents) Figure {
	return curves("agent-loss", "Q-loss (log scale)", "gradient step", a, func(r *Run) (x, y Values) { return r.LossStep, r.Loss }, true, func(c *Cluster) string {
		from, to := fifths(c, func(r *Run) Values { return r.Loss })
		if !finite(from) || !finite(to) {
			return ""
		}
		return fmt.Sprintf("in cluster %s the mean loss goes from %s in the first fifth of the training to %s in the last", c.Cluster, number(from), number(to))
	})
}

// fifths are the means over all runs of the first and of the last fifth of a curve.
func fifths(c *Cluster, of func(*Run) Values) (first, last float64) {
	var a, b []float64
	for i := range c.Runs {
		vs := of(&c.Runs[i])
		k := (len(vs) + 4) / 5
		a = append(a, vs[:k]...)
		b = append(b, vs[len(vs)-k:]...)
	}
	return mean(a), mean(b)
}

// mean is over the known values, NaN where there is none.
func mean(vs []float64) float64 {
	m, n := 0.0, 0.0
	for _, v := range vs {
		if finite(v) {
			n++
			m += (v - m) / n
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return m
}

// smooth is the centred moving mean over about a twentieth of the values.
func smooth(vs []float64) []float64 {
	half := len(vs) / 40
	if half == 0 {
		return vs
	}
	out := make([]float64, len(vs))
	for i := range vs {
		if out[i] = vs[i]; finite(vs[i]) {
			out[i] = mean(vs[max(0, i-half):min(len(vs), i+half+1)])
		}
	}
	return out
}

// curves draws small multiples of training curves: raw values pale, their moving mean
// over them, a colour per seed.
func curves(id, title, xLabel string, a *Agents, of func(*Run) (x, y Values), logarithmic bool, finding func(*Cluster) string) Figure {
	const most = 12
	type panel struct {
		cluster *Cluster
		xs, ys  [][]float64
	}
	var panels []panel
	var findings []string
	var seeds []uint64
	x := noLimits()
	for i := range a.Clusters {
		pn := panel{cluster: &a.Clusters[i]}
		for j := range pn.cluster.Runs {
			r := &pn.cluster.Runs[j]
			xs, ys := of(r)
			ys = slices.Clone(ys)
			if xs == nil {
				xs = make(Values, len(ys))
				for k := range xs {
					xs[k] = float64(k + 1)
				}
			}
			n := 0
			for k := range min(len(xs), len(ys)) {
				if logarithmic && !(ys[k] > 1e-100) {
					ys[k] = math.NaN()
				}
				if drawable(xs[k]) && drawable(ys[k]) {
					x.add(xs[k])
					n++
				}
			}
			if n == 0 {
				xs, ys = nil, nil // an empty run keeps its colour
			} else if !slices.Contains(seeds, r.Seed) {
				seeds = append(seeds, r.Seed)
			}
			pn.xs, pn.ys = append(pn.xs, xs), append(pn.ys, ys)
		}
		if slices.ContainsFunc(pn.ys, func(ys []float64) bool { return len(ys) > 0 }) && len(panels) < most {
			panels = append(panels, pn)
			if f := finding(pn.cluster); f != "" && len(findings) < 2 {
				findings = append(findings, f)
			}
		}
	}
	if len(panels) == 0 {
		return nothing(id, title+" is not drawn: no training recorded it.")
	}
	slices.Sort(seeds)
	colour := func(seed uint64) role { return series1 + role(slices.Index(seeds, seed)%8) }
	var keys []key
	for _, sd := range seeds[:min(len(seeds), 8)] {
		keys = append(keys, key{name: fmt.Sprintf("seed %d", sd), line: stroke(colour(sd), 1.8)})
	}
	keys = append(keys, key{name: "single values, pale", line: draw.LineStyle{Color: muted.alpha(0.3), Width: 1}})

	columns := min(3, len(panels))
	if len(panels) == 4 {
		columns = 2
	}
	rows := (len(panels) + columns - 1) / columns
	const titleRoom, panelHeight = 24, 190
	head := 20 + legendHeight(keys, margin) + 4
	height := head + vg.Length(rows)*(titleRoom+panelHeight)
	s := newSheet(height)
	s.say(style(ink, true), margin, lineHeight-1, title)
	s.legend(keys, margin, 20)
	width := (figureWidth - 2*margin - vg.Length(columns-1)*18) / vg.Length(columns)
	var plots []*plot.Plot
	var areas []draw.Canvas
	for i, pn := range panels {
		left := margin + vg.Length(i%columns)*(width+18)
		top := head + vg.Length(i/columns)*(titleRoom+panelHeight)
		verdict := "rule stays"
		if pn.cluster.Won {
			verdict = "agent won"
		}
		s.say(style(ink, false), left, top+lineHeight, fit("Cluster "+pn.cluster.Cluster, width-80)+", "+verdict)
		p := newPlot()
		x.widen(0).set(&p.X)
		p.X.Label.Text = xLabel
		p.X.Tick.Marker = linearTicks(max(2, 5/columns), plain)
		y := noLimits()
		for j := range pn.ys {
			if len(pn.ys[j]) == 0 {
				continue
			}
			r := colour(pn.cluster.Runs[j].Seed)
			for _, v := range pn.ys[j] {
				y.add(v)
			}
			even := smooth(pn.ys[j])
			if len(pn.ys[j]) >= 40 {
				p.Add(curve{segments(pn.xs[j], pn.ys[j]), draw.LineStyle{Color: r.alpha(0.22), Width: 0.7}})
			}
			p.Add(curve{segments(pn.xs[j], even), stroke(r, 1.6)})
		}
		if logarithmic {
			y = y.decades()
			p.Y.Scale, p.Y.Tick.Marker = logScale{}, plot.TickerFunc(logTicks)
		} else {
			y = y.widen(0.05)
			p.Y.Tick.Marker = linearTicks(3, plain)
		}
		y.set(&p.Y)
		plots = append(plots, p)
		areas = append(areas, s.crop(left, left+width, top+titleRoom, top+titleRoom+panelHeight-6))
	}
	drawAligned(plots, areas)
	caption := "No trend can be stated."
	if len(findings) > 0 {
		caption = capital(strings.Join(findings, "; ")) + "."
	}
	if rest := len(a.Clusters) - len(panels); rest > 0 {
		caption += fmt.Sprintf(" %s not shown.", count(int64(rest), "cluster"))
	}
	return s.figure(id, title, caption)
}

// decades widens a range of positive numbers for a logarithmic axis.
func (l limits) decades() limits {
	if !l.known() || !(l.lo > 0) {
		return limits{0.1, 10}
	}
	if l.hi/l.lo < 2 {
		return limits{l.lo / 1.5, l.hi * 1.5}
	}
	return limits{l.lo / 1.1, l.hi * 1.1}
}
