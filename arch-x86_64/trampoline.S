/*
 * arch-x86_64/trampoline.S - an application processor's way from real mode to start_secondary().
 *
 *	SIPI --> 16 bit at 0x8000 --> 32 bit --> 64 bit, low --> 64 bit, kernel half --> start_secondary()
 *
 * smp.c copies everything between trampoline_start and trampoline_end to physical 0x8000 and fills in the
 * data at its end, for one AP at a time. trampoline_pgt maps that page 1:1 and the kernel half as well; the
 * stack may only be used with init_top_pgt. Linux: arch/x86/realmode/rm/trampoline_64.S.
 */

#define TRAMPOLINE	0x8000
#define AT(label)	(TRAMPOLINE + label - trampoline_start)
#define MSR_EFER	0xc0000080
#define MSR_GS_BASE	0xc0000101
#define CS32		0x08
#define DS32		0x18
#define CS64		0x10

	.section .rodata, "a"
	.balign 16
	.globl trampoline_start, trampoline_end
	.globl trampoline_pgt_addr, trampoline_stack, trampoline_gs_base

	.code16
trampoline_start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	AT(gdt_ptr)
	movl	%cr0, %eax
	orl	$1, %eax		/* protected mode */
	movl	%eax, %cr0
	ljmpl	$CS32, $AT(1f)

	.code32
1:	movw	$DS32, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$0x20, %eax		/* PAE */
	movl	%eax, %cr4
	movl	AT(trampoline_pgt_addr), %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$0x900, %eax		/* long mode, no-execute */
	wrmsr
	movl	$0x80010001, %eax	/* paging, write protection in ring 0, protected mode */
	movl	%eax, %cr0
	ljmpl	$CS64, $AT(2f)

	.code64
2:	movl	$AT(trampoline_stack), %esi
	movq	$secondary_entry, %rax
	jmp	*%rax

	.balign 8
gdt:	.quad 0
	.quad 0x00cf9b000000ffff	/* 32-bit code */
	.quad 0x00af9b000000ffff	/* 64-bit code */
	.quad 0x00cf93000000ffff	/* data */
gdt_ptr:
	.word . - gdt - 1
	.long AT(gdt)
	.balign 8
trampoline_pgt_addr:	.quad 0
trampoline_stack:	.quad 0		/* secondary_entry reads these two with one pointer */
trampoline_gs_base:	.quad 0
trampoline_end:

	.text
secondary_entry:
	movq	(%rsi), %rdi		/* stack */
	movl	8(%rsi), %eax		/* per-CPU offset */
	movl	12(%rsi), %edx
	movl	$MSR_GS_BASE, %ecx
	wrmsr
	movq	$init_top_pgt, %rax
	subq	$0xffffffff80000000, %rax
	movq	%rax, %cr3
	movq	%rdi, %rsp
	xorl	%ebp, %ebp		/* backtraces end here */
	pushq	$0
	jmp	start_secondary
	.section .note.GNU-stack, "", @progbits
