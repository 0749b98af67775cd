package report

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/vg/draw"

	"github.com/incendio-faas/incendio/scheduler/sim"
)

// mostLines is how many policies have a colour in a figure of lines; the others are pale.
const mostLines = 8

// policyLine gives every policy its line, the same in all figures: ours in the first
// colour, the two it is measured against in fixed ones, the rest in their order. Where
// there are too many to be told apart, those that matter most have one: ours, native,
// the oracle, and the smallest means.
func policyLine(p *Policies) func(name string) (line draw.LineStyle, named bool) {
	fixed := map[string]draw.LineStyle{"incendio": stroke(series1, 2.4), "native": stroke(series8, 1.7), "faascache": stroke(series2, 1.7), "oracle": stroke(ink, 1.3, 2, 2.5)}
	chosen := leading(p)
	others := []role{series3, series4, series5, series6, series7}
	lines := make(map[string]draw.LineStyle)
	n := 0
	for _, q := range p.Policies {
		l, ok := fixed[q.Name]
		if _, seen := lines[q.Name]; seen || !chosen[q.Name] {
			continue
		}
		if !ok {
			l = stroke(others[n%len(others)], 1.6, dashed[n/len(others)%len(dashed)]...)
			n++
		}
		lines[q.Name] = l
	}
	return func(name string) (draw.LineStyle, bool) {
		l, ok := lines[name]
		if !ok {
			return pale, false
		}
		return l, true
	}
}

// leading are the policies that have a colour.
func leading(p *Policies) map[string]bool {
	chosen := make(map[string]bool)
	var rest []*Policy
	for i := range p.Policies {
		switch q := &p.Policies[i]; {
		case q.Kind == Bound:
		case q.Name == "incendio" || q.Name == "native" || q.Kind == Oracle || q.Name == "oracle":
			chosen[q.Name] = true
		default:
			rest = append(rest, q)
		}
	}
	slices.SortStableFunc(rest, func(a, b *Policy) int { return byNumber(a.Latency.Mean, b.Latency.Mean) })
	for _, q := range rest {
		if len(rest)+len(chosen) <= mostLines+1 || len(chosen) < mostLines {
			chosen[q.Name] = true
		}
	}
	return chosen
}

// policyLines draws a line for each policy that of gives two points.
func policyLines(c Chart, p *Policies, x, y Scale, of func(*Policy) (xs, ys []float64)) Figure {
	sorted := make([]*Policy, len(p.Policies))
	for i := range p.Policies {
		sorted[i] = &p.Policies[i]
	}
	slices.SortStableFunc(sorted, func(a, b *Policy) int { return byNumber(a.Latency.Mean, b.Latency.Mean) })
	line := policyLine(p)
	var lines []Line
	var styles []func() (draw.LineStyle, bool)
	for _, q := range sorted {
		xs, ys := of(q)
		if len(xs) < 2 {
			continue
		}
		lines = append(lines, Line{Name: policyName(q), X: xs, Y: ys})
		styles = append(styles, func() (draw.LineStyle, bool) { return line(q.Name) })
	}
	return c.lines(x, y, lines, func(i int) (draw.LineStyle, bool) { return styles[i]() })
}

// PolicyFigures are the figures of a comparison. One that there is nothing to draw in has
// no SVG, and says so in its caption.
func PolicyFigures(p *Policies) []Figure {
	figures := []Figure{latencyCDF(p), stateShares(p), coldWasted(p)}
	if slices.ContainsFunc(p.Policies, func(q Policy) bool { return len(q.SLOCurve) > 0 }) {
		figures = append(figures, sloCurve(p))
	}
	if slices.ContainsFunc(p.Policies, func(q Policy) bool { return len(q.LiveGB) > 0 }) {
		figures = append(figures, liveMemory(p))
	}
	return figures
}

