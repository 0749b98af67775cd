package report

import (
	"bytes"
	"cmp"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// File is the figure as an SVG file of its own.
func (f Figure) File() []byte {
	var b bytes.Buffer
	b.WriteString(string(f.SVG))
	b.WriteByte('\n')
	return b.Bytes()
}

// A Scale of a chart.
type Scale struct {
	Label   string
	Log     bool // logarithmic: what is not positive is not drawn
	Percent bool // shares of 1, written as percentages
	Zero    bool // begins at 0 (not with Log)
}

// ticks of the axis, at least n on a linear one.
func (a Scale) ticks(n int) plot.Ticker {
	switch {
	case a.Log:
		return plot.TickerFunc(logTicks)
	case a.Percent:
		return linearTicks(n, percentTick)
	}
	return linearTicks(n, plain)
}

// set gives an axis of a plot the range l.
func (a Scale) set(to *plot.Axis, l limits, n int) {
	switch {
	case a.Log:
		l = l.decades()
		to.Scale = logScale{}
	case a.Zero && l.known():
		l = limits{min(0, l.lo), max(l.hi*1.04, 1e-90)}
		if l.hi <= 1e-90 {
			l.hi = 1
		}
	default:
		l = l.widen(0.04)
	}
	l.set(to)
	to.Label.Text = a.Label
	to.Tick.Marker = a.ticks(n)
}

// usable reports whether the axis has a place for x.
func (a Scale) usable(x float64) bool { return drawable(x) && (!a.Log || x > 1e-100) }

// A Line of a chart; X and Y are of equal length.
type Line struct {
	Name  string
	X, Y  []float64
	Marks bool // the points are marked
}

// A Chart is what charts have in common: its name in a page and of its file, what it
// shows, what it finds, in a sentence, and what stands above it.
type Chart struct {
	ID, Title, Caption string
	Head               string
}

func (c Chart) head() string { return cmp.Or(c.Head, c.Title) }

// lineOf is the line of the i-th of many.
func lineOf(i int) draw.LineStyle {
	return stroke(series1+role(i%8), 1.8, dashed[i/8%len(dashed)]...)
}

// Lines draws lines in colours of their own, with a legend.
func Lines(c Chart, x, y Scale, lines []Line) Figure {
	return c.lines(x, y, lines, func(i int) (draw.LineStyle, bool) { return lineOf(i), true })
}

// lines draws lines in the given styles; those that are not named share one entry of the
// legend and lie below the others.
func (c Chart) lines(x, y Scale, lines []Line, style2 func(i int) (line draw.LineStyle, named bool)) Figure {
	const height = 340
	var keys []key
	xl, yl := noLimits(), noLimits()
	type drawn struct {
		curve curve
		marks []point
		named bool
	}
	var all []drawn
	others := 0
	for i, l := range lines {
		var xs, ys []float64
		for k := range min(len(l.X), len(l.Y)) {
			if x.usable(l.X[k]) && y.usable(l.Y[k]) {
				xl.add(l.X[k])
				yl.add(l.Y[k])
				xs, ys = append(xs, l.X[k]), append(ys, l.Y[k])
			} else {
				xs, ys = append(xs, math.NaN()), append(ys, math.NaN())
			}
		}
		parts := segments(xs, ys)
		if len(parts) == 0 {
			continue
		}
		line, named := style2(i)
		d := drawn{curve: curve{parts, line}, named: named}
		if l.Marks {
			d.marks = slices.Concat(parts...)
		}
		all = append(all, d)
		if named {
			keys = append(keys, key{name: fit(l.Name, 160), line: line, bold: l.Name == "incendio"})
		} else {
			others++
		}
	}
	if len(all) == 0 {
		return nothing(c.ID, c.Title+" is not drawn: there is nothing to draw.")
	}
	if others > 0 {
		keys = append(keys, key{name: count(int64(others), "other"), line: pale})
	}
	if len(keys) == 1 {
		keys = nil // the head says what it is
	}
	s := newSheet(height + legendHeight(keys, margin))
	s.say(style(ink, true), margin, lineHeight-1, fit(c.head(), figureWidth-2*margin))
	top := s.legend(keys, margin, 20) + 6
	p := newPlot()
	x.set(&p.X, xl, 5)
	y.set(&p.Y, yl, 4)
	for _, first := range []bool{false, true} { // the named ones above the others, the first on top
		for _, d := range slices.Backward(all) {
			if d.named == first {
				p.Add(d.curve)
				if d.marks != nil {
					p.Add(pointMarks{d.marks, d.curve.line.Color})
				}
			}
		}
	}
	drawAligned([]*plot.Plot{p}, []draw.Canvas{s.crop(margin, figureWidth-margin, top, height+legendHeight(keys, margin)-2)})
	return s.figure(c.ID, c.Title, c.Caption)
}

// pale is the line of what is only there to be compared with.
var pale = draw.LineStyle{Color: muted.alpha(0.35), Width: 1}

// A Bar is a bar of [Stacks]: values that stand behind one another.
type Bar struct {
	Name   string
	Group  string    // drawn above the first bar of a group; "": no group
	Values []float64 // >= 0, as many as there are parts
	Note   string    // at the end of the bar
}

// Stacks draws horizontal bars, the first on top, each of the values of the parts behind
// one another. The axis is that of the values.
func Stacks(c Chart, value Scale, parts []string, bars []Bar) Figure {
	const barRoom, groupRoom = 20, 24
	longest := 0.0
	rooms := make([]float64, len(bars)) // of the middle of a bar below the first one's upper end
	at := 0.0
	group := ""
	type heading struct {
		at   float64
		text string
	}
	var headings []heading
	for i, b := range bars {
		sum := 0.0
		for _, v := range b.Values {
			if drawable(v) && v > 0 {
				sum += v
			}
		}
		longest = max(longest, sum)
		if b.Group != "" && b.Group != group {
			headings = append(headings, heading{at + groupRoom/2, b.Group})
			at += groupRoom
		}
		group = b.Group
		rooms[i] = at + barRoom/2
		at += barRoom
	}
	if len(bars) == 0 || longest == 0 {
		return nothing(c.ID, c.Title+" is not drawn: there is nothing to draw.")
	}
	var keys []key
	for i, name := range parts {
		keys = append(keys, key{name: name, line: draw.LineStyle{Color: partColor(i).color()}, fill: true})
	}
	headRoom := 24 + legendHeight(keys, margin)
	height := headRoom + vg.Length(at) + 44
	s := newSheet(height)
	s.say(style(ink, true), margin, lineHeight-1, fit(c.head(), figureWidth-2*margin))
	s.legend(keys, margin, 20)
	p := quiet(newPlot())
	note := vg.Length(0)
	for _, b := range bars {
		note = max(note, style(muted, false).Width(b.Note)*keySlack)
	}
	p.X.Min, p.X.Max = 0, longest*(1+float64(note+12)/float64(figureWidth-200))
	p.X.Tick.Marker = value.ticks(5)
	if value.Percent {
		p.X.Tick.Marker = plot.TickerFunc(func(lo, hi float64) []plot.Tick { return linearTicks(5, percentTick)(lo, min(hi, longest)) })
	}
	p.X.Label.Text = value.Label
	p.Y.Min, p.Y.Max = 0, at
	var ticks []plot.Tick
	for i, b := range bars {
		ticks = append(ticks, plot.Tick{Value: at - rooms[i], Label: cmp.Or(fit(b.Name, 190), dash)})
	}
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	p.Y.Tick.Label = style(ink, false)
	p.Y.Tick.Label.XAlign, p.Y.Tick.Label.YAlign = draw.XRight, draw.YCenter
	p.Y.Tick.Length = 6
	p.Add(gridLines{x: true}, stackPlot{bars, rooms, at})
	area := drawAligned([]*plot.Plot{p}, []draw.Canvas{s.crop(margin, figureWidth-margin, headRoom, height-2)})
	data := p.DataCanvas(area[0])
	_, ty := p.Transforms(&data)
	for _, h := range headings {
		sty := style(ink, true)
		sty.YAlign = draw.YCenter
		s.FillText(sty, vg.Point{X: data.Min.X + 2, Y: ty(at-h.at) - 3}, fit(h.text, 500))
	}
	return s.figure(c.ID, c.Title, c.Caption)
}

// partColor is the colour of the i-th part of a stack: four that are far apart first.
func partColor(i int) role {
	return []role{series2, series3, series1, series8, series4, series5, series6, series7}[i%8]
}

// stackPlot draws the bars of [Stacks].
type stackPlot struct {
	bars  []Bar
	rooms []float64
	whole float64
}

// Plot implements plot.Plotter.
func (b stackPlot) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	sty := style(muted, false)
	sty.YAlign = draw.YCenter
	for i, bar := range b.bars {
		mid := y(b.whole - b.rooms[i])
		sum := 0.0
		for k, v := range bar.Values {
			if !drawable(v) || v <= 0 {
				continue
			}
			from, to := x(sum), x(sum+v)
			sum += v
			c.FillPolygon(partColor(k).color(), []vg.Point{{X: from, Y: mid - 6.5}, {X: to, Y: mid - 6.5}, {X: to, Y: mid + 6.5}, {X: from, Y: mid + 6.5}})
		}
		if bar.Note != "" {
			c.FillText(sty, vg.Point{X: x(sum) + 6, Y: mid + 1.5}, bar.Note)
		}
	}
}

