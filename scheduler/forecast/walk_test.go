package forecast

import (
	"testing"

	"github.com/incendio-faas/incendio/internal/seed"
)

// The walks of the platform reach the leaves that the portable ones do.
func TestWalks(t *testing.T) {
	r := seed.Stream(1, "forecast/test/walk")
	for range 50 {
		// A random tree: inner nodes go to two new ones, the others are leaves.
		depth := r.IntN(9)
		nodes, ends := []node{0}, []int{0}
		for range depth {
			var below []int
			for _, i := range ends {
				if r.IntN(4) == 0 {
					nodes[i] = newNode(0, 0, highest)
					continue
				}
				nodes[i] = newNode(r.IntN(maxRankColumns), len(nodes)-i, r.IntN(highest))
				below = append(below, len(nodes), len(nodes)+1)
				nodes = append(nodes, 0, 0)
			}
			ends = below
		}
		for _, i := range ends {
			nodes[i] = newNode(0, 0, highest)
		}
		value, ranked := make([]float64, len(nodes)), make([]ranks, 3*lanes)
		for i := range value {
			value[i] = r.NormFloat64()
		}
		for i := range ranked {
			for j := range ranked[i] {
				ranked[i][j] = uint8(r.IntN(256))
			}
		}
		var got, want [lanes]uint32
		walkTrees(nodes, &got, &ranked[0], depth)
		walkTreesGeneric(nodes, &want, &ranked[0], depth)
		if got != want {
			t.Fatalf("walk of %d steps ends at %v, expected %v", depth, got, want)
		}
		var sums, all [3 * lanes]float64
		addTree(sums[:], nodes, value, ranked, depth)
		addTreeGeneric(all[:], nodes, value, ranked, depth)
		if sums != all {
			t.Fatalf("sums of %d steps are %v, expected %v", depth, sums, all)
		}
	}
}