// latencyCDF draws the distribution of the latency under each policy.
func latencyCDF(p *Policies) Figure {
	c := Chart{ID: "latency-cdf", Title: "Latency distribution by policy", Caption: latencyCaption(p),
		Head: "Share of requests completed within a latency; smallest mean first"}
	return policyLines(c, p, Scale{Label: "latency, ms (log scale)", Log: true}, Scale{Percent: true, Zero: true}, func(q *Policy) (xs, ys []float64) {
		for _, c := range q.CDF {
			if c.usable() {
				xs, ys = append(xs, float64(c.LatencyMS)), append(ys, float64(c.Share))
			}
		}
		return xs, ys
	})
}

func (c CDFPoint) usable() bool {
	return drawable(float64(c.LatencyMS)) && c.LatencyMS > 1e-100 && c.Share >= 0 && c.Share <= 1
}

func latencyCaption(p *Policies) string {
	best := bestOf(p, func(q *Policy) float64 { return q.Latency.Mean })
	if best == nil {
		return "No policy has a known mean latency."
	}
	text := fmt.Sprintf("%s has the lowest mean latency, %s", best.Name, milliseconds(best.Latency.Mean))
	if native := p.policy("native"); native != nil && native != best && finite(native.Latency.Mean) {
		text += fmt.Sprintf(", against %s of native", milliseconds(native.Latency.Mean))
	}
	if tail := bestOf(p, func(q *Policy) float64 { return q.Latency.P99 }); tail != nil {
		if tail == best {
			text += fmt.Sprintf("; it also has the lowest 99th percentile, %s", milliseconds(tail.Latency.P99))
		} else {
			text += fmt.Sprintf("; %s has the lowest 99th percentile, %s", tail.Name, milliseconds(tail.Latency.P99))
		}
	}
	return text + "."
}

// sloCurve draws which share of the requests begins to execute within a wait.
func sloCurve(p *Policies) Figure {
	c := Chart{ID: "slo-curve", Title: "Requests that execute within a wait", Caption: sloCaption(p),
		Head: "Share of requests that execute within a wait from their arrival, cold start included; smallest mean first"}
	return policyLines(c, p, Scale{Label: "wait, ms (log scale)", Log: true}, Scale{Percent: true}, func(q *Policy) (xs, ys []float64) {
		for _, w := range q.SLOCurve {
			xs, ys = append(xs, float64(w.WaitMS)), append(ys, float64(w.Executing))
		}
		return xs, ys
	})
}

func sloCaption(p *Policies) string {
	at := func(q *Policy) float64 {
		return -q.SLOStart.Within500
	}
	best := bestOf(p, at)
	if best == nil {
		return "No policy has a known share."
	}
	text := fmt.Sprintf("Within 500 ms %s lets most requests execute, %s", best.Name, percent(-at(best)))
	if native := p.policy("native"); native != nil && native != best && finite(at(native)) {
		text += ", native " + percent(-at(native))
	}
	return text + "."
}

// stateShares draws how the requests of each policy ended.
func stateShares(p *Policies) Figure {
	c := Chart{ID: "state-shares", Title: "How requests were served, by policy", Head: "Share of the requests"}
	var bars []Bar
	for i := range p.Policies {
		q := &p.Policies[i]
		n := float64(q.requests())
		if q.Kind == Bound || n == 0 {
			continue
		}
		b := Bar{Name: policyName(q)}
		for _, k := range []int64{q.Warm, q.DelayedWarm, q.Cold, q.Dropped} {
			b.Values = append(b.Values, float64(k)/n)
		}
		if q.Dropped > 0 {
			b.Note = percent(float64(q.Dropped)/n) + " dropped"
		}
		bars = append(bars, b)
	}
	if warm := bestOf(p, func(q *Policy) float64 { return -float64(q.Warm) }); warm != nil {
		c.Caption = fmt.Sprintf("%s starts the most requests warm at once, %s", warm.Name, percent(float64(warm.Warm)/float64(warm.requests())))
		if best := bestOf(p, func(q *Policy) float64 { return q.Latency.Mean }); best != nil && best != warm {
			c.Caption += fmt.Sprintf("; the lowest mean latency is that of %s with %s", best.Name, percent(float64(best.Warm)/float64(best.requests())))
		}
		c.Caption += "."
	}
	return Stacks(c, Scale{Percent: true}, []string{"warm", "delayed warm", "cold", "dropped"}, bars)
}

