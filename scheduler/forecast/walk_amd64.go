package forecast

// The walks are in assembly because Go's compiler keeps eight ways down a tree in memory,
// and because a comparison whose outcome is added needs no branch there: a step takes a
// third of the time. They do not look at the length of nodes; no way leaves a tree.

func walkTrees(nodes []node, at *[lanes]uint32, ranks *ranks, depth int) {
	walkTrees8(&nodes[0], at, ranks, depth)
}

func addTree(sums []float64, nodes []node, value []float64, ranked []ranks, depth int) {
	addTree8(&sums[0], len(sums)/lanes, &nodes[0], &value[0], &ranked[0], depth)
}

//go:noescape
func walkTrees8(nodes *node, at *[lanes]uint32, ranks *ranks, depth int)

//go:noescape
func addTree8(sums *float64, blocks int, nodes *node, value *float64, ranked *ranks, depth int)
