// Package knapsack solves the function priority scheduling problem of the Incendio
// paper (Eq. 5-7) on one invoker: choose how many of the waiting requests of each
// function to start,
//
//	maximise    sum_j p_j x_j
//	subject to  sum_j m_j x_j <= M,  sum_j v_j x_j <= V,  x_j integer in [0, n_j]
//
// with p the priority, m the memory and v the CPU of a copy, n the copies that wait
// and M, V what is free. Requests of a function are alike, so it is a bounded
// two-dimensional knapsack, not one with an item per request.
//
// A [Solver] has five methods: [Solver.Exact] by dynamic programming, [Solver.Branch] by
// branch and bound, which stops at a limit and says how far the optimum can be,
// [Solver.Greedy] by density, [Solver.Swap], greedy and repaired, and [Solver.Refill], the best of
// several greedy ones, repaired by exchanges of two.
package knapsack

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// A Class is the waiting requests of one function.
type Class struct {
	Value  float64 // of a copy; a class of value 0 or less is not chosen
	Memory int64   // bytes of a copy, >= 0
	CPU    float64 // cores of a copy, >= 0
	Copies int     // >= 0
}

// A Problem is an instance.
type Problem struct {
	Memory  int64   // free, bytes
	CPU     float64 // free, cores
	Classes []Class

	// Quanta of the table that Exact fills. Sizes are rounded up and the capacity
	// down, so a solution always fits; it is the best one where sizes and capacity are
	// multiples of the quanta. 0: 32 MB and 0.25 cores.
	MemoryQuantum int64
	CPUQuantum    float64
}

// Quanta where a Problem sets none: the smallest container of the Incendio paper, and half of
// the smallest CPU.
const (
	DefaultMemoryQuantum = 32 << 20
	DefaultCPUQuantum    = 0.25
)

// A Solution says how many copies of each class to start.
type Solution struct {
	Copies []int // by class; it belongs to the Solver until its next call
	Value  float64
}

// A Solver keeps its tables between calls. The zero value is ready; one goroutine uses it.
type Solver struct {
	copies []int
	order  []int
	items  []item
	sizes  []size
	groups []int32 // by cell: 1 + the place of its size in sizes, else 0
	best   []float64
	taken  []uint64
	key    []float64

	// Of Refill.
	chosen, kept []int
	leastMemory  int64
	leastCPU     float64
}

// rounding forgives the errors of sums and quotients of fractions of cores.
const rounding = 1e-9

func (s *Solver) reset(n int) {
	s.copies = slices.Grow(s.copies[:0], n)[:n]
	clear(s.copies)
}

// solution adds the values up in order of class.
func (s *Solver) solution(p *Problem) Solution {
	var value float64
	for j, n := range s.copies {
		value += float64(n) * p.Classes[j].Value
	}
	return Solution{s.copies, value}
}

// Exact returns the best solution on the grid of quanta.
//
// Four thoughts keep the table small. Classes of equal size differ in value alone, so
// of each size only as many copies as fit are items, those of the greatest value. A copy
// is no item if there are more copies that are no larger and worth no less than can be
// taken at once (Martello and Toth, Knapsack Problems, 1990, on dominance). n equal
// copies are about log2(n) items of 1, 2, 4, … copies. And where CPU runs out first, the
// table ends at the memory that can be used with it, and the other way round.
func (s *Solver) Exact(p Problem) Solution {
	s.reset(len(p.Classes))
	qm, qv := p.MemoryQuantum, p.CPUQuantum
	if qm <= 0 {
		qm = DefaultMemoryQuantum
	}
	if qv <= 0 {
		qv = DefaultCPUQuantum
	}
	if p.Memory < 0 || p.CPU < -rounding {
		return s.solution(&p)
	}
	capM, capV := int(p.Memory/qm), int(math.Floor(p.CPU/qv+rounding))
	s.collect(&p, qm, qv, capM, capV)
	capM, capV = s.usable(capM, capV)

	// best[v*(capM+1)+m] is the best value with at most m and v quanta.
	width := capM + 1
	cells := width * (capV + 1)
	s.best = slices.Grow(s.best[:0], cells)[:cells]
	clear(s.best)
	words := (cells + 63) / 64
	s.taken = slices.Grow(s.taken[:0], words*len(s.items))[:words*len(s.items)]
	clear(s.taken)
	for k := range s.items {
		it := &s.items[k]
		taken := s.taken[k*words : (k+1)*words]
		// Downwards, so that what is read does not yet hold this item.
		for v := capV; v >= it.cpu; v-- {
			cell := v*width + it.memory
			to := s.best[cell : (v+1)*width]
			from := s.best[(v-it.cpu)*width:][:len(to)]
			for m := len(to) - 1; m >= 0; m-- {
				if with := from[m] + it.value; with > to[m] {
					to[m] = with
					taken[(cell+m)>>6] |= 1 << ((cell + m) & 63)
				}
			}
		}
	}
	m, v := capM, capV
	for k := len(s.items) - 1; k >= 0; k-- {
		cell := v*width + m
		if s.taken[k*words+cell>>6]&(1<<(cell&63)) != 0 {
			it := &s.items[k]
			s.copies[it.class] += int(it.copies)
			m -= it.memory
			v -= it.cpu
		}
	}
	return s.solution(&p)
}

