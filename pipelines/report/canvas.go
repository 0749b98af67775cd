package report

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Sizes in the unit of the view box; at the full width of the page a unit is 1.2 CSS pixels.
const (
	figureWidth vg.Length = 800
	textSize    vg.Length = 11
	lineHeight  vg.Length = 15
	margin      vg.Length = 4

	// maxColumns is how many columns of minimum and maximum a line is thinned to:
	// more than a screen shows, few enough to keep the page small.
	maxColumns = 500
)

// A role is what a colour is for. The SVG gets a CSS variable with the colour of the
// light theme as the fallback.
type role uint8

const (
	ink role = iota
	muted
	grid
	axis
	paper
	series1 // incendio
	series2
	series3
	series4
	series5
	series6
	series7
	series8
	roles
)

// themes are the variable and its fallback of each role; page.css gives both themes.
var themes = [roles][2]string{
	{"--c-ink", "#22262b"}, {"--c-muted", "#59626d"}, {"--c-grid", "#e6e5e0"}, {"--c-axis", "#a3a8ad"}, {"--c-paper", "#ffffff"},
	{"--c-1", "#c8440f"}, {"--c-2", "#2463a6"}, {"--c-3", "#0b7a69"}, {"--c-4", "#7548b0"},
	{"--c-5", "#866800"}, {"--c-6", "#ad2860"}, {"--c-7", "#4a760f"}, {"--c-8", "#646e79"},
}

// color is the colour that stands for r until the SVG is written: the role is in the
// upper half of the red byte, where the rounding of vgsvg cannot reach it.
func (r role) color() color.Color { return r.alpha(1) }

// alpha is the colour with an opacity in (0, 1].
func (r role) alpha(a float64) color.Color {
	return color.NRGBA{R: uint8(r)<<4 | 8, G: 0x88, B: 0x88, A: uint8(math.Round(255 * a))}
}

var (
	standIn = regexp.MustCompile(`#([0-9A-F])[0-9A-F](8[0-9A-F]){2}`)
	fonts   = regexp.MustCompile(`font-family:Liberation Sans;font-variant:normal;font-weight:(normal|bold);font-style:normal`)
)

// style is text of this size in the colour of a role. The glyphs of Liberation Sans,
// by which gonum measures text, are as wide as those of Helvetica and Arial.
func style(r role, bold bool) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: textSize}
	if bold {
		f.Weight = 3 // WeightBold of golang.org/x/image/font, which go.mod names as indirect only
	}
	return text.Style{Color: r.color(), Font: f, XAlign: text.XLeft, YAlign: text.YBottom, Handler: plot.DefaultTextHandler}
}

func stroke(r role, width vg.Length, dashes ...vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: r.color(), Width: width, Dashes: dashes}
}

// dashed are the patterns that tell apart lines of the same colour.
var dashed = [][]vg.Length{nil, {6, 3}, {2, 2.5}, {9, 3, 2, 3}}

// A sheet is the area of a figure; text and lines go to it from the top down.
type sheet struct {
	svg *vgsvg.Canvas
	draw.Canvas
}

func newSheet(height vg.Length) *sheet {
	c := vgsvg.NewWith(vgsvg.UseWH(figureWidth, height))
	return &sheet{svg: c, Canvas: draw.New(c)}
}

// figure ends the drawing.
func (s *sheet) figure(id, title, caption string) Figure {
	title, caption = oneLine(title), oneLine(caption)
	var raw bytes.Buffer
	if _, err := s.svg.WriteTo(&raw); err != nil {
		panic(fmt.Sprintf("report: a buffer refused to be written: %v", err)) // bytes.Buffer never does
	}
	_, body, _ := strings.Cut(raw.String(), "<svg")
	_, body, _ = strings.Cut(body, ">")
	body = standIn.ReplaceAllStringFunc(body, func(hex string) string {
		r, err := strconv.ParseUint(hex[1:2], 16, 8)
		if err != nil || r >= uint64(roles) {
			return hex
		}
		return "var(" + themes[r][0] + "," + themes[r][1] + ")"
	})
	body = fonts.ReplaceAllString(body, "font-weight:$1")
	w, h := s.svg.Size()
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" aria-labelledby="%s-title %s-desc"`+
		` font-family="Helvetica, Arial, 'Liberation Sans', sans-serif">`+"\n"+`<title id="%s-title">%s</title>`+"\n"+`<desc id="%s-desc">%s</desc>`,
		w.Points(), h.Points(), id, id, id, template.HTMLEscapeString(title), id, template.HTMLEscapeString(caption))
	return Figure{ID: id, SVG: template.HTML(head + body), Caption: caption}
}