// A Mark is a point of [Scatter].
type Mark struct {
	Name  string
	X, Y  float64
	Front bool // joined with the others of the front, in order of X, by a staircase
	Quiet bool // drawn pale and named only where there is room: one of many
	Ring  bool // a reference rather than a result
}

// Scatter draws points with their names beside them.
func Scatter(c Chart, x, y Scale, marks []Mark) Figure {
	const height = 400
	xl, yl := noLimits(), noLimits()
	var kept []Mark
	for _, m := range marks {
		if x.usable(m.X) && y.usable(m.Y) {
			xl.add(m.X)
			yl.add(m.Y)
			kept = append(kept, m)
		}
	}
	if len(kept) == 0 {
		return nothing(c.ID, c.Title+" is not drawn: no point is known.")
	}
	s := newSheet(height)
	s.say(style(ink, true), margin, lineHeight-1, fit(c.head(), figureWidth-2*margin))
	p := newPlot()
	x.set(&p.X, xl, 5)
	y.set(&p.Y, yl, 4)
	// Names stand right of their points, mostly.
	if x.Log {
		p.X.Max *= math.Pow(p.X.Max/p.X.Min, 0.1)
	} else {
		p.X.Max += 0.1 * (p.X.Max - p.X.Min)
	}
	p.Add(curve{[][]point{staircase(kept)}, stroke(axis, 1, 4, 3)})
	area := drawAligned([]*plot.Plot{p}, []draw.Canvas{s.crop(margin, figureWidth-margin, 22, height-2)})
	data := p.DataCanvas(area[0])
	tx, ty := p.Transforms(&data)
	s.marks(kept, data.Rectangle, func(m Mark) vg.Point { return vg.Point{X: tx(m.X), Y: ty(m.Y)} })
	return s.figure(c.ID, c.Title, c.Caption)
}

