/*
 * arch-x86_64/uaccess.S - the instructions that touch user memory.
 *
 *	size_t __copy_user(void *to, const void *from, size_t n)	bytes NOT copied
 *	size_t __clear_user(void *to, size_t n)				bytes NOT cleared
 *	long __strncpy_user(char *to, const char *from, long n)		length, n, or -EFAULT
 *
 * An instruction that may fault has an entry {its address, where to go on} in __ex_table; the page-fault
 * handler (fault.c) looks there when an address cannot be served. After a fault among the 8-byte words the
 * rest goes byte by byte, so that everything up to the bad page is copied and the count is exact.
 *
 * With SMAP, user memory is open only between stac and clac. Linux: arch/x86/lib/copy_user_64.S.
 */
#define EFAULT 14

.macro OPEN_USER
	cmpb	$0, cpu_has_smap(%rip)
	je	.Lskip\@
	stac
.Lskip\@:
.endm
.macro CLOSE_USER
	cmpb	$0, cpu_has_smap(%rip)
	je	.Lskip\@
	clac
.Lskip\@:
.endm
.macro EX_TABLE from, to
	.pushsection __ex_table, "a"
	.balign 8
	.quad	\from, \to
	.popsection
.endm
.macro FUNC name
	.balign 16
	.globl \name
	.type \name, @function
\name:
	.cfi_startproc
.endm
.macro END name
	.cfi_endproc
	.size \name, . - \name
.endm

	.cfi_sections .debug_frame
	.text

FUNC __copy_user
	OPEN_USER
	movq	%rdx, %rcx
	shrq	$3, %rcx
	andl	$7, %edx
1:	rep movsq
	movl	%edx, %ecx
2:	rep movsb
3:	CLOSE_USER
	movq	%rcx, %rax
	ret
4:	leaq	(%rdx, %rcx, 8), %rcx	/* what is left, in bytes */
	jmp	2b
	EX_TABLE 1b, 4b
	EX_TABLE 2b, 3b
END __copy_user

FUNC __clear_user
	OPEN_USER
	xorl	%eax, %eax
	movq	%rsi, %rcx
	shrq	$3, %rcx
	andl	$7, %esi
1:	rep stosq
	movl	%esi, %ecx
2:	rep stosb
3:	CLOSE_USER
	movq	%rcx, %rax
	ret
4:	leaq	(%rsi, %rcx, 8), %rcx
	jmp	2b
	EX_TABLE 1b, 4b
	EX_TABLE 2b, 3b
END __clear_user

/*
 * Bytes up to a multiple of 8 of the source, then words until one has a zero byte (a word on such a boundary
 * lies in one page: it can be read if its first byte can), then bytes again.
 */
FUNC __strncpy_user
	OPEN_USER
	xorl	%eax, %eax
	movabsq	$0x0101010101010101, %r8
	movabsq	$0x8080808080808080, %r9
1:	cmpq	%rdx, %rax
	jae	3f
	leaq	(%rsi, %rax), %rcx
	testb	$7, %cl
	jnz	2f
	leaq	8(%rax), %rcx
	cmpq	%rdx, %rcx
	ja	2f
5:	movq	(%rsi, %rax), %r10
	movq	%r10, %rcx
	movq	%r10, %r11
	subq	%r8, %rcx
	notq	%r11
	andq	%r11, %rcx
	testq	%r9, %rcx		/* (word - 0x01..) & ~word & 0x80..: some byte is zero */
	jnz	2f
	movq	%r10, (%rdi, %rax)
	addq	$8, %rax
	jmp	1b
2:	movb	(%rsi, %rax), %cl
	movb	%cl, (%rdi, %rax)
	testb	%cl, %cl
	jz	3f
	incq	%rax
	jmp	1b
3:	CLOSE_USER
	ret
4:	movq	$-EFAULT, %rax
	jmp	3b
	EX_TABLE 2b, 4b
	EX_TABLE 5b, 4b
END __strncpy_user

	.section .note.GNU-stack, "", @progbits
