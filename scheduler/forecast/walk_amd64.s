#include "textflag.h"

// Eight registers hold places of nodes: R8 to R13, R15 and SI. CX points at the nodes and
// DI at the ranks; R14 counts the steps left. (It holds g elsewhere, but not in ABI0.)

// STEP goes from the node at I to a child: BL is its column, BH its cut, DX the way to the
// left child. The ranks of its row are at DI plus ROW. The comparison sets the carry if the
// cut is below the rank, and the way to the right child is one longer.
#define STEP(I, ROW) \
	MOVWLZX (CX)(I*4), BX; \
	MOVWLZX 2(CX)(I*4), DX; \
	MOVBLZX BL, AX; \
	CMPB    BH, (ROW)(DI)(AX*1); \
	ADCL    DX, I

// ADD adds the value of the leaf of lane J; BX points at the values and DX at the sums.
#define ADD(J, I) \
	MOVSD (8*J)(DX), X0; \
	ADDSD (BX)(I*8), X0; \
	MOVSD X0, (8*J)(DX)

// func walkTrees8(nodes *node, at *[lanes]uint32, ranks *ranks, depth int)
TEXT ·walkTrees8(SB), NOSPLIT, $0-32
	MOVQ nodes+0(FP), CX
	MOVQ at+8(FP), DX
	MOVQ ranks+16(FP), DI
	MOVL 0(DX), R8
	MOVL 4(DX), R9
	MOVL 8(DX), R10
	MOVL 12(DX), R11
	MOVL 16(DX), R12
	MOVL 20(DX), R13
	MOVL 24(DX), R15
	MOVL 28(DX), SI
	MOVQ depth+24(FP), R14
	TESTQ R14, R14
	JLE  done

deeper:
	STEP(R8, 0)
	STEP(R9, 0)
	STEP(R10, 0)
	STEP(R11, 0)
	STEP(R12, 0)
	STEP(R13, 0)
	STEP(R15, 0)
	STEP(SI, 0)
	DECQ R14
	JNZ  deeper

done:
	MOVQ at+8(FP), DX
	MOVL R8, 0(DX)
	MOVL R9, 4(DX)
	MOVL R10, 8(DX)
	MOVL R11, 12(DX)
	MOVL R12, 16(DX)
	MOVL R13, 20(DX)
	MOVL R15, 24(DX)
	MOVL SI, 28(DX)
	RET

// func addTree8(sums *float64, blocks int, nodes *node, value *float64, ranked *ranks, depth int)
TEXT ·addTree8(SB), NOSPLIT, $0-48
	MOVQ nodes+16(FP), CX
	MOVQ ranked+32(FP), DI

block:
	DECQ blocks+8(FP)
	JLT  done
	MOVQ depth+40(FP), R14
	XORL R8, R8
	XORL R9, R9
	XORL R10, R10
	XORL R11, R11
	XORL R12, R12
	XORL R13, R13
	XORL R15, R15
	XORL SI, SI
	TESTQ R14, R14
	JLE  bottom

deeper:
	STEP(R8, 0)
	STEP(R9, 256)
	STEP(R10, 512)
	STEP(R11, 768)
	STEP(R12, 1024)
	STEP(R13, 1280)
	STEP(R15, 1536)
	STEP(SI, 1792)
	DECQ R14
	JNZ  deeper

bottom:
	MOVQ sums+0(FP), DX
	MOVQ value+24(FP), BX
	ADD(0, R8)
	ADD(1, R9)
	ADD(2, R10)
	ADD(3, R11)
	ADD(4, R12)
	ADD(5, R13)
	ADD(6, R15)
	ADD(7, SI)
	ADDQ $64, sums+0(FP)
	ADDQ $(8*256), DI
	JMP  block

done:
	RET
