package agent

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// A Gemm computes C = A B + beta C of row-major matrices without gaps, where A has shape
// (m, k), or (k, m) and is taken transposed, B (k, n), or (n, k) and is taken
// transposed, and C (m, n). It is the door for a faster kernel.
type Gemm func(transA, transB bool, m, n, k int, a, b []float32, beta float32, c []float32)

// gonumGemm is the portable default.
func gonumGemm(transA, transB bool, m, n, k int, a, b []float32, beta float32, c []float32) {
	if m == 0 || n == 0 {
		return
	}
	ta, tb := blas.NoTrans, blas.NoTrans
	ra, ca, rb, cb := m, k, k, n
	if transA {
		ta, ra, ca = blas.Trans, k, m
	}
	if transB {
		tb, rb, cb = blas.Trans, n, k
	}
	blas32.Gemm(ta, tb, 1,
		blas32.General{Rows: ra, Cols: ca, Stride: ca, Data: a},
		blas32.General{Rows: rb, Cols: cb, Stride: cb, Data: b},
		beta,
		blas32.General{Rows: m, Cols: n, Stride: n, Data: c})
}
