#include "textflag.h"

#define SYS_write 1
#define SYS_rt_sigreturn 15
#define SYS_getpid 39
#define SYS_kill 62
#define SYS_arch_prctl 158
#define ARCH_SET_FS 0x1002
#define SIGSTOP 19
#define SIGTSTP 20

// func entry() uintptr
TEXT ·entry(SB),NOSPLIT,$0-8
	LEAQ	·start(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// start is called by the kernel with the count of arguments, the arguments and
// the environment on the stack. Go code finds its g in R14 and at -8(FS): nobody is
// there, and the bound of nobody's stack is 0. X15 is zero.
TEXT ·start(SB),NOSPLIT|NOFRAME|TOPFRAME,$0
	MOVQ	SP, BX
	LEAQ	·nobody(SB), R14
	MOVQ	R14, ·thread(SB)
	MOVL	$ARCH_SET_FS, DI
	LEAQ	·thread+8(SB), SI
	MOVL	$SYS_arch_prctl, AX
	SYSCALL
	XORPS	X15, X15
	SUBQ	$64, SP
	ANDQ	$~15, SP
	MOVQ	BX, 0(SP)
	CALL	·run(SB)
	INT	$3

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