// crop is the part of the sheet from top down to bottom, both measured from its top.
func (s *sheet) crop(left, right, top, bottom vg.Length) draw.Canvas {
	return draw.Canvas{Canvas: s.Canvas.Canvas, Rectangle: vg.Rectangle{
		Min: vg.Point{X: s.Min.X + left, Y: s.Max.Y - bottom},
		Max: vg.Point{X: s.Min.X + right, Y: s.Max.Y - top},
	}}
}

// say writes text with its left end at (x, y below the top).
func (s *sheet) say(sty text.Style, x, y vg.Length, txt string) {
	s.FillText(sty, vg.Point{X: s.Min.X + x, Y: s.Max.Y - y}, txt)
}

// A key is one entry of a legend.
type key struct {
	name string
	line draw.LineStyle
	fill bool // a band rather than a line
	bold bool
}

const (
	swatch   vg.Length = 22
	keyGap   vg.Length = 20
	keySlack           = 1.08 // a browser's font may be wider than the one that measured
)

func (k key) width() vg.Length { return swatch + 6 + keySlack*style(ink, k.bold).Width(k.name) }

// rows breaks a legend into rows that fit the width.
func keyRows(keys []key, width vg.Length) (rows [][]key) {
	var x vg.Length
	for _, k := range keys {
		if len(rows) == 0 || x+k.width() > width {
			rows = append(rows, nil)
			x = 0
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], k)
		x += k.width() + keyGap
	}
	return rows
}

// legend draws the keys from (left, top) and returns where it ends.
func (s *sheet) legend(keys []key, left, top vg.Length) vg.Length {
	for _, r := range keyRows(keys, figureWidth-left-margin) {
		x := left
		y := top + lineHeight
		for _, k := range r {
			mid := s.Max.Y - y + 4
			if k.fill {
				s.FillPolygon(k.line.Color, []vg.Point{{X: x, Y: mid - 5}, {X: x + swatch, Y: mid - 5}, {X: x + swatch, Y: mid + 5}, {X: x, Y: mid + 5}})
			} else {
				s.StrokeLine2(k.line, x, mid, x+swatch, mid)
			}
			s.say(style(ink, k.bold), x+swatch+6, y, k.name)
			x += k.width() + keyGap
		}
		top += lineHeight + 3
	}
	return top
}

// legendHeight is what legend needs.
func legendHeight(keys []key, left vg.Length) vg.Length {
	return vg.Length(len(keyRows(keys, figureWidth-left-margin))) * (lineHeight + 3)
}

// fit shortens text to the width in units.
func fit(txt string, width vg.Length) string {
	sty := style(ink, false)
	txt = oneLine(txt)
	for txt != "" && sty.Width(txt) > width {
		runes := []rune(strings.TrimSuffix(txt, "…"))
		txt = string(runes[:len(runes)-1])
		if txt != "" {
			txt += "…"
		}
		if utf8.RuneCountInString(txt) <= 1 {
			break
		}
	}
	return txt
}

// newPlot is a plot without frame: a line below, a quiet grid behind.
func newPlot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle = style(muted, false)
		a.Label.TextStyle.XAlign = text.XCenter
		a.Label.Padding = 4
		a.Tick.Label = style(muted, false)
		a.Padding = 0
		a.LineStyle = stroke(axis, 0.8)
		a.Tick.LineStyle = stroke(axis, 0.8)
		a.Tick.Length = 4
	}
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = text.XCenter, text.YTop
	p.Y.Tick.Label.XAlign, p.Y.Tick.Label.YAlign = text.XRight, text.YCenter
	p.Y.LineStyle.Width = 0
	p.Y.Tick.LineStyle.Width = 0
	p.Add(gridLines{y: true})
	return p
}