// staircase joins the marks of the front.
func staircase(marks []Mark) []point {
	var front []Mark
	for _, m := range marks {
		if m.Front {
			front = append(front, m)
		}
	}
	slices.SortStableFunc(front, func(a, b Mark) int { return cmp.Compare(a.X, b.X) })
	var path []point
	for i, m := range front {
		if i > 0 && m.Y != front[i-1].Y {
			path = append(path, point{m.X, front[i-1].Y})
		}
		path = append(path, point{m.X, m.Y})
	}
	return path
}

// marks draws the points and their names: first all points, then the names of those that
// matter, then of the others what still has room.
func (s *sheet) marks(marks []Mark, bounds vg.Rectangle, at func(Mark) vg.Point) {
	place := placer{bounds: bounds}
	for _, m := range marks {
		place.points = append(place.points, at(m))
	}
	for i, m := range marks {
		radius, r := vg.Length(4.2), series2.color()
		switch {
		case m.Name == "incendio":
			radius, r = 5.6, series1.color()
		case m.Quiet:
			r = muted.alpha(0.6)
		case m.Ring:
			r = ink.color()
		}
		shape := draw.GlyphDrawer(draw.CircleGlyph{})
		if m.Ring {
			shape = draw.RingGlyph{}
		}
		s.DrawGlyph(draw.GlyphStyle{Color: paper.color(), Radius: radius + 1.5, Shape: draw.CircleGlyph{}}, place.points[i])
		s.DrawGlyph(draw.GlyphStyle{Color: r, Radius: radius, Shape: shape}, place.points[i])
	}
	for _, quiet := range []bool{false, true} {
		for i, m := range marks {
			if m.Quiet != quiet {
				continue
			}
			sty := style(ink, m.Name == "incendio")
			if quiet {
				sty = style(muted, false)
			}
			name := fit(m.Name, 170)
			size := vg.Point{X: keySlack * sty.Width(name), Y: textSize}
			if quiet && !place.roomFor(place.points[i], size) {
				continue
			}
			box, far := place.label(place.points[i], size)
			if far {
				p := place.points[i]
				s.StrokeLine2(stroke(axis, 0.7), p.X, p.Y, box.Min.X+(box.Max.X-box.Min.X)/2, box.Min.Y+textSize/2)
				s.FillPolygon(paper.color(), []vg.Point{box.Min, {X: box.Max.X, Y: box.Min.Y}, box.Max, {X: box.Min.X, Y: box.Max.Y}})
			}
			s.FillText(sty, vg.Point{X: box.Min.X, Y: box.Min.Y}, name)
		}
	}
}

