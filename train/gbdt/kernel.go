package gbdt

// The kernels add rows to histograms. Blocks are groupWidth bytes at stride apart, the
// bins of one row each; rows index them. Bins are uint8 and histograms have 256 places,
// so no bin can leave them.

// prefetchRows is the number of rows whose bins are touched before they are added.
// A loop that only reads lets cache misses overlap; stores to unknown addresses keep
// them from it. (The assembly asks for the bins of later rows instead.)
const prefetchRows = 64

// addSignsGeneric adds increments[codes[i]] to the bins of the features [4*from, 4*to)
// for every i of rows, in order.
func addSignsGeneric(s *[groupWidth][256]uint32, blocks []uint8, stride int, rows []int32, codes []uint8, increments *[256]uint32, from, to int) {
	for len(rows) > 0 {
		chunk := rows[:min(prefetchRows, len(rows))]
		rows = rows[len(chunk):]
		touch(blocks, stride, chunk)
		for q := from; q < to; q++ {
			s0, s1, s2, s3 := &s[4*q&15], &s[(4*q+1)&15], &s[(4*q+2)&15], &s[(4*q+3)&15]
			for _, i := range chunk {
				b := (*[4]uint8)(blocks[int(i)*stride+4*q:])
				// It comes from memory, because the compiler would split a constant count
				// and a variable sign into two additions.
				v := increments[codes[i]]
				s0[b[0]] += v
				s1[b[1]] += v
				s2[b[2]] += v
				s3[b[3]] += v
			}
		}
	}
}

// addGradientsGeneric adds gradients[i] to the bins of the features [4*from, 4*to) for
// every i of rows, in order.
func addGradientsGeneric(s *[groupWidth][256]cell, blocks []uint8, stride int, rows []int32, gradients []gradient, from, to int) {
	for len(rows) > 0 {
		chunk := rows[:min(prefetchRows, len(rows))]
		rows = rows[len(chunk):]
		touch(blocks, stride, chunk)
		for q := from; q < to; q++ {
			s0, s1, s2, s3 := &s[4*q&15], &s[(4*q+1)&15], &s[(4*q+2)&15], &s[(4*q+3)&15]
			for _, i := range chunk {
				b := (*[4]uint8)(blocks[int(i)*stride+4*q:])
				g, h := float64(gradients[i].g), float64(gradients[i].h)
				c := &s0[b[0]]
				c.g += g
				c.h += h
				c = &s1[b[1]]
				c.g += g
				c.h += h
				c = &s2[b[2]]
				c.g += g
				c.h += h
				c = &s3[b[3]]
				c.g += g
				c.h += h
			}
		}
	}
}

// touch reads one byte of every row. The result keeps the compiler from dropping it.
//
//go:noinline
func touch(blocks []uint8, stride int, rows []int32) uint8 {
	var s uint8
	for _, i := range rows {
		s |= blocks[int(i)*stride]
	}
	return s
}
