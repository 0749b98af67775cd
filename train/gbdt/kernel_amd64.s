#include "textflag.h"

// In all kernels, DI is the first histogram, SI the block of row 0, R12 the stride, DX
// the place in rows, CX the number of rows left and BX what the rows add. A bin is a byte,
// so no address can leave the histograms.

// The rows of a leaf are far apart, so the hardware does not guess them: each row asks for
// what the row AHEAD places later needs. The last AHEAD rows ask for nothing.
#define AHEAD 32

// SIGN adds R10 to feature j of the block at R8; a histogram is 256 sums of 4 bytes.
#define SIGN(j) \
	MOVBLZX (j)(R8), R9; \
	ADDL    R10, ((j)*1024)(DI)(R9*4)

#define SIGNS4(j) \
	SIGN(j); \
	SIGN(j+1); \
	SIGN(j+2); \
	SIGN(j+3)

// SIGN_NEXT prefetches a later row.
#define SIGN_NEXT \
	MOVLQSX    (4*AHEAD)(DX), R13; \
	PREFETCHT0 (BX)(R13*1); \
	IMULQ      R12, R13; \
	PREFETCHT0 (SI)(R13*1)

// SIGN_ROW makes R8 the block of the row and R10 what it adds.
#define SIGN_ROW \
	MOVLQSX (DX), R8; \
	MOVBLZX (BX)(R8*1), R9; \
	MOVL    (R11)(R9*4), R10; \
	IMULQ   R12, R8; \
	ADDQ    SI, R8; \
	ADDQ    $4, DX

#define SIGN_ARGS \
	MOVQ s+0(FP), DI; \
	MOVQ blocks+8(FP), SI; \
	MOVQ stride+16(FP), R12; \
	MOVQ rows+24(FP), DX; \
	MOVQ n+32(FP), CX; \
	MOVQ codes+40(FP), BX; \
	MOVQ increments+48(FP), R11

// GRADIENT adds X0 to feature j of the block at R8; a histogram is 256 cells of 16 bytes.
#define GRADIENT(j, X) \
	MOVBLZX (j)(R8), R9; \
	SHLL    $4, R9; \
	MOVUPD  ((j)*4096)(DI)(R9*1), X; \
	ADDPD   X0, X; \
	MOVUPD  X, ((j)*4096)(DI)(R9*1)

#define GRADIENTS4(j) \
	GRADIENT(j, X1); \
	GRADIENT(j+1, X2); \
	GRADIENT(j+2, X3); \
	GRADIENT(j+3, X4)

#define GRADIENT_NEXT \
	MOVLQSX    (4*AHEAD)(DX), R13; \
	PREFETCHT0 (BX)(R13*8); \
	IMULQ      R12, R13; \
	PREFETCHT0 (SI)(R13*1)

// GRADIENT_ROW makes R8 the block of the row and X0 what it adds.
#define GRADIENT_ROW \
	MOVLQSX  (DX), R8; \
	CVTPS2PD (BX)(R8*8), X0; \
	IMULQ    R12, R8; \
	ADDQ     SI, R8; \
	ADDQ     $4, DX

#define GRADIENT_ARGS \
	MOVQ s+0(FP), DI; \
	MOVQ blocks+8(FP), SI; \
	MOVQ stride+16(FP), R12; \
	MOVQ rows+24(FP), DX; \
	MOVQ n+32(FP), CX; \
	MOVQ gradients+40(FP), BX

// func addSigns16(s *[groupWidth][256]uint32, blocks *uint8, stride int, rows *int32, n int, codes *uint8, increments *[256]uint32)
TEXT ·addSigns16(SB), NOSPLIT, $0-56
	SIGN_ARGS
	SUBQ $AHEAD, CX
	JLE  rest

ahead:
	SIGN_NEXT
	SIGN_ROW
	SIGNS4(0)
	SIGNS4(4)
	SIGNS4(8)
	SIGNS4(12)
	DECQ CX
	JNZ  ahead

rest:
	ADDQ $AHEAD, CX
	JLE  done

row:
	SIGN_ROW
	SIGNS4(0)
	SIGNS4(4)
	SIGNS4(8)
	SIGNS4(12)
	DECQ CX
	JNZ  row

done:
	RET

// func addSigns4(s *[4][256]uint32, blocks *uint8, stride int, rows *int32, n int, codes *uint8, increments *[256]uint32)
TEXT ·addSigns4(SB), NOSPLIT, $0-56
	SIGN_ARGS
	SUBQ $AHEAD, CX
	JLE  rest

ahead:
	SIGN_NEXT
	SIGN_ROW
	SIGNS4(0)
	DECQ CX
	JNZ  ahead

rest:
	ADDQ $AHEAD, CX
	JLE  done

row:
	SIGN_ROW
	SIGNS4(0)
	DECQ CX
	JNZ  row

done:
	RET

// func addGradients16(s *[groupWidth][256]cell, blocks *uint8, stride int, rows *int32, n int, gradients *gradient)
TEXT ·addGradients16(SB), NOSPLIT, $0-48
	GRADIENT_ARGS
	SUBQ $AHEAD, CX
	JLE  rest

ahead:
	GRADIENT_NEXT
	GRADIENT_ROW
	GRADIENTS4(0)
	GRADIENTS4(4)
	GRADIENTS4(8)
	GRADIENTS4(12)
	DECQ CX
	JNZ  ahead

rest:
	ADDQ $AHEAD, CX
	JLE  done

row:
	GRADIENT_ROW
	GRADIENTS4(0)
	GRADIENTS4(4)
	GRADIENTS4(8)
	GRADIENTS4(12)
	DECQ CX
	JNZ  row

done:
	RET

// func addGradients4(s *[4][256]cell, blocks *uint8, stride int, rows *int32, n int, gradients *gradient)
TEXT ·addGradients4(SB), NOSPLIT, $0-48
	GRADIENT_ARGS
	SUBQ $AHEAD, CX
	JLE  rest

ahead:
	GRADIENT_NEXT
	GRADIENT_ROW
	GRADIENTS4(0)
	DECQ CX
	JNZ  ahead

rest:
	ADDQ $AHEAD, CX
	JLE  done

row:
	GRADIENT_ROW
	GRADIENTS4(0)
	DECQ CX
	JNZ  row

done:
	RET