// gridLines are lines at the labelled ticks, as plotter.Grid draws them, but with
// none on the axis itself.
type gridLines struct{ x, y bool }

// Plot implements plot.Plotter.
func (g gridLines) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if at := y(t.Value); g.y && !t.IsMinor() && at > c.Min.Y+0.5 && at <= c.Max.Y+0.5 {
			c.StrokeLine2(stroke(grid, 0.8), c.Min.X, at, c.Max.X, at)
		}
	}
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		if at := x(t.Value); g.x && !t.IsMinor() && at > c.Min.X+0.5 && at <= c.Max.X+0.5 {
			c.StrokeLine2(stroke(grid, 0.8), at, c.Min.Y, at, c.Max.Y)
		}
	}
}

// A point is a pair of drawable numbers.
type point struct{ x, y float64 }

// drawable reports whether a plot can place x: scales of very large and very small
// numbers overflow on their way to the page.
func drawable(x float64) bool { return finite(x) && math.Abs(x) <= 1e100 }

// flat makes zero of what is too small to have a scale.
func flat(x float64) float64 {
	if math.Abs(x) < 1e-100 {
		return 0
	}
	return x
}

// segments pairs xs with ys, breaks the line where a value is missing, and thins each
// column of the drawing to its minimum and its maximum, in their order.
func segments(xs, ys []float64) [][]point {
	n := min(len(xs), len(ys))
	var out [][]point
	var seg []point
	for i := range n {
		if !drawable(xs[i]) || !drawable(ys[i]) {
			if len(seg) > 0 {
				out, seg = append(out, seg), nil
			}
			continue
		}
		seg = append(seg, point{flat(xs[i]), flat(ys[i])})
	}
	if len(seg) > 0 {
		out = append(out, seg)
	}
	if n <= 2*maxColumns {
		return out
	}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, s := range out {
		for _, p := range s {
			lo, hi = min(lo, p.x), max(hi, p.x)
		}
	}
	column := func(x float64) int {
		if hi <= lo {
			return 0
		}
		return int((x - lo) / (hi - lo) * maxColumns)
	}
	last := math.MinInt // column of the segment before
	kept := out[:0]
	for _, s := range out {
		if column(s[0].x) == last && column(s[len(s)-1].x) == last { // a gap too short to see
			continue
		}
		last = column(s[len(s)-1].x)
		kept = append(kept, thin(s, column))
	}
	return kept
}

func thin(s []point, column func(float64) int) []point {
	var out []point
	for i := 0; i < len(s); {
		j, low, high := i, i, i
		for ; j < len(s) && column(s[j].x) == column(s[i].x); j++ {
			if s[j].y < s[low].y {
				low = j
			}
			if s[j].y > s[high].y {
				high = j
			}
		}
		out = append(out, s[min(low, high)])
		if low != high {
			out = append(out, s[max(low, high)])
		}
		i = j
	}
	return out
}

// A curve is a line through values, with gaps where they are missing.
type curve struct {
	parts [][]point
	line  draw.LineStyle
}

// Plot implements plot.Plotter.
func (l curve) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, part := range l.parts {
		pts := make([]vg.Point, len(part))
		for i, q := range part {
			pts[i] = vg.Point{X: x(q.x), Y: y(q.y)}
		}
		if len(pts) == 1 {
			if c.Contains(pts[0]) {
				c.DrawGlyph(draw.GlyphStyle{Color: l.line.Color, Radius: max(1.2, l.line.Width), Shape: draw.CircleGlyph{}}, pts[0])
			}
			continue
		}
		c.StrokeLines(l.line, c.ClipLinesXY(pts)...)
	}
}

// A band is the area between two lines.
type band struct {
	parts [][][2]point // lower and upper
	fill  color.Color
}

