package knapsack

import (
	"cmp"
	"slices"
)

// A Limit ends a search before it has seen everything.
type Limit struct {
	// Nodes that are looked at, at most; 0: no limit. The same limit gives the same
	// solution everywhere.
	Nodes int
	// Expired, where not nil, is asked every thousand nodes or so, and true ends the
	// search. What comes of it depends on the machine.
	Expired func() bool
}

// A Certificate says how good a solution of [Solver.Branch] is.
type Certificate struct {
	Bound   float64 // no solution is worth more
	Optimal bool    // none is worth more than the one that was found
	Nodes   int     // that were looked at
}

// Branch searches depth first, the densest class first and most copies of it first. It
// leaves a branch when the best that it can hold, by the fractional relaxation of a
// surrogate constraint, is no better than what was found,
//
//	sum_j s_j x_j <= S,  s_j = a m_j/M + (1-a) v_j/V,  S = a + (1-a)
//
// of which the best is known in closed form: the densest first, the last one in part
// (Dantzig, Operations Research 5, 1957). The weight a in [0, 1] is the one with the
// least bound at the root, where that is the bound of the linear relaxation of both
// constraints (Glover, Operations Research 16, 1968).
//
// Sizes need not be multiples of anything. Where the limit ends the search the solution
// is the best so far, no worse than [Solver.Greedy]'s, and the certificate's bound is
// over the branches that were not seen.
func (s *Solver) Branch(p Problem, limit Limit) (Solution, Certificate) {
	s.reset(len(p.Classes))
	b := search{p: &p, limit: limit, best: s.copies}
	if p.Memory < 0 || p.CPU < -rounding {
		return s.solution(&p), Certificate{Optimal: true}
	}
	s.greedy(&p)
	for j := range p.Classes {
		c := &p.Classes[j]
		n := fitting(c, c.Copies, p.Memory, p.CPU)
		switch {
		case !(c.Value > 0) || n == 0:
		case c.Memory <= 0 && c.CPU <= 0: // greedy has taken all of it
			b.free += float64(c.Copies) * c.Value
		default:
			b.value += float64(s.copies[j]) * c.Value
			b.items = append(b.items, choice{class: j, value: c.Value, copies: n,
				memory: share(float64(c.Memory), float64(p.Memory)), cpu: share(c.CPU, p.CPU)})
		}
	}
	root := b.weigh()
	b.taken = make([]int, len(b.items))
	b.open = b.value
	b.visit(0, p.Memory, p.CPU, 0)
	solution := s.solution(&p)
	bound := min(root, b.open)
	return solution, Certificate{Bound: max(solution.Value, b.free+bound), Optimal: !b.stopped || bound <= b.value*(1+rounding), Nodes: b.nodes}
}

func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0 // it fits, so it needs none
	}
	return part / whole
}

// A choice is a class that could be taken.
type choice struct {
	class       int
	value       float64 // of a copy
	copies      int     // that fit alone
	memory, cpu float64 // of a copy, as shares of what is free
	size        float64 // in the surrogate constraint
}

// A search is the state of Branch.
type search struct {
	p     *Problem
	limit Limit
	items []choice // densest first
	a     float64  // weight of the memory

	// sizes[k] and values[k] are those of all copies of the first k items.
	sizes, values []float64

	taken   []int // by item, on the way to the present node
	best    []int // by class
	value   float64
	free    float64 // of the classes that cost nothing
	nodes   int
	stopped bool
	open    float64 // greatest bound of what was not looked at
}

// weigh sorts the items for the weight of least bound, and returns that bound.
func (b *search) weigh() float64 {
	bound := func(a float64) float64 {
		b.sort(a)
		return b.bound(0, 1)
	}
	// The bound is a convex function of the weight (Glover): golden sections find it.
	const golden = 0.6180339887498949
	low, high := 0.0, 1.0
	x, y := high-golden*(high-low), low+golden*(high-low)
	fx, fy := bound(x), bound(y)
	for range 24 {
		if fx <= fy {
			high, y, fy = y, x, fx
			x = high - golden*(high-low)
			fx = bound(x)
		} else {
			low, x, fx = x, y, fy
			y = low + golden*(high-low)
			fy = bound(y)
		}
	}
	a := x
	if fy < fx {
		a = y
	}
	return bound(a)
}

func (b *search) sort(a float64) {
	b.a = a
	for i := range b.items {
		it := &b.items[i]
		it.size = a*it.memory + (1-a)*it.cpu
	}
	slices.SortFunc(b.items, func(x, y choice) int {
		// value/size descending, without a division by zero
		return cmp.Or(cmp.Compare(y.value*x.size, x.value*y.size), cmp.Compare(x.class, y.class))
	})
	b.sizes, b.values = append(b.sizes[:0], 0), append(b.values[:0], 0)
	for k, it := range b.items {
		b.sizes = append(b.sizes, b.sizes[k]+float64(it.copies)*it.size)
		b.values = append(b.values, b.values[k]+float64(it.copies)*it.value)
	}
}

// bound is the most that the items from k on can be worth in what is left of the
// surrogate constraint.
func (b *search) bound(k int, left float64) float64 {
	i, found := slices.BinarySearch(b.sizes[k:], b.sizes[k]+left)
	i += k
	if found {
		return b.values[i] - b.values[k]
	}
	if i == len(b.sizes) {
		return b.values[i-1] - b.values[k]
	}
	// Items up to i-1 whole, and the last of them in part.
	it := &b.items[i-1]
	return b.values[i-1] - b.values[k] + (b.sizes[k]+left-b.sizes[i-1])/it.size*it.value
}

// left is what is left of the surrogate constraint.
func (b *search) left(memory int64, cpu float64) float64 {
	return b.a*share(float64(memory), float64(b.p.Memory)) + (1-b.a)*max(0, share(cpu, b.p.CPU)) + rounding
}

// visit looks at all ways to go on from item k with what is free and what was gained.
func (b *search) visit(k int, memory int64, cpu, value float64) {
	b.nodes++
	if b.limit.Nodes > 0 && b.nodes >= b.limit.Nodes || b.limit.Expired != nil && b.nodes&1023 == 0 && b.limit.Expired() {
		b.stopped = true
	}
	if value > b.value*(1+rounding) {
		b.value = value
		for i, it := range b.items {
			b.best[it.class] = 0
			if i < k {
				b.best[it.class] = b.taken[i]
			}
		}
	}
	if k == len(b.items) {
		return
	}
	c := &b.p.Classes[b.items[k].class]
	for n := fitting(c, b.items[k].copies, memory, cpu); n >= 0; n-- {
		m, v, w := memory-int64(n)*c.Memory, cpu-float64(n)*c.CPU, value+float64(n)*c.Value
		most := w + b.bound(k+1, b.left(m, v))
		if most <= b.value*(1+rounding) {
			return // and fewer copies of the densest are worth no more
		}
		if b.stopped {
			b.open = max(b.open, most)
			return // the bound of fewer copies is no greater
		}
		b.taken[k] = n
		b.visit(k+1, m, v, w)
	}
}
