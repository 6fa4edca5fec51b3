#include "textflag.h"

#define SYS_write 1
#define SYS_rt_sigreturn 15
#define SYS_getpid 39
#define SYS_kill 62
#define SIGSTOP 19
#define SIGTSTP 20

// func handler() uintptr
TEXT ·handler(SB),NOSPLIT,$0-8
	LEAQ	·onSignal(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// func restorer() uintptr
TEXT ·restorer(SB),NOSPLIT,$0-8
	LEAQ	·restore(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// The kernel calls it with the signal in DI; the message is the kind and eight
// bytes, little endian.
TEXT ·onSignal(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	SUBQ	$24, SP
	MOVL	DI, 16(SP)
	MOVB	$'S', 0(SP)
	MOVL	DI, 1(SP)
	MOVL	$0, 5(SP)
	MOVL	·events(SB), DI
	MOVQ	SP, SI
	MOVL	$9, DX
	MOVL	$SYS_write, AX
	SYSCALL
	CMPL	16(SP), $SIGTSTP
	JNE	done
	MOVL	$SYS_getpid, AX
	SYSCALL
	MOVL	AX, DI
	MOVL	$SIGSTOP, SI
	MOVL	$SYS_kill, AX
	SYSCALL
done:
	ADDQ	$24, SP
	RET

TEXT ·restore(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVL	$SYS_rt_sigreturn, AX
	SYSCALL
	INT	$3
