package gbdt

// On amd64 the kernels are in assembly for two instructions that Go does not have: one
// asks for the bins of a later row without waiting for them, the other adds a gradient
// and a hessian at once (SSE2, which every amd64 has; the lanes are added apart, so the
// sums are the same). They do not look at the lengths of slices.

func addSigns(s *[groupWidth][256]uint32, blocks []uint8, stride int, rows []int32, codes []uint8, increments *[256]uint32, from, to int) {
	if len(rows) == 0 {
		return
	}
	if from == 0 && to == groupWidth/4 {
		addSigns16(s, &blocks[0], stride, &rows[0], len(rows), &codes[0], increments)
		return
	}
	for q := from; q < to; q++ {
		addSigns4((*[4][256]uint32)(s[4*q:]), &blocks[4*q], stride, &rows[0], len(rows), &codes[0], increments)
	}
}

func addGradients(s *[groupWidth][256]cell, blocks []uint8, stride int, rows []int32, gradients []gradient, from, to int) {
	if len(rows) == 0 {
		return
	}
	if from == 0 && to == groupWidth/4 {
		addGradients16(s, &blocks[0], stride, &rows[0], len(rows), &gradients[0])
		return
	}
	for q := from; q < to; q++ {
		addGradients4((*[4][256]cell)(s[4*q:]), &blocks[4*q], stride, &rows[0], len(rows), &gradients[0])
	}
}

//go:noescape
func addSigns16(s *[groupWidth][256]uint32, blocks *uint8, stride int, rows *int32, n int, codes *uint8, increments *[256]uint32)

//go:noescape
func addSigns4(s *[4][256]uint32, blocks *uint8, stride int, rows *int32, n int, codes *uint8, increments *[256]uint32)

//go:noescape
func addGradients16(s *[groupWidth][256]cell, blocks *uint8, stride int, rows *int32, n int, gradients *gradient)

//go:noescape
func addGradients4(s *[4][256]cell, blocks *uint8, stride int, rows *int32, n int, gradients *gradient)
