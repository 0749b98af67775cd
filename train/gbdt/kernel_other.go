//go:build !amd64

package gbdt

func addQuad(cells *[4][256]cell, bins *[gatherRows]block, q int, addend *[gatherRows]cell, n int) {
	addQuadGeneric(cells, bins, q, addend, n)
}
