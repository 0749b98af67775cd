package sim

import (
	"cmp"
	"slices"
)

// Front returns the numbers of the points (x[i], y[i]) that no other point beats: none
// is as small in both and smaller in one. They are in order of x, equal points in their
// own order. It is the Pareto front where less is better in both.
func Front(x, y []float64) []int {
	order := make([]int, min(len(x), len(y)))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(x[a], x[b]), cmp.Compare(y[a], y[b]))
	})
	var front []int
	for _, i := range order {
		if n := len(front); n > 0 {
			last := front[n-1]
			if y[i] > y[last] || y[i] == y[last] && x[i] != x[last] {
				continue
			}
		}
		front = append(front, i)
	}
	return front
}

// front names the rows that no other one beats in both cold starts and wasted memory. A
// dropped request counts as a cold start: giving it up must not look like a warm one.
// Bounds and policies that know the future are on no front: nobody can run them.
func (rep *Report) front(policies []Contender) {
	var rows []*Row
	for i, p := range policies {
		if p.Kind == "" && !p.Clairvoyant {
			rows = append(rows, &rep.Policies[i])
		}
	}
	rep.Pareto = []string{}
	for _, i := range frontOf(rows) {
		rep.Pareto = append(rep.Pareto, rows[i].Name)
	}
}

func frontOf(rows []*Row) []int {
	wasted, cold := make([]float64, len(rows)), make([]float64, len(rows))
	for i, r := range rows {
		wasted[i], cold[i] = r.WastedGBS, float64(r.Cold+r.Dropped)
	}
	return Front(wasted, cold)
}

// A FrontPoint is a policy at a value of a sweep that no other policy at any value beats
// in both cold starts, dropped requests counted among them, and wasted memory.
type FrontPoint struct {
	Value     float64 `json:"value"`
	Policy    string  `json:"policy"`
	Cold      int64   `json:"cold"`
	Dropped   int64   `json:"dropped"`
	WastedGBS float64 `json:"wasted_gb_s"`
}

// front is over all points: of those that beat the rest at their own value, the ones
// that no other value beats. Values that ask for other numbers of requests have no
// common front.
func (rep *SweepReport) front() []FrontPoint {
	var rows []*Row
	var values []float64
	for _, p := range rep.Points {
		if p.Report.Requests != rep.Points[0].Report.Requests {
			return nil
		}
		for i := range p.Report.Policies {
			if r := &p.Report.Policies[i]; slices.Contains(p.Report.Pareto, r.Name) {
				rows, values = append(rows, r), append(values, p.Value)
			}
		}
	}
	var out []FrontPoint
	for _, i := range frontOf(rows) {
		r := rows[i]
		out = append(out, FrontPoint{values[i], r.Name, r.Cold, r.Dropped, r.WastedGBS})
	}
	return out
}
