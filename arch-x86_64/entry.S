/*
 * arch-x86_64/entry.S - every way into the kernel and back out.
 *
 *	exception, interrupt -> stub -> trap_entry -> do_trap() / do_irq() -+-> to user: exit work, iretq
 *	                                                                    +-> to kernel: preempt?, iretq
 *	SYSCALL ---------------------> entry_syscall -> do_syscall_64() -----> exit work, sysretq or iretq
 *	NMI, double fault, #MC ------> paranoid_entry -> do_paranoid() ------> iretq (own stacks)
 *	a new task's first switch ---> ret_from_fork_asm -> ret_from_fork() -> as after a system call
 *
 * All of them build a struct pt_regs on top of the stack. Every call into C is made with 8 bytes of padding
 * below the pt_regs (the stack is 16-byte aligned then); dump.c relies on it: a return address into
 * .entry.text means that the pt_regs are 24 bytes above the called function's frame pointer.
 *
 * The CFI says for each instruction where the interrupted registers are, so that gdb's bt, up and finish
 * cross the trap. gs: kernel's per-CPU base inside, the user's outside; swapgs at each crossing.
 *
 * Not here: page-table isolation and the other mitigations of Linux's entry_64.S (the machine is emulated and
 * has one user). Linux: arch/x86/entry/entry_64.S.
 */
#include "arch-x86_64/internal.h"

#define MSR_GS_BASE	0xc0000101
#define USER_DS		0x2b
#define USER_CS		0x33
#define ENOSYS		38

/* Offsets in struct pt_regs (process.c asserts them). */
#define REGS_ORIG_AX	120
#define REGS_CS		136
#define REGS_SIZE	168
#define TSS_SP0		4

	.cfi_sections .debug_frame
	.section .entry.text, "ax"

/* On entry to these: stack = [di slot] [orig_ax slot] ip cs flags sp ss, CFA above ss. */
.macro CFI_TRAP_FRAME
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 56
	.cfi_offset rip, -40
	.cfi_offset rsp, -16
.endm

.macro PUSH reg, offset
	pushq	%\reg
	.cfi_adjust_cfa_offset 8
	.cfi_offset \reg, \offset
.endm

.macro POP reg
	popq	%\reg
	.cfi_adjust_cfa_offset -8
	.cfi_restore \reg
.endm

/* All but di, which the callers put into its slot. */
.macro PUSH_REGS
	PUSH rsi, -64
	PUSH rdx, -72
	PUSH rcx, -80
	PUSH rax, -88
	PUSH r8, -96
	PUSH r9, -104
	PUSH r10, -112
	PUSH r11, -120
	PUSH rbx, -128
	PUSH rbp, -136
	PUSH r12, -144
	PUSH r13, -152
	PUSH r14, -160
	PUSH r15, -168
.endm

.macro POP_REGS
	POP r15
	POP r14
	POP r13
	POP r12
	POP rbp
	POP rbx
	POP r11
	POP r10
	POP r9
	POP r8
	POP rax
	POP rcx
	POP rdx
	POP rsi
	POP rdi
.endm

/* A user may have set AC, and a fault in user-copy code comes with AC set: close that door again. */
.macro CLEAR_AC
	cmpb	$0, cpu_has_smap(%rip)
	je	.Lno_smap\@
	clac
.Lno_smap\@:
.endm

/* Leave: drop orig_ax and return. */
.macro IRET
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	iretq
.endm

/*
 * One slot for each vector; those without an error code of the CPU push 0 in its place.
 */
	.balign VECTOR_STUB_SIZE
	.globl vector_stubs
vector_stubs:
	.set vector, 0
	.rept 256
	.balign VECTOR_STUB_SIZE
	.set has_code, vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
	.if !(has_code || vector == 29 || vector == 30)
	pushq	$0
	.endif
	pushq	$vector
	jmp	trap_entry
	.set vector, vector + 1
	.endr

	.balign 16
	.type trap_entry, @function
trap_entry:
	CFI_TRAP_FRAME
	cld
	CLEAR_AC
	xchgq	%rdi, (%rsp)		/* di into its slot, the vector out of it */
	.cfi_offset rdi, -56
	PUSH_REGS
	movl	%edi, %esi
	testb	$3, REGS_CS(%rsp)
	jz	1f
	swapgs
	xorl	%ebp, %ebp		/* the end of our backtraces; gdb goes on by CFI */
1:	movq	%rsp, %rdi
	movq	$do_trap, %rax
	movq	$do_irq, %rcx
	cmpl	$32, %esi
	cmovaeq	%rcx, %rax
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	*%rax
	cli
	leaq	8(%rsp), %rdi
	testb	$3, REGS_CS(%rdi)
	jnz	return_to_user
	call	irq_return_to_kernel
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	.cfi_remember_state
	POP_REGS
	IRET
	.cfi_restore_state
	.cfi_adjust_cfa_offset 8

