package queueing

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// A Group is demands that share what their group gets: the functions of a user, say.
type Group struct {
	Weight  float64   // > 0, against other groups
	Demand  []float64 // >= 0
	Weights []float64 // > 0, within the group; as many
}

// HierarchicalMaxMin divides capacity between groups, and what each gets between its
// members, both by [WeightedMaxMin]: a group demands what its members demand. Nobody
// in a group can so take from another group what that has a right to, however many of
// them there are (LaSS, HPDC 2021).
func HierarchicalMaxMin(groups []Group, capacity float64) [][]float64 {
	demand, weight := make([]float64, len(groups)), make([]float64, len(groups))
	for i, g := range groups {
		weight[i] = g.Weight
		for _, d := range g.Demand {
			demand[i] += d
		}
	}
	out := make([][]float64, len(groups))
	for i, share := range WeightedMaxMin(demand, weight, capacity) {
		out[i] = WeightedMaxMin(groups[i].Demand, groups[i].Weights, share)
	}
	return out
}

// Whole rounds shares to whole numbers with a sum of at most capacity, by largest
// remainders (ties: the first), none above its demand; and where there is enough, no
// one that demands something is left with nothing: the one with the most gives it up.
func Whole(shares []float64, demand []int, capacity int) []int {
	if len(shares) != len(demand) {
		panic(fmt.Sprintf("queueing: %d shares and %d demands", len(shares), len(demand)))
	}
	const rounding = 1e-9 // of sums: 2.9999999999 is 3
	out := make([]int, len(shares))
	order := make([]int, 0, len(shares))
	left, wanted := capacity, 0
	for i, x := range shares {
		out[i] = min(demand[i], int(math.Floor(x+rounding)))
		left -= out[i]
		order = append(order, i)
		if demand[i] > 0 {
			wanted++
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(shares[b]-float64(out[b]), shares[a]-float64(out[a]))
	})
	for _, i := range order {
		if left > 0 && out[i] < demand[i] && shares[i] > float64(out[i])+rounding {
			out[i]++
			left--
		}
	}
	if capacity < wanted {
		return out
	}
	for i := range out {
		if out[i] > 0 || demand[i] == 0 {
			continue
		}
		if left > 0 {
			left--
		} else {
			most := 0
			for k := range out {
				if out[k] > out[most] {
					most = k
				}
			}
			out[most]--
		}
		out[i] = 1
	}
	return out
}
