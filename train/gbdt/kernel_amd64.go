package gbdt

// addQuad is addQuadGeneric with the gradient and the hessian added by one instruction
// (SSE2, which every amd64 has). The lanes are added apart, so the sums are the same.
//
//go:noescape
func addQuad(cells *[4][256]cell, bins *[gatherRows]block, q int, addend *[gatherRows]cell, n int)