// Greedy takes copies in the order of value per size, p/(m/M + v/V), as long as they fit.
func (s *Solver) Greedy(p Problem) Solution {
	s.reset(len(p.Classes))
	s.greedy(&p)
	return s.solution(&p)
}

// greedy fills s.copies and returns what stays free.
func (s *Solver) greedy(p *Problem) (memory int64, cpu float64) {
	s.order, s.key = s.order[:0], s.key[:0]
	for j, c := range p.Classes {
		size := 0.0
		if p.Memory > 0 {
			size += float64(c.Memory) / float64(p.Memory)
		}
		if p.CPU > 0 {
			size += c.CPU / p.CPU
		}
		density := math.Inf(1)
		if size > 0 {
			density = c.Value / size
		}
		s.key = append(s.key, density)
		if c.Value > 0 && c.Copies > 0 {
			s.order = append(s.order, j)
		}
	}
	slices.SortFunc(s.order, func(a, b int) int {
		return cmp.Or(cmp.Compare(s.key[b], s.key[a]), cmp.Compare(a, b))
	})
	memory, cpu = p.Memory, p.CPU
	for _, j := range s.order {
		c := &p.Classes[j]
		n := fitting(c, c.Copies, memory, cpu)
		s.copies[j] += n
		memory -= int64(n) * c.Memory
		cpu -= float64(n) * c.CPU
	}
	return memory, cpu
}

// fitting is how many of up to most copies of c fit what is free.
func fitting(c *Class, most int, memory int64, cpu float64) int {
	if memory < 0 || cpu < -rounding {
		return 0
	}
	n := most
	if c.Memory > 0 {
		n = int(min(int64(n), memory/c.Memory))
	}
	if c.CPU > 0 {
		n = int(min(float64(n), math.Floor((cpu+rounding)/c.CPU)))
	}
	return max(0, n)
}

// Swap is Greedy and then, while it gains, replaces one or two copies of one class by as
// many copies of another as then fit, the most valuable exchange first.
func (s *Solver) Swap(p Problem) Solution {
	s.reset(len(p.Classes))
	memory, cpu := s.greedy(&p)
	// Every exchange raises the value; the limit only bounds the time.
	for range 4 * bits.Len(uint(len(p.Classes))+1) {
		gain, out, in, nOut, nIn := rounding, -1, -1, 0, 0
		for a, have := range s.copies {
			for k := 1; k <= min(2, have); k++ {
				old := &p.Classes[a]
				m, v := memory+int64(k)*old.Memory, cpu+float64(k)*old.CPU
				for _, b := range s.order {
					if b == a {
						continue
					}
					c := &p.Classes[b]
					n := fitting(c, c.Copies-s.copies[b], m, v)
					if g := float64(n)*c.Value - float64(k)*old.Value; g > gain {
						gain, out, in, nOut, nIn = g, a, b, k, n
					}
				}
			}
		}
		if out < 0 {
			break
		}
		s.copies[out] -= nOut
		s.copies[in] += nIn
		memory += int64(nOut)*p.Classes[out].Memory - int64(nIn)*p.Classes[in].Memory
		cpu += float64(nOut)*p.Classes[out].CPU - float64(nIn)*p.Classes[in].CPU
		for _, j := range s.order { // and what fits beside it
			c := &p.Classes[j]
			n := fitting(c, c.Copies-s.copies[j], memory, cpu)
			s.copies[j] += n
			memory -= int64(n) * c.Memory
			cpu -= float64(n) * c.CPU
		}
	}
	return s.solution(&p)
}
