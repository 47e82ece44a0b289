/*
 * arch-x86_64/switch.S - from one kernel stack to another.
 *
 *	void *switch_stacks(unsigned long *prev_sp, unsigned long next_sp, prev, next)
 *
 * Pushes what the C calling convention wants preserved, leaves the stack pointer in *PREV_SP, takes NEXT_SP
 * and pops NEXT's. Then goes to __switch_to(prev, next), whose return is the return of NEXT's own earlier
 * call. A new task's stack (process.c: copy_thread) is laid out as if it had called from ret_from_fork_asm.
 *
 * => interrupts off, run-queue lock held
 */
	.cfi_sections .debug_frame
	.text
	.balign 16
	.globl switch_stacks
	.type switch_stacks, @function
switch_stacks:
	.cfi_startproc
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0

	movq	%rsp, (%rdi)
	movq	%rsi, %rsp

	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	movq	%rdx, %rdi
	movq	%rcx, %rsi
	jmp	__switch_to
	.cfi_endproc
	.size switch_stacks, . - switch_stacks
	.section .note.GNU-stack, "", @progbits
