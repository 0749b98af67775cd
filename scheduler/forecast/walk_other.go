//go:build !amd64

package forecast

func walkTrees(nodes []node, at *[lanes]uint32, ranks *ranks, depth int) {
	walkTreesGeneric(nodes, at, ranks, depth)
}

func addTree(sums []float64, nodes []node, value []float64, ranked []ranks, depth int) {
	addTreeGeneric(sums, nodes, value, ranked, depth)
}
