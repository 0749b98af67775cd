#include "textflag.h"

// func addQuad(cells *[4][256]cell, bins *[gatherRows]block, q int, addend *[gatherRows]cell, n int)
//
// DI is the first histogram of 256 cells of 16 bytes, SI the four bins of a row, DX its
// addend, CX the rows left. A bin is a byte, so no address can leave the histograms.
TEXT ·addQuad(SB), NOSPLIT, $0-40
	MOVQ cells+0(FP), DI
	MOVQ bins+8(FP), SI
	MOVQ q+16(FP), AX
	ANDQ $3, AX
	LEAQ (SI)(AX*4), SI
	MOVQ addend+24(FP), DX
	MOVQ n+32(FP), CX
	TESTQ CX, CX
	JLE  done

row:
	MOVL    (SI), AX
	MOVUPD  (DX), X0
	MOVBLZX AL, R8
	MOVL    AX, R9
	SHRL    $8, R9
	MOVBLZX R9, R9
	MOVL    AX, R10
	SHRL    $16, R10
	MOVBLZX R10, R10
	SHRL    $24, AX
	SHLL    $4, R8
	SHLL    $4, R9
	SHLL    $4, R10
	SHLL    $4, AX
	MOVUPD  (DI)(R8*1), X1
	MOVUPD  4096(DI)(R9*1), X2
	MOVUPD  8192(DI)(R10*1), X3
	MOVUPD  12288(DI)(AX*1), X4
	ADDPD   X0, X1
	ADDPD   X0, X2
	ADDPD   X0, X3
	ADDPD   X0, X4
	MOVUPD  X1, (DI)(R8*1)
	MOVUPD  X2, 4096(DI)(R9*1)
	MOVUPD  X3, 8192(DI)(R10*1)
	MOVUPD  X4, 12288(DI)(AX*1)
	ADDQ    $16, SI
	ADDQ    $16, DX
	DECQ    CX
	JNZ     row

done:
	RET