/* rsp = pt_regs - 8, interrupts off. */
return_to_user:
	leaq	8(%rsp), %rdi
	call	prepare_exit_to_user_mode
restore_user:
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	POP_REGS
	swapgs
	IRET
	.cfi_endproc
	.size trap_entry, . - trap_entry

/*
 * SYSCALL: rcx = user rip, r11 = user flags, still on the user's stack, interrupts off (SFMASK).
 */
	.balign 16
	.globl entry_syscall
	.type entry_syscall, @function
entry_syscall:
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	swapgs
	movq	%rsp, %gs:user_sp_scratch
	movq	%gs:cpu_tss + TSS_SP0, %rsp
	.cfi_undefined rsp
	pushq	$USER_DS
	pushq	%gs:user_sp_scratch
	pushq	%r11
	pushq	$USER_CS
	pushq	%rcx
	pushq	%rax			/* orig_ax: the number */
	pushq	%rdi
	.cfi_def_cfa rsp, 56
	.cfi_offset rip, -40
	.cfi_offset rsp, -16
	.cfi_offset rdi, -56
	PUSH_REGS
	movq	$-ENOSYS, 80(%rsp)	/* ax: the answer unless somebody has a better one */
	xorl	%ebp, %ebp
	movq	%rsp, %rdi
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	sti
	call	do_syscall_64
return_from_syscall:
	cli
	leaq	8(%rsp), %rdi
	call	syscall_exit_to_user_mode
	testb	%al, %al
	jz	1f
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	.cfi_remember_state
	POP_REGS			/* rcx = ip and r11 = flags among them */
	movq	32(%rsp), %rsp		/* sp: from orig_ax over ip, cs, flags */
	.cfi_def_cfa rsp, 0
	.cfi_register rip, rcx
	.cfi_same_value rsp
	swapgs
	sysretq
	.cfi_restore_state
	.cfi_adjust_cfa_offset 8
1:	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	POP_REGS
	swapgs
	IRET
	.cfi_endproc
	.size entry_syscall, . - entry_syscall

/*
 * The first instructions of a new task, come to by switch_stacks(): rax = previous task, rbx = function or 0,
 * r12 = its argument, rsp = the pt_regs that copy_thread() made.
 */
	.globl ret_from_fork_asm
	.type ret_from_fork_asm, @function
ret_from_fork_asm:
	.cfi_startproc simple
	.cfi_signal_frame
	.cfi_def_cfa rsp, REGS_SIZE
	.cfi_offset rip, -40
	.cfi_offset rsp, -16
	.cfi_offset rbp, -136
	movq	%rax, %rdi
	movq	%rsp, %rsi
	movq	%rbx, %rdx
	movq	%r12, %rcx
	xorl	%ebp, %ebp
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	ret_from_fork
	jmp	return_from_syscall
	.cfi_endproc
	.size ret_from_fork_asm, . - ret_from_fork_asm

/*
 * NMI, double fault, machine check: on IST stacks, from anywhere. Which GS base is loaded cannot be known,
 * so the right one comes from the top of the stack (cpu.c) and the old one goes back afterwards.
 */
	.globl entry_nmi, entry_double_fault, entry_machine_check
entry_nmi:
	pushq	$0
	pushq	$X86_TRAP_NMI
	jmp	paranoid_entry
entry_machine_check:
	pushq	$0
	pushq	$X86_TRAP_MC
	jmp	paranoid_entry
entry_double_fault:
	pushq	$X86_TRAP_DF

	.type paranoid_entry, @function
paranoid_entry:
	CFI_TRAP_FRAME
	cld
	CLEAR_AC
	xchgq	%rdi, (%rsp)
	.cfi_offset rdi, -56
	PUSH_REGS
	movl	%edi, %esi
	movl	$MSR_GS_BASE, %ecx
	rdmsr
	movl	%eax, %r12d
	movl	%edx, %r13d
	movl	REGS_SIZE(%rsp), %eax
	movl	REGS_SIZE + 4(%rsp), %edx
	wrmsr
	testb	$3, REGS_CS(%rsp)
	jz	1f
	xorl	%ebp, %ebp
1:	movq	%rsp, %rdi
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	do_paranoid
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	movl	$MSR_GS_BASE, %ecx
	movl	%r12d, %eax
	movl	%r13d, %edx
	wrmsr
	POP_REGS
	IRET
	.cfi_endproc
	.size paranoid_entry, . - paranoid_entry

	.section .data..percpu, "aw"
	.balign 8
user_sp_scratch: .quad 0
	.section .note.GNU-stack, "", @progbits
