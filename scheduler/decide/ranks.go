package decide

import (
	"cmp"
	"math/bits"
	"slices"
)

// A memoryOrder numbers the functions in the order of their memory, and in their own
// among equals. The numbers are called ranks.
//
// Functions that come later have the ranks after these, in the order in which they come, up to
// a number that grows with that of the functions: then all are sorted anew.
type memoryOrder struct {
	rank   []int32      // by function
	order  []FunctionID // by rank
	sorted int          // ranks below are in order
	room   int          // ranks that there may be
}

func newMemoryOrder(functions []function, spare int) *memoryOrder {
	n := len(functions)
	o := &memoryOrder{rank: make([]int32, n, n+spare), order: make([]FunctionID, n, n+spare), sorted: n, room: n + spare}
	for f := range o.order {
		o.order[f] = FunctionID(f)
	}
	slices.SortStableFunc(o.order, func(a, b FunctionID) int {
		return cmp.Compare(functions[a].Memory, functions[b].Memory)
	})
	for r, f := range o.order {
		o.rank[f] = int32(r)
	}
	return o
}

// A FunctionSet is a set of functions in the order of their memory, and in their own among
// equals; those that were deployed lately come after these. It is a tree of bits, 64 to a word, of which a bit says that the word below it is
// not zero: to add, to remove and to find the next takes a step per level, and there are
// four for 16 million functions.
type FunctionSet struct {
	*memoryOrder
	levels [][]uint64 // levels[0] by rank
}

// NewFunctionSet returns an empty set of functions of the state that is viewed.
func (v Snapshot) NewFunctionSet() *FunctionSet {
	if v.s.order == nil {
		v.s.order = newMemoryOrder(v.s.functions, v.s.spare())
	}
	s := &FunctionSet{memoryOrder: v.s.order}
	for n := s.room; ; {
		n = (n + 63) / 64
		s.levels = append(s.levels, make([]uint64, n))
		if n <= 1 {
			return s
		}
	}
}

// Current reports whether s is one of v as it is: else functions were deployed or have changed that
// it does not know, and another set takes its place.
func (s *FunctionSet) Current(v Snapshot) bool { return s.memoryOrder == v.s.order }

// Add puts f into the set, if it is not there.
func (s *FunctionSet) Add(f FunctionID) {
	i := int(s.rank[f])
	for _, level := range s.levels {
		word := &level[i>>6]
		was := *word
		*word |= 1 << (i & 63)
		if was != 0 {
			return
		}
		i >>= 6
	}
}

// Remove takes f out of the set, if it is there.
func (s *FunctionSet) Remove(f FunctionID) {
	i := int(s.rank[f])
	for _, level := range s.levels {
		word := &level[i>>6]
		*word &^= 1 << (i & 63)
		if *word != 0 {
			return
		}
		i >>= 6
	}
}

// Clear takes all functions out of the set.
func (s *FunctionSet) Clear() {
	for _, level := range s.levels {
		clear(level)
	}
}

// Has reports whether f is in the set.
func (s *FunctionSet) Has(f FunctionID) bool {
	i := s.rank[f]
	return s.levels[0][i>>6]&(1<<(i&63)) != 0
}

// First is the member with the least memory, or None.
func (s *FunctionSet) First() FunctionID { return s.from(0) }

// After is the member that comes next after f, or None.
func (s *FunctionSet) After(f FunctionID) FunctionID { return s.from(int(s.rank[f]) + 1) }

// Beyond is the member after f, or None, that may have less memory than f.
func (s *FunctionSet) Beyond(f FunctionID) FunctionID { return s.from(max(int(s.rank[f])+1, s.sorted)) }

// from is the first member from rank i on, or None.
func (s *FunctionSet) from(i int) FunctionID {
	// Up, until a word has a bit from i on, and down to the first below that bit.
	for k := 0; k < len(s.levels); k++ {
		if i>>6 >= len(s.levels[k]) {
			return None
		}
		if rest := s.levels[k][i>>6] >> (i & 63); rest != 0 {
			i += bits.TrailingZeros64(rest)
			for k--; k >= 0; k-- {
				i = i<<6 + bits.TrailingZeros64(s.levels[k][i])
			}
			return s.order[i]
		}
		i = i>>6 + 1
	}
	return None
}
