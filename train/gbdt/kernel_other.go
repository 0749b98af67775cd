//go:build !amd64

package gbdt

func addSigns(s *[groupWidth][256]uint32, blocks []uint8, stride int, rows []int32, codes []uint8, increments *[256]uint32, from, to int) {
	addSignsGeneric(s, blocks, stride, rows, codes, increments, from, to)
}

func addGradients(s *[groupWidth][256]cell, blocks []uint8, stride int, rows []int32, gradients []gradient, from, to int) {
	addGradientsGeneric(s, blocks, stride, rows, gradients, from, to)
}