// Plot implements plot.Plotter.
func (b band) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, part := range b.parts {
		var pts []vg.Point
		for _, q := range part {
			pts = append(pts, vg.Point{X: x(q[0].x), Y: y(q[0].y)})
		}
		for i := len(part) - 1; i >= 0; i-- {
			pts = append(pts, vg.Point{X: x(part[i][1].x), Y: y(part[i][1].y)})
		}
		if len(part) == 1 {
			c.StrokeLines(draw.LineStyle{Color: b.fill, Width: 3}, c.ClipLinesXY(pts)...)
			continue
		}
		c.FillPolygon(b.fill, c.ClipPolygonXY(pts))
	}
}

// newBand is the band between lower and upper, thinned to the widest of each column.
func newBand(xs, lower, upper []float64, fill color.Color) band {
	n := min(len(xs), len(lower), len(upper))
	step := max(1, (n+maxColumns-1)/maxColumns)
	b := band{fill: fill}
	var part [][2]point
	for i := 0; i < n; i += step {
		lo, hi, ok := math.Inf(1), math.Inf(-1), false
		for j := i; j < min(i+step, n); j++ {
			if drawable(xs[j]) && drawable(lower[j]) && drawable(upper[j]) {
				lo, hi, ok = min(lo, lower[j], upper[j]), max(hi, lower[j], upper[j]), true
			}
		}
		if !ok || !drawable(xs[i]) {
			if len(part) > 0 {
				b.parts, part = append(b.parts, part), nil
			}
			continue
		}
		part = append(part, [2]point{{xs[i], flat(lo)}, {xs[i], flat(hi)}})
	}
	if len(part) > 0 {
		b.parts = append(b.parts, part)
	}
	return b
}

// A limits collects the range of an axis.
type limits struct{ lo, hi float64 }

func noLimits() limits { return limits{math.Inf(1), math.Inf(-1)} }

func (l *limits) add(x float64) {
	if drawable(x) {
		l.lo, l.hi = min(l.lo, flat(x)), max(l.hi, flat(x))
	}
}

func (l *limits) known() bool { return l.lo <= l.hi }

// widen makes the range wide enough to have a scale and leaves room for a share of it
// above and below; a range that starts at zero keeps its zero.
func (l limits) widen(share float64) limits {
	if !l.known() {
		return limits{0, 1}
	}
	size := max(math.Abs(l.lo), math.Abs(l.hi))
	switch width := l.hi - l.lo; {
	case size == 0:
		return limits{0, 1}
	case width <= 1e-9*size:
		l.lo, l.hi = l.lo-0.1*size, l.hi+0.1*size
	default:
		if l.lo != 0 {
			l.lo -= share * width
		}
		if l.hi != 0 {
			l.hi += share * width
		}
	}
	return l
}

func (l limits) set(a *plot.Axis) { a.Min, a.Max = l.lo, l.hi }

// drawAligned draws the plots in their areas with data areas as wide as each other, so
// that times stand under each other, and with room for half a label of the x axis on
// either side. It returns the areas that the plots filled.
func drawAligned(plots []*plot.Plot, areas []draw.Canvas) []draw.Canvas {
	var left, right vg.Length
	for i, p := range plots {
		d := p.DataCanvas(areas[i])
		left = max(left, d.Min.X-areas[i].Min.X)
		right = max(right, areas[i].Max.X-d.Max.X)
		for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
			if !t.IsMinor() {
				half := keySlack * p.X.Tick.Label.Width(t.Label) / 2
				at := vg.Length(p.X.Norm(t.Value)) * (d.Max.X - d.Min.X) // from the left end of the data
				left = max(left, half-at)
				right = max(right, half-(d.Max.X-d.Min.X-at))
			}
		}
	}
	filled := make([]draw.Canvas, len(plots))
	for i, p := range plots {
		d := p.DataCanvas(areas[i])
		filled[i] = draw.Crop(areas[i], left-(d.Min.X-areas[i].Min.X), -(right - (areas[i].Max.X - d.Max.X)), 0, 0)
		p.Draw(filled[i])
	}
	return filled
}