// liveMemory draws the memory of all containers over time.
func liveMemory(p *Policies) Figure {
	c := Chart{ID: "live-memory", Title: "Memory of containers over time", Head: "Memory of all containers, GB; smallest mean latency first"}
	sum := func(q *Policy) float64 { return mean(q.LiveGB) }
	if least := bestOf(p, sum); least != nil {
		c.Caption = fmt.Sprintf("%s holds the least memory, %s GB on average", least.Name, number(sum(least)))
		if most := bestOf(p, func(q *Policy) float64 { return -sum(q) }); most != least {
			c.Caption += fmt.Sprintf("; %s the most, %s GB", most.Name, number(sum(most)))
		}
		c.Caption += "."
	}
	return policyLines(c, p, Scale{Label: "minute of the trace"}, Scale{Zero: true}, func(q *Policy) (xs, ys []float64) {
		for i, v := range q.LiveGB {
			xs, ys = append(xs, float64(p.FirstMinute)+(float64(i)+0.5)*max(1, float64(p.StepMinutes))), append(ys, v)
		}
		return xs, ys
	})
}

// bestOf is the simulated policy with the smallest known value, nil if there is none.
func bestOf(p *Policies, of func(*Policy) float64) *Policy {
	var b *Policy
	for i := range p.Policies {
		q := &p.Policies[i]
		if q.Kind == Simulated && finite(of(q)) && (b == nil || of(q) < of(b)) {
			b = q
		}
	}
	return b
}

// mostNames is how many policies a scatter names whatever the room.
const mostNames = 14

// coldWasted draws what a policy pays against what it gets: wasted memory and cold
// starts. The line joins the policies that no other one beats in both.
func coldWasted(p *Policies) Figure {
	c := Chart{ID: "cold-wasted", Title: "Cold starts against wasted memory", Head: "Cold starts and dropped requests, share of the requests"}
	var marks []Mark
	var xs, ys []float64
	var simulated []int // numbers of marks
	lo, hi := math.Inf(1), 0.0
	chosen := leading(p)
	for i := range p.Policies {
		q := &p.Policies[i]
		w, cold := q.WastedGBS, q.coldShare()+float64(q.Dropped)/float64(q.requests())
		if !drawable(w) || w < 0 || !(cold >= 0 && cold <= 1) {
			continue
		}
		w = flat(w)
		if q.Kind == Simulated && q.Name != "oracle" {
			simulated = append(simulated, len(marks))
			xs, ys = append(xs, w), append(ys, cold)
		}
		lo, hi = min(lo, w), max(hi, w)
		marks = append(marks, Mark{Name: policyName(q), X: w, Y: cold, Ring: q.Kind != Simulated, Quiet: !chosen[q.Name]})
	}
	if len(marks) == 0 {
		return nothing(c.ID, "Cold starts against wasted memory are not drawn: no policy has both.")
	}
	var names []string
	for _, k := range sim.Front(xs, ys) {
		m := &marks[simulated[k]]
		m.Front, m.Quiet = true, false
		names = append(names, m.Name)
	}
	if len(marks) <= mostNames {
		for i := range marks {
			marks[i].Quiet = false
		}
	}
	x := Scale{Label: "wasted memory, GB·s", Zero: true}
	if lo > 0 && hi/lo > 50 {
		x = Scale{Label: "wasted memory, GB·s (log scale)", Log: true}
	}
	c.Caption = "No simulated policy can be compared."
	switch len(names) {
	case 0:
	case 1:
		c.Caption = names[0] + " has both the fewest cold starts and the least wasted memory."
	default:
		c.Caption = fmt.Sprintf("%s are beaten by no other policy in both cold starts and wasted memory (dashed line); the lower left corner is best.", list(names))
	}
	return Scatter(c, x, Scale{Percent: true, Zero: true}, marks)
}
