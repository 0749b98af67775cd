package gbdt

import (
	"math"
	"slices"
)

// random is LightGBM's linear congruential generator. It is weak, and it is kept so
// that bags and feature subsets are the same as LightGBM's for the same seed.
type random struct{ x uint32 }

func newRandom(seed int) *random { return &random{x: uint32(seed)} }

func (r *random) next() uint32 {
	r.x = 214013*r.x + 2531011
	return r.x
}

// float returns a draw from [0, 1) in steps of 2^-15.
func (r *random) float() float32 {
	return float32(r.next()>>16&0x7fff) / 32768
}

// below returns a draw from [0, n).
func (r *random) below(n int) int {
	return int(r.next()&0x7fffffff) % n
}

// sample returns k of the numbers [0, n) in ascending order, none when k is not in [1, n].
func (r *random) sample(n, k int) []int {
	switch {
	case k <= 0 || k > n:
		return nil
	case k == n:
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return all
	case k > 1 && float64(k) > float64(n)/math.Log2(float64(k)):
		chosen := make([]int, 0, k)
		for i := range n {
			p := float64(k-len(chosen)) / float64(n-i)
			if float64(r.float()) < p {
				chosen = append(chosen, i)
			}
		}
		return chosen
	}
	// The method of Floyd (Bentley, "Programming Pearls: a sample of brilliance", 1987).
	in := make(map[int]struct{}, k)
	chosen := make([]int, 0, k)
	for i := n - k; i < n; i++ {
		v := r.below(i + 1)
		if _, ok := in[v]; ok {
			v = i
		}
		in[v] = struct{}{}
		chosen = append(chosen, v)
	}
	slices.Sort(chosen)
	return chosen
}

// Seeds are what one seed of LightGBM stands for.
type Seeds struct{ Data, Bagging, Feature int }

// DeriveSeeds returns the seeds that LightGBM derives from its parameter seed.
func DeriveSeeds(seed int) Seeds {
	r := newRandom(seed)
	draw := func() int { return int(r.next()>>16&0x7fff) % math.MaxInt16 }
	var s Seeds
	s.Data = draw()
	s.Bagging = draw()
	draw() // of dropped trees, which only another kind of boosting has
	s.Feature = draw()
	return s
}
