package decide

import (
	"cmp"
	"math/bits"
	"slices"
)

// ranks is a set of functions in the order of their memory. It is a tree of bits, 64
// to a word, of which a bit says that the word below it is not zero: to add, to remove
// and to find the next takes a step per level, and there are four for 16 million functions.
type ranks struct {
	rank   []int32      // by function
	order  []FunctionID // by rank
	levels [][]uint64   // levels[0] by rank
}

func newRanks(functions []function) *ranks {
	s := &ranks{rank: make([]int32, len(functions)), order: make([]FunctionID, len(functions))}
	for f := range s.order {
		s.order[f] = FunctionID(f)
	}
	slices.SortStableFunc(s.order, func(a, b FunctionID) int {
		return cmp.Compare(functions[a].Memory, functions[b].Memory)
	})
	for r, f := range s.order {
		s.rank[f] = int32(r)
	}
	for n := len(functions); ; {
		n = (n + 63) / 64
		s.levels = append(s.levels, make([]uint64, n))
		if n <= 1 {
			return s
		}
	}
}

func (s *ranks) add(f FunctionID) {
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

func (s *ranks) remove(f FunctionID) {
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

// next is the first member from rank i on, or None.
func (s *ranks) next(i int) FunctionID {
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
