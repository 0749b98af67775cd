package knapsack

import (
	"cmp"
	"math"
	"slices"
)

// An item is a number of copies of a class that are taken together or not at all.
type item struct {
	value  float64
	memory int // quanta
	cpu    int
	class  int32
	copies int32
}

// A size is what the classes of one size share: their items stand together.
type size struct {
	memory, cpu int
	fit         int // copies of it that fit alone
	n, at       int // its items are items[at : at+n]
	copies      int // of those
}

// collect lists the items by memory, then CPU, then falling value, then class.
func (s *Solver) collect(p *Problem, qm int64, qv float64, capM, capV int) {
	s.list(p, qm, qv, capM, capV)
	s.group(capM, capV)
	for k := range s.sizes {
		s.trim(k, capM, capV)
	}
	// What is left, in powers of two.
	n := len(s.items)
	for _, z := range s.sizes {
		for _, it := range s.items[z.at : z.at+z.n] {
			left := int(it.copies)
			for part := 1; left > 0; part *= 2 {
				take := min(part, left)
				left -= take
				s.items = append(s.items, item{it.value * float64(take), it.memory * take, it.cpu * take, it.class, int32(take)})
			}
		}
	}
	s.items = append(s.items[:0], s.items[n:]...)
}

// list makes an item of each class that fits, in their order, with all its copies; those
// that cost nothing are taken.
func (s *Solver) list(p *Problem, qm int64, qv float64, capM, capV int) {
	s.items = s.items[:0]
	// Classes have few sizes: most quotients are those of the class before or of one
	// that was seen not long ago.
	memory, cpu := int64(-1), -1.0
	var m, v int
	for j := range p.Classes {
		c := &p.Classes[j]
		if !(c.Value > 0) || c.Copies <= 0 || c.Memory > p.Memory {
			continue
		}
		if c.Memory != memory {
			memory, m = c.Memory, int((c.Memory+qm-1)/qm)
		}
		if c.CPU != cpu {
			cpu = c.CPU
			v = int(max(0, min(math.Ceil(cpu/qv-rounding), float64(capV)+1)))
		}
		switch {
		case m > capM || v > capV:
		case m == 0 && v == 0: // it costs nothing
			s.copies[j] = c.Copies
		default:
			s.items = append(s.items, item{c.Value, m, v, int32(j), int32(min(c.Copies, math.MaxInt32))})
		}
	}
}

// group puts the items of a size together, in the order of their classes, and the sizes
// in order.
func (s *Solver) group(capM, capV int) {
	cells := (capM + 1) * (capV + 1)
	if cap(s.groups) < cells {
		s.groups = make([]int32, cells)
	}
	groups := s.groups[:cells] // all 0
	s.sizes = s.sizes[:0]
	for _, it := range s.items {
		g := &groups[it.memory*(capV+1)+it.cpu]
		if *g == 0 {
			s.sizes = append(s.sizes, size{memory: it.memory, cpu: it.cpu, fit: fits(it.memory, it.cpu, capM, capV)})
			*g = int32(len(s.sizes))
		}
		s.sizes[*g-1].n++
	}
	slices.SortFunc(s.sizes, func(a, b size) int {
		return cmp.Or(cmp.Compare(a.memory, b.memory), cmp.Compare(a.cpu, b.cpu))
	})
	n, at := len(s.items), 0
	for k := range s.sizes {
		z := &s.sizes[k]
		groups[z.memory*(capV+1)+z.cpu] = int32(k + 1)
		z.at = at
		at += z.n
		z.n = 0
	}
	s.items = slices.Grow(s.items, n)[:2*n]
	for _, it := range s.items[:n] {
		z := &s.sizes[groups[it.memory*(capV+1)+it.cpu]-1]
		s.items[n+z.at+z.n] = it
		z.n++
	}
	for _, z := range s.sizes {
		groups[z.memory*(capV+1)+z.cpu] = 0
	}
	s.items = append(s.items[:0], s.items[n:]...)
}

// fits is how many copies of a size fit.
func fits(memory, cpu, capM, capV int) int {
	n := math.MaxInt32
	if memory > 0 {
		n = capM / memory
	}
	if cpu > 0 {
		n = min(n, capV/cpu)
	}
	return n
}

// trim leaves of the items of a size those copies that an optimum can need, by falling value.
func (s *Solver) trim(k, capM, capV int) {
	z := &s.sizes[k]
	items := s.items[z.at : z.at+z.n]
	if z.fit < len(items) {
		items = items[:first(items, z.fit)]
	} else {
		slices.SortFunc(items, func(a, b item) int {
			return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(a.class, b.class))
		})
	}
	z.n = 0
	for i := range items {
		it := &items[i]
		if z.copies == z.fit || s.dominated(k, it.value, capM, capV) {
			break // and what is worth less is too
		}
		it.copies = int32(min(int(it.copies), z.fit-z.copies))
		z.copies += int(it.copies)
		z.n++
	}
}

// first moves the n most valuable items to the front, by falling value and then class,
// if there are so many; the items come in the order of their classes.
func first(items []item, n int) int {
	have := 0
	for i := range items {
		it := items[i]
		if have == n && !(it.value > items[have-1].value) {
			continue
		}
		if have < n {
			have++
		}
		k := have - 1
		for ; k > 0 && it.value > items[k-1].value; k-- {
			items[k] = items[k-1]
		}
		items[k] = it
	}
	return have
}

// dominated reports whether copies of that value of size k are of no use: of what is no
// larger and worth no less there are as many copies as could be taken at once.
func (s *Solver) dominated(k int, value float64, capM, capV int) bool {
	z := &s.sizes[k]
	memory, cpu, copies := math.MaxInt, math.MaxInt, 0
	for g := range s.sizes[:k] {
		y := &s.sizes[g]
		if y.memory > z.memory {
			break
		}
		if y.cpu > z.cpu || y.copies == 0 {
			continue
		}
		n := 0
		for _, it := range s.items[y.at : y.at+y.n] {
			if it.value < value {
				break
			}
			n += int(it.copies)
		}
		if n == 0 {
			continue
		}
		if n >= y.fit {
			return true
		}
		copies += n
		memory, cpu = min(memory, y.memory), min(cpu, y.cpu)
		if copies >= fits(memory, cpu, capM, capV) {
			return true
		}
	}
	return false
}

// usable is how much of the capacity any choice of items can use: where each takes of
// the other, not more than as much as that allows for those that take the most for it.
func (s *Solver) usable(capM, capV int) (memory, cpu int) {
	var sumM, sumV, freeM, freeV int // of all, and of those that take nothing of the other
	var perV, perM float64
	for i := range s.items {
		it := &s.items[i]
		sumM += it.memory
		sumV += it.cpu
		if it.cpu == 0 {
			freeM += it.memory
		} else {
			perV = max(perV, float64(it.memory)/float64(it.cpu))
		}
		if it.memory == 0 {
			freeV += it.cpu
		} else {
			perM = max(perM, float64(it.cpu)/float64(it.memory))
		}
	}
	memory = min(capM, sumM, freeM+int(math.Ceil(perV*float64(capV))))
	cpu = min(capV, sumV, freeV+int(math.Ceil(perM*float64(capM))))
	return memory, cpu
}