// roomFor reports whether a name fits beside its point without covering anything.
func (pl *placer) roomFor(at, size vg.Point) bool {
	for _, side := range sides {
		if pl.covers(beside(at, size, side, 9)) == 0 {
			return true
		}
	}
	return false
}

// pointMarks marks points.
type pointMarks struct {
	points []point
	color  color.Color
}

// Plot implements plot.Plotter.
func (d pointMarks) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, q := range d.points {
		at := vg.Point{X: x(q.x), Y: y(q.y)}
		if c.Contains(at) {
			c.DrawGlyph(draw.GlyphStyle{Color: d.color, Radius: 2.6, Shape: draw.CircleGlyph{}}, at)
		}
	}
}

// A Box sums up a distribution in [Boxes]: quartiles and the 99th percentile.
type Box struct {
	Name               string
	P25, P50, P75, P99 float64
}

// A BoxGroup is boxes that belong together.
type BoxGroup struct {
	Name  string
	Boxes []Box
}

// Boxes draws vertical boxes from the 25th to the 75th percentile with a line at the
// median and a whisker up to the 99th, by group; boxes of equal names have equal colours.
func Boxes(c Chart, y Scale, groups []BoxGroup) Figure {
	const height = 360
	yl := noLimits()
	var names []string
	slots := 0
	for _, g := range groups {
		for _, b := range g.Boxes {
			for _, v := range []float64{b.P25, b.P50, b.P75, b.P99} {
				if y.usable(v) {
					yl.add(v)
				}
			}
			if !slices.Contains(names, b.Name) {
				names = append(names, b.Name)
			}
		}
		slots += len(g.Boxes) + 1
	}
	if !yl.known() {
		return nothing(c.ID, c.Title+" is not drawn: there is nothing to draw.")
	}
	var keys []key
	for i, n := range names {
		keys = append(keys, key{name: n, line: draw.LineStyle{Color: lineOf(i).Color}, fill: true, bold: n == "incendio"})
	}
	s := newSheet(height + legendHeight(keys, margin))
	s.say(style(ink, true), margin, lineHeight-1, fit(c.head(), figureWidth-2*margin))
	top := s.legend(keys, margin, 20) + 6
	p := newPlot()
	p.X.Min, p.X.Max = 0, float64(slots)
	y.set(&p.Y, yl, 4)
	var ticks []plot.Tick
	var boxes boxPlot
	at := 0.0
	for _, g := range groups {
		ticks = append(ticks, plot.Tick{Value: at + float64(len(g.Boxes)+1)/2, Label: fit(g.Name, 150)})
		for i, b := range g.Boxes {
			boxes = append(boxes, placedBox{b, at + 1 + float64(i), lineOf(slices.Index(names, b.Name)).Color})
		}
		at += float64(len(g.Boxes) + 1)
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	p.X.Tick.Label = style(ink, false)
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XCenter, draw.YTop
	p.X.Tick.Length = 0
	p.Add(boxes)
	drawAligned([]*plot.Plot{p}, []draw.Canvas{s.crop(margin, figureWidth-margin, top, height+legendHeight(keys, margin)-2)})
	return s.figure(c.ID, c.Title, c.Caption)
}

type placedBox struct {
	Box
	at    float64
	color color.Color
}

type boxPlot []placedBox

// Plot implements plot.Plotter.
func (bs boxPlot) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	half := min(14, 0.38*(x(1)-x(0)))
	for _, b := range bs {
		line := draw.LineStyle{Color: b.color, Width: 1.4}
		at := x(b.at)
		low, mid, high, top := y(b.P25), y(b.P50), y(b.P75), y(b.P99)
		c.FillPolygon(b.color, []vg.Point{{X: at - half, Y: low}, {X: at + half, Y: low}, {X: at + half, Y: max(high, low+1)}, {X: at - half, Y: max(high, low+1)}})
		c.StrokeLine2(draw.LineStyle{Color: paper.color(), Width: 1.6}, at-half, mid, at+half, mid)
		c.StrokeLine2(line, at, high, at, top)
		c.StrokeLine2(line, at-half, top, at+half, top)
	}
}
