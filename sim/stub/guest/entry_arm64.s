#include "textflag.h"

#define SYS_write 64
#define SYS_kill 129
#define SYS_rt_sigreturn 139
#define SYS_getpid 172
#define SIGSTOP 19
#define SIGTSTP 20

// func entry() uintptr
TEXT ·entry(SB),NOSPLIT,$0-8
	MOVD	$·start(SB), R0
	MOVD	R0, ret+0(FP)
	RET

// start is called by the kernel with the count of arguments, the arguments and
// the environment on the stack. Go code finds its g in R28: nobody is there, and the
// bound of nobody's stack is 0.
TEXT ·start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVD	RSP, R0
	MOVD	$·nobody(SB), g
	SUB	$64, RSP
	MOVD	R0, 8(RSP)
	BL	·run(SB)
	BRK

// func handler() uintptr
TEXT ·handler(SB),NOSPLIT,$0-8
	MOVD	$·onSignal(SB), R0
	MOVD	R0, ret+0(FP)
	RET

// func restorer() uintptr
TEXT ·restorer(SB),NOSPLIT,$0-8
	MOVD	$·restore(SB), R0
	MOVD	R0, ret+0(FP)
	RET

// The kernel calls it with the signal in R0; the message is the kind and eight
// bytes, little endian.
TEXT ·onSignal(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	SUB	$32, RSP
	MOVW	R0, 16(RSP)
	MOVD	$'S', R1
	MOVB	R1, 0(RSP)
	MOVW	R0, 1(RSP)
	MOVW	ZR, 5(RSP)
	MOVWU	·events(SB), R0
	MOVD	RSP, R1
	MOVD	$9, R2
	MOVD	$SYS_write, R8
	SVC
	MOVW	16(RSP), R3
	CMPW	$SIGTSTP, R3
	BNE	done
	MOVD	$SYS_getpid, R8
	SVC
	MOVD	$SIGSTOP, R1
	MOVD	$SYS_kill, R8
	SVC
done:
	ADD	$32, RSP
	RET

TEXT ·restore(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVD	$SYS_rt_sigreturn, R8
	SVC
	BRK
