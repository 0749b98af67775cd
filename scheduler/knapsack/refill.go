package knapsack

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// weighings are how many mixtures of memory and CPU Refill tries as the size of a copy.
const weighings = 9

// refined is how many of the greedy solutions are repaired.
const refined = 3

// Refill repairs the three best of nine greedy solutions, and returns the best: while it gains, it
// takes one or two copies out and fills what they leave with copies of other classes, the best
// exchange first. The nine differ in what the size of a copy is, w m/M + (1-w) v/V: where one
// of the two runs out first the other counts for little, and it is not known before which one
// does.
//
// Up to about 64 classes it is faster than Exact; with many more it is not.
func (s *Solver) Refill(p Problem) Solution {
	s.least(&p)
	type try struct {
		w     int
		value float64
	}
	var tries [weighings]try
	for w := range weighings {
		s.reset(len(p.Classes))
		s.weigh(&p, weight(w))
		s.fill(&p, p.Memory, p.CPU)
		tries[w] = try{w, s.solution(&p).Value}
	}
	slices.SortStableFunc(tries[:], func(a, b try) int { return cmp.Compare(b.value, a.value) })
	var value float64
	for i := range refined {
		if v := s.refine(&p, weight(tries[i].w)); i == 0 || v > value {
			value = v
			s.kept = append(s.kept[:0], s.copies...)
		}
	}
	copy(s.copies, s.kept)
	return s.solution(&p)
}

// refine repairs a greedy solution and returns its value.
func (s *Solver) refine(p *Problem, w float64) float64 {
	s.reset(len(p.Classes))
	s.weigh(p, w)
	memory, cpu := s.fill(p, p.Memory, p.CPU)
	// Every exchange raises the value; the limit only bounds the time.
	for range 4 * bits.Len(uint(len(p.Classes))+1) {
		gain, first, second := rounding, -1, -1
		s.chosen = s.chosen[:0]
		for j, n := range s.copies {
			if n > 0 {
				s.chosen = append(s.chosen, j)
			}
		}
		for i, a := range s.chosen {
			out := &p.Classes[a]
			if g := s.gain(p, a, a, memory+out.Memory, cpu+out.CPU) - out.Value; g > gain {
				gain, first, second = g, a, -1
			}
			for _, b := range s.chosen[i:] {
				if a == b && s.copies[a] < 2 {
					continue
				}
				other := &p.Classes[b]
				if g := s.gain(p, a, b, memory+out.Memory+other.Memory, cpu+out.CPU+other.CPU) - out.Value - other.Value; g > gain {
					gain, first, second = g, a, b
				}
			}
		}
		if first < 0 {
			break
		}
		for _, j := range [2]int{first, second} {
			if j >= 0 {
				s.copies[j]--
				memory, cpu = memory+p.Classes[j].Memory, cpu+p.Classes[j].CPU
			}
		}
		for _, j := range s.order { // as gain has it
			if j != first && j != second {
				memory, cpu = s.take(p, j, memory, cpu)
			}
		}
		memory, cpu = s.fill(p, memory, cpu)
	}
	return s.solution(p).Value
}

// least finds the smallest memory and CPU of a copy: with less left nothing fits.
func (s *Solver) least(p *Problem) {
	s.leastMemory, s.leastCPU = math.MaxInt64, math.Inf(1)
	for _, c := range p.Classes {
		if c.Value > 0 && c.Copies > 0 {
			s.leastMemory, s.leastCPU = min(s.leastMemory, c.Memory), min(s.leastCPU, c.CPU)
		}
	}
}

// weight is that of memory in the w-th mixture.
func weight(w int) float64 { return float64(w+1) / (weighings + 1) }

// weigh orders the classes by value per size.
func (s *Solver) weigh(p *Problem, w float64) {
	s.order, s.key = s.order[:0], s.key[:0]
	for j, c := range p.Classes {
		size := 0.0
		if p.Memory > 0 {
			size += w * float64(c.Memory) / float64(p.Memory)
		}
		if p.CPU > 0 {
			size += (1 - w) * c.CPU / p.CPU
		}
		s.key = append(s.key, c.Value/max(size, rounding))
		if c.Value > 0 && c.Copies > 0 {
			s.order = append(s.order, j)
		}
	}
	slices.SortFunc(s.order, func(a, b int) int {
		return cmp.Or(cmp.Compare(s.key[b], s.key[a]), cmp.Compare(a, b))
	})
}

// fill takes what fits, in order, and returns what stays free.
func (s *Solver) fill(p *Problem, memory int64, cpu float64) (int64, float64) {
	for _, j := range s.order {
		memory, cpu = s.take(p, j, memory, cpu)
	}
	return memory, cpu
}

// take takes as many copies of class j as fit.
func (s *Solver) take(p *Problem, j int, memory int64, cpu float64) (int64, float64) {
	c := &p.Classes[j]
	n := fitting(c, c.Copies-s.copies[j], memory, cpu)
	s.copies[j] += n
	return memory - int64(n)*c.Memory, cpu - float64(n)*c.CPU
}

// gain is the value of what fits, in order, of classes other than a and b.
func (s *Solver) gain(p *Problem, a, b int, memory int64, cpu float64) float64 {
	value := 0.0
	for _, j := range s.order {
		if memory < s.leastMemory || cpu+rounding < s.leastCPU {
			break
		}
		if j == a || j == b {
			continue
		}
		c := &p.Classes[j]
		if c.Memory > memory || c.CPU > cpu+rounding {
			continue
		}
		n := fitting(c, c.Copies-s.copies[j], memory, cpu)
		value += float64(n) * c.Value
		memory -= int64(n) * c.Memory
		cpu -= float64(n) * c.CPU
	}
	return value
}
