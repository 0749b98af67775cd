package gbdt

import "unsafe"

// hugeBytes is the size from which an array is worth asking large pages for.
const hugeBytes = 1 << 22

// makeLarge is make for the arrays of one value per row, which training reads out of
// order: with pages of 4 KB, most reads of a sparse leaf would miss the cache of page
// addresses, and on 1e6 rows of 30 features a histogram takes half as long again.
func makeLarge[T any](n int) []T {
	s := make([]T, n)
	var v T
	if size := n * int(unsafe.Sizeof(v)); size >= hugeBytes {
		adviseHuge(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), size))
	}
	return s
}
